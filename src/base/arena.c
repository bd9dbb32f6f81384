/* Chunks double from 16 KiB to 1 MiB; a request that fits the first one costs no malloc after the first request.
 * Under AddressSanitizer everything not handed out is poisoned and each allocation is followed by 16 poisoned bytes,
 * so that reading past one, or using one after arena_reset, is reported although the memory belongs to the process. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define RED_ZONE_BYTES 16
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define RED_ZONE_BYTES 0
#endif

#define ALIGN_BYTES 16
#define CHUNK_MIN_BYTES ((size_t)16 * 1024)
#define CHUNK_MAX_BYTES ((size_t)1024 * 1024)

struct arena_chunk {
	struct arena_chunk *older;
	size_t size; /* with this header */
	_Alignas(ALIGN_BYTES) char bytes[];
};

struct arena_cleanup {
	struct arena_cleanup *older;
	arena_cleanup_fn fn;
	void *subject;
};

static void *overflow(struct arena *arena)
{
	arena->overflowed = true;
	arena->at = arena->end = NULL;
	return NULL;
}

static void use_chunk(struct arena *arena, struct arena_chunk *chunk)
{
	arena->at = chunk->bytes;
	arena->end = (char *)chunk + chunk->size;
	ASAN_POISON_MEMORY_REGION(arena->at, (size_t)(arena->end - arena->at));
}

/* Makes a chunk that has room for `need` bytes the newest. */
static bool add_chunk(struct arena *arena, size_t need)
{
	size_t room = arena->limit_bytes - arena->used_bytes;
	if (arena->overflowed || need > room || room - need < sizeof(struct arena_chunk))
		return false;
	size_t size = arena->chunks ? arena->chunks->size * 2 : CHUNK_MIN_BYTES;
	if (size > CHUNK_MAX_BYTES)
		size = CHUNK_MAX_BYTES;
	if (size < need + sizeof(struct arena_chunk))
		size = need + sizeof(struct arena_chunk);
	if (size > room)
		size = room;
	struct arena_chunk *chunk = malloc(size);
	if (!chunk)
		return false;
	chunk->older = arena->chunks;
	chunk->size = size;
	arena->chunks = chunk;
	arena->used_bytes += size;
	use_chunk(arena, chunk);
	return true;
}

static void run_cleanups(struct arena *arena)
{
	/* A cleanup may register another one, so the list is taken one by one. */
	while (arena->cleanups) {
		struct arena_cleanup *cleanup = arena->cleanups;
		arena->cleanups = cleanup->older;
		cleanup->fn(cleanup->subject);
	}
}

static void free_chunks(struct arena *arena, struct arena_chunk *keep)
{
	while (arena->chunks != keep) {
		struct arena_chunk *chunk = arena->chunks;
		arena->chunks = chunk->older;
		arena->used_bytes -= chunk->size;
		ASAN_UNPOISON_MEMORY_REGION(chunk, chunk->size);
		free(chunk);
	}
}

void arena_init(struct arena *arena, size_t limit_bytes)
{
	*arena = (struct arena) { .limit_bytes = limit_bytes };
}

void arena_fini(struct arena *arena)
{
	run_cleanups(arena);
	free_chunks(arena, NULL);
	arena_init(arena, arena->limit_bytes);
}

void arena_reset(struct arena *arena)
{
	run_cleanups(arena);
	struct arena_chunk *oldest = arena->chunks;
	while (oldest && oldest->older)
		oldest = oldest->older;
	free_chunks(arena, oldest);
	arena->overflowed = false;
	if (oldest)
		use_chunk(arena, oldest);
}

void *arena_alloc(struct arena *arena, size_t size)
{
	if (size > SIZE_MAX - ALIGN_BYTES - RED_ZONE_BYTES - sizeof(struct arena_chunk))
		return overflow(arena);
	size_t whole = ((size + ALIGN_BYTES - 1) & ~(size_t)(ALIGN_BYTES - 1)) + RED_ZONE_BYTES;
	if (whole == 0)
		whole = ALIGN_BYTES;
	if ((size_t)(arena->end - arena->at) < whole && !add_chunk(arena, whole))
		return overflow(arena);
	char *at = arena->at;
	arena->at += whole;
	ASAN_UNPOISON_MEMORY_REGION(at, size);
	return at;
}

void *arena_zalloc(struct arena *arena, size_t size)
{
	void *at = arena_alloc(arena, size);
	if (at)
		memset(at, 0, size);
	return at;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
	size_t whole;
	if (__builtin_mul_overflow(count, size, &whole))
		return overflow(arena);
	return arena_zalloc(arena, whole);
}

struct slice arena_copy(struct arena *arena, struct slice s)
{
	char *to = s.len < SIZE_MAX ? arena_alloc(arena, s.len + 1) : overflow(arena);
	if (!to)
		return SLICE_NONE;
	if (s.len)
		memcpy(to, s.at, s.len);
	to[s.len] = '\0';
	return (struct slice) { to, s.len };
}

struct slice arena_print(struct arena *arena, const char *format, ...)
{
	va_list args, again;
	va_start(args, format);
	va_copy(again, args);
	int len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	char *to = len >= 0 ? arena_alloc(arena, (size_t)len + 1) : overflow(arena);
	if (to)
		vsnprintf(to, (size_t)len + 1, format, again);
	va_end(again);
	return to ? (struct slice) { to, (size_t)len } : SLICE_NONE;
}

bool arena_defer(struct arena *arena, arena_cleanup_fn fn, void *subject)
{
	struct arena_cleanup *cleanup = arena_alloc(arena, sizeof *cleanup);
	if (!cleanup) {
		fn(subject);
		return false;
	}
	*cleanup = (struct arena_cleanup) { arena->cleanups, fn, subject };
	arena->cleanups = cleanup;
	return true;
}
