/* The slots of a shard: one that has been full for long, and many tags of one hash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"
#include "dedup/table.h"

enum { NOW = 2940000, SLOTS = 1 << 15 };

static struct dedup_entry make_entry(uint64_t number, uint64_t buckets)
{
	static const struct hash_key key = { "0123456789abcde" };
	const struct slice parts[] = { { (const char *)&number, sizeof(number) } };
	struct hash128 hash = hash_keyed128_parts(&key, parts, 1);
	uint16_t bucket = (uint16_t)(NOW + buckets);
	struct dedup_entry entry = { .key.bucket = bucket ? bucket : 1, .tag = 1 };
	memcpy(entry.key.hash, &hash.low, 8);
	memcpy(entry.key.hash + 8, &hash.high, 6);
	return entry;
}

/* Slots in use in a row, which a search may have to walk. */
static size_t longest_run(const struct dedup_table *table)
{
	size_t longest = 0, run = 0;
	for (size_t i = 0; i < 2 * table->capacity; i++) {
		run = table->slots[i % table->capacity].key.bucket ? run + 1 : 0;
		longest = run > longest ? run : longest;
	}
	return longest;
}

/* It must be as quick as one that just became full: whether all expires at once, or in few classes, or over months. */
static void test_eviction_crowds_no_part(void **state)
{
	(void)state;
	static const uint64_t SPANS[] = { 1, 100, 30000 };
	for (size_t i = 0; i < sizeof(SPANS) / sizeof(SPANS[0]); i++) {
		struct dedup_table table;
		assert_true(dedup_table_init(&table, SLOTS, NOW));
		for (uint64_t number = 0; number < 20 * SLOTS; number++) {
			struct dedup_entry entry = make_entry(number, 144 + number * 7919 % SPANS[i]);
			dedup_table_put(&table, &entry, NOW);
			assert_int_equal(dedup_table_find(&table, &entry.key, 1, NOW), DEDUP_FOUND_SAME);
		}
		assert_int_equal(table.capacity, SLOTS);
		assert_in_range(table.count, SLOTS / 8 * 6 - 1, SLOTS / 8 * 7);
		assert_in_range(longest_run(&table), 1, SLOTS / 8);
		dedup_table_fini(&table);
	}
}

/* Of those that expire together no more go than must: a burst does not forget itself. And those that expire first go
 * first, all of them. */
static void test_the_earliest_go_first(void **state)
{
	(void)state;
	struct dedup_table table;
	size_t early = 0, late = 0;
	const uint64_t half = SLOTS / 16, full = SLOTS / 8 * 7;
	assert_true(dedup_table_init(&table, SLOTS, NOW));
	for (uint64_t number = 0; number <= full; number++) {
		struct dedup_entry entry = make_entry(number, number < half ? 10 : 20);
		dedup_table_put(&table, &entry, NOW);
	}
	for (uint64_t number = 0; number <= full; number++) {
		struct dedup_entry entry = make_entry(number, 1);
		bool found = dedup_table_find(&table, &entry.key, 1, NOW) == DEDUP_FOUND_SAME;
		*(number < half ? &early : &late) += found;
	}
	assert_int_equal(early, 0);
	assert_int_equal(late, full + 1 - SLOTS / 8);
	assert_int_equal(table.evicted, SLOTS / 8);
	assert_int_equal(table.evicted_until, NOW + 20);
	dedup_table_fini(&table);
}

static struct dedup_entry make_tagged(uint64_t number, uint64_t tag, uint64_t buckets)
{
	struct dedup_entry entry = make_entry(number, buckets);
	entry.tag = tag;
	return entry;
}

/* A client that sends one event_id with ever new content: exact as ever, and no search gets long, neither for it nor for
 * others; also where it has filled the table, again and again. */
static void test_many_tags_of_one_hash(void **state)
{
	(void)state;
	struct dedup_table table;
	assert_true(dedup_table_init(&table, SLOTS, NOW));
	for (uint64_t tag = 1; tag <= 4 * SLOTS; tag++) {
		struct dedup_entry entry = make_tagged(7, tag, 10 + tag / 1000);
		assert_int_equal(dedup_table_find(&table, &entry.key, tag, NOW),
		                 tag == 1 ? DEDUP_FOUND_NONE : DEDUP_FOUND_OTHER);
		dedup_table_put(&table, &entry, NOW);
		assert_int_equal(dedup_table_find(&table, &entry.key, tag, NOW), DEDUP_FOUND_SAME);
		if (tag == SLOTS / 2)
			assert_in_range(longest_run(&table), 1, SLOTS / 8);
	}
	assert_in_range(longest_run(&table), 1, SLOTS / 8);
	assert_in_range(table.count, SLOTS / 8 * 6 - 1, SLOTS / 8 * 7); /* a slot for a key, no more */
	size_t known = 0;
	for (uint64_t tag = 1; tag <= 4 * SLOTS; tag++) {
		struct dedup_entry entry = make_tagged(7, tag, 10 + tag / 1000);
		bool same = dedup_table_find(&table, &entry.key, tag, NOW) == DEDUP_FOUND_SAME;
		known += same;
		assert_true(same || NOW + 10 + (int64_t)tag / 1000 <= table.evicted_until);
	}
	assert_int_equal(known, table.count);
	dedup_table_fini(&table);
}

/* Whichever order they came in, and whichever expires first. */
static void test_tags_expire_by_themselves(void **state)
{
	(void)state;
	enum { TAGS = 5 };
	for (uint64_t turn = 0; turn < 120; turn++) {
		struct dedup_table table;
		uint64_t order[TAGS] = { 1, 2, 3, 4, 5 };
		for (uint64_t i = TAGS, left = turn; i > 1; left /= i, i--) {
			uint64_t moved = order[i - 1];
			order[i - 1] = order[left % i];
			order[left % i] = moved;
		}
		assert_true(dedup_table_init(&table, SLOTS, NOW));
		for (size_t i = 0; i < TAGS; i++) {
			struct dedup_entry entry = make_tagged(7, order[i], 10 * order[i]);
			dedup_table_put(&table, &entry, NOW);
		}
		struct dedup_key key = make_entry(7, 1).key;
		for (uint64_t at = 0; at <= 10 * TAGS; at++)
			for (uint64_t tag = 0; tag <= TAGS; tag++) {
				enum dedup_found wanted = at < 10 * tag    ? DEDUP_FOUND_SAME
				                          : at < 10 * TAGS ? DEDUP_FOUND_OTHER
				                                           : DEDUP_FOUND_NONE;
				assert_int_equal(dedup_table_find(&table, &key, tag, NOW + (int64_t)at), wanted);
			}
		dedup_table_fini(&table);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_eviction_crowds_no_part),
		cmocka_unit_test(test_the_earliest_go_first),
		cmocka_unit_test(test_many_tags_of_one_hash),
		cmocka_unit_test(test_tags_expire_by_themselves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
