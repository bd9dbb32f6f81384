/* A table, and keys by number. */
#ifndef HEADGATE_DEDUP_FIXTURE_H
#define HEADGATE_DEDUP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dedup/dedup.h"

#define BUCKET_MS 600000
#define DAY_MS 86400000ull

static inline struct dedup *make(uint64_t memory_bytes)
{
	struct error err = { 0 };
	struct dedup_options options = { .memory_bytes = memory_bytes, .bucket_ms = BUCKET_MS, .key = { { 7 } } };
	struct dedup *dedup = dedup_create(&options, &err);
	assert_non_null(dedup);
	return dedup;
}

static inline struct dedup_key key_of(const struct dedup *dedup, uint64_t number, int64_t wall_ms, uint64_t window_ms)
{
	struct slice part = { (const char *)&number, sizeof(number) };
	return dedup_make_key(dedup, &part, 1, wall_ms, window_ms);
}

static inline enum dedup_answer reserve(struct dedup *dedup, uint64_t number, uint64_t tag, int64_t wall_ms,
                                        struct dedup_ticket *ticket, struct dedup_waiter *waiter)
{
	struct dedup_key key = key_of(dedup, number, wall_ms, DAY_MS);
	return dedup_reserve(dedup, &key, tag, wall_ms, ticket, waiter);
}

/* Makes the key durable if it is new. */
static inline enum dedup_answer see(struct dedup *dedup, uint64_t number, uint64_t tag, int64_t wall_ms)
{
	struct dedup_ticket ticket;
	enum dedup_answer answer = reserve(dedup, number, tag, wall_ms, &ticket, NULL);
	dedup_confirm(dedup, &ticket);
	return answer;
}

#endif
