/* Grace copies: what the sink has stays readable for its time, survives a restart, gives way to intake and to younger
 * ones, and is used again afterwards. */
#include "journal_fixture.h"

#define SCRATCH (access("/dev/shm", W_OK) == 0 ? "/dev/shm" : NULL)
#define LONG_MS 3600000

static void until_grace(struct fixture *f, uint64_t files)
{
	int64_t deadline = fixture_deadline();
	while (fixture_stats(f).grace_files != files) {
		assert_true(clock_monotonic_ms() < deadline);
		fixture_pause();
	}
}

static void cover(struct fixture *f, uint32_t lane)
{
	struct journal_position last = journal_writer_next(journal_writer_get(f->journal, lane));
	last.counter--;
	journal_set_checkpoint(f->journal, lane, last);
}

static void test_kept_for_its_time(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f, SCRATCH);
	f.options.grace_ms = LONG_MS;
	fixture_open(&f);
	fixture_write(&f, 0, 300, 1000);
	uint64_t all = fixture_files(&f, 0, 0, NULL);
	assert_true(all > 4);
	cover(&f, 0);
	until_grace(&f, all - 1);
	assert_int_equal(fixture_files(&f, 0, 0, NULL), all);
	assert_in_range(fixture_stats(&f).grace_bytes, (all - 1) * 60 * 1024, (all - 1) * 64 * 1024);
	assert_int_equal(fixture_read_all(&f, 0).records, 300);
	/* A start knows them as copies once the sink's checkpoint is known; their time goes on, it does not begin anew. */
	fixture_reopen(&f);
	assert_int_equal(fixture_stats(&f).grace_files, 0);
	journal_set_checkpoint(f.journal, 0, (struct journal_position) { journal_epoch(f.journal), 0 });
	until_grace(&f, all);
	assert_int_equal(fixture_read_all(&f, 0).records, 300);
	assert_int_equal(fixture_stats(&f).accepted_events, 300);
	f.options.grace_ms = 1;
	fixture_reopen(&f);
	journal_set_checkpoint(f.journal, 0, (struct journal_position) { journal_epoch(f.journal), 0 });
	int64_t deadline = fixture_deadline();
	while (fixture_files(&f, 0, 0, NULL) > 1 && clock_monotonic_ms() < deadline)
		fixture_pause();
	assert_int_equal(fixture_files(&f, 0, 0, NULL), 1);
	assert_int_equal(fixture_stats(&f).grace_files, 0);
	assert_int_equal(fixture_stats(&f).grace_bytes, 0);
	assert_int_equal(fixture_stats(&f).accepted_events, 300);
	fixture_fini(&f);
}

/* The keeper may take a file away between the listing and the reading. */
static struct journal_file_header header_of(struct fixture *f, int index)
{
	int64_t deadline = fixture_deadline();
	for (;;) {
		char path[512];
		struct journal_file_header header;
		fixture_files(f, 0, index, path);
		int fd = open(path, O_RDONLY);
		bool sound = fd >= 0 && journal_header_read(fd, &header, &f->err);
		if (fd >= 0)
			close(fd);
		if (sound)
			return header;
		assert_true(clock_monotonic_ms() < deadline);
	}
}

/* Four times the budget goes through; nothing is refused, the copies keep to their quarter, the oldest go first. */
static void test_gives_way(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f, SCRATCH);
	f.options.grace_ms = LONG_MS;
	f.options.disk_budget_bytes = 2 << 20;
	fixture_open(&f);
	size_t recycled = 0;
	for (int round = 0; round < 160; round++) {
		fixture_write(&f, 0, 50, 1000);
		cover(&f, 0);
		/* one file a round, so that the keeper is never more than that behind */
		int64_t deadline = fixture_deadline();
		while (fixture_stats(&f).files - fixture_stats(&f).grace_files > 2 ||
		       fixture_stats(&f).grace_bytes > (2 << 20) / 4) {
			assert_true(clock_monotonic_ms() < deadline);
			fixture_pause();
		}
		assert_true(journal_has_headroom(f.journal));
		assert_true(fixture_stats(&f).disk_bytes <= 2 << 20);
		recycled += header_of(&f, -1).flags & JOURNAL_FILE_RECYCLED ? 1 : 0;
	}
	assert_in_range(fixture_stats(&f).grace_files, 4, 8);
	assert_true(recycled > 60);              /* what has had its time is used again */
	uint64_t first = header_of(&f, 0).first; /* the keeper may let go of one more in between */
	struct fixture_read seen = fixture_read_all(&f, 0);
	assert_int_equal(seen.last.counter, 160 * 50);
	assert_int_equal(seen.gaps, 0);
	assert_in_range(seen.records, 160 * 50 - header_of(&f, 0).first + 1, 160 * 50 - first + 1);
	fixture_fini(&f);
}

/* The copies of one lane do not survive older ones of another; one that is being read stays and holds up no other lane. */
static void test_oldest_first_over_lanes(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f, SCRATCH);
	f.options.lanes = 2;
	f.options.grace_ms = LONG_MS;
	f.options.disk_budget_bytes = 4 << 20; /* 1 MiB of copies: 16 files */
	fixture_open(&f);
	fixture_write(&f, 1, 150, 1000);
	cover(&f, 1);
	until_grace(&f, fixture_files(&f, 1, 0, NULL) - 1);
	uint64_t older = fixture_stats(&f).grace_files;
	assert_true(older >= 2);
	struct journal_reader *reader = journal_reader_open(f.journal, 1, (struct journal_position) { 0, 0 }, &f.err);
	for (int round = 0; round < 30; round++) { /* a file each */
		fixture_write(&f, 0, 50, 1000);
		cover(&f, 0);
	}
	int64_t deadline = fixture_deadline();
	while (fixture_files(&f, 0, 0, NULL) > 18 && clock_monotonic_ms() < deadline)
		fixture_pause();
	assert_in_range(fixture_files(&f, 0, 0, NULL), 10, 18);
	assert_int_equal(fixture_files(&f, 1, 0, NULL), older + 1);
	journal_reader_close(&reader);
	for (int round = 0; round < 8; round++) {
		fixture_write(&f, 0, 50, 1000);
		cover(&f, 0);
	}
	deadline = fixture_deadline();
	while (fixture_files(&f, 1, 0, NULL) > 1 && clock_monotonic_ms() < deadline)
		fixture_pause();
	assert_int_equal(fixture_files(&f, 1, 0, NULL), 1);
	fixture_fini(&f);
}

static void test_dead_letters_of_copies_hold_no_room(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f, SCRATCH);
	f.options.grace_ms = LONG_MS;
	f.options.disk_budget_bytes = 2 << 20;
	fixture_open(&f);
	struct journal_writer *writer = journal_writer_get(f.journal, 0);
	for (int i = 0; i < 230; i++) {
		char *value = journal_writer_begin(writer, 1000);
		assert_non_null(value);
		memset(value, 'x', 1000);
		struct journal_record record = { .type = JOURNAL_DEAD_LETTER, .value = { value, 1000 } };
		journal_writer_end(writer, &record);
		assert_true(journal_writer_commit(writer, &f.err));
	}
	assert_false(journal_has_dead_letter_room(f.journal));
	cover(&f, 0);
	int64_t deadline = fixture_deadline();
	while (!journal_has_dead_letter_room(f.journal) && clock_monotonic_ms() < deadline)
		fixture_pause();
	assert_true(journal_has_dead_letter_room(f.journal));
	assert_true(fixture_stats(&f).grace_files > 0);
	fixture_fini(&f);
}

static _Atomic int tending; /* 1: within it, 2: to end */

static void tend_long(void *context, const struct journal_pace *pace)
{
	(void)context;
	if (atomic_load(&tending) == 2)
		return;
	atomic_store(&tending, 1);
	while (atomic_load(&tending) == 1 && pace->go_on(pace->context))
		fixture_pause();
}

/* Tending the indexes may take minutes: meanwhile what the sink has goes, and the room comes back. */
static void test_released_while_indexes_are_tended(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f, SCRATCH);
	f.options.tend = tend_long;
	fixture_open(&f);
	int64_t deadline = fixture_deadline();
	while (!atomic_load(&tending) && clock_monotonic_ms() < deadline)
		fixture_pause();
	fixture_write(&f, 0, 300, 1000);
	assert_true(fixture_files(&f, 0, 0, NULL) > 4);
	cover(&f, 0);
	while (fixture_stats(&f).files > 1 && clock_monotonic_ms() < deadline)
		fixture_pause();
	assert_int_equal(fixture_stats(&f).files, 1);
	assert_int_equal(atomic_exchange(&tending, 2), 1);
	fixture_fini(&f);
}

int main(void)
{
	metrics_register_thread();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept_for_its_time),
		cmocka_unit_test(test_gives_way),
		cmocka_unit_test(test_oldest_first_over_lanes),
		cmocka_unit_test(test_dead_letters_of_copies_hold_no_room),
		cmocka_unit_test(test_released_while_indexes_are_tended),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
