/* Deduplication: answers, reservations and waiters, expiry around the wrap of 16 bits, growth, eviction; a model
 * of random operations; threads (run under TSan as well). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/clock.h"
#include "dedup/table.h"
#include "dedup_fixture.h"

struct test_waiter {
	struct dedup_waiter waiter;
	int posted;
};

static void on_post(struct dedup_waiter *waiter)
{
	((struct test_waiter *)(void *)waiter)->posted++;
}

static void test_answers(void **state)
{
	(void)state;
	struct dedup *dedup = make(1 << 20);
	struct dedup_ticket one, two, three;
	struct dedup_stats stats;
	int64_t now = clock_wall_ms();
	assert_int_equal(reserve(dedup, 1, 10, now, &one, NULL), DEDUP_NEW);
	assert_int_not_equal(one.entry, 0);
	assert_int_equal(reserve(dedup, 1, 10, now, &three, NULL), DEDUP_PENDING);
	assert_int_equal(three.entry, 0);
	assert_int_equal(reserve(dedup, 1, 11, now, &two, NULL), DEDUP_OTHER);
	dedup_confirm(dedup, &one);
	assert_int_equal(one.entry, 0);
	dedup_confirm(dedup, &one);
	assert_int_equal(reserve(dedup, 1, 10, now, &three, NULL), DEDUP_SAME);
	assert_int_equal(three.entry, 0);
	dedup_confirm(dedup, &three);
	dedup_release(dedup, &two);
	dedup_release(dedup, &two);
	assert_int_equal(reserve(dedup, 1, 11, now, &two, NULL), DEDUP_OTHER);
	dedup_confirm(dedup, &two);
	assert_int_equal(reserve(dedup, 1, 11, now, &three, NULL), DEDUP_SAME);
	assert_int_equal(reserve(dedup, 1, 10, now, &three, NULL), DEDUP_SAME);
	assert_int_equal(reserve(dedup, 1, 0, now, &three, NULL), DEDUP_OTHER);
	dedup_release(dedup, &three);
	dedup_stats(dedup, &stats);
	assert_int_equal(stats.entries, 2);
	assert_int_equal(stats.reserved, 0);
	dedup_destroy(&dedup);
	assert_null(dedup);
}

static void test_released_is_new_again(void **state)
{
	(void)state;
	struct dedup *dedup = make(1 << 20);
	struct dedup_ticket ticket;
	int64_t now = clock_wall_ms();
	for (int i = 0; i < 3; i++) {
		assert_int_equal(reserve(dedup, 5, 0, now, &ticket, NULL), DEDUP_NEW);
		dedup_release(dedup, &ticket);
	}
	dedup_destroy(&dedup);
}

static void test_waiters(void **state)
{
	(void)state;
	struct dedup *dedup = make(1 << 20);
	struct test_waiter waiters[3] = { 0 };
	struct dedup_ticket ticket, none;
	int64_t now = clock_wall_ms();
	for (int confirmed = 0; confirmed < 2; confirmed++) {
		assert_int_equal(reserve(dedup, 9, 1, now, &ticket, NULL), DEDUP_NEW);
		for (int i = 0; i < 3; i++) {
			waiters[i] = (struct test_waiter) { .waiter.post = on_post };
			assert_int_equal(reserve(dedup, 9, 1, now, &none, &waiters[i].waiter), DEDUP_PENDING);
		}
		if (confirmed)
			dedup_confirm(dedup, &ticket);
		else
			dedup_release(dedup, &ticket);
		for (int i = 0; i < 3; i++) {
			assert_int_equal(waiters[i].posted, 1);
			assert_int_equal(waiters[i].waiter.confirmed, confirmed);
		}
	}
	dedup_destroy(&dedup);
}

static void test_keys(void **state)
{
	(void)state;
	struct dedup *dedup = make(1 << 20);
	const struct slice ab_c[] = { SLICE("ab"), SLICE("c") }, a_bc[] = { SLICE("a"), SLICE("bc") };
	struct dedup_key one = dedup_make_key(dedup, ab_c, 2, 0, 1), two = dedup_make_key(dedup, a_bc, 2, 0, 1);
	assert_memory_not_equal(one.hash, two.hash, sizeof(one.hash));
	assert_int_equal(one.bucket, 1);
	assert_int_equal(dedup_make_key(dedup, ab_c, 2, BUCKET_MS, BUCKET_MS).bucket, 2);
	assert_int_equal(dedup_make_key(dedup, ab_c, 2, BUCKET_MS + 1, BUCKET_MS).bucket, 3);
	assert_int_equal(dedup_make_key(dedup, ab_c, 2, 65536ll * BUCKET_MS, 0).bucket, 1);
	assert_int_equal(dedup_make_key(dedup, ab_c, 2, 0, UINT64_MAX).bucket, DEDUP_WINDOW_BUCKETS_MAX);
	assert_int_not_equal(dedup_tag(dedup, SLICE("")), 0);
	dedup_destroy(&dedup);
}

static void test_expiry(void **state)
{
	(void)state;
	/* Around a wrap of the 16 bits: 65,536 buckets of 10 minutes; the clock is the test's. */
	int64_t wrap = (clock_wall_ms() / BUCKET_MS / 65536 + 1) * 65536 * BUCKET_MS;
	for (int64_t begin = wrap - 160ll * BUCKET_MS; begin < wrap + 10ll * BUCKET_MS; begin += 7ll * BUCKET_MS) {
		struct dedup *dedup = make(1 << 20);
		assert_int_equal(see(dedup, 1, 0, begin), DEDUP_NEW);
		assert_int_equal(see(dedup, 1, 0, begin + (int64_t)DAY_MS - 1), DEDUP_SAME);
		assert_int_equal(see(dedup, 1, 0, begin + (int64_t)DAY_MS + 2 * BUCKET_MS), DEDUP_NEW);
		dedup_destroy(&dedup);
	}
}

static void test_expired_stays_expired(void **state)
{
	(void)state;
	/* An idle shard whose 16 bits have come round again. */
	static const int64_t idle_buckets[] = { 300, 32768, 33000, 65536, 65600, 131072, 1000000 };
	int64_t begin = clock_wall_ms();
	for (size_t i = 0; i < sizeof(idle_buckets) / sizeof(idle_buckets[0]); i++) {
		struct dedup *dedup = make(1 << 20);
		assert_int_equal(see(dedup, 1, 0, begin), DEDUP_NEW);
		assert_int_equal(see(dedup, 1, 0, begin + idle_buckets[i] * BUCKET_MS), DEDUP_NEW);
		dedup_destroy(&dedup);
	}
}

static void test_years_of_use(void **state)
{
	(void)state;
	struct dedup *dedup = make(1 << 20);
	int64_t now = clock_wall_ms();
	for (int step = 0; step < 500; step++, now += 400ll * BUCKET_MS) {
		for (uint64_t number = 0; number < 200; number++)
			assert_int_equal(see(dedup, number, 0, now), DEDUP_NEW);
		for (uint64_t number = 0; number < 200; number++)
			assert_int_equal(see(dedup, number, 0, now + BUCKET_MS), DEDUP_SAME);
	}
	dedup_destroy(&dedup);
}

static void test_clock_set_back(void **state)
{
	(void)state;
	struct dedup *dedup = make(1 << 20);
	int64_t now = clock_wall_ms();
	assert_int_equal(see(dedup, 1, 0, now + 3600000), DEDUP_NEW);
	assert_int_equal(see(dedup, 1, 0, now), DEDUP_SAME);
	assert_int_equal(see(dedup, 2, 0, now), DEDUP_NEW);
	assert_int_equal(see(dedup, 2, 0, now + 60000), DEDUP_SAME);
	dedup_destroy(&dedup);
}

static void test_growth(void **state)
{
	(void)state;
	struct dedup *dedup = make(64 << 20);
	struct dedup_stats stats;
	int64_t now = clock_wall_ms();
	dedup_stats(dedup, &stats);
	assert_in_range(stats.memory_bytes, 1, 512 << 10);
	for (uint64_t i = 0; i < 200000; i++)
		assert_int_equal(see(dedup, i, i & 3, now), DEDUP_NEW);
	for (uint64_t i = 0; i < 200000; i++)
		assert_int_equal(see(dedup, i, i & 3, now), DEDUP_SAME);
	dedup_stats(dedup, &stats);
	assert_int_equal(stats.entries, 200000);
	assert_int_equal(stats.evicted, 0);
	assert_int_equal(stats.oldest_kept_until_ms, 0);
	assert_in_range(stats.memory_bytes, 200000 * 24, 64 << 20);
	dedup_destroy(&dedup);
}

static void test_expired_make_room(void **state)
{
	(void)state;
	struct dedup *dedup = make(1 << 20);
	struct dedup_stats stats;
	int64_t now = clock_wall_ms();
	for (uint64_t i = 0; i < 200000; i++)
		assert_int_equal(see(dedup, i, 0, now + (int64_t)i * 60000), DEDUP_NEW);
	dedup_stats(dedup, &stats);
	assert_int_equal(stats.evicted, 0);
	dedup_destroy(&dedup);
}

static void test_eviction(void **state)
{
	(void)state;
	struct dedup *dedup = make(1 << 20);
	struct dedup_stats stats;
	int64_t begin = clock_wall_ms();
	const uint64_t count = 100000;
	for (uint64_t i = 0; i < count; i++) /* 20 hours: nothing expires */
		assert_int_equal(see(dedup, i, 0, begin + (int64_t)(i * 72000 / 100)), DEDUP_NEW);
	dedup_stats(dedup, &stats);
	assert_in_range(stats.memory_bytes, 1, 1 << 20);
	assert_int_equal(stats.entries + stats.evicted, count);
	int64_t end = begin + 72000000;
	uint64_t known = 0;
	for (uint64_t i = 0; i < count; i++) {
		struct dedup_ticket ticket;
		int64_t expiry = begin + (int64_t)(i * 72000 / 100) + (int64_t)DAY_MS;
		bool same = reserve(dedup, i, 0, end, &ticket, NULL) == DEDUP_SAME;
		dedup_release(dedup, &ticket);
		known += same;
		if (!same && expiry > stats.oldest_kept_until_ms)
			fail_msg("key %lu is gone but expires after what was evicted", (unsigned long)i);
	}
	assert_int_equal(known, stats.entries);
	assert_true(stats.oldest_kept_until_ms > begin + (int64_t)DAY_MS &&
	            stats.oldest_kept_until_ms < end + (int64_t)DAY_MS);
	dedup_destroy(&dedup);
}

/* What its mutex is held for, growing and forgetting, must not take longer with more memory. */
static void test_no_part_is_large(void **state)
{
	(void)state;
	const uint64_t most = (4 << 20) / sizeof(struct dedup_entry);
	struct dedup *dedup = make(1 << 30);
	struct dedup_stats stats;
	int64_t now = clock_wall_ms();
	for (uint64_t i = 0; i <= most; i++) {
		struct dedup_key key = key_of(dedup, i, now, DAY_MS);
		memset(key.hash, 0, 2);
		dedup_insert(dedup, &key, 1, now);
	}
	dedup_stats(dedup, &stats);
	assert_in_range(stats.evicted, 1, most);
	assert_int_equal(stats.entries + stats.evicted, most + 1);
	dedup_destroy(&dedup);
}

static void test_many_in_flight(void **state)
{
	(void)state;
	struct dedup *dedup = make(1 << 20);
	struct dedup_stats stats;
	const uint64_t count = 50000;
	int64_t now = clock_wall_ms();
	struct dedup_ticket *tickets = calloc(count, sizeof(*tickets)), none;
	for (uint64_t i = 0; i < count; i++)
		assert_int_equal(reserve(dedup, i, 0, now, &tickets[i], NULL), DEDUP_NEW);
	for (uint64_t i = 0; i < count; i++)
		assert_int_equal(reserve(dedup, i, 0, now, &none, NULL), DEDUP_PENDING);
	for (uint64_t i = 0; i < count; i += 2)
		dedup_release(dedup, &tickets[i]);
	for (uint64_t i = 0; i < count; i += 2)
		assert_int_equal(reserve(dedup, i, 0, now, &tickets[i], NULL), DEDUP_NEW);
	for (uint64_t i = 0; i < count; i++)
		dedup_release(dedup, &tickets[i]);
	dedup_stats(dedup, &stats);
	assert_int_equal(stats.reserved, 0);
	assert_int_equal(stats.entries, 0);
	free(tickets);
	dedup_destroy(&dedup);
}

static int64_t thread_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Microseconds for so many reservations at once, of keys or of tags of one key. */
static int64_t hold(uint64_t count, bool one_key)
{
	struct dedup *dedup = make(1 << 20);
	struct dedup_ticket *tickets = calloc(count, sizeof(*tickets)), none;
	int64_t now = clock_wall_ms(), begun_us = thread_us();
	for (uint64_t i = 0; i < count; i++) {
		uint64_t number = one_key ? 0 : i, tag = one_key ? i : 0;
		assert_int_equal(reserve(dedup, number, tag, now, &tickets[i], NULL),
		                 one_key && i ? DEDUP_OTHER : DEDUP_NEW);
		assert_int_equal(reserve(dedup, number, tag, now, &none, NULL), DEDUP_PENDING);
	}
	for (uint64_t i = 0; i < count; i++)
		dedup_release(dedup, &tickets[i]);
	int64_t taken_us = thread_us() - begun_us;
	struct dedup_ticket ticket;
	assert_int_equal(reserve(dedup, 0, 0, now, &ticket, NULL), DEDUP_NEW);
	free(tickets);
	dedup_destroy(&dedup);
	return taken_us;
}

static void test_one_id_many_in_flight(void **state)
{
	(void)state;
	const uint64_t count = 30000;
	int64_t many_us = hold(count, false), one_us = hold(count, true);
	if (one_us > 30 * many_us)
		fail_msg("%ld us for one key, %ld us for many", (long)one_us, (long)many_us);
}

static void test_reservations_run_out(void **state)
{
	(void)state;
	struct dedup *dedup = make(1 << 20);
	struct dedup_ticket ticket, first;
	int64_t now = clock_wall_ms();
	uint32_t taken = 0;
	struct dedup_key key = key_of(dedup, 0, now, DAY_MS);
	assert_int_equal(dedup_reserve(dedup, &key, 0, now, &first, NULL), DEDUP_NEW);
	for (uint64_t tag = 1; tag < 200000; tag++) { /* one shard */
		memcpy(key.hash + 6, &tag, sizeof(tag));
		memcpy(key.hash + 1, &tag, 4);
		if (dedup_reserve(dedup, &key, tag, now, &ticket, NULL) == DEDUP_FULL)
			break;
		taken++;
	}
	assert_int_equal(taken, 65535);
	dedup_confirm(dedup, &first);
	assert_int_equal(dedup_reserve(dedup, &key, 7777777, now, &ticket, NULL), DEDUP_NEW);
	dedup_destroy(&dedup);
}

/* ---- a naive model: every key ever seen, with its state ---- */
#define MODEL_KEYS 600
#define MODEL_TAGS 3

struct model {
	int64_t expiry; /* bucket; 0: not durable */
	struct dedup_ticket ticket;
	int64_t pending_expiry;
};

static enum dedup_answer model_answer(struct model model[MODEL_TAGS], unsigned tag, int64_t bucket)
{
	bool other = false;
	if (model[tag].expiry > bucket)
		return DEDUP_SAME;
	if (model[tag].ticket.entry)
		return DEDUP_PENDING;
	for (unsigned t = 0; t < MODEL_TAGS; t++)
		other |= model[t].expiry > bucket || model[t].ticket.entry;
	return other ? DEDUP_OTHER : DEDUP_NEW;
}

static void model_run(unsigned seed, int64_t begin)
{
	struct dedup *dedup = make(4 << 20);
	static struct model model[MODEL_KEYS][MODEL_TAGS];
	memset(model, 0, sizeof(model));
	srand(seed);
	int64_t now = begin;
	for (int step = 0; step < 60000; step++) {
		unsigned number = (unsigned)rand() % MODEL_KEYS, tag = (unsigned)rand() % MODEL_TAGS;
		struct model *m = &model[number][tag];
		if (rand() % 8 == 0)
			now += rand() % (2 * BUCKET_MS);
		if (m->ticket.entry && rand() % 2) {
			bool confirm = rand() % 3 > 0;
			if (confirm && m->pending_expiry > m->expiry)
				m->expiry = m->pending_expiry;
			(confirm ? dedup_confirm : dedup_release)(dedup, &m->ticket);
			continue;
		}
		uint64_t window = (uint64_t)(rand() % 100 + 1) * BUCKET_MS;
		struct dedup_key key = key_of(dedup, number, now, window);
		struct dedup_ticket ticket;
		enum dedup_answer wanted = model_answer(model[number], tag, now / BUCKET_MS);
		enum dedup_answer answer = dedup_reserve(dedup, &key, tag, now, &ticket, NULL);
		if (answer != wanted)
			fail_msg("seed %u step %d: wanted %d, got %d", seed, step, (int)wanted, (int)answer);
		if (!ticket.entry)
			continue;
		m->ticket = ticket;
		m->pending_expiry = (now + (int64_t)window + BUCKET_MS - 1) / BUCKET_MS;
		if (m->pending_expiry % 65536 == 0)
			m->pending_expiry++;
	}
	dedup_destroy(&dedup);
}

static void test_model(void **state)
{
	(void)state;
	int64_t wrap = (clock_wall_ms() / BUCKET_MS / 65536 + 1) * 65536 * BUCKET_MS;
	for (unsigned seed = 1; seed <= 4; seed++) {
		model_run(seed, clock_wall_ms());
		model_run(seed, wrap - 2000ll * BUCKET_MS); /* 60,000 steps move the clock 7,500 buckets on */
	}
}

/* ---- threads: every key is won exactly once, and every waiter is posted exactly once ---- */
#define THREADS 4
#define STRESS_KEYS 20000

struct stress {
	struct dedup *dedup;
	unsigned seed;
};

static _Atomic int won[STRESS_KEYS];
static _Atomic int posts, waits;

static void on_stress_post(struct dedup_waiter *waiter)
{
	posts++;
	free(waiter);
}

static void *stress_thread(void *argument)
{
	struct stress *stress = argument;
	int64_t now = clock_wall_ms();
	for (int round = 0; round < 3; round++) {
		for (uint64_t i = 0; i < STRESS_KEYS; i++) {
			uint64_t number = (i * 7919 + stress->seed * (unsigned)round) % STRESS_KEYS;
			struct dedup_ticket ticket;
			struct dedup_waiter *waiter = calloc(1, sizeof(*waiter));
			waiter->post = on_stress_post;
			enum dedup_answer answer = reserve(stress->dedup, number, 0, now, &ticket, waiter);
			if (answer == DEDUP_PENDING) {
				waits++;
				continue;
			}
			free(waiter);
			if (answer != DEDUP_NEW)
				continue;
			if (rand_r(&stress->seed) % 4 == 0) {
				dedup_release(stress->dedup, &ticket);
			} else {
				won[number]++;
				dedup_confirm(stress->dedup, &ticket);
			}
		}
	}
	return NULL;
}

static void test_threads(void **state)
{
	(void)state;
	struct dedup *dedup = make(64 << 20);
	struct stress stress[THREADS];
	pthread_t threads[THREADS];
	struct dedup_stats stats;
	for (unsigned i = 0; i < THREADS; i++) {
		stress[i] = (struct stress) { dedup, i + 1 };
		assert_int_equal(pthread_create(&threads[i], NULL, stress_thread, &stress[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	uint64_t total = 0;
	for (size_t i = 0; i < STRESS_KEYS; i++) {
		assert_in_range(won[i], 0, 1);
		total += (uint64_t)won[i];
	}
	dedup_stats(dedup, &stats);
	assert_int_equal(stats.entries, total);
	assert_int_equal(stats.reserved, 0);
	assert_int_equal(posts, waits);
	dedup_destroy(&dedup);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_released_is_new_again),
		cmocka_unit_test(test_waiters),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_expired_stays_expired),
		cmocka_unit_test(test_years_of_use),
		cmocka_unit_test(test_clock_set_back),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_expired_make_room),
		cmocka_unit_test(test_eviction),
		cmocka_unit_test(test_no_part_is_large),
		cmocka_unit_test(test_many_in_flight),
		cmocka_unit_test(test_one_id_many_in_flight),
		cmocka_unit_test(test_reservations_run_out),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
