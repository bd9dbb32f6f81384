/* A journal in a temporary directory, and what its tests do with one. */
#ifndef HEADGATE_TESTS_JOURNAL_FIXTURE_H
#define HEADGATE_TESTS_JOURNAL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "journal/format.h"

#define FIXTURE_DEADLINE_MS 10000

struct fixture {
	char dir[128];
	struct journal_options options;
	struct journal *journal;
	struct error err;
	uint64_t recovered; /* records handed to on_recovered by the last open */
	struct journal_position last_recovered[JOURNAL_LANES_MAX];
	_Atomic int indexes_asked, indexes_written, indexes_remembered;
	_Atomic bool index_fails;
};

static inline int fixture_remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static inline void fixture_remove(const char *dir)
{
	nftw(dir, fixture_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void fixture_recovered(void *context, uint32_t lane, const struct journal_record *record)
{
	struct fixture *f = context;
	struct journal_position *last = &f->last_recovered[lane];
	assert_true(record->position.epoch > last->epoch ||
	            (record->position.epoch == last->epoch && record->position.counter > last->counter));
	*last = record->position;
	f->recovered++;
}

static inline void fixture_init(struct fixture *f, const char *base)
{
	const char *temporary = getenv("TMPDIR");
	memset(f, 0, sizeof(*f));
	log_init(LOG_ERROR, LOG_FORMAT_JSON);
	snprintf(f->dir, sizeof(f->dir), "%s/headgate-journal-XXXXXX", base ? base : temporary ? temporary : "/tmp");
	assert_non_null(mkdtemp(f->dir));
	f->options = (struct journal_options) {
		.dir = f->dir,
		.lanes = 1,
		.sync_on_commit = true,
		.file_bytes = 64 * 1024,
		.sync_interval_ms = 10,
		.on_recovered = fixture_recovered,
		.context = f,
	};
}

static inline void fixture_open(struct fixture *f)
{
	f->recovered = 0;
	memset(f->last_recovered, 0, sizeof(f->last_recovered));
	f->journal = journal_open(&f->options, &f->err);
	if (!f->journal)
		fail_msg("journal_open: %s", f->err.message);
}

static inline void fixture_fini(struct fixture *f)
{
	journal_close(&f->journal);
	fixture_remove(f->dir);
}

static inline void fixture_reopen(struct fixture *f)
{
	journal_close(&f->journal);
	fixture_open(f);
}

/* The value tells lane, counter and length, so that a reader can tell a wrong one. */
static inline size_t fixture_value(char *to, size_t size, uint32_t lane, struct journal_position position)
{
	char text[80];
	int n = snprintf(text, sizeof(text), "lane=%u epoch=%" PRIu64 " counter=%" PRIu64 " ", lane, position.epoch,
	                 position.counter);
	for (size_t i = 0; i < size; i++)
		to[i] = i < (size_t)n ? text[i] : (char)('a' + (i + position.counter) % 26);
	return size;
}

static inline bool fixture_append(struct journal_writer *writer, uint32_t lane, size_t value_len)
{
	static const char topic[] = "headgate.events", key[] = "user-1", headers[] = "ce_id";
	size_t fixed = sizeof(topic) + sizeof(key) + sizeof(headers) - 3;
	char *at = journal_writer_begin(writer, fixed + value_len);
	if (!at)
		return false;
	struct journal_record record = { .type = JOURNAL_EVENT, .flags = 5, .tag1 = 11, .tag2 = 22 };
	record.position = journal_writer_next(writer);
	record.time_ms = 1000 + (int64_t)record.position.counter;
	record.received_ms = 2000 + (int64_t)record.position.counter;
	memset(record.key1, 1, sizeof(record.key1));
	memset(record.key2, 2, sizeof(record.key2));
	memcpy(at, topic, sizeof(topic) - 1);
	record.topic = (struct slice) { at, sizeof(topic) - 1 };
	at += record.topic.len;
	memcpy(at, key, sizeof(key) - 1);
	record.key = (struct slice) { at, sizeof(key) - 1 };
	at += record.key.len;
	memcpy(at, headers, sizeof(headers) - 1);
	record.headers = (struct slice) { at, sizeof(headers) - 1 };
	at += record.headers.len;
	record.value = (struct slice) { at, fixture_value(at, value_len, lane, record.position) };
	journal_writer_end(writer, &record);
	return true;
}

/* Appends and commits `count` records one by one. */
static inline void fixture_write(struct fixture *f, uint32_t lane, int count, size_t value_len)
{
	struct journal_writer *writer = journal_writer_get(f->journal, lane);
	for (int i = 0; i < count; i++) {
		assert_true(fixture_append(writer, lane, value_len));
		if (!journal_writer_commit(writer, &f->err))
			fail_msg("commit: %s", f->err.message);
	}
}

static inline void fixture_check(uint32_t lane, const struct journal_record *record)
{
	char expected[256 * 1024];
	assert_true(record->value.len <= sizeof(expected));
	fixture_value(expected, record->value.len, lane, record->position);
	assert_memory_equal(record->value.at, expected, record->value.len);
	assert_true(slice_equal(record->topic, SLICE("headgate.events")));
	assert_true(slice_equal(record->key, SLICE("user-1")));
	assert_true(slice_equal(record->headers, SLICE("ce_id")));
	assert_int_equal(record->type, JOURNAL_EVENT);
	assert_int_equal(record->flags, 5);
	assert_int_equal(record->time_ms, 1000 + (int64_t)record->position.counter);
	assert_int_equal(record->received_ms, 2000 + (int64_t)record->position.counter);
	assert_int_equal(record->tag1, 11);
	assert_int_equal(record->tag2, 22);
	assert_int_equal(record->key1[15], 1);
	assert_int_equal(record->key2[15], 2);
}

struct fixture_read {
	uint64_t records, gaps, missing;
	struct journal_position last;
};

/* Reads a lane from `after` to its end, checking each record and the order. */
static inline struct fixture_read fixture_read_lane(struct fixture *f, uint32_t lane, struct journal_position after)
{
	struct fixture_read seen = { .last = after };
	struct journal_reader *reader = journal_reader_open(f->journal, lane, after, &f->err);
	assert_non_null(reader);
	struct journal_record record;
	enum journal_read result;
	while ((result = journal_reader_next(reader, &record, &f->err)) == JOURNAL_READ_RECORD) {
		assert_true(record.position.epoch > seen.last.epoch || record.position.counter > seen.last.counter);
		seen.last = record.position;
		if (record.type == JOURNAL_GAP) {
			seen.gaps++;
			seen.missing += record.gap_count;
			seen.last.counter += record.gap_count - 1;
			continue;
		}
		fixture_check(lane, &record);
		seen.records++;
		if (seen.records % 7 == 0)
			journal_reader_release(reader);
	}
	assert_int_equal(result, JOURNAL_READ_END);
	journal_reader_close(&reader);
	return seen;
}

static inline struct fixture_read fixture_read_all(struct fixture *f, uint32_t lane)
{
	return fixture_read_lane(f, lane, (struct journal_position) { 0, 0 });
}

/* Runs `fn` in a child that ends without closing anything, as kill -9 would. */
static inline void fixture_crash(struct fixture *f, void (*fn)(struct fixture *f, void *context), void *context)
{
	assert_null(f->journal);
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		fixture_open(f);
		fn(f, context);
		_exit(42);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
}

/* The log files of a lane; the `index`-th one's path (negative: from the end). */
static inline size_t fixture_files(struct fixture *f, uint32_t lane, int index, char *path)
{
	struct journal_file_name *files;
	size_t count, found = 0;
	assert_true(journal_list_files(f->dir, &files, &count, &f->err));
	const char *of_lane[1024];
	for (size_t i = 0; i < count; i++)
		if (files[i].lane == lane && found < 1024)
			of_lane[found++] = files[i].path;
	int at = index < 0 ? (int)found + index : index;
	if (path && at >= 0 && at < (int)found)
		strcpy(path, of_lane[at]);
	free(files);
	return found;
}

static inline int64_t fixture_deadline(void)
{
	return clock_monotonic_ms() + FIXTURE_DEADLINE_MS;
}

/* A moment for another thread, within a loop that has a deadline. */
static inline void fixture_pause(void)
{
	nanosleep(&(struct timespec) { .tv_nsec = 1000000 }, NULL);
}

static inline struct journal_stats fixture_stats(struct fixture *f)
{
	struct journal_stats stats;
	journal_stats(f->journal, &stats);
	return stats;
}

#endif
