/* A request's body while it comes in. What is small stays with the request; what is larger is counted against
 * limits.bodies_bytes over all lanes, and grows with what has really come: who announces much and sends little holds
 * little. Owner: an exchange. */
#ifndef HEADGATE_HTTP_BODY_H
#define HEADGATE_HTTP_BODY_H

#include <stdatomic.h>

#include "base/slice.h"
#include "http/refusal.h"

struct arena;

/* Bodies up to this size are not counted: one event finds its place whatever others hold back, and limits.connections
 * bounds them. */
#define BODY_SMALL_BYTES ((size_t)16 * 1024)

/* Bytes held by bodies of all lanes. Thread: any. */
struct bodies {
	_Atomic uint64_t bytes;
};

struct body {
	char *at; /* in the arena while small, else on the heap */
	size_t len, cap;
	struct bodies *bodies;
	uint64_t limit_bytes; /* of all of them */
};

/* `bodies` outlives the body. Allocates nothing yet. */
void body_init(struct body *body, struct bodies *bodies, uint64_t limit_bytes);
/* `expected`: the whole length, 0 if it is not known. BODIES or NO_MEMORY if it may not or cannot grow; what came before
 * stays until body_fini. */
enum refusal body_append(struct body *body, struct slice piece, uint64_t expected, struct arena *arena);
/* Gives back what is held; the bytes are gone unless they are in the arena. May be called again. */
void body_fini(struct body *body);

static inline struct slice body_slice(const struct body *body)
{
	return (struct slice) { body->at, body->len };
}

#endif
