/* Token buckets: filling, burst, debt, one key beside another, many keys in bounded memory, several threads. Time is what
 * the test says it is. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "config/config.h"
#include "http/rate_table.h"

#define SECOND 1000000000ull
#define START (1000 * SECOND)
#define ADDRESSES 100000
#define THREADS 4

static struct rate_table *make(uint32_t buckets)
{
	struct error err = { 0 };
	struct rate_table *table = rate_table_create(buckets, &err);

	assert_non_null(table);
	return table;
}

static uint64_t key_of(const struct rate_table *table, size_t number)
{
	char text[24];
	int len = snprintf(text, sizeof text, "%zu", number);

	return rate_table_hash(table, SLICE("shop"), (struct slice) { text, (size_t)len });
}

/* Takes until refused; how many there were. */
static unsigned take_all(struct rate_table *table, uint64_t key, const struct config_rate *rate, uint64_t now_ns)
{
	unsigned count = 0;

	while (count < 100000 && rate_table_take(table, key, rate, now_ns) == 0)
		count++;
	return count;
}

static void test_burst_and_refill(void **state)
{
	const struct config_rate rate = { .per_second = 10, .burst = 25 };
	struct rate_table *table = make(64);
	uint64_t key = key_of(table, 1), now = START;

	(void)state;
	assert_int_equal(take_all(table, key, &rate, now), 25);
	/* the wait that is told is the wait there is */
	uint64_t wait_ns = rate_table_take(table, key, &rate, now);
	assert_int_equal(wait_ns, SECOND / 10);
	assert_int_equal(rate_table_take(table, key, &rate, now + wait_ns - 1), 1);
	assert_int_equal(rate_table_take(table, key, &rate, now + wait_ns), 0);
	assert_int_not_equal(rate_table_take(table, key, &rate, now + wait_ns), 0);
	now += wait_ns;
	assert_int_equal(take_all(table, key, &rate, now + SECOND), 10);
	/* never more than the burst, however long it rests */
	assert_int_equal(take_all(table, key, &rate, now + 3600 * SECOND), 25);
	rate_table_destroy(&table);
	assert_null(table);
}

static void test_debt(void **state)
{
	const struct config_rate rate = { .per_second = 10, .burst = 20 };
	struct rate_table *table = make(64);
	uint64_t key = key_of(table, 1);

	(void)state;
	assert_int_equal(rate_table_take(table, key, &rate, START), 0);
	rate_table_charge(table, key, &rate, 99, START); /* 100 of 20: 80 owed, and one more for the next */
	assert_int_equal(rate_table_take(table, key, &rate, START), 81 * SECOND / 10);
	assert_int_equal(rate_table_take(table, key, &rate, START + 81 * SECOND / 10), 0);
	/* a debt ends within ten minutes, whatever was charged */
	rate_table_charge(table, key, &rate, 1000000, START + 10 * SECOND);
	uint64_t wait_ns = rate_table_take(table, key, &rate, START + 10 * SECOND);
	assert_in_range(wait_ns, 600 * SECOND, 601 * SECOND);
	rate_table_destroy(&table);
}

/* A reload changes the rate: the bucket stays. */
static void test_other_rate(void **state)
{
	const struct config_rate slow = { .per_second = 1, .burst = 5 }, fast = { .per_second = 100, .burst = 500 };
	struct rate_table *table = make(64);
	uint64_t key = key_of(table, 1);

	(void)state;
	assert_int_equal(take_all(table, key, &slow, START), 5);
	assert_true(take_all(table, key, &fast, START + SECOND) > 0);
	assert_int_equal(take_all(table, key, &slow, START + SECOND), 0);
	rate_table_destroy(&table);
}

static void test_others_do_not_starve(void **state)
{
	const struct config_rate rate = { .per_second = 5, .burst = 5 };
	struct rate_table *table = make(1024);
	unsigned hot = 0, calm = 0;

	(void)state;
	/* one key asks a hundred times as often as it may; a hundred others ask as often as they may */
	for (uint64_t now = START; now < START + 10 * SECOND; now += SECOND / 5) {
		for (int i = 0; i < 100; i++)
			hot += rate_table_take(table, key_of(table, 0), &rate, now) == 0;
		for (size_t other = 1; other <= 100; other++)
			calm += rate_table_take(table, key_of(table, other), &rate, now) == 0;
	}
	assert_int_equal(calm, 100 * 50);
	assert_in_range(hot, 50, 55);
	rate_table_destroy(&table);
}

static void test_many_addresses(void **state)
{
	const struct config_rate rate = { .per_second = 1, .burst = 3 };
	struct rate_table *table = make(65536);
	size_t bytes = rate_table_bytes(table);
	unsigned refused = 0;

	(void)state;
	assert_true(bytes < (size_t)2 * 1024 * 1024);
	/* more addresses than there is room for: each is let in, and memory stays what it was */
	for (size_t i = 0; i < ADDRESSES; i++)
		refused += rate_table_take(table, key_of(table, i), &rate, START + i) != 0;
	assert_int_equal(refused, 0);
	assert_int_equal(rate_table_bytes(table), bytes);
	/* one that was heavily in debt outlives them: those nearest to full are forgotten first */
	uint64_t hot = key_of(table, ADDRESSES);
	assert_int_equal(rate_table_take(table, hot, &rate, START + SECOND), 0);
	rate_table_charge(table, hot, &rate, 100, START + SECOND);
	for (size_t i = 0; i < ADDRESSES; i++)
		(void)rate_table_take(table, key_of(table, ADDRESSES + 1 + i), &rate, START + SECOND);
	assert_int_not_equal(rate_table_take(table, hot, &rate, START + 2 * SECOND), 0);
	rate_table_destroy(&table);
}

struct crowd {
	struct rate_table *table;
	uint64_t key;
	_Atomic unsigned let_in;
};

static void *ask(void *argument)
{
	const struct config_rate rate = { .per_second = 1000, .burst = 1000 };
	struct crowd *crowd = argument;

	for (uint64_t now = START; now < START + SECOND; now += SECOND / 10000) {
		if (rate_table_take(crowd->table, crowd->key, &rate, now) == 0)
			crowd->let_in++;
		(void)rate_table_take(crowd->table, key_of(crowd->table, (size_t)now), &rate, now);
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct crowd crowd = { .table = make(4096) };
	pthread_t threads[THREADS];

	(void)state;
	crowd.key = key_of(crowd.table, 1);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask, &crowd), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	/* the burst, and what comes in within the second; a thread's clock may lag behind another's, never ahead */
	assert_in_range(crowd.let_in, 1990, 2000 + THREADS);
	rate_table_destroy(&crowd.table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst_and_refill), cmocka_unit_test(test_debt),
		cmocka_unit_test(test_other_rate),       cmocka_unit_test(test_others_do_not_starve),
		cmocka_unit_test(test_many_addresses),   cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
