/* The journal and a disk that is full, slow to give or broken; and what is deleted when. Write failures are made by a
 * limit on the file size, sync failures by standing in for the system call. */
#include "journal_fixture.h"

#include "journal/internal.h"

#include <errno.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define SCRATCH (access("/dev/shm", W_OK) == 0 ? "/dev/shm" : NULL)

static _Atomic bool sync_fails, truncate_fails;

int fdatasync(int fd)
{
	if (atomic_load(&sync_fails)) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

int ftruncate(int fd, off_t length)
{
	if (atomic_load(&truncate_fails)) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_ftruncate, fd, length);
}

static void limit_file_size(rlim_t bytes)
{
	struct rlimit limit;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void until_files(struct fixture *f, uint32_t lane, size_t count)
{
	int64_t deadline = fixture_deadline();
	while (fixture_files(f, lane, 0, NULL) != count) {
		assert_true(clock_monotonic_ms() < deadline);
		fixture_pause();
	}
}

static void until_headroom(struct fixture *f, bool wanted)
{
	int64_t deadline = fixture_deadline();
	while (journal_has_headroom(f->journal) != wanted) {
		assert_true(clock_monotonic_ms() < deadline);
		fixture_pause();
	}
}

/* ---- deletion ---- */

struct key_check {
	const struct journal_key_entry *entries;
	size_t count, at;
};

static bool check_keys(void *context, const struct journal_record *record)
{
	struct key_check *check = context;
	if (record->type != JOURNAL_EVENT)
		return true;
	assert_true(check->at + 2 <= check->count);
	const struct journal_key_entry *entry = &check->entries[check->at];
	assert_memory_equal(entry[0].key, record->key1, sizeof(record->key1));
	assert_memory_equal(entry[1].key, record->key2, sizeof(record->key2));
	assert_int_equal(entry[0].tag, record->tag1);
	assert_int_equal(entry[1].tag, record->tag2);
	check->at += 2;
	return true;
}

/* Of a file written in this run the keys are remembered: they must be those of the records in it, no more. */
static bool count_index(void *context, uint32_t lane, const char *path, const char *name,
                        const struct journal_key_entry *entries, size_t count, struct error *err)
{
	struct fixture *f = context;
	struct journal_scan scan;
	struct key_check check = { .entries = entries, .count = count };
	(void)lane, (void)name;
	atomic_fetch_add(&f->indexes_asked, 1);
	if (atomic_load(&f->index_fails))
		return error_set(err, ERROR_IO, "as asked");
	if (!journal_scan_file(path, entries ? check_keys : NULL, &check, &scan, err))
		return false;
	assert_int_equal(check.at, count);
	atomic_fetch_add(&f->indexes_remembered, entries != NULL);
	atomic_fetch_add(&f->indexes_written, 1);
	return true;
}

static void until_indexed(struct fixture *f, int count)
{
	int64_t deadline = fixture_deadline();
	while (atomic_load(&f->indexes_remembered) < count) {
		assert_true(clock_monotonic_ms() < deadline);
		fixture_pause();
	}
}

static bool no_index(void *context, uint32_t lane, const char *name)
{
	(void)context, (void)lane, (void)name;
	return false;
}

static void test_unlinks_behind_the_checkpoint(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f, SCRATCH);
	f.options.has_index = no_index;
	f.options.write_index = count_index;
	fixture_open(&f);
	fixture_write(&f, 0, 300, 1000);
	size_t all = fixture_files(&f, 0, 0, NULL);
	assert_true(all > 4);
	char path[512];
	struct journal_scan scan;
	fixture_files(&f, 0, 1, path);
	assert_true(journal_scan_file(path, NULL, NULL, &scan, &f.err));
	uint64_t epoch = journal_epoch(f.journal);
	/* One record of the second file is not covered. */
	journal_set_checkpoint(f.journal, 0, (struct journal_position) { epoch, scan.last - 1 });
	until_files(&f, 0, all - 1);
	journal_set_checkpoint(f.journal, 0, (struct journal_position) { epoch, 1 }); /* backwards: ignored */
	journal_set_checkpoint(f.journal, 0, (struct journal_position) { epoch, scan.last });
	until_files(&f, 0, all - 2);
	struct fixture_read seen = fixture_read_lane(&f, 0, (struct journal_position) { epoch, scan.last });
	assert_int_equal(seen.records, 300 - scan.last);
	assert_int_equal(seen.gaps, 0);
	/* All covered: the file in use stays. */
	journal_set_checkpoint(f.journal, 0, seen.last);
	until_files(&f, 0, 1);
	assert_int_equal(atomic_load(&f.indexes_written), all - 1);
	assert_int_equal(atomic_load(&f.indexes_remembered), all - 1);
	fixture_reopen(&f);
	assert_int_equal(fixture_stats(&f).accepted_events, 300);
	fixture_fini(&f);
}

static void test_no_index_no_unlink(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f, SCRATCH);
	f.options.write_index = count_index;
	atomic_store(&f.index_fails, true);
	fixture_open(&f);
	journal_set_checkpoint(f.journal, 0, (struct journal_position) { journal_epoch(f.journal), UINT64_MAX });
	fixture_write(&f, 0, 200, 1000);
	int all = (int)fixture_files(&f, 0, 0, NULL);
	int64_t deadline = fixture_deadline();
	while (atomic_load(&f.indexes_asked) < all - 1) {
		assert_true(clock_monotonic_ms() < deadline);
		fixture_pause();
	}
	atomic_store(&f.index_fails, false);
	fixture_reopen(&f); /* joins the keeper: the round in which it could have unlinked is over */
	assert_int_equal(f.recovered, 200);
	journal_set_checkpoint(f.journal, 0, (struct journal_position) { journal_epoch(f.journal), 0 });
	until_files(&f, 0, 1);
	assert_int_equal(atomic_load(&f.indexes_written), all);
	assert_int_equal(atomic_load(&f.indexes_remembered), 0);
	fixture_fini(&f);
}

static void test_reader_keeps_its_file(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f, SCRATCH);
	fixture_open(&f);
	fixture_write(&f, 0, 200, 1000);
	size_t all = fixture_files(&f, 0, 0, NULL);
	struct journal_reader *reader = journal_reader_open(f.journal, 0, (struct journal_position) { 0, 0 }, &f.err);
	journal_set_checkpoint(f.journal, 0, (struct journal_position) { journal_epoch(f.journal), 200 });
	fixture_write(&f, 0, 1, 1000);
	struct journal_record record;
	for (int i = 0; i < 100; i++) {
		assert_int_equal(journal_reader_next(reader, &record, &f.err), JOURNAL_READ_RECORD);
		assert_int_equal(record.position.counter, i + 1);
	}
	journal_reader_close(&reader);
	assert_true(all > 1);
	until_files(&f, 0, 1);
	fixture_fini(&f);
}

/* ---- budget ---- */

static void test_budget(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f, SCRATCH);
	f.options.disk_budget_bytes = 1 << 20;
	fixture_open(&f);
	struct journal_writer *writer = journal_writer_get(f.journal, 0);
	assert_true(journal_has_headroom(f.journal));
	int written = 0;
	while (journal_writer_has_headroom(writer) && written < 5000) {
		fixture_write(&f, 0, 1, 1000);
		written++;
	}
	assert_in_range(written, 500, 1024);
	assert_in_range(fixture_stats(&f).disk_bytes, 600 * 1024, (1 << 20) + 64 * 1024);
	assert_false(fixture_stats(&f).headroom);
	/* What comes nevertheless is refused once no file is left, and nothing accepted is hurt. */
	bool refused = false;
	for (int i = 0; i < 200 && !refused; i++) {
		assert_true(fixture_append(writer, 0, 1000));
		refused = !journal_writer_commit(writer, &f.err);
		written += !refused;
	}
	assert_true(refused);
	assert_int_equal(f.err.code, ERROR_NO_SPACE);
	assert_int_equal(fixture_read_all(&f, 0).records, written);
	/* The sink catches up. */
	journal_set_checkpoint(f.journal, 0, fixture_read_all(&f, 0).last);
	until_headroom(&f, true);
	fixture_write(&f, 0, 100, 1000);
	assert_int_equal(fixture_stats(&f).accepted_events, written + 100);
	fixture_fini(&f);
}

static bool always_index(void *context, uint32_t lane, const char *name)
{
	(void)context, (void)lane, (void)name;
	return true;
}

/* `indexed`: the next start does not read the files. */
static void fill_dead_letter_room(bool indexed)
{
	struct fixture f;
	fixture_init(&f, SCRATCH);
	f.options.disk_budget_bytes = 1 << 20;
	f.options.has_index = indexed ? always_index : NULL;
	fixture_open(&f);
	struct journal_writer *writer = journal_writer_get(f.journal, 0);
	assert_true(journal_has_dead_letter_room(f.journal));
	for (int i = 0; i < 110; i++) {
		char *value = journal_writer_begin(writer, 1000);
		assert_non_null(value);
		memset(value, 'x', 1000);
		struct journal_record record = { .type = JOURNAL_DEAD_LETTER, .value = { value, 1000 } };
		journal_writer_end(writer, &record);
		assert_true(journal_writer_commit(writer, &f.err));
	}
	assert_false(journal_has_dead_letter_room(f.journal));
	fixture_reopen(&f);
	assert_false(journal_has_dead_letter_room(f.journal));
	assert_int_equal(fixture_stats(&f).accepted_dead_letters, 110);
	fixture_fini(&f);
}

static void test_dead_letter_room(void **state)
{
	(void)state;
	fill_dead_letter_room(false);
	fill_dead_letter_room(true);
}

/* ---- failing writes ---- */

static void fail_writes(struct fixture *f, struct journal_writer *writer, int records)
{
	limit_file_size(20 * 1024);
	for (int i = 0; i < records; i++)
		assert_true(fixture_append(writer, 0, 1000));
	assert_false(journal_writer_commit(writer, &f->err));
	assert_true(f->err.code == ERROR_IO || f->err.code == ERROR_NO_SPACE);
	assert_false(journal_writer_has_headroom(writer));
	assert_false(journal_writer_is_dirty(writer));
}

static void failed_write(int records)
{
	struct fixture f;
	fixture_init(&f, SCRATCH);
	f.options.write_index = count_index;
	fixture_open(&f);
	struct journal_writer *writer = journal_writer_get(f.journal, 0);
	fixture_write(&f, 0, 5, 1000);
	fail_writes(&f, writer, records); /* a short write first: some of it fits under the limit */
	assert_int_equal(fixture_read_all(&f, 0).records, 5);
	limit_file_size(RLIM_INFINITY);
	until_headroom(&f, true);
	fixture_write(&f, 0, 5, 1000);
	struct fixture_read seen = fixture_read_all(&f, 0);
	assert_int_equal(seen.records, 10);
	assert_int_equal(seen.gaps, 0); /* burnt, not lost */
	assert_int_equal(seen.last.counter, 10 + records);
	assert_int_equal(fixture_stats(&f).accepted_events, 10);
	until_indexed(&f, 1); /* the abandoned file: of the failed batch its index has nothing */
	fixture_reopen(&f);
	assert_int_equal(f.recovered, 10);
	assert_int_equal(fixture_stats(&f).torn_tails, 0);
	assert_int_equal(fixture_read_all(&f, 0).gaps, 0);
	fixture_fini(&f);
}

static void test_failed_write(void **state)
{
	(void)state;
	failed_write(20);
}

static void test_failed_write_over_several_files(void **state)
{
	(void)state;
	failed_write(200);
}

/* The first commit of a run fails: the file left behind and the next one begin with the same counter. */
static void test_failed_first_write(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f, SCRATCH);
	fixture_open(&f);
	struct journal_writer *writer = journal_writer_get(f.journal, 0);
	fail_writes(&f, writer, 20);
	limit_file_size(RLIM_INFINITY);
	until_headroom(&f, true);
	fixture_write(&f, 0, 5, 1000);
	/* until the keeper has let go of the empty one */
	int64_t deadline = fixture_deadline();
	while (fixture_stats(&f).files > 1 && clock_monotonic_ms() < deadline)
		fixture_pause();
	assert_int_equal(fixture_stats(&f).files, 1);
	assert_int_equal(fixture_files(&f, 0, 0, NULL), 1);
	assert_int_equal(fixture_read_all(&f, 0).records, 5);
	fixture_reopen(&f);
	assert_int_equal(f.recovered, 5);
	assert_int_equal(fixture_read_all(&f, 0).records, 5);
	fixture_fini(&f);
}

/* A file that cannot be opened now (no descriptors) is read later, not passed over. */
static void test_reader_without_descriptors(void **state)
{
	(void)state;
	struct fixture f;
	struct journal_record record;
	fixture_init(&f, SCRATCH);
	fixture_open(&f);
	fixture_write(&f, 0, 300, 1000); /* several files */
	assert_true(fixture_stats(&f).files > 2);
	struct journal_reader *reader = journal_reader_open(f.journal, 0, (struct journal_position) { 0, 0 }, &f.err);
	assert_non_null(reader);
	struct rlimit all, none;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
	none = all;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	uint64_t records = 0;
	enum journal_read got;
	while ((got = journal_reader_next(reader, &record, &f.err)) == JOURNAL_READ_RECORD)
		records++;
	assert_int_equal(got, JOURNAL_READ_ERROR);
	assert_int_equal(journal_reader_next(reader, &record, &f.err), JOURNAL_READ_ERROR);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
	while ((got = journal_reader_next(reader, &record, &f.err)) == JOURNAL_READ_RECORD) {
		assert_int_equal(record.type, JOURNAL_EVENT);
		records++;
	}
	assert_int_equal(got, JOURNAL_READ_END);
	assert_int_equal(records, 300);
	journal_reader_close(&reader);
	fixture_fini(&f);
}

static void test_failed_truncate_is_final(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f, SCRATCH);
	fixture_open(&f);
	struct journal_writer *writer = journal_writer_get(f.journal, 0);
	fixture_write(&f, 0, 5, 1000);
	atomic_store(&truncate_fails, true);
	limit_file_size(20 * 1024);
	for (int i = 0; i < 20; i++)
		assert_true(fixture_append(writer, 0, 1000));
	assert_false(journal_writer_commit(writer, &f.err));
	assert_int_equal(f.err.code, ERROR_SYNC_LOST);
	limit_file_size(RLIM_INFINITY);
	atomic_store(&truncate_fails, false);
	assert_true(fixture_append(writer, 0, 1000));
	assert_false(journal_writer_commit(writer, &f.err));
	assert_int_equal(f.err.code, ERROR_SYNC_LOST);
	assert_true(fixture_stats(&f).failed);
	assert_false(journal_has_headroom(f.journal));
	fixture_reopen(&f);
	assert_true(f.recovered >= 5); /* what was written before the failure may come back; it is never lost */
	assert_true(fixture_read_all(&f, 0).records == f.recovered);
	fixture_fini(&f);
}

static void test_failed_sync_is_final(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f, SCRATCH);
	fixture_open(&f);
	struct journal_writer *writer = journal_writer_get(f.journal, 0);
	fixture_write(&f, 0, 5, 1000);
	atomic_store(&sync_fails, true);
	assert_true(fixture_append(writer, 0, 1000));
	assert_false(journal_writer_commit(writer, &f.err));
	assert_int_equal(f.err.code, ERROR_SYNC_LOST);
	atomic_store(&sync_fails, false);
	assert_true(fixture_append(writer, 0, 1000));
	assert_false(journal_writer_commit(writer, &f.err)); /* a later sync would succeed, and lie */
	assert_int_equal(f.err.code, ERROR_SYNC_LOST);
	assert_int_equal(fixture_read_all(&f, 0).records, 5);
	fixture_reopen(&f);
	assert_int_equal(fixture_read_all(&f, 0).records, f.recovered);
	assert_true(f.recovered >= 5);
	fixture_fini(&f);
}

static void test_failed_background_sync_is_final(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f, SCRATCH);
	f.options.sync_on_commit = false;
	f.options.sync_interval_ms = 1;
	fixture_open(&f);
	atomic_store(&sync_fails, true);
	fixture_write(&f, 0, 1, 10);
	int64_t deadline = fixture_deadline();
	while (!fixture_stats(&f).failed) {
		assert_true(clock_monotonic_ms() < deadline);
		fixture_pause();
	}
	until_headroom(&f, false);
	struct journal_writer *writer = journal_writer_get(f.journal, 0);
	assert_true(fixture_append(writer, 0, 10));
	assert_false(journal_writer_commit(writer, &f.err));
	assert_int_equal(f.err.code, ERROR_SYNC_LOST);
	atomic_store(&sync_fails, false);
	fixture_fini(&f);
}

/* ---- a full file system ---- */

/* Writes until a commit fails and the keeper can make no file either: its measure tells it so, or its own attempt since,
 * which sets the next one a second ahead. Returns how many were taken. */
static int write_until_full(struct fixture *f, struct journal_writer *writer)
{
	const struct journal_lane *lane = &f->journal->lanes[0];
	int64_t deadline = fixture_deadline(), failed_ms = 0;
	int written = 0;
	for (;;) {
		assert_true(clock_monotonic_ms() < deadline);
		if (!failed_ms || journal_has_headroom(f->journal)) {
			assert_true(fixture_append(writer, 0, 1000));
			bool ok = journal_writer_commit(writer, &f->err);
			written += ok;
			failed_ms = ok ? 0 : clock_monotonic_ms();
		} else if (atomic_load(&lane->retry_at_ms) > failed_ms + 1000 ||
		           !journal_can_grow(f->journal, journal_smallest_file(f->journal))) {
			return written;
		} else {
			fixture_pause();
		}
	}
}

static void test_full_file_system(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f, NULL);
	if (mount("tmpfs", f.dir, "tmpfs", 0, "size=2m") != 0) {
		fixture_fini(&f);
		skip();
	}
	fixture_open(&f);
	struct journal_writer *writer = journal_writer_get(f.journal, 0);
	fixture_write(&f, 0, 10, 1000);
	int written = 10 + write_until_full(&f, writer);
	assert_int_equal(f.err.code, ERROR_NO_SPACE);
	assert_int_equal(fixture_read_all(&f, 0).records, written);
	/* Nothing was freed: headroom does not come back by an old measure. */
	int64_t quiet_until = clock_monotonic_ms() + 300;
	while (clock_monotonic_ms() < quiet_until) {
		journal_keeper_poke(f.journal);
		assert_false(journal_has_headroom(f.journal));
		fixture_pause();
	}
	journal_set_checkpoint(f.journal, 0, fixture_read_all(&f, 0).last);
	until_headroom(&f, true);
	fixture_write(&f, 0, 10, 1000);
	assert_int_equal(fixture_stats(&f).accepted_events, written + 10);
	journal_close(&f.journal);
	assert_int_equal(umount(f.dir), 0);
	fixture_fini(&f);
}

int main(void)
{
	signal(SIGXFSZ, SIG_IGN);
	metrics_register_thread();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unlinks_behind_the_checkpoint),
		cmocka_unit_test(test_no_index_no_unlink),
		cmocka_unit_test(test_reader_keeps_its_file),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_dead_letter_room),
		cmocka_unit_test(test_failed_write),
		cmocka_unit_test(test_failed_write_over_several_files),
		cmocka_unit_test(test_failed_first_write),
		cmocka_unit_test(test_reader_without_descriptors),
		cmocka_unit_test(test_failed_truncate_is_final),
		cmocka_unit_test(test_failed_sync_is_final),
		cmocka_unit_test(test_failed_background_sync_is_final),
		cmocka_unit_test(test_full_file_system),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
