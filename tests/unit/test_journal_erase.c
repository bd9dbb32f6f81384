/* Erasing from the journal: what matches is gone from the disk, everything else stays, positions too; a crash at any point
 * of the rewriting leaves each file as it was or as it shall be. */
#include "journal_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <sys/syscall.h>

#include "base/file.h"
#include "journal/erase.h"

#define VALUE_BYTES 700
#define RECORDS 200
#define EVERY 7

/* ---- dying at the n-th call: these stand in for those of libc ---- */

static _Atomic int calls_left = -1; /* the keeper's calls count as well */
static _Atomic bool fails;          /* instead of dying: that one call fails */

static bool is_the_one(void)
{
	if (calls_left < 0 || atomic_fetch_sub(&calls_left, 1) != 0)
		return false;
	if (!fails)
		_exit(43);
	errno = ENOSPC;
	return true;
}

int fdatasync(int fd)
{
	return is_the_one() ? -1 : (int)syscall(SYS_fdatasync, fd);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset)
{
	return is_the_one() ? -1 : syscall(SYS_pwrite64, fd, bytes, count, offset);
}

int rename(const char *from, const char *to)
{
	return is_the_one() ? -1 : (int)syscall(SYS_rename, from, to);
}

int fsync(int fd)
{
	return is_the_one() ? -1 : (int)syscall(SYS_fsync, fd);
}

/* ---- what is erased: each record whose counter is a multiple of EVERY ---- */

static bool matches(void *context, const struct journal_record *record)
{
	(void)context;
	return record->position.counter % EVERY == 0;
}

static bool holds(void *context, struct slice bytes)
{
	const char *what = context;
	return what && memmem(bytes.at, bytes.len, what, strlen(what)) != NULL;
}

static void set_up(struct fixture *f)
{
	fixture_init(f, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : NULL);
	fixture_open(f);
}

static void roll(struct fixture *f)
{
	if (!journal_writer_roll(journal_writer_get(f->journal, 0), &f->err))
		fail_msg("roll: %s", f->err.message);
}

static struct journal_erased erase(struct fixture *f, const char *damage)
{
	struct journal_erased erased;
	const struct journal_erase_calls calls = { .matches = matches,
		                                   .holds = holds,
		                                   .context = (void *)(uintptr_t)damage };
	assert_true(journal_erase_begin(f->journal, &f->err));
	roll(f);
	if (!journal_erase(f->journal, &calls, &erased, &f->err))
		fail_msg("erase: %s", f->err.message);
	journal_erase_end(f->journal);
	return erased;
}

/* How often the text stands in any file of the lane's folder, under whatever name. */
static int occurrences(struct fixture *f, const char *text)
{
	char folder[256], path[768];
	int count = 0;
	snprintf(folder, sizeof(folder), "%s/journal/0", f->dir);
	DIR *dir = opendir(folder);
	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir));) {
		struct stat st;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		int fd = open(path, O_RDONLY);
		if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
			if (fd >= 0)
				close(fd);
			continue;
		}
		char *bytes = malloc((size_t)st.st_size + 1);
		assert_non_null(bytes);
		assert_int_equal(pread(fd, bytes, (size_t)st.st_size, 0), st.st_size);
		char *at = bytes, *end = bytes + st.st_size;
		while ((at = memmem(at, (size_t)(end - at), text, strlen(text)))) {
			count++;
			at++;
		}
		free(bytes);
		close(fd);
	}
	closedir(dir);
	return count;
}

static int occurrences_of_counter(struct fixture *f, int counter)
{
	char text[40];
	snprintf(text, sizeof(text), " counter=%d ", counter);
	return occurrences(f, text);
}

struct seen {
	int records, erased, letters, other_gaps;
	bool has[RECORDS + 1];
};

static struct seen read_back(struct fixture *f)
{
	struct seen seen = { 0 };
	struct journal_record record;
	struct journal_reader *reader = journal_reader_open(f->journal, 0, (struct journal_position) { 0, 0 }, &f->err);
	assert_non_null(reader);
	uint64_t expected = 1;
	while (journal_reader_next(reader, &record, &f->err) == JOURNAL_READ_RECORD) {
		assert_int_equal(record.position.counter, expected); /* each position once, none left out */
		expected++;
		if (record.type != JOURNAL_GAP) {
			fixture_check(0, &record);
			seen.records++;
			seen.has[record.position.counter] = true;
		} else if (record.flags & JOURNAL_GAP_ERASED) {
			assert_int_equal(record.gap_count, 1);
			assert_int_equal(record.key1[15], 1); /* a late copy is still recognised */
			assert_int_equal(record.tag2, 22);
			seen.erased++;
			seen.letters += (record.flags & JOURNAL_GAP_LETTER) != 0;
		} else {
			seen.other_gaps++;
		}
	}
	assert_int_equal(expected, RECORDS + 1);
	journal_reader_close(&reader);
	return seen;
}

static void test_gone_and_the_rest_stays(void **state)
{
	(void)state;
	struct fixture f;
	set_up(&f);
	fixture_write(&f, 0, RECORDS, VALUE_BYTES);
	assert_true(fixture_files(&f, 0, 0, NULL) >= 2);
	assert_true(occurrences_of_counter(&f, EVERY) == 1);
	struct journal_erased erased = erase(&f, NULL);
	assert_int_equal(erased.events, RECORDS / EVERY);
	assert_int_equal(erased.dead_letters, 0);
	assert_true(erased.files >= 2);
	for (int i = 1; i <= RECORDS; i++)
		assert_int_equal(occurrences_of_counter(&f, i), i % EVERY != 0);
	struct seen seen = read_back(&f);
	assert_int_equal(seen.erased, RECORDS / EVERY);
	assert_int_equal(seen.records, RECORDS - RECORDS / EVERY);
	assert_int_equal(seen.other_gaps + seen.letters, 0);
	assert_int_equal(erase(&f, NULL).files, 0); /* a second time there is nothing to do */
	fixture_fini(&f);
}

/* Each erasure closes the open file: the room it had must not stay with it. */
static void test_many_erasures_take_no_room(void **state)
{
	(void)state;
	struct fixture f;
	set_up(&f);
	for (int i = 0; i < 40; i++) {
		fixture_write(&f, 0, 1, VALUE_BYTES);
		erase(&f, NULL);
	}
	assert_int_equal(fixture_files(&f, 0, 0, NULL), 41);
	char folder[256];
	snprintf(folder, sizeof(folder), "%s/journal/0", f.dir);
	assert_in_range(file_disk_usage(folder), 40 * VALUE_BYTES, 40 * 16384 + 3 * f.options.file_bytes);
	fixture_write(&f, 0, RECORDS - 40, VALUE_BYTES);
	fixture_reopen(&f);
	assert_int_equal(read_back(&f).erased, 40 / EVERY);
	fixture_fini(&f);
}

static void test_books_after_a_start(void **state)
{
	(void)state;
	struct fixture f;
	set_up(&f);
	fixture_write(&f, 0, RECORDS, VALUE_BYTES);
	erase(&f, NULL);
	assert_int_equal(fixture_stats(&f).gaps, 0); /* nothing was lost */
	fixture_reopen(&f);
	assert_int_equal(fixture_stats(&f).accepted_events, RECORDS);
	assert_int_equal(f.recovered, RECORDS); /* those erased hand over their keys */
	assert_int_equal(read_back(&f).erased, RECORDS / EVERY);
	fixture_fini(&f);
}

static void test_writing_goes_on(void **state)
{
	(void)state;
	struct fixture f;
	set_up(&f);
	fixture_write(&f, 0, RECORDS / 2, VALUE_BYTES);
	/* burnt counters across the roll are told by the first batch behind it */
	struct journal_writer *writer = journal_writer_get(f.journal, 0);
	assert_true(fixture_append(writer, 0, VALUE_BYTES));
	journal_writer_discard(writer);
	roll(&f);
	roll(&f); /* nothing to close: nothing happens */
	size_t files = fixture_files(&f, 0, 0, NULL);
	roll(&f);
	assert_int_equal(fixture_files(&f, 0, 0, NULL), files);
	fixture_write(&f, 0, 10, VALUE_BYTES);
	erase(&f, NULL);
	struct fixture_read all = { 0 };
	struct journal_record record;
	struct journal_reader *reader = journal_reader_open(f.journal, 0, (struct journal_position) { 0, 0 }, &f.err);
	assert_non_null(reader);
	while (journal_reader_next(reader, &record, &f.err) == JOURNAL_READ_RECORD) {
		all.records += record.type == JOURNAL_EVENT;
		all.gaps += record.type == JOURNAL_GAP && (record.flags & JOURNAL_GAP_ERASED);
	}
	journal_reader_close(&reader);
	assert_int_equal(all.records + all.gaps, RECORDS / 2 + 10);
	assert_int_equal(fixture_stats(&f).gaps, 0);
	fixture_fini(&f);
}

/* A used file's past is not in the way of a reader, but it is there. */
static void test_past_of_used_files(void **state)
{
	(void)state;
	struct fixture f;
	set_up(&f);
	fixture_write(&f, 0, RECORDS, VALUE_BYTES);
	struct journal_writer *writer = journal_writer_get(f.journal, 0);
	journal_set_checkpoint(f.journal, 0, (struct journal_position) { journal_epoch(f.journal), RECORDS });
	int64_t deadline = fixture_deadline();
	while (fixture_files(&f, 0, 0, NULL) != 1) {
		assert_true(clock_monotonic_ms() < deadline);
		fixture_pause();
	}
	assert_true(journal_writer_commit(writer, &f.err));
	int before = 0;
	for (int i = EVERY; i <= RECORDS; i += EVERY)
		before += occurrences_of_counter(&f, i);
	assert_true(before > 2); /* more than the file in use holds of its own */
	erase(&f, NULL);
	/* all were covered: what is left of the past lies in files that nobody has yet */
	for (int i = EVERY; i <= RECORDS; i += EVERY)
		assert_int_equal(occurrences_of_counter(&f, i), 0);
	fixture_fini(&f);
}

static void test_damage(void **state)
{
	(void)state;
	struct fixture f;
	char path[512];
	set_up(&f);
	fixture_write(&f, 0, 20, VALUE_BYTES);
	roll(&f);
	fixture_files(&f, 0, 0, path);
	int fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	char bytes[16384];
	ssize_t got = pread(fd, bytes, sizeof(bytes), 8192);
	assert_true(got > 0);
	char *at = memmem(bytes, (size_t)got, " counter=5 ", 11);
	assert_non_null(at);
	assert_int_equal(pwrite(fd, "JANE-DOE", 8, 8192 + (at - bytes) + 100), 8); /* its CRC is wrong now */
	close(fd);
	assert_int_equal(occurrences(&f, "JANE-DOE"), 1);
	assert_int_equal(erase(&f, "somebody else").damaged_ranges, 0);
	assert_int_equal(occurrences(&f, "JANE-DOE"), 1);
	assert_int_equal(erase(&f, "JANE-DOE").damaged_ranges, 1);
	assert_int_equal(occurrences(&f, "JANE-DOE"), 0);
	assert_int_equal(occurrences_of_counter(&f, 5), 0);
	for (int i = 1; i <= 20; i++)
		assert_int_equal(occurrences_of_counter(&f, i), i != 5 && i % EVERY != 0);
	fixture_fini(&f);
}

static void die_erasing(struct fixture *f, void *context)
{
	struct journal_erased erased;
	const struct journal_erase_calls calls = { .matches = matches, .holds = holds };
	if (!journal_erase_begin(f->journal, &f->err))
		_exit(1);
	calls_left = *(int *)context;
	bool done = journal_erase(f->journal, &calls, &erased, &f->err);
	calls_left = -1;
	_exit(done ? 42 : 1);
}

/* Dies at each call in turn, until one run gets through; the start after each finds every record or its GAP. */
static void test_crash_at_each_call(void **state)
{
	(void)state;
	struct fixture f;
	bool through = false;
	for (int n = 0; !through; n++) {
		assert_true(n < 1000);
		set_up(&f);
		fixture_write(&f, 0, RECORDS, VALUE_BYTES);
		journal_close(&f.journal);
		fflush(NULL);
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			fixture_open(&f);
			die_erasing(&f, &n);
		}
		int status;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 42 || WEXITSTATUS(status) == 43));
		through = WEXITSTATUS(status) == 42;
		fixture_open(&f);
		struct seen seen = read_back(&f);
		assert_int_equal(seen.other_gaps, 0);
		assert_int_equal(seen.records + seen.erased, RECORDS);
		assert_int_equal(fixture_stats(&f).accepted_events, RECORDS);
		for (int i = 1; i <= RECORDS; i++)
			assert_true(i % EVERY == 0 || seen.has[i]);
		erase(&f, NULL); /* asked again, it is completed; nothing of an aborted attempt stays */
		for (int i = EVERY; i <= RECORDS; i += EVERY)
			assert_int_equal(occurrences_of_counter(&f, i), 0);
		assert_int_equal(read_back(&f).erased, RECORDS / EVERY);
		fixture_fini(&f);
	}
}

/* Each call fails once: the erasure says so, nothing of others is touched, and asked again it is done. */
static void test_failure_of_each_call(void **state)
{
	(void)state;
	const struct journal_erase_calls calls = { .matches = matches, .holds = holds };
	bool through = false;
	for (int n = 0; !through; n++) {
		struct fixture f;
		struct journal_erased erased;
		assert_true(n < 1000);
		set_up(&f);
		fixture_write(&f, 0, RECORDS, VALUE_BYTES);
		fixture_reopen(&f); /* all of it lies in closed files */
		assert_true(journal_erase_begin(f.journal, &f.err));
		fails = true;
		calls_left = n;
		bool done = journal_erase(f.journal, &calls, &erased, &f.err);
		through = calls_left >= 0;
		calls_left = -1;
		fails = false;
		journal_erase_end(f.journal);
		if (!done && !strstr(f.err.message, "No space left"))
			fail_msg("call %d: %s", n, f.err.message);
		struct seen seen = read_back(&f);
		assert_int_equal(seen.records + seen.erased, RECORDS);
		for (int i = 1; i <= RECORDS; i++)
			assert_true(i % EVERY == 0 || seen.has[i]);
		erase(&f, NULL);
		for (int i = EVERY; i <= RECORDS; i += EVERY)
			assert_int_equal(occurrences_of_counter(&f, i), 0);
		assert_int_equal(read_back(&f).erased, RECORDS / EVERY);
		fixture_fini(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gone_and_the_rest_stays), cmocka_unit_test(test_many_erasures_take_no_room),
		cmocka_unit_test(test_books_after_a_start),     cmocka_unit_test(test_writing_goes_on),
		cmocka_unit_test(test_past_of_used_files),      cmocka_unit_test(test_damage),
		cmocka_unit_test(test_failure_of_each_call),    cmocka_unit_test(test_crash_at_each_call),
	};
	metrics_register_thread();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
