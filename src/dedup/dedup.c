/* Shards: a mutex, the slots of durable keys, and the reservations in flight. There are so many that none has more than
 * SHARD_BYTES of slots: while they grow or forget, its mutex is held. A reservation lives beside the slots, so
 * that a key that never becomes durable leaves no trace, and waiters hang on it and nowhere else. Settling a
 * reservation (confirm, release) takes it and its waiters out under the mutex and posts them after, so that nobody is
 * called with a lock held and each waiter is posted exactly once. */
#include "dedup/dedup.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/expiry_clock.h"
#include "dedup/table.h"

#define SHARD_BITS_LEAST 6
#define SHARD_BITS_MOST 16
#define SHARD_BYTES ((uint64_t)4 << 20)
#define FLIGHT_INITIAL 16
#define PREFETCH_AHEAD 12
#define LOOKUPS_AT_ONCE 16 /* with the mutex held, beside the lanes */
#define FLIGHT_MAX 65536   /* per shard: far beyond what all lanes can hold between two commits */

/* Reservations are named by index, from 1; 0 ends lists. Each is in two of them: of one event id with ever new content
 * many are in flight at once, so one is found by hash and tag, and whether there is any of the hash by the hash. */
struct flight {
	struct dedup_entry entry;
	struct dedup_waiter *waiters;
	uint32_t next;                     /* of the same hash and tag, or in the free list */
	uint32_t peer_before, peer_behind; /* of the same hash; 0 before the first */
};

struct chains {
	uint32_t exact, peers;
};

struct shard {
	_Alignas(64) pthread_mutex_t mutex;
	struct dedup_table table;
	int64_t now;           /* latest bucket seen */
	struct flight *flight; /* [1 … capacity] */
	struct chains *chains; /* as many as capacity, a power of two */
	uint32_t flight_capacity, flight_count, flight_free;
};

struct dedup {
	struct hash_key key;
	uint32_t bucket_ms;
	unsigned shard_bits;
	uint32_t shard_count;
	struct shard shards[];
};

/* By the first bits: what is sorted by hash comes shard by shard. */
static uint32_t shard_of(const struct dedup *dedup, const struct dedup_key *key)
{
	return ((uint32_t)key->hash[0] << 8 | key->hash[1]) >> (16 - dedup->shard_bits);
}

static uint32_t *peers_of(const struct shard *shard, const struct dedup_key *key)
{
	uint32_t word;
	memcpy(&word, key->hash + 2, sizeof(word));
	return &shard->chains[word & (shard->flight_capacity - 1)].peers;
}

static uint32_t *exact_of(const struct shard *shard, const struct dedup_key *key, uint64_t tag)
{
	uint32_t word;
	memcpy(&word, key->hash + 2, sizeof(word));
	return &shard->chains[(word ^ (uint32_t)tag) & (shard->flight_capacity - 1)].exact;
}

static bool same_hash(const struct dedup_key *a, const struct dedup_key *b)
{
	return memcmp(a->hash, b->hash, sizeof(a->hash)) == 0;
}

static void flight_link(struct shard *shard, uint32_t index)
{
	struct flight *flight = &shard->flight[index];
	uint32_t *exact = exact_of(shard, &flight->entry.key, flight->entry.tag);
	uint32_t *peers = peers_of(shard, &flight->entry.key);
	flight->next = *exact;
	*exact = index;
	flight->peer_before = 0;
	flight->peer_behind = *peers;
	if (*peers)
		shard->flight[*peers].peer_before = index;
	*peers = index;
}

static void flight_unlink(struct shard *shard, uint32_t index)
{
	const struct flight *flight = &shard->flight[index];
	uint32_t *link = exact_of(shard, &flight->entry.key, flight->entry.tag);
	while (*link != index) {
		assert(*link);
		link = &shard->flight[*link].next;
	}
	*link = flight->next;
	if (flight->peer_before)
		shard->flight[flight->peer_before].peer_behind = flight->peer_behind;
	else
		*peers_of(shard, &flight->entry.key) = flight->peer_behind;
	if (flight->peer_behind)
		shard->flight[flight->peer_behind].peer_before = flight->peer_before;
}

/* Doubles the reservations; all are in use when it is called, so all are linked again. */
static bool flight_grow(struct shard *shard)
{
	uint32_t old = shard->flight_capacity, capacity = old ? old * 2 : FLIGHT_INITIAL;
	if (capacity > FLIGHT_MAX)
		return false;
	struct chains *chains = calloc(capacity, sizeof(*chains));
	struct flight *flight = realloc(shard->flight, (capacity + 1) * sizeof(*flight));
	if (flight)
		shard->flight = flight;
	if (!chains || !flight) {
		free(chains);
		return false;
	}
	free(shard->chains);
	shard->chains = chains;
	shard->flight_capacity = capacity;
	for (uint32_t i = 1; i <= old; i++)
		flight_link(shard, i);
	for (uint32_t i = capacity; i > old; i--) {
		flight[i].next = shard->flight_free;
		shard->flight_free = i;
	}
	return true;
}

static uint32_t flight_add(struct shard *shard, const struct dedup_key *key, uint64_t tag)
{
	if (!shard->flight_free && !flight_grow(shard))
		return 0;
	uint32_t index = shard->flight_free;
	struct flight *flight = &shard->flight[index];
	shard->flight_free = flight->next;
	shard->flight_count++;
	flight->entry = (struct dedup_entry) { *key, tag };
	flight->waiters = NULL;
	flight_link(shard, index);
	return index;
}

static void flight_remove(struct shard *shard, uint32_t index)
{
	flight_unlink(shard, index);
	shard->flight[index].next = shard->flight_free;
	shard->flight_free = index;
	shard->flight_count--;
}

/* Index of the reservation with hash and tag, or 0. */
static uint32_t flight_find(const struct shard *shard, const struct dedup_key *key, uint64_t tag)
{
	uint32_t i = *exact_of(shard, key, tag);
	while (i && (shard->flight[i].entry.tag != tag || !same_hash(&shard->flight[i].entry.key, key)))
		i = shard->flight[i].next;
	return i;
}

static bool flight_has_peer(const struct shard *shard, const struct dedup_key *key)
{
	uint32_t i = *peers_of(shard, key);
	while (i && !same_hash(&shard->flight[i].entry.key, key))
		i = shard->flight[i].peer_behind;
	return i != 0;
}

static bool shard_init(struct shard *shard, size_t slots_max, int64_t now)
{
	shard->now = now;
	return pthread_mutex_init(&shard->mutex, NULL) == 0 && dedup_table_init(&shard->table, slots_max, now) &&
	       flight_grow(shard);
}

struct dedup *dedup_create(const struct dedup_options *options, struct error *err)
{
	unsigned bits = SHARD_BITS_LEAST;
	while (bits < SHARD_BITS_MOST && options->memory_bytes >> bits > SHARD_BYTES)
		bits++;
	size_t count = (size_t)1 << bits, bytes = sizeof(struct dedup) + count * sizeof(struct shard);
	struct dedup *dedup = aligned_alloc(_Alignof(struct shard), bytes);
	assert(options->bucket_ms > 0);
	if (!dedup) {
		error_set(err, ERROR_MEMORY, "dedup: out of memory");
		return NULL;
	}
	memset(dedup, 0, bytes);
	dedup->shard_bits = bits;
	dedup->shard_count = (uint32_t)count;
	dedup->key = options->key;
	dedup->bucket_ms = options->bucket_ms;
	int64_t now = expiry_clock_ms() / options->bucket_ms;
	for (size_t i = 0; i < count; i++) {
		size_t slots_max = (size_t)((options->memory_bytes >> bits) / sizeof(struct dedup_entry));
		if (!shard_init(&dedup->shards[i], slots_max, now)) {
			error_set(err, ERROR_MEMORY, "dedup: out of memory");
			dedup_destroy(&dedup);
			return NULL;
		}
	}
	return dedup;
}

void dedup_destroy(struct dedup **dedup)
{
	if (!*dedup)
		return;
	for (size_t i = 0; i < (*dedup)->shard_count; i++) {
		struct shard *shard = &(*dedup)->shards[i];
		pthread_mutex_destroy(&shard->mutex);
		dedup_table_fini(&shard->table);
		free(shard->flight);
		free(shard->chains);
	}
	free(*dedup);
	*dedup = NULL;
}

void dedup_set_key(struct dedup *dedup, const struct hash_key *key)
{
	dedup->key = *key;
}

struct dedup_key dedup_make_key(const struct dedup *dedup, const struct slice *parts, size_t count, int64_t wall_ms,
                                uint64_t window_ms)
{
	struct dedup_key key;
	struct hash128 hash = hash_keyed128_parts(&dedup->key, parts, count);
	memcpy(key.hash, &hash.low, 8);
	memcpy(key.hash + 8, &hash.high, 6);
	/* Rounded up: a key is never forgotten early. */
	uint64_t most = (uint64_t)DEDUP_WINDOW_BUCKETS_MAX * dedup->bucket_ms;
	int64_t expiry_ms = wall_ms + (int64_t)(window_ms < most ? window_ms : most);
	key.bucket = (uint16_t)((expiry_ms + dedup->bucket_ms - 1) / dedup->bucket_ms);
	if (key.bucket == 0)
		key.bucket = 1;
	return key;
}

uint64_t dedup_tag(const struct dedup *dedup, struct slice text)
{
	uint64_t tag = hash_keyed64(&dedup->key, text);
	return tag ? tag : 1;
}

static struct shard *shard_lock(struct dedup *dedup, uint32_t index, int64_t wall_ms)
{
	struct shard *shard = &dedup->shards[index];
	pthread_mutex_lock(&shard->mutex);
	if (wall_ms >= 0)
		shard->now = wall_ms / dedup->bucket_ms;
	return shard;
}

static enum dedup_answer reserve(struct shard *shard, const struct dedup_key *key, uint64_t tag, uint32_t *entry,
                                 struct dedup_waiter *waiter)
{
	enum dedup_found found = dedup_table_find(&shard->table, key, tag, shard->now);
	if (found == DEDUP_FOUND_SAME)
		return DEDUP_SAME;
	uint32_t index = flight_find(shard, key, tag);
	if (index) {
		if (waiter) {
			waiter->next = shard->flight[index].waiters;
			shard->flight[index].waiters = waiter;
		}
		return DEDUP_PENDING;
	}
	bool other = found == DEDUP_FOUND_OTHER || flight_has_peer(shard, key);
	*entry = flight_add(shard, key, tag);
	if (!*entry)
		return DEDUP_FULL;
	return other ? DEDUP_OTHER : DEDUP_NEW;
}

enum dedup_answer dedup_reserve(struct dedup *dedup, const struct dedup_key *key, uint64_t tag, int64_t wall_ms,
                                struct dedup_ticket *ticket, struct dedup_waiter *waiter)
{
	assert(key->bucket);
	*ticket = (struct dedup_ticket) { .shard = shard_of(dedup, key) };
	struct shard *shard = shard_lock(dedup, ticket->shard, wall_ms);
	enum dedup_answer answer = reserve(shard, key, tag, &ticket->entry, waiter);
	pthread_mutex_unlock(&shard->mutex);
	return answer;
}

void dedup_prefetch(struct dedup *dedup, const struct dedup_key *key)
{
	struct shard *shard = shard_lock(dedup, shard_of(dedup, key), -1);
	dedup_table_prefetch(&shard->table, key);
	pthread_mutex_unlock(&shard->mutex);
}

static void settle(struct dedup *dedup, struct dedup_ticket *ticket, bool confirmed)
{
	if (ticket->entry == 0)
		return;
	struct shard *shard = shard_lock(dedup, ticket->shard, -1);
	assert(ticket->entry <= shard->flight_capacity);
	struct flight *flight = &shard->flight[ticket->entry];
	struct dedup_waiter *waiters = flight->waiters;
	if (confirmed)
		dedup_table_put(&shard->table, &flight->entry, shard->now);
	flight_remove(shard, ticket->entry);
	pthread_mutex_unlock(&shard->mutex);
	*ticket = (struct dedup_ticket) { 0, 0 };
	while (waiters) {
		struct dedup_waiter *waiter = waiters;
		waiters = waiter->next; /* read first: once posted it belongs to its lane */
		waiter->next = NULL;
		waiter->confirmed = confirmed;
		waiter->post(waiter);
	}
}

void dedup_confirm(struct dedup *dedup, struct dedup_ticket *ticket)
{
	settle(dedup, ticket, true);
}

void dedup_release(struct dedup *dedup, struct dedup_ticket *ticket)
{
	settle(dedup, ticket, false);
}

void dedup_insert(struct dedup *dedup, const struct dedup_key *key, uint64_t tag, int64_t wall_ms)
{
	int64_t now = wall_ms / dedup->bucket_ms;
	if (key->bucket == 0)
		return;
	struct shard *shard = shard_lock(dedup, shard_of(dedup, key), wall_ms);
	dedup_table_put(&shard->table, &(struct dedup_entry) { *key, tag }, now);
	pthread_mutex_unlock(&shard->mutex);
}

void dedup_insert_many(struct dedup *dedup, const struct dedup_entry *entries, size_t count, int64_t wall_ms)
{
	int64_t now = wall_ms / dedup->bucket_ms;
	for (size_t i = 0; i < count;) {
		uint32_t index = shard_of(dedup, &entries[i].key);
		struct shard *shard = shard_lock(dedup, index, wall_ms);
		for (; i < count && shard_of(dedup, &entries[i].key) == index; i++) {
			if (i + PREFETCH_AHEAD < count && shard_of(dedup, &entries[i + PREFETCH_AHEAD].key) == index)
				dedup_table_prefetch(&shard->table, &entries[i + PREFETCH_AHEAD].key);
			if (entries[i].key.bucket)
				dedup_table_put(&shard->table, &entries[i], now);
		}
		pthread_mutex_unlock(&shard->mutex);
	}
}

size_t dedup_keep_known(struct dedup *dedup, struct dedup_entry *entries, size_t count)
{
	size_t kept = 0;
	for (size_t i = 0; i < count;) {
		uint32_t index = shard_of(dedup, &entries[i].key);
		size_t end = i;
		struct shard *shard = shard_lock(dedup, index, -1);
		for (; end < count && end - i < LOOKUPS_AT_ONCE && shard_of(dedup, &entries[end].key) == index; end++)
			dedup_table_prefetch(&shard->table, &entries[end].key);
		for (; i < end; i++)
			if (dedup_table_find(&shard->table, &entries[i].key, entries[i].tag, shard->now) ==
			    DEDUP_FOUND_SAME)
				entries[kept++] = entries[i];
		pthread_mutex_unlock(&shard->mutex);
	}
	return kept;
}

void dedup_expect(struct dedup *dedup, uint64_t count)
{
	for (uint32_t i = 0; i < dedup->shard_count; i++) {
		struct shard *shard = shard_lock(dedup, i, -1);
		dedup_table_expect(&shard->table, (size_t)(count >> dedup->shard_bits));
		pthread_mutex_unlock(&shard->mutex);
	}
}

uint32_t dedup_bucket_ms(const struct dedup *dedup)
{
	return dedup->bucket_ms;
}

void dedup_stats(struct dedup *dedup, struct dedup_stats *out)
{
	int64_t until = 0;
	*out = (struct dedup_stats) { 0 };
	for (uint32_t i = 0; i < dedup->shard_count; i++) {
		struct shard *shard = shard_lock(dedup, i, -1);
		out->entries += shard->table.count;
		out->capacity += shard->table.capacity;
		out->reserved += shard->flight_count;
		out->evicted += shard->table.evicted;
		out->memory_bytes += shard->table.capacity * sizeof(struct dedup_entry) +
		                     shard->flight_capacity * (sizeof(struct flight) + sizeof(struct chains));
		until = shard->table.evicted_until > until ? shard->table.evicted_until : until;
		pthread_mutex_unlock(&shard->mutex);
	}
	out->oldest_kept_until_ms = until * dedup->bucket_ms;
}
