/* Exact deduplication in memory: 24-byte slots in sharded open-addressing tables (112 bits of a keyed hash, 16 bits of
 * expiry bucket, 63 bits of tag). Two-phase: reserve before the record is written, confirm when it is durable, release
 * when it failed. Never probabilistic: a false positive would be a lost event.
 *
 * The same hash may stand there with several tags: for an event id the tag tells its fingerprint (0 in mode `id`), for
 * a declared key the source that sent it. Thread: all functions from any thread; a shard's mutex is held shortly,
 * never across I/O or a callback. */
#ifndef HEADGATE_DEDUP_DEDUP_H
#define HEADGATE_DEDUP_DEDUP_H

#include "base/error.h"
#include "base/hash.h"
#include "base/slice.h"

struct dedup;

/* The unit of stored expiries. Keys in records and indexes do not say their unit, so it never changes for a data
 * directory: no setting, a constant. Windows may be up to 32,000 of it, 222 days. */
#define DEDUP_BUCKET_MS 600000u

/* As it stands in a journal record: 16 bytes. All zero: no key. */
struct dedup_key {
	uint8_t hash[14];
	uint16_t bucket; /* expiry: wall time / DEDUP_BUCKET_MS, modulo 65536, never 0 for a used key */
};

/* A key that is known, as the table and index files hold it. */
struct dedup_entry {
	struct dedup_key key;
	uint64_t tag;
};

struct dedup_options {
	uint64_t memory_bytes;
	uint32_t bucket_ms;
	struct hash_key key; /* per installation, from the journal's meta */
};

/* A reservation. Zeroed: none. */
struct dedup_ticket {
	uint32_t shard;
	uint32_t entry; /* 0: none */
};

/* Posted once when the reservation it waits for is settled. */
struct dedup_waiter {
	struct dedup_waiter *next;
	bool confirmed; /* outcome: true = that copy is durable, so this one is a duplicate; false = retry */
	/* Called without locks by the thread that settles; must only hand the waiter over (mailbox). */
	void (*post)(struct dedup_waiter *waiter);
};

enum dedup_answer {
	DEDUP_NEW,     /* reserved: ticket set */
	DEDUP_OTHER,   /* hash known (or in flight) with another tag only: reserved for this tag as well, ticket set */
	DEDUP_SAME,    /* known and durable with this tag */
	DEDUP_PENDING, /* in flight with this tag: waiter is linked and will be posted */
	DEDUP_FULL     /* the reservation table is exhausted: answer retry */
};

struct dedup *dedup_create(const struct dedup_options *options, struct error *err);
void dedup_destroy(struct dedup **dedup);
/* The key, where it is known only after the table exists (the journal's meta); before any dedup_make_key. */
void dedup_set_key(struct dedup *dedup, const struct hash_key *key);
/* The key of these parts (hashed with their lengths), expiring window_ms after now. */
struct dedup_key dedup_make_key(const struct dedup *dedup, const struct slice *parts, size_t count, int64_t wall_ms,
                                uint64_t window_ms);
/* Never 0. */
uint64_t dedup_tag(const struct dedup *dedup, struct slice text);
uint32_t dedup_bucket_ms(const struct dedup *dedup);
enum dedup_answer dedup_reserve(struct dedup *dedup, const struct dedup_key *key, uint64_t tag, int64_t wall_ms,
                                struct dedup_ticket *ticket, struct dedup_waiter *waiter);
/* Tells the processor that the key is about to be looked up: worth it for many keys at once, whose slots lie anywhere. */
void dedup_prefetch(struct dedup *dedup, const struct dedup_key *key);
/* Both zero the ticket, then post the waiters. A zeroed ticket is ignored. */
void dedup_confirm(struct dedup *dedup, struct dedup_ticket *ticket);
void dedup_release(struct dedup *dedup, struct dedup_ticket *ticket);
/* At start: a key known to be durable. Expired ones are ignored. */
void dedup_insert(struct dedup *dedup, const struct dedup_key *key, uint64_t tag, int64_t wall_ms);
/* The same for many; quick where they are sorted by hash. */
void dedup_insert_many(struct dedup *dedup, const struct dedup_entry *entries, size_t count, int64_t wall_ms);
/* Moves together, in their order, those of the entries that are known, and returns how many; quick where they are
 * sorted by hash. */
size_t dedup_keep_known(struct dedup *dedup, struct dedup_entry *entries, size_t count);
/* At start: so many keys will come, as far as memory_bytes allows; saves growing step by step. */
void dedup_expect(struct dedup *dedup, uint64_t count);

struct dedup_stats {
	uint64_t entries, capacity, reserved, evicted;
	uint64_t memory_bytes;
	int64_t oldest_kept_until_ms; /* 0: nothing was ever evicted before its time; else the latest expiry among the
	                                 keys that were: all that expire later are still known */
};
void dedup_stats(struct dedup *dedup, struct dedup_stats *out);

/* Key index files: the keys of one sealed journal file, sorted and checksummed, so that a start need not read the file
 * and the keys outlive it. `<data>/dedup/<lane>-<epoch>-<first>.idx`. */
/* Drops zero keys, sorts, writes durably (tmp, fdatasync, rename, fsync of the directory). `entries` points to `count`
 * struct dedup_entry, or anything laid out like it. */
MUST_CHECK bool dedup_index_write(const char *path, const void *entries, size_t count, struct error *err);
/* Inserts all unexpired entries of a file; *all_expired tells that the file may be unlinked. A damaged file is an error
 * of code DATA (the caller scans the journal file again if it still has it). */
MUST_CHECK bool dedup_index_load(struct dedup *dedup, const char *path, int64_t wall_ms, bool *all_expired,
                                 struct error *err);

#endif
