/* One shard's slots: open addressing with linear probing over 24-byte entries, an entry with bucket 0 being empty.
 * Times are absolute bucket numbers (wall time / bucket_ms). Thread: whoever holds the shard's mutex. */
#ifndef HEADGATE_DEDUP_TABLE_H
#define HEADGATE_DEDUP_TABLE_H

#include "dedup/dedup.h"

/* A window may hold at most this many buckets, so that 16 bits tell an expiry. */
#define DEDUP_WINDOW_BUCKETS_MAX 32000

struct dedup_table {
	struct dedup_entry *slots;
	size_t capacity;     /* a power of two */
	size_t capacity_max; /* a power of two */
	size_t count;        /* expired ones included until they are swept or reused */
	int64_t swept;       /* bucket of the last sweep: no expiry in the table lies before it */
	uint64_t evicted;
	int64_t evicted_until; /* latest expiry among evicted entries; 0: none */
};

enum dedup_found { DEDUP_FOUND_NONE, DEDUP_FOUND_OTHER, DEDUP_FOUND_SAME };

/* Allocates the initial slots (few). */
MUST_CHECK bool dedup_table_init(struct dedup_table *table, size_t capacity_max, int64_t now);
/* So many entries will come: grows at once as far as it may; a failure only means growing later. */
void dedup_table_expect(struct dedup_table *table, size_t count);
void dedup_table_fini(struct dedup_table *table);
/* Any unexpired entry with this hash: with the tag, or only with others. */
enum dedup_found dedup_table_find(struct dedup_table *table, const struct dedup_key *key, uint64_t tag, int64_t now);
void dedup_table_prefetch(const struct dedup_table *table, const struct dedup_key *key);
/* Adds an entry, or moves the expiry of the one with this hash and tag to the later of both. An expired
 * one is ignored. Never fails: a table that cannot grow evicts what expires first. */
void dedup_table_put(struct dedup_table *table, const struct dedup_entry *entry, int64_t now);
/* Entries that have not expired. Walks all slots. */
size_t dedup_table_live(const struct dedup_table *table, int64_t now);

#endif
