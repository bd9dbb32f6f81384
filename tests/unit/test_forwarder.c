/* The forwarder over a real journal and the files sink: everything that was committed arrives, once, also when the
 * process is started again in between, or the disk refuses for a while. */
#include <dirent.h>
#include <fts.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "config/config.h"
#include "forward/forwarder.h"
#include "journal/journal.h"

#define LANES 2
#define HOUR0 INT64_C(1795312800000) /* 2026-11-22T02:00:00Z */

static char dir[64];

static void remove_tree(const char *path)
{
	char *roots[] = { (char *)(uintptr_t)path, NULL };
	FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *entry;
	while (tree && (entry = fts_read(tree)))
		if (entry->fts_info != FTS_D)
			remove(entry->fts_accpath);
	if (tree)
		fts_close(tree);
}

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/test_forwarder.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	remove_tree(dir);
	return 0;
}

static struct journal *open_journal(void)
{
	struct journal_options options = { .dir = dir,
		                           .lanes = LANES,
		                           .file_bytes = 1 << 20,
		                           .sync_interval_ms = 100,
		                           .disk_budget_bytes = UINT64_C(1) << 32 };
	struct error err = { 0 };
	struct journal *journal = journal_open(&options, &err);
	if (!journal)
		fail_msg("%s", err.message);
	return journal;
}

static void append(struct journal *journal, uint32_t lane, const char *topic, int number, enum journal_record_type type)
{
	char value[128];
	struct journal_writer *writer = journal_writer_get(journal, lane);
	struct journal_record record = { .type = type, .time_ms = HOUR0, .received_ms = HOUR0 };
	record.topic = slice_of(topic);
	record.value = (struct slice) { value, (size_t)snprintf(value, sizeof value, "{\"lane\":%u,\"n\":%06d}", lane,
		                                                number) };
	char *to = journal_writer_begin(writer, record.topic.len + record.value.len);
	assert_non_null(to);
	memcpy(to, record.topic.at, record.topic.len);
	memcpy(to + record.topic.len, record.value.at, record.value.len);
	record.topic.at = to;
	record.value.at = to + record.topic.len;
	record.key = record.headers = (struct slice) { record.value.at, 0 };
	journal_writer_end(writer, &record);
}

static void commit(struct journal *journal, uint32_t lane)
{
	struct error err = { 0 };
	if (!journal_writer_commit(journal_writer_get(journal, lane), &err))
		fail_msg("%s", err.message);
}

static void append_many(struct journal *journal, int from, int to)
{
	for (int n = from; n < to; n++)
		append(journal, (uint32_t)n % LANES, "headgate.events", n, JOURNAL_EVENT);
	for (uint32_t lane = 0; lane < LANES; lane++)
		commit(journal, lane);
}

static struct config config(void)
{
	struct config cfg = { 0 };
	cfg.data_dir = slice_of(dir);
	cfg.forward.batch_events = 1000;
	cfg.forward.batch_ms = 500;
	cfg.forward.mode = FORWARD_AT_LEAST_ONCE;
	return cfg;
}

static struct forwarder *start(struct journal *journal, const struct config *cfg)
{
	struct error err = { 0 };
	struct forwarder *forwarder = forwarder_start(journal, cfg, &err);
	if (!forwarder)
		fail_msg("%s", err.message);
	return forwarder;
}

/* Every line of every file of the topic counts the number it holds; returns the number of lines. */
static int count_lines(const char *topic, int *seen, int seen_max)
{
	char path[256];
	int lines = 0;
	snprintf(path, sizeof path, "%s/events/%s", dir, topic);
	char *roots[] = { path, NULL };
	FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *entry;
	while (tree && (entry = fts_read(tree))) {
		if (entry->fts_info != FTS_F)
			continue;
		char line[256];
		FILE *file = fopen(entry->fts_accpath, "r");
		int lane, n;
		int last[LANES] = { -1, -1 };
		while (fgets(line, sizeof line, file)) {
			assert_int_equal(sscanf(line, "{\"lane\":%d,\"n\":%d}", &lane, &n), 2);
			assert_true(line[strlen(line) - 1] == '\n');
			assert_true(n > last[lane]); /* journal order within a lane */
			last[lane] = n;
			assert_in_range(n, 0, seen_max - 1);
			seen[n]++;
			lines++;
		}
		fclose(file);
	}
	if (tree)
		fts_close(tree);
	return lines;
}

static void assert_once_each(const char *topic, int count)
{
	int *seen = calloc((size_t)count, sizeof *seen);
	assert_int_equal(count_lines(topic, seen, count), count);
	for (int n = 0; n < count; n++)
		assert_int_equal(seen[n], 1);
	free(seen);
}

static void test_everything_arrives_in_order(void **state)
{
	(void)state;
	struct config cfg = config();
	struct journal *journal = open_journal();
	uint64_t delivered = metrics_get(metrics_series1(METRIC_RECORDS, "delivered"));
	struct forwarder *forwarder = start(journal, &cfg);
	for (int n = 0; n < 20000; n += 500)
		append_many(journal, n, n + 500);
	append(journal, 0, "headgate.rejected", 0, JOURNAL_DEAD_LETTER);
	commit(journal, 0);
	forwarder_stop(&forwarder, 10000);
	assert_null(forwarder);
	assert_once_each("headgate.events", 20000);
	assert_once_each("headgate.rejected", 1);
	assert_int_equal(metrics_get(metrics_series1(METRIC_RECORDS, "delivered")) - delivered, 20000);
	assert_int_equal(metrics_get(metrics_series0(METRIC_FORWARD_PENDING)), 0);
	journal_close(&journal);
}

static void test_a_restart_goes_on_where_it_stopped(void **state)
{
	(void)state;
	struct config cfg = config();
	for (int run = 0; run < 4; run++) {
		struct journal *journal = open_journal();
		append_many(journal, run * 3000, run * 3000 + 1500);
		struct forwarder *forwarder = start(journal, &cfg);
		append_many(journal, run * 3000 + 1500, run * 3000 + 3000);
		forwarder_stop(&forwarder, run == 1 ? 0 : 10000); /* 0: leaves some behind for the next run */
		journal_close(&journal);
	}
	assert_once_each("headgate.events", 12000);
}

static void test_an_event_after_a_quiet_while_goes_out_at_once(void **state)
{
	(void)state;
	struct config cfg = config();
	struct journal *journal = open_journal();
	struct forwarder *forwarder = start(journal, &cfg);
	struct stat info;
	char path[256];
	snprintf(path, sizeof path, "%s/events/headgate.events/2026-11-22/02.ndjson", dir);
	append_many(journal, 0, 2);
	int64_t began = clock_monotonic_ms();
	while (stat(path, &info) != 0 || info.st_size == 0) {
		assert_true(clock_monotonic_ms() - began < 5000);
		usleep(1000);
	}
	print_message("delivered within %lld ms\n", (long long)(clock_monotonic_ms() - began));
	assert_true(clock_monotonic_ms() - began < 200);
	forwarder_stop(&forwarder, 5000);
	journal_close(&journal);
}

static void wait_for_state(struct forwarder *forwarder, const char *text)
{
	int64_t began = clock_monotonic_ms();
	for (;;) {
		struct buffer json;
		buffer_init(&json, NULL);
		forwarder_status(forwarder, &json);
		buffer_append_char(&json, '\0');
		bool found = strstr(json.at, text) != NULL;
		if (!found && clock_monotonic_ms() - began > 10000)
			fail_msg("no %s in %s", text, json.at);
		buffer_fini(&json);
		if (found)
			return;
		usleep(2000);
	}
}

static void test_a_disk_that_refuses_stalls_and_heals(void **state)
{
	(void)state;
	struct config cfg = config();
	char path[256];
	snprintf(path, sizeof path, "%s/events", dir);
	FILE *blocker = fopen(path, "w"); /* a file where the folder should be */
	fclose(blocker);
	struct journal *journal = open_journal();
	struct forwarder *forwarder = start(journal, &cfg);
	append_many(journal, 0, 100);
	wait_for_state(forwarder, "\"state\":\"stalled\"");
	wait_for_state(forwarder, "\"reason\":\"");
	append_many(journal, 100, 200);
	unlink(path);
	wait_for_state(forwarder, "\"pending\":0,");
	wait_for_state(forwarder, "\"state\":\"running\"");
	forwarder_stop(&forwarder, 5000);
	assert_once_each("headgate.events", 200);
	journal_close(&journal);
}

static void test_a_damaged_checkpoint_stops_the_start(void **state)
{
	(void)state;
	struct config cfg = config();
	char path[256];
	struct error err = { 0 };
	snprintf(path, sizeof path, "%s/files.checkpoint", dir);
	FILE *file = fopen(path, "w");
	fputs("headgate checkpoint 1\nlane 0 5 5\ncrc32c 00000000\n", file);
	fclose(file);
	struct journal *journal = open_journal();
	assert_null(forwarder_start(journal, &cfg, &err));
	assert_int_equal(err.code, ERROR_DATA);
	assert_non_null(strstr(err.message, "files.checkpoint"));
	journal_close(&journal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_everything_arrives_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_restart_goes_on_where_it_stopped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_event_after_a_quiet_while_goes_out_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_disk_that_refuses_stalls_and_heals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_damaged_checkpoint_stops_the_start, setup, teardown),
	};
	log_init(LOG_ERROR, LOG_FORMAT_TEXT);
	metrics_register_thread();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
