/* The files sink, exactly once: the process dies at every system call in turn, or the call fails; in the end each record
 * stands in its file once, in order, whole. The calls are wrapped here. */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/metrics.h"
#include "forward/checkpoint.h"
#include "forward/file_sink.h"

#define HOUR0 INT64_C(1795312800000) /* 2026-11-22T02:00:00Z */
#define HOUR_MS INT64_C(3600000)
#define RECORDS 90
#define PER_ROUND 7
#define LOG_ID "0123456789abcdef0123456789abcdef"

/* ---- system calls that go wrong ---- */

enum trouble { NO_TROUBLE, DIE, FAIL };
static enum trouble trouble;
static long calls_left; /* until the trouble */

/* True if this is the call that goes wrong. */
static bool is_the_one(void)
{
	return trouble != NO_TROUBLE && --calls_left == 0;
}

static bool goes_wrong(void)
{
	if (!is_the_one())
		return false;
	if (trouble == DIE)
		_exit(42);
	errno = ENOSPC;
	return true;
}

ssize_t pwritev(int fd, const struct iovec *vectors, int count, off_t offset)
{
	if (is_the_one()) { /* half of it gets through */
		syscall(SYS_pwritev, fd, vectors, (count + 1) / 2, offset, 0);
		if (trouble == DIE)
			_exit(42);
		errno = ENOSPC;
		return -1;
	}
	return syscall(SYS_pwritev, fd, vectors, count, offset, 0);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
	return goes_wrong() ? -1 : syscall(SYS_pwrite64, fd, bytes, len, offset);
}

int unlink(const char *path)
{
	return goes_wrong() ? -1 : (int)syscall(SYS_unlink, path);
}

int fdatasync(int fd)
{
	return goes_wrong() ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
	return goes_wrong() ? -1 : (int)syscall(SYS_fsync, fd);
}

int ftruncate(int fd, off_t length)
{
	return goes_wrong() ? -1 : (int)syscall(SYS_ftruncate, fd, length);
}

int rename(const char *from, const char *to)
{
	return goes_wrong() ? -1 : (int)syscall(SYS_rename, from, to);
}

int mkdir(const char *path, mode_t mode)
{
	return goes_wrong() ? -1 : (int)syscall(SYS_mkdir, path, mode);
}

int open(const char *path, int flags, ...)
{
	va_list rest;
	va_start(rest, flags);
	mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
	va_end(rest);
	if ((flags & O_ACCMODE) != O_RDONLY && goes_wrong())
		return -1;
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* ---- the records: two topics, three hours, one lane ---- */

static char dir[64];
static int64_t wall = HOUR0;
static char values[RECORDS + 1][64];

static int64_t wall_ms(void)
{
	return wall;
}

static const char *topic_of(int n)
{
	return n % 5 == 0 ? "headgate.rejected" : "headgate.events";
}

static int64_t hour_of(int n)
{
	return (n - 1) / (RECORDS / 3);
}

static struct journal_record record_of(int n)
{
	int len = snprintf(values[n], sizeof values[n], "{\"n\":%d,\"padding\":\"%0*d\"}", n, n % 7, 0);
	return (struct journal_record) { .type = n % 5 == 0 ? JOURNAL_DEAD_LETTER : JOURNAL_EVENT,
		                         .received_ms = HOUR0 + hour_of(n) * HOUR_MS + n,
		                         .topic = slice_of(topic_of(n)),
		                         .value = { values[n], (size_t)len },
		                         .position = { 3, (uint64_t)n } };
}

static uint64_t letter_retention_ms;

static struct sink *open_sink(uint64_t retention_ms, bool compress)
{
	struct error err = { 0 };
	struct file_sink_options options = { .dir = dir,
		                             .log_id = LOG_ID,
		                             .retention_ms = retention_ms,
		                             .dead_letter_topic = SLICE("headgate.rejected"),
		                             .dead_letter_retention_ms = letter_retention_ms,
		                             .compress = compress,
		                             .wall_ms = wall_ms };
	struct sink *sink = file_sink_create(&options, &err);
	if (!sink)
		fail_msg("%s", err.message);
	return sink;
}

static bool round_from(struct sink *sink, int from, int to)
{
	struct error err = { 0 };
	struct sink_position lane = { 0, { 3, (uint64_t)to } };
	if (!sink->ops->begin(sink, &err))
		return false;
	for (int n = from; n <= to; n++) {
		struct journal_record record = record_of(n);
		if (!sink->ops->put(sink, &record, &err))
			return false;
		tally_add(&sink->tally, &record);
	}
	if (!sink->ops->commit(sink, &lane, 1, &err))
		return false;
	tally_commit(&sink->tally);
	return true;
}

/* As the forwarder does it: recover, rounds, and again after a failure. */
static void deliver(int to)
{
	struct error err = { 0 };
	struct sink_position lane = { 0 };
	enum trouble planned = trouble;
	trouble = planned == FAIL ? NO_TROUBLE : planned; /* a start that fails is told, not healed */
	struct sink *sink = open_sink(0, false);
	trouble = planned;
	for (int tries = 0; tries < 10; tries++) {
		if (!sink->ops->recover(sink, &lane, 1, &err))
			continue;
		int at = (int)lane.position.counter;
		while (at < to && round_from(sink, at + 1, at + PER_ROUND < to ? at + PER_ROUND : to))
			at = at + PER_ROUND < to ? at + PER_ROUND : to;
		if (at >= to)
			break;
	}
	sink->ops->close(&sink, 0);
}

/* ---- looking at the outcome ---- */

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

static char *path_of(const char *below)
{
	static char path[256];
	snprintf(path, sizeof path, "%s/%s", dir, below);
	return path;
}

static bool exists(const char *below)
{
	return access(path_of(below), F_OK) == 0;
}

static long size_of(const char *below)
{
	struct stat info;
	return stat(path_of(below), &info) == 0 ? (long)info.st_size : -1;
}

static void write_file(const char *below, const char *text, const char *mode)
{
	FILE *file = fopen(path_of(below), mode);
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void count_file(const char *path, int seen[RECORDS + 1])
{
	char line[128];
	int last = 0, n;
	gzFile file = gzopen(path, "r"); /* reads plain files too */
	assert_non_null(file);
	while (gzgets(file, line, sizeof line)) {
		assert_int_equal(line[strlen(line) - 1], '\n');
		line[strlen(line) - 1] = '\0';
		assert_int_equal(sscanf(line, "{\"n\":%d,", &n), 1);
		assert_in_range(n, last + 1, RECORDS); /* in order */
		assert_string_equal(line, values[n]);
		assert_non_null(strstr(path, topic_of(n)));
		last = n;
		seen[n]++;
	}
	gzclose(file);
}

static void assert_once_each(int count)
{
	int seen[RECORDS + 1] = { 0 };
	char events[128];
	snprintf(events, sizeof events, "%s/events", dir);
	char *roots[] = { events, NULL };
	FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *entry;
	for (int n = 1; n <= count; n++)
		record_of(n);
	while (tree && (entry = fts_read(tree)))
		if (entry->fts_info == FTS_F)
			count_file(entry->fts_accpath, seen);
	if (tree)
		fts_close(tree);
	for (int n = 1; n <= count; n++)
		if (seen[n] != 1)
			fail_msg("record %d stands there %d times", n, seen[n]);
}

static int setup(void **state)
{
	(void)state;
	wall = HOUR0;
	trouble = NO_TROUBLE;
	/* thousands of syncs: in memory where that is to be had, for a disk that others use may take minutes for them */
	snprintf(dir, sizeof dir, "%s/test_file_sink.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	remove_tree(dir);
	return 0;
}

/* ---- exactly once ---- */

/* Runs `deliver` in a process that dies at its `at`th call; returns whether it got so far. */
static bool die_at(long at)
{
	int status;
	pid_t child = fork();
	if (child == 0) {
		trouble = DIE;
		calls_left = at;
		deliver(RECORDS);
		_exit(0);
	}
	waitpid(child, &status, 0);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status) == 42;
}

static void test_death_at_every_call(void **state)
{
	(void)state;
	long at = 1;
	for (bool died = true; died; at++) {
		died = die_at(at);
		die_at(1 + at * 7 % 40); /* and once more on the way */
		deliver(RECORDS);
		assert_once_each(RECORDS);
		remove_tree(path_of("events"));
		unlink(path_of("files.checkpoint"));
	}
	print_message("%ld calls\n", at - 2);
	assert_true(at > 60);
}

static void test_failure_of_every_call(void **state)
{
	(void)state;
	bool failed = true;
	for (long at = 1; failed; at++) {
		trouble = FAIL;
		calls_left = at;
		deliver(RECORDS);
		failed = calls_left <= 0;
		trouble = NO_TROUBLE;
		assert_once_each(RECORDS);
		remove_tree(path_of("events"));
		unlink(path_of("files.checkpoint"));
	}
}

static void test_totals_survive(void **state)
{
	(void)state;
	deliver(30);
	struct error err = { 0 };
	struct sink_position lane = { 0 };
	struct sink *sink = open_sink(0, false);
	assert_true(sink->ops->recover(sink, &lane, 1, &err));
	assert_int_equal(lane.position.counter, 30);
	assert_int_equal(lane.position.epoch, 3);
	assert_int_equal(sink->tally.total.delivered[TALLY_EVENTS], 24);
	assert_int_equal(sink->tally.total.delivered[TALLY_DEAD_LETTERS], 6);
	sink->ops->close(&sink, 0);
}

static void test_bytes_beyond_the_checkpoint_are_cut(void **state)
{
	(void)state;
	deliver(20);
	long size = size_of("events/headgate.events/2026-11-22/02.ndjson");
	write_file("events/headgate.events/2026-11-22/02.ndjson", "{\"n\":21,\"half a li", "a");
	deliver(RECORDS);
	assert_true(size_of("events/headgate.events/2026-11-22/02.ndjson") > size);
	assert_once_each(RECORDS);
}

static void test_a_file_that_is_not_listed_is_not_touched(void **state)
{
	(void)state;
	mkdir(path_of("events"), 0700);
	mkdir(path_of("events/headgate.events"), 0700);
	mkdir(path_of("events/headgate.events/2026-11-22"), 0700);
	write_file("events/headgate.events/2026-11-22/02.ndjson", "", "w");
	write_file("events/headgate.events/2026-11-22/02-2.ndjson.gz", "", "w");
	deliver(4);
	assert_int_equal(size_of("events/headgate.events/2026-11-22/02.ndjson"), 0);
	assert_int_equal(size_of("events/headgate.events/2026-11-22/02-2.ndjson.gz"), 0);
	assert_true(size_of("events/headgate.events/2026-11-22/02-3.ndjson") > 0);
	assert_once_each(4);
}

static void test_a_file_that_was_taken_away_counts_as_closed(void **state)
{
	(void)state;
	deliver(10);
	unlink(path_of("events/headgate.events/2026-11-22/02.ndjson"));
	write_file("events/headgate.rejected/2026-11-22/02.ndjson", "", "w"); /* cut by somebody */
	deliver(20);
	assert_true(size_of("events/headgate.events/2026-11-22/02.ndjson") > 0);
	assert_int_equal(size_of("events/headgate.rejected/2026-11-22/02.ndjson"), 0);
	assert_true(size_of("events/headgate.rejected/2026-11-22/02-2.ndjson") > 0);
}

static void test_another_log_starts_from_nothing(void **state)
{
	(void)state;
	struct checkpoint cp;
	struct error err = { 0 };
	struct sink_position lane = { 0 };
	checkpoint_init(&cp, "ffffffffffffffffffffffffffffffff");
	cp.lanes[0] = (struct journal_position) { 9, 9 };
	cp.books[0].delivered[0] = 9;
	assert_true(checkpoint_write(path_of("files.checkpoint"), &cp, &err));
	struct sink *sink = open_sink(0, false);
	assert_true(sink->ops->recover(sink, &lane, 1, &err));
	assert_int_equal(lane.position.counter, 0);
	assert_int_equal(sink->tally.total.delivered[0], 0);
	sink->ops->close(&sink, 0);
}

static void test_it_goes_on_where_kafka_stopped(void **state)
{
	(void)state;
	struct checkpoint cp;
	struct error err = { 0 };
	struct sink_position lane = { 0 };
	checkpoint_init(&cp, LOG_ID);
	cp.lanes[0] = (struct journal_position) { 3, 12 };
	cp.books[0].delivered[0] = 12;
	assert_true(checkpoint_write(path_of("kafka.checkpoint"), &cp, &err));
	struct sink *sink = open_sink(0, false);
	assert_true(sink->ops->recover(sink, &lane, 1, &err));
	assert_int_equal(lane.position.counter, 12);
	assert_int_equal(sink->tally.total.delivered[0], 12);
	sink->ops->close(&sink, 0);
}

/* ---- closed files ---- */

/* All records, then the clock moves on and the chores run until nothing changes. */
static void deliver_and_age(uint64_t retention_ms, bool compress, int64_t later_ms)
{
	struct error err = { 0 };
	struct sink_position lane = { 0 };
	struct sink *sink = open_sink(retention_ms, compress);
	wall = HOUR0 + 2 * HOUR_MS + 60000;
	assert_true(sink->ops->recover(sink, &lane, 1, &err));
	assert_true(round_from(sink, 1, RECORDS));
	wall += later_ms;
	for (int i = 0; i < 20; i++)
		sink->ops->idle(sink);
	sink->ops->close(&sink, 0);
}

static void test_hours_are_closed_when_they_are_over(void **state)
{
	(void)state;
	struct checkpoint cp;
	struct error err = { 0 };
	deliver_and_age(0, false, 6 * 60000); /* 04:07: the third hour is open */
	assert_true(checkpoint_read(path_of("files.checkpoint"), &cp, &err));
	assert_int_equal(cp.file_count, 2);
	for (size_t i = 0; i < cp.file_count; i++)
		assert_non_null(strstr(cp.files[i].path, "/2026-11-22/04.ndjson"));
	assert_int_equal(cp.lanes[0].counter, RECORDS);
	checkpoint_fini(&cp);
	assert_once_each(RECORDS);
}

static void test_closed_hours_are_compressed(void **state)
{
	(void)state;
	char text[8192];
	deliver_and_age(0, true, 6 * 60000);
	assert_false(exists("events/headgate.events/2026-11-22/02.ndjson"));
	assert_false(exists("files.gz.tmp"));
	assert_true(exists("events/headgate.events/2026-11-22/04.ndjson"));
	gzFile file = gzopen(path_of("events/headgate.events/2026-11-22/02.ndjson.gz"), "r");
	assert_non_null(file);
	int len = gzread(file, text, sizeof text - 1);
	assert_in_range(len, 1, sizeof text - 1);
	text[len] = '\0';
	gzclose(file);
	char *at = text;
	for (int n = 1; n <= RECORDS / 3; n++) {
		if (n % 5 == 0)
			continue;
		record_of(n);
		assert_int_equal(strncmp(at, values[n], strlen(values[n])), 0);
		at += strlen(values[n]) + 1;
	}
	assert_int_equal(*at, '\0');
}

/* The clock moves on, closed hours are compressed; `at`: the call at which the process dies, 0: it lives. */
static bool age_and_die_at(long at)
{
	int status;
	pid_t child = fork();
	if (child == 0) {
		struct error err = { 0 };
		struct sink_position lane = { 0 };
		struct sink *sink = open_sink(0, true);
		wall = HOUR0 + 2 * HOUR_MS;
		trouble = at ? DIE : NO_TROUBLE;
		calls_left = at;
		if (!sink->ops->recover(sink, &lane, 1, &err))
			_exit(1);
		wall += 6 * 60000;
		for (int i = 0; i < 20; i++)
			sink->ops->idle(sink);
		_exit(0);
	}
	waitpid(child, &status, 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 1);
	return WEXITSTATUS(status) == 42;
}

static void test_death_while_compressing(void **state)
{
	(void)state;
	bool died = true;
	for (long at = 1; died; at++) {
		deliver(RECORDS);
		died = age_and_die_at(at);
		age_and_die_at(0);
		assert_false(exists("events/headgate.events/2026-11-22/02.ndjson"));
		assert_true(exists("events/headgate.events/2026-11-22/02.ndjson.gz"));
		assert_true(exists("events/headgate.events/2026-11-22/04.ndjson"));
		assert_once_each(RECORDS);
		remove_tree(path_of("events"));
		unlink(path_of("files.checkpoint"));
	}
}

static void test_old_hours_are_deleted(void **state)
{
	(void)state;
	letter_retention_ms = 48 * HOUR_MS;
	deliver_and_age(90 * 60000, false, 31 * 60000 + HOUR_MS); /* 05:32, kept 90 minutes: the first hour goes */
	assert_false(exists("events/headgate.events/2026-11-22/02.ndjson"));
	assert_true(exists("events/headgate.rejected/2026-11-22/02.ndjson")); /* kept longer */
	assert_true(exists("events/headgate.events/2026-11-22/04.ndjson"));
	wall += 24 * HOUR_MS;
	struct error err = { 0 };
	struct sink_position lane = { 0 };
	struct sink *sink = open_sink(90 * 60000, false);
	assert_true(sink->ops->recover(sink, &lane, 1, &err));
	wall += 24 * HOUR_MS;
	sink->ops->idle(sink);
	sink->ops->close(&sink, 0);
	assert_false(exists("events/headgate.events/2026-11-22"));
	assert_false(exists("events/headgate.rejected/2026-11-22"));
	letter_retention_ms = 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_death_at_every_call),
		TEST(test_failure_of_every_call),
		TEST(test_totals_survive),
		TEST(test_bytes_beyond_the_checkpoint_are_cut),
		TEST(test_a_file_that_is_not_listed_is_not_touched),
		TEST(test_a_file_that_was_taken_away_counts_as_closed),
		TEST(test_another_log_starts_from_nothing),
		TEST(test_it_goes_on_where_kafka_stopped),
		TEST(test_hours_are_closed_when_they_are_over),
		TEST(test_closed_hours_are_compressed),
		TEST(test_death_while_compressing),
		TEST(test_old_hours_are_deleted),
	};
	log_init(LOG_ERROR, LOG_FORMAT_TEXT);
	metrics_register_thread();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
