/* Slots of one shard. A search ends at the first empty slot, so nothing is deleted by marking: the entries behind move
 * back (Knuth 6.4, algorithm R). An expired entry is as good as absent and its slot is taken over by the next entry
 * whose search passes it.
 *
 * The first entry of a hash lies where the hash says, further ones, with other tags, where hash and tag say: one event id
 * sent with ever new content must not make a search long. The first one is that which expires last. So it tells, alone,
 * whether any of its hash is there; and where an eviction takes it, the others are of those that may be forgotten.
 * Which of both an entry is stands in the first bit of its tag, of which 63 bits are compared.
 *
 * The 16 bits of a bucket tell an absolute expiry only relative to a point in time. That point is the last sweep, after
 * which no older expiry is left: expiry = swept + (bucket - swept) mod 65536. A sweep at least every SWEEP_BUCKETS of
 * use, and windows of at most 32,000 buckets, keep that unambiguous however long the shard then lies idle.
 *
 * When the table is full: sweep, else double, else (at the bound, or out of memory) drop an eighth, earliest expiry
 * first. What is dropped must lie all over the table: holes in one part of it would leave the rest to fill up without end,
 * and linear probing is slow where nothing is empty. */
#include "dedup/table.h"

#include <assert.h>
#include <stdlib.h>

#define INITIAL_SLOTS 64
#define SWEEP_BUCKETS 512
#define EVICT_CLASSES 256

static_assert(sizeof(struct dedup_entry) == 24, "the size that memory_bytes is counted in");
static_assert(DEDUP_WINDOW_BUCKETS_MAX + 2 * SWEEP_BUCKETS < 65536, "expiries must be unambiguous");

#define FURTHER (UINT64_C(1) << 63) /* in a tag */

/* By the hash's last bits, not its first: index files come sorted by those, and would fill a table that has to grow, or
 * that is too small for them, from one end. */
static size_t home_of(const struct dedup_table *table, const struct dedup_entry *entry)
{
	uint64_t word;
	memcpy(&word, entry->key.hash + sizeof(entry->key.hash) - sizeof(word), sizeof(word));
	if (entry->tag & FURTHER)
		word ^= entry->tag * UINT64_C(0x9e3779b97f4a7c15) >> 24; /* tags in a row must not lie in a row */
	return (size_t)word & (table->capacity - 1);
}

static int64_t expiry_of(const struct dedup_table *table, uint16_t bucket)
{
	return table->swept + (uint16_t)(bucket - (uint16_t)table->swept);
}

static bool is_expired(const struct dedup_table *table, uint16_t bucket, int64_t now)
{
	return expiry_of(table, bucket) <= now;
}

bool dedup_table_init(struct dedup_table *table, size_t capacity_max, int64_t now)
{
	*table = (struct dedup_table) { .capacity = INITIAL_SLOTS, .capacity_max = INITIAL_SLOTS, .swept = now };
	while (table->capacity_max * 2 <= capacity_max)
		table->capacity_max *= 2;
	table->slots = calloc(table->capacity, sizeof(*table->slots));
	return table->slots != NULL;
}

void dedup_table_prefetch(const struct dedup_table *table, const struct dedup_key *key)
{
	const struct dedup_entry first = { .key = *key }, *slot = &table->slots[home_of(table, &first)];
	__builtin_prefetch(slot, 1);
	__builtin_prefetch((const char *)slot + 64, 1); /* a search passes a few slots */
}

void dedup_table_fini(struct dedup_table *table)
{
	free(table->slots);
	table->slots = NULL;
}

/* Closes the hole at `hole` by moving back what was pushed past it. */
static void delete_at(struct dedup_table *table, size_t hole)
{
	size_t mask = table->capacity - 1;
	for (size_t at = (hole + 1) & mask; table->slots[at].key.bucket; at = (at + 1) & mask) {
		size_t home = home_of(table, &table->slots[at]);
		if (((at - home) & mask) < ((at - hole) & mask))
			continue; /* its home lies behind the hole */
		table->slots[hole] = table->slots[at];
		hole = at;
	}
	table->slots[hole] = (struct dedup_entry) { 0 };
	table->count--;
}

/* What to delete: all that expires by `whole`; of what expires after that by `until`, `part` in every `of`, evenly over
 * the slots. */
struct removal {
	int64_t whole, until;
	size_t part, of;
};

/* Returns how many. What moves into a hole is looked at in turn; what a hole at the end pulls from the beginning was
 * looked at already. */
static size_t delete_those(struct dedup_table *table, const struct removal *those)
{
	size_t deleted = 0, due = 0;
	for (size_t i = 0; i < table->capacity; i++)
		while (table->slots[i].key.bucket) {
			int64_t expiry = expiry_of(table, table->slots[i].key.bucket);
			if (expiry > those->until)
				break;
			if (expiry > those->whole && (due += those->part) < those->of)
				break;
			due -= expiry > those->whole ? those->of : 0;
			delete_at(table, i);
			deleted++;
		}
	return deleted;
}

static void sweep(struct dedup_table *table, int64_t now)
{
	delete_those(table, &(struct removal) { .whole = now, .until = now });
	table->swept = now;
}

/* Keeps `swept` a valid base. A clock that was set back makes the base older, which is as good. */
static void tick(struct dedup_table *table, int64_t now)
{
	if (now >= table->swept + SWEEP_BUCKETS)
		sweep(table, now);
	else if (now < table->swept)
		table->swept = now;
}

static void place(struct dedup_table *table, const struct dedup_entry *entry)
{
	size_t mask = table->capacity - 1, at = home_of(table, entry);
	while (table->slots[at].key.bucket)
		at = (at + 1) & mask;
	table->slots[at] = *entry;
	table->count++;
}

static bool grow(struct dedup_table *table, size_t capacity)
{
	struct dedup_table wider = *table;
	wider.capacity = capacity;
	wider.count = 0;
	wider.slots = capacity <= table->capacity_max ? calloc(wider.capacity, sizeof(*wider.slots)) : NULL;
	if (!wider.slots)
		return false;
	for (size_t i = 0; i < table->capacity; i++)
		if (table->slots[i].key.bucket)
			place(&wider, &table->slots[i]);
	free(table->slots);
	*table = wider;
	return true;
}

void dedup_table_expect(struct dedup_table *table, size_t count)
{
	size_t capacity = table->capacity;
	while (capacity < table->capacity_max && count + count / 32 >= capacity / 8 * 5)
		capacity *= 2;
	if (capacity > table->capacity)
		(void)!grow(table, capacity);
}

/* What to delete so that about `wanted` entries go. Expiries are counted in classes, one per bucket where their range
 * allows it; the earliest classes go as a whole, of the last one no more than needed: in a burst everything expires in one
 * bucket, and dropping it whole would forget what came a moment ago. */
static struct removal choose_evicted(const struct dedup_table *table, size_t wanted)
{
	int64_t least = INT64_MAX, most = 0;
	size_t classes[EVICT_CLASSES] = { 0 }, before = 0, last = 0;
	for (size_t i = 0; i < table->capacity; i++) {
		if (!table->slots[i].key.bucket)
			continue;
		int64_t expiry = expiry_of(table, table->slots[i].key.bucket);
		least = expiry < least ? expiry : least;
		most = expiry > most ? expiry : most;
	}
	int64_t width = (most - least) / EVICT_CLASSES + 1;
	for (size_t i = 0; i < table->capacity; i++)
		if (table->slots[i].key.bucket)
			classes[(expiry_of(table, table->slots[i].key.bucket) - least) / width]++;
	while (last + 1 < EVICT_CLASSES && before + classes[last] < wanted)
		before += classes[last++];
	return (struct removal) { .whole = least + (int64_t)last * width - 1,
		                  .until = least + (int64_t)(last + 1) * width - 1,
		                  .part = wanted - before,
		                  .of = classes[last] };
}

static void evict(struct dedup_table *table)
{
	struct removal those = choose_evicted(table, table->capacity / 8);
	table->evicted += delete_those(table, &those);
	if (those.until > table->evicted_until)
		table->evicted_until = those.until;
}

static void make_room(struct dedup_table *table, int64_t now)
{
	bool widest = table->capacity == table->capacity_max;
	size_t limit = table->capacity / 8 * (widest ? 7 : 5);
	if (table->count < limit)
		return;
	if (table->swept < now)
		sweep(table, now);
	if (table->count < limit || grow(table, table->capacity * 2))
		return;
	if (table->count >= table->capacity / 8 * 7)
		evict(table);
}

/* The first entry of a hash, whatever its tag, or the further one with this tag; NULL: there is none. *vacant is then a
 * slot that a new one may take. */
static inline struct dedup_entry *search(const struct dedup_table *table, const struct dedup_entry *wanted, int64_t now,
                                         struct dedup_entry **vacant)
{
	size_t mask = table->capacity - 1, at = home_of(table, wanted);
	*vacant = NULL;
	for (; table->slots[at].key.bucket; at = (at + 1) & mask) {
		struct dedup_entry *slot = &table->slots[at];
		if (memcmp(slot->key.hash, wanted->key.hash, sizeof(wanted->key.hash)) == 0 &&
		    (slot->tag == wanted->tag || !((slot->tag | wanted->tag) & FURTHER)))
			return slot;
		if (!*vacant && is_expired(table, slot->key.bucket, now))
			*vacant = slot;
	}
	if (!*vacant)
		*vacant = &table->slots[at];
	return NULL;
}

enum dedup_found dedup_table_find(struct dedup_table *table, const struct dedup_key *key, uint64_t tag, int64_t now)
{
	struct dedup_entry wanted = { *key, tag & ~FURTHER }, *vacant;
	tick(table, now);
	const struct dedup_entry *slot = search(table, &wanted, now, &vacant);
	if (!slot || is_expired(table, slot->key.bucket, now))
		return DEDUP_FOUND_NONE;
	if (slot->tag == wanted.tag)
		return DEDUP_FOUND_SAME;
	wanted.tag |= FURTHER;
	slot = search(table, &wanted, now, &vacant);
	return slot && !is_expired(table, slot->key.bucket, now) ? DEDUP_FOUND_SAME : DEDUP_FOUND_OTHER;
}

void dedup_table_put(struct dedup_table *table, const struct dedup_entry *entry, int64_t now)
{
	assert(entry->key.bucket);
	if ((int16_t)(uint16_t)(entry->key.bucket - (uint16_t)now) <= 0)
		return; /* before `swept` it would look far ahead */
	tick(table, now);
	make_room(table, now);
	struct dedup_entry moving = { entry->key, entry->tag & ~FURTHER }, *vacant;
	struct dedup_entry *slot = search(table, &moving, now, &vacant);
	if (slot && slot->tag != moving.tag && !is_expired(table, slot->key.bucket, now)) {
		struct dedup_entry first = *slot;
		if (expiry_of(table, first.key.bucket) < expiry_of(table, moving.key.bucket)) {
			*slot = moving;
			moving = first;
		}
		moving.tag |= FURTHER;
		slot = search(table, &moving, now, &vacant);
	}
	if (!slot) {
		table->count += vacant->key.bucket == 0;
		*vacant = moving;
	} else if (slot->tag != moving.tag ||
	           expiry_of(table, slot->key.bucket) < expiry_of(table, moving.key.bucket)) {
		*slot = moving; /* what another tag has left has expired, and all of its hash with it */
	}
}

size_t dedup_table_live(const struct dedup_table *table, int64_t now)
{
	size_t live = 0;
	for (size_t i = 0; i < table->capacity; i++)
		live += table->slots[i].key.bucket && !is_expired(table, table->slots[i].key.bucket, now);
	return live;
}
