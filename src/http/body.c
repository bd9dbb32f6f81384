/* The buffer doubles until half of the announced length has come, then takes exactly that. realloc moves a large one by
 * its pages, so that no older copy stays behind. */
#include "http/body.h"

#include <stdlib.h>

#include "base/arena.h"

static bool is_counted(const struct body *body)
{
	return body->cap > BODY_SMALL_BYTES;
}

/* Takes the bytes from the common budget; false: it has not so many left. */
static bool bodies_take(struct bodies *bodies, size_t bytes, uint64_t limit_bytes)
{
	if (atomic_fetch_add_explicit(&bodies->bytes, bytes, memory_order_relaxed) + bytes <= limit_bytes)
		return true;
	atomic_fetch_sub_explicit(&bodies->bytes, bytes, memory_order_relaxed);
	return false;
}

static void bodies_give(struct bodies *bodies, size_t bytes)
{
	atomic_fetch_sub_explicit(&bodies->bytes, bytes, memory_order_relaxed);
}

void body_init(struct body *body, struct bodies *bodies, uint64_t limit_bytes)
{
	*body = (struct body) { .bodies = bodies, .limit_bytes = limit_bytes };
}

static size_t next_cap(const struct body *body, size_t need, uint64_t expected)
{
	size_t cap = need <= BODY_SMALL_BYTES / 2 ? need * 2 : need > body->cap * 2 ? need : body->cap * 2;

	if (expected < need)
		return cap;
	/* small, or half of it is there */
	return expected <= BODY_SMALL_BYTES || need >= expected / 2 || cap > expected ? (size_t)expected : cap;
}

static enum refusal grow_small(struct body *body, size_t cap, struct arena *arena)
{
	char *at = arena_alloc(arena, cap);

	if (!at)
		return REFUSAL_NO_MEMORY;
	if (body->len)
		memcpy(at, body->at, body->len);
	body->at = at;
	body->cap = cap;
	return REFUSAL_NONE;
}

static enum refusal grow_counted(struct body *body, size_t cap)
{
	bool had = is_counted(body);
	size_t more = had ? cap - body->cap : cap;

	if (!bodies_take(body->bodies, more, body->limit_bytes))
		return REFUSAL_BODIES;
	char *at = realloc(had ? body->at : NULL, cap);
	if (!at) {
		bodies_give(body->bodies, more);
		return REFUSAL_NO_MEMORY;
	}
	if (!had && body->len)
		memcpy(at, body->at, body->len);
	body->at = at;
	body->cap = cap;
	return REFUSAL_NONE;
}

enum refusal body_append(struct body *body, struct slice piece, uint64_t expected, struct arena *arena)
{
	size_t need = body->len + piece.len;

	if (need > body->cap) {
		size_t cap = next_cap(body, need, expected);
		enum refusal refusal = cap <= BODY_SMALL_BYTES ? grow_small(body, cap, arena) : grow_counted(body, cap);
		if (refusal != REFUSAL_NONE)
			return refusal;
	}
	memcpy(body->at + body->len, piece.at, piece.len);
	body->len = need;
	return REFUSAL_NONE;
}

void body_fini(struct body *body)
{
	if (is_counted(body)) {
		bodies_give(body->bodies, body->cap);
		free(body->at);
	}
	body_init(body, body->bodies, body->limit_bytes);
}
