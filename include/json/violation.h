/* What is wrong with a document, told so that a web developer understands it. */
#ifndef HEADGATE_JSON_VIOLATION_H
#define HEADGATE_JSON_VIOLATION_H

#include "base/arena.h"
#include "base/slice.h"

#define VIOLATIONS_MAX 16

struct violation {
	struct slice path;    /* JSON Pointer relative to the event */
	struct slice rule;    /* the schema keyword, or a reason of ours */
	struct slice message; /* quotes numbers, booleans and types, never strings, never a value marked as PII */
	struct slice schema;  /* "purchase/1-0-0"; empty where no schema is concerned */
};

struct violations {
	struct arena *arena;
	struct slice schema; /* given to each one added */
	struct violation at[VIOLATIONS_MAX];
	uint32_t count;
	uint32_t more; /* found beyond VIOLATIONS_MAX */
};

static inline void violations_init(struct violations *v, struct arena *arena)
{
	v->arena = arena;
	v->schema = SLICE_NONE;
	v->count = 0;
	v->more = 0;
}

/* Path and message are borrowed: build them in v->arena. */
static inline void violations_add(struct violations *v, struct slice path, struct slice rule, struct slice message)
{
	if (v->count == VIOLATIONS_MAX) {
		v->more++;
		return;
	}
	v->at[v->count++] = (struct violation) { path, rule, message, v->schema };
}

#endif
