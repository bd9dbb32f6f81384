/* Memory for one request (or one load of config or catalog): bump allocation from chunks, freed all at once.
 * Overflow of the limit or of malloc is sticky: allocations return NULL from then on, and the owner checks
 * `overflowed` once (a request answers 503). Poisoned under AddressSanitizer. Thread: one owner at a time. */
#ifndef HEADGATE_BASE_ARENA_H
#define HEADGATE_BASE_ARENA_H

#include "base/slice.h"

struct arena_chunk;
struct arena_cleanup;

struct arena {
	char *at;
	char *end;
	struct arena_chunk *chunks;     /* newest first; the oldest stays across arena_reset */
	struct arena_cleanup *cleanups; /* newest first */
	size_t used_bytes;              /* held in chunks */
	size_t limit_bytes;
	bool overflowed;
};

typedef void (*arena_cleanup_fn)(void *subject);

/* `limit_bytes` bounds what the chunks may hold together. Allocates nothing yet. */
void arena_init(struct arena *arena, size_t limit_bytes);
/* Runs the cleanups, frees all chunks. The arena may be used again. */
void arena_fini(struct arena *arena);
/* Runs the cleanups and forgets all allocations; keeps the first chunk, so that a warm arena does not call malloc. */
void arena_reset(struct arena *arena);
/* 16-byte aligned, not zeroed; NULL after overflow. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_zalloc(struct arena *arena, size_t size);
/* count * size with the multiplication checked, zeroed. */
void *arena_array(struct arena *arena, size_t count, size_t size);
/* A copy with a NUL behind it (not counted in len); SLICE_NONE after overflow. */
struct slice arena_copy(struct arena *arena, struct slice s);
/* Text by format; SLICE_NONE after overflow. */
struct slice arena_print(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* `fn(subject)` runs at reset or fini, last registered first. False after overflow: then fn has been run at once. */
bool arena_defer(struct arena *arena, arena_cleanup_fn fn, void *subject);

#endif
