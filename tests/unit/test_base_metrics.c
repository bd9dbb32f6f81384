/* Counters of several threads, gauges, and the text that is scraped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/metrics.h"

#define THREADS 4
#define ROUNDS 20000
#define CROWD 300

static _Atomic bool stop;

static struct slice render(struct buffer *out)
{
	buffer_init(out, NULL);
	metrics_render(out);
	buffer_append_char(out, '\0');
	assert_false(out->failed);
	return buffer_slice(out);
}

static void assert_rendered(const char *line)
{
	struct buffer out;
	struct slice text = render(&out);
	if (!strstr(text.at, line))
		fail_msg("no '%s' in:\n%s", line, text.at);
	buffer_fini(&out);
}

static void unlabelled_series_exist_from_the_start(void **state)
{
	(void)state;
	assert_rendered("# HELP headgate_body_bytes_total Bytes of request bodies received, before inflating.\n"
	                "# TYPE headgate_body_bytes_total counter\nheadgate_body_bytes_total 0\n");
	assert_rendered("# TYPE headgate_connections gauge\nheadgate_connections 0\n");
	assert_rendered("# TYPE headgate_events_total counter\n# HELP");
}

static void series_are_found_again(void **state)
{
	struct slice labels[] = { SLICE("shop"), SLICE("purchase"), SLICE("accepted") };
	struct slice moved[] = { SLICE("shopp"), SLICE("urchase"), SLICE("accepted") };
	(void)state;
	uint32_t series = metrics_series(METRIC_EVENTS, labels);
	assert_int_equal(series, metrics_series(METRIC_EVENTS, labels));
	assert_int_not_equal(series, metrics_series(METRIC_EVENTS, moved));
	assert_int_not_equal(metrics_series1(METRIC_RECORDS, "a"), metrics_series1(METRIC_DEAD_LETTERS, "a"));
	metrics_add(series, 3);
	assert_int_equal(metrics_get(series), 3);
	assert_rendered("headgate_events_total{source=\"shop\",event=\"purchase\",verdict=\"accepted\"} 3\n");
}

static void label_values_are_escaped(void **state)
{
	(void)state;
	metrics_add(metrics_series1(METRIC_WARNINGS, "a\"b\\c\nd"), 1);
	assert_rendered("headgate_warnings_total{rule=\"a\\\"b\\\\c\\nd\"} 1\n");
}

static void gauges_hold_the_last_value(void **state)
{
	(void)state;
	metrics_set(metrics_series0(METRIC_CONNECTIONS), 7);
	metrics_set(metrics_series0(METRIC_CONNECTIONS), -2);
	assert_rendered("headgate_connections -2\n");
	metrics_set(metrics_series0(METRIC_CONNECTIONS), 0);
}

static void *count(void *subject)
{
	char name[32];
	metrics_register_thread();
	uint32_t fixed = metrics_series0(METRIC_BODY_BYTES);
	for (int i = 0; i < ROUNDS; i++) {
		metrics_add(fixed, 2);
		/* Every thread makes series too, so that chunks appear while others count. */
		if (i % 8 == 0) {
			snprintf(name, sizeof name, "t%d", i / (*(int *)subject + 1));
			metrics_add(metrics_series1(METRIC_FORWARD_RECORDS, name), 1);
		}
	}
	return NULL;
}

static void *scrape(void *subject)
{
	(void)subject;
	uint64_t before = 0;
	while (!stop) {
		struct buffer out;
		render(&out);
		buffer_fini(&out);
		uint64_t now = metrics_get(metrics_series0(METRIC_BODY_BYTES));
		if (now < before)
			abort();
		before = now;
	}
	return NULL;
}

static void nothing_is_lost_between_threads(void **state)
{
	pthread_t threads[THREADS], reader;
	int ids[THREADS];
	char name[32];
	(void)state;
	assert_int_equal(pthread_create(&reader, NULL, scrape, NULL), 0);
	for (int i = 0; i < THREADS; i++) {
		ids[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, count, &ids[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	stop = true;
	pthread_join(reader, NULL);
	assert_int_equal(metrics_get(metrics_series0(METRIC_BODY_BYTES)), (uint64_t)2 * THREADS * ROUNDS);
	uint64_t sum = 0;
	for (int i = 0; i < ROUNDS; i++) {
		snprintf(name, sizeof name, "t%d", i);
		sum += metrics_get(metrics_series1(METRIC_FORWARD_RECORDS, name));
	}
	assert_int_equal(sum, (uint64_t)THREADS * ROUNDS / 8);
}

static void *count_once(void *subject)
{
	metrics_register_thread();
	metrics_add(*(uint32_t *)subject, 1);
	return NULL;
}

static void threads_one_after_another_share_a_slot(void **state)
{
	pthread_t thread;
	uint32_t series = metrics_series1(METRIC_REFUSED, "queue");
	size_t before = 0;
	(void)state;
	for (int i = 0; i < 200; i++) {
		assert_int_equal(pthread_create(&thread, NULL, count_once, &series), 0);
		pthread_join(thread, NULL);
		if (i == 0)
			before = mallinfo2().uordblks;
	}
	assert_int_equal(metrics_get(series), 200);
	assert_true(mallinfo2().uordblks < before + 200 * sizeof(uint64_t) * 100); /* a slot takes 8 KiB and more */
}

struct crowd {
	uint32_t series;
	pthread_barrier_t all_there;
};

static void *count_in_a_crowd(void *subject)
{
	struct crowd *crowd = subject;
	metrics_register_thread();
	pthread_barrier_wait(&crowd->all_there);
	metrics_add(crowd->series, 1);
	return NULL;
}

/* Threads beyond the slots count as well. */
static void more_threads_than_slots(void **state)
{
	pthread_t threads[CROWD];
	struct crowd crowd = { .series = metrics_series1(METRIC_REFUSED, "crowd") };
	(void)state;
	assert_int_equal(pthread_barrier_init(&crowd.all_there, NULL, CROWD), 0);
	for (int i = 0; i < CROWD; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count_in_a_crowd, &crowd), 0);
	for (int i = 0; i < CROWD; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(metrics_get(crowd.series), CROWD);
	pthread_barrier_destroy(&crowd.all_there);
}

static uint32_t fill(enum metric metric, int count)
{
	char name[32];
	uint32_t last = 0;
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof name, "n%d", i);
		const struct slice labels[] = { slice_of(name), SLICE("purchase"), SLICE("accepted") };
		last = metrics_series(metric, labels);
		metrics_add(last, 1);
	}
	return last;
}

static void too_many_series_share_one(void **state)
{
	const struct slice unseen[] = { SLICE("never"), SLICE("seen"), SLICE("before") };
	(void)state;
	uint32_t last = fill(METRIC_EVENTS, 70000);
	assert_int_equal(last, metrics_series(METRIC_EVENTS, unseen));
	assert_true(metrics_get(last) > 1);
	assert_rendered("headgate_events_total{source=\"(overflow)\",event=\"(overflow)\",verdict=\"(overflow)\"} ");
	assert_rendered("headgate_events_total{source=\"n0\",event=\"purchase\",verdict=\"accepted\"} 1\n");
}

/* Follows the above: the books must not be the ones that find the table full. */
static void others_have_series_of_their_own_still(void **state)
{
	static const char *const STATES[] = { "accepted", "delivered", "pending", "poisoned", "erased", "quarantined" };
	static const enum metric METRICS[] = { METRIC_RECORDS, METRIC_DEAD_LETTERS };
	uint32_t ids[12], count = 0;
	(void)state;
	for (size_t m = 0; m < 2; m++)
		for (size_t s = 0; s < 6; s++)
			ids[count++] = metrics_series1(METRICS[m], STATES[s]);
	for (uint32_t i = 0; i < count; i++)
		for (uint32_t j = 0; j < i; j++)
			assert_int_not_equal(ids[i], ids[j]);
	assert_int_not_equal(fill(METRIC_PII_FOUND, 128), fill(METRIC_PII_FOUND, 127));
	assert_int_equal(fill(METRIC_PII_FOUND, 129), fill(METRIC_PII_FOUND, 130));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unlabelled_series_exist_from_the_start),
		cmocka_unit_test(series_are_found_again),
		cmocka_unit_test(label_values_are_escaped),
		cmocka_unit_test(gauges_hold_the_last_value),
		cmocka_unit_test(nothing_is_lost_between_threads),
		cmocka_unit_test(threads_one_after_another_share_a_slot),
		cmocka_unit_test(more_threads_than_slots),
		cmocka_unit_test(too_many_series_share_one),
		cmocka_unit_test(others_have_series_of_their_own_still),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
