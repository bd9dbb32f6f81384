/* GCRA: a bucket is one number, the time at which it will be full again (`full_ns`). A token costs 1/rate of time; one is
 * there if paying it leaves the bucket full within burst/rate from now. What is full already needs no memory: such a
 * bucket may be forgotten without anybody noticing, so a new key takes the place of the one that is full longest, which
 * is the one longest idle.
 *
 * A key may stand in one of eight places (its set). If all of them hold buckets that are not full, the one nearest to it
 * is forgotten: its owner gets a fresh one, never a refusal that it has not earned. The hash is keyed, so that nobody can
 * choose whom to displace.
 *
 * Places are claimed without a lock. Races cost a token's accuracy, no more: a charge to a bucket that is being displaced
 * is lost, two lanes that meet a new key at once may give it two buckets of which the second is forgotten. */
#include "http/rate_table.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/hash.h"
#include "config/config.h"

#define WAYS 8
#define NANOSECONDS 1000000000u
#define HASH_NONE 0u
#define HASH_MOVING 1u /* the place is changing its owner */
/* No debt is longer than this: whoever sent one batch of 100,000 at a rate of one is not shut out for a day. */
#define DEBT_MAX_NS (600ull * NANOSECONDS)

struct bucket {
	_Atomic uint64_t hash; /* HASH_NONE: free */
	_Atomic uint64_t full_ns;
};

struct rate_table {
	struct hash_key key;
	size_t set_mask;
	struct bucket buckets[];
};

struct rate_table *rate_table_create(uint32_t buckets, struct error *err)
{
	size_t sets = 1;

	while (sets * WAYS < buckets)
		sets *= 2;
	struct rate_table *table = calloc(1, sizeof *table + sets * WAYS * sizeof(struct bucket));
	if (!table) {
		error_set(err, ERROR_MEMORY, "no memory for the table of rates");
		return NULL;
	}
	hash_random(&table->key, sizeof table->key);
	table->set_mask = sets - 1;
	return table;
}

void rate_table_destroy(struct rate_table **table)
{
	free(*table);
	*table = NULL;
}

size_t rate_table_bytes(const struct rate_table *table)
{
	return sizeof *table + (table->set_mask + 1) * WAYS * sizeof(struct bucket);
}

uint64_t rate_table_hash(const struct rate_table *table, struct slice a, struct slice b)
{
	const struct slice parts[] = { a, b };
	uint64_t hash = hash_keyed128_parts(&table->key, parts, 2).low;

	return hash <= HASH_MOVING ? HASH_MOVING + 1 : hash;
}

/* The key's bucket; if it has none, the one of its set that is full longest becomes its own, full. */
static struct bucket *find(struct rate_table *table, uint64_t hash)
{
	struct bucket *set = &table->buckets[(hash >> 32 & table->set_mask) * WAYS], *oldest = set;
	uint64_t oldest_ns = UINT64_MAX, oldest_hash = HASH_NONE;

	for (size_t i = 0; i < WAYS; i++) {
		uint64_t holder = atomic_load_explicit(&set[i].hash, memory_order_acquire);
		if (holder == hash)
			return &set[i];
		uint64_t full_ns = atomic_load_explicit(&set[i].full_ns, memory_order_relaxed);
		if (holder != HASH_MOVING && full_ns < oldest_ns) {
			oldest = &set[i];
			oldest_ns = full_ns;
			oldest_hash = holder;
		}
	}
	if (!atomic_compare_exchange_strong(&oldest->hash, &oldest_hash, HASH_MOVING))
		return NULL; /* another lane was first */
	atomic_store_explicit(&oldest->full_ns, 0, memory_order_relaxed);
	atomic_store_explicit(&oldest->hash, hash, memory_order_release);
	return oldest;
}

static uint64_t token_ns(const struct config_rate *rate)
{
	return NANOSECONDS / rate->per_second;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

uint64_t rate_table_take(struct rate_table *table, uint64_t hash, const struct config_rate *rate, uint64_t now_ns)
{
	struct bucket *bucket = find(table, hash);
	uint64_t burst_ns = rate->burst * token_ns(rate), full_ns;

	if (!bucket)
		return 0; /* a place in motion: one token for nothing */
	full_ns = atomic_load_explicit(&bucket->full_ns, memory_order_relaxed);
	for (;;) {
		uint64_t next_ns = later(full_ns, now_ns) + token_ns(rate);
		if (next_ns > now_ns + burst_ns)
			return next_ns - (now_ns + burst_ns);
		if (atomic_compare_exchange_weak_explicit(&bucket->full_ns, &full_ns, next_ns, memory_order_relaxed,
		                                          memory_order_relaxed))
			return 0;
	}
}

void rate_table_charge(struct rate_table *table, uint64_t hash, const struct config_rate *rate, uint64_t tokens,
                       uint64_t now_ns)
{
	struct bucket *bucket = find(table, hash);
	uint64_t cost_ns = tokens * token_ns(rate), full_ns, next_ns;
	uint64_t latest_ns = now_ns + rate->burst * token_ns(rate) + DEBT_MAX_NS;

	if (!bucket)
		return;
	full_ns = atomic_load_explicit(&bucket->full_ns, memory_order_relaxed);
	do {
		next_ns = later(full_ns, now_ns) + cost_ns;
		if (next_ns > latest_ns)
			next_ns = later(full_ns, latest_ns);
	} while (!atomic_compare_exchange_weak_explicit(&bucket->full_ns, &full_ns, next_ns, memory_order_relaxed,
	                                                memory_order_relaxed));
}
