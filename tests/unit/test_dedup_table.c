/* The slots of a shard that has been full for long. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_eviction_crowds_no_part),
		cmocka_unit_test(test_the_earliest_go_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
