/* The journal in good weather: what is appended and committed is read, in order, once, across files and restarts. */
#include "journal_fixture.h"

#include <pthread.h>

static void round_trip(bool sync_on_commit)
{
	struct fixture f;
	fixture_init(&f, NULL);
	f.options.sync_on_commit = sync_on_commit;
	fixture_open(&f);
	struct journal_writer *writer = journal_writer_get(f.journal, 0);
	assert_false(journal_writer_is_dirty(writer));
	assert_true(fixture_append(writer, 0, 100));
	assert_true(journal_writer_is_dirty(writer));
	assert_int_equal(fixture_read_all(&f, 0).records, 0); /* not committed: not seen */
	assert_true(journal_writer_commit(writer, &f.err));
	assert_false(journal_writer_is_dirty(writer));
	fixture_write(&f, 0, 9, 300);
	struct fixture_read seen = fixture_read_all(&f, 0);
	assert_int_equal(seen.records, 10);
	assert_int_equal(seen.gaps, 0);
	assert_int_equal(seen.last.counter, 10);
	assert_int_equal(seen.last.epoch, journal_epoch(f.journal));
	assert_int_equal(fixture_stats(&f).accepted_events, 10);
	assert_true(journal_has_headroom(f.journal));
	fixture_fini(&f);
}

static void test_round_trip_disk(void **state)
{
	(void)state;
	round_trip(true);
}

static void test_round_trip_os(void **state)
{
	(void)state;
	round_trip(false);
}

static void test_empty_parts(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f, NULL);
	fixture_open(&f);
	struct journal_writer *writer = journal_writer_get(f.journal, 0);
	assert_non_null(journal_writer_begin(writer, 0));
	journal_writer_end(writer, &(struct journal_record) { .type = JOURNAL_DEAD_LETTER });
	assert_true(journal_writer_commit(writer, &f.err));
	struct journal_reader *reader = journal_reader_open(f.journal, 0, (struct journal_position) { 0, 0 }, &f.err);
	struct journal_record record;
	assert_int_equal(journal_reader_next(reader, &record, &f.err), JOURNAL_READ_RECORD);
	assert_int_equal(record.type, JOURNAL_DEAD_LETTER);
	assert_int_equal(record.topic.len + record.key.len + record.headers.len + record.value.len, 0);
	assert_int_equal(journal_reader_next(reader, &record, &f.err), JOURNAL_READ_END);
	journal_reader_close(&reader);
	assert_int_equal(fixture_stats(&f).accepted_dead_letters, 1);
	fixture_fini(&f);
}

static void test_rollover(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f, NULL);
	fixture_open(&f);
	fixture_write(&f, 0, 500, 1000);
	assert_true(fixture_files(&f, 0, 0, NULL) >= 8);
	struct fixture_read seen = fixture_read_all(&f, 0);
	assert_int_equal(seen.records, 500);
	assert_int_equal(seen.gaps, 0);
	/* Every start in the middle finds exactly what is behind it. */
	for (uint64_t after = 0; after <= 500; after += 83) {
		seen = fixture_read_lane(&f, 0, (struct journal_position) { journal_epoch(f.journal), after });
		assert_int_equal(seen.records, 500 - after);
		assert_int_equal(seen.gaps, 0);
	}
	char path[512];
	struct journal_scan scan;
	fixture_files(&f, 0, 0, path);
	assert_true(journal_scan_file(path, NULL, NULL, &scan, &f.err));
	assert_true(scan.sealed);
	assert_int_equal(scan.damage_count, 0);
	assert_string_equal(scan.log_id, journal_log_id(f.journal));
	assert_int_equal(scan.first, 1);
	assert_int_equal(scan.records, scan.last);
	fixture_fini(&f);
}

static void test_batch_larger_than_a_file(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f, NULL);
	fixture_open(&f);
	struct journal_writer *writer = journal_writer_get(f.journal, 0);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 400; i++)
			assert_true(fixture_append(writer, 0, 900));
		assert_int_equal(fixture_read_all(&f, 0).records, round * 400);
		assert_true(journal_writer_commit(writer, &f.err));
		assert_int_equal(fixture_read_all(&f, 0).records, (round + 1) * 400);
	}
	/* The largest record, and one that no file holds. */
	assert_true(fixture_append(writer, 0, 55 * 1024));
	assert_true(journal_writer_commit(writer, &f.err));
	assert_false(fixture_append(writer, 0, 64 * 1024));
	assert_int_equal(fixture_read_all(&f, 0).records, 1201);
	fixture_reopen(&f);
	assert_int_equal(f.recovered, 1201);
	fixture_fini(&f);
}

static void test_discard_burns(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f, NULL);
	fixture_open(&f);
	struct journal_writer *writer = journal_writer_get(f.journal, 0);
	fixture_write(&f, 0, 2, 50);
	assert_true(fixture_append(writer, 0, 50));
	assert_true(fixture_append(writer, 0, 50));
	journal_writer_discard(writer);
	assert_false(journal_writer_is_dirty(writer));
	assert_true(fixture_append(writer, 0, 50));
	journal_writer_discard(writer);
	assert_int_equal(journal_writer_next(writer).counter, 6);
	fixture_write(&f, 0, 1, 50);
	struct fixture_read seen = fixture_read_all(&f, 0);
	assert_int_equal(seen.records, 3);
	assert_int_equal(seen.gaps, 0); /* burnt counters hide nothing */
	assert_int_equal(seen.last.counter, 6);
	char path[512];
	struct journal_scan scan;
	fixture_files(&f, 0, 0, path);
	assert_true(journal_scan_file(path, NULL, NULL, &scan, &f.err));
	assert_int_equal(scan.missing, 0);
	assert_int_equal(scan.records, 3);
	fixture_fini(&f);
}

static void test_clean_restart(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f, NULL);
	fixture_open(&f);
	char log_id[JOURNAL_LOG_ID_TEXT + 1];
	strcpy(log_id, journal_log_id(f.journal));
	struct hash_key key = *journal_hash_key(f.journal);
	uint64_t epoch = journal_epoch(f.journal);
	fixture_write(&f, 0, 100, 1000);
	for (int round = 1; round <= 3; round++) {
		fixture_reopen(&f);
		assert_string_equal(journal_log_id(f.journal), log_id);
		assert_memory_equal(journal_hash_key(f.journal), &key, sizeof(key));
		assert_true(journal_epoch(f.journal) > epoch);
		assert_true(journal_knows_epoch(f.journal, epoch));
		assert_false(journal_knows_epoch(f.journal, 12345));
		epoch = journal_epoch(f.journal);
		assert_int_equal(f.recovered, 90 + 10 * round);
		assert_int_equal(fixture_stats(&f).accepted_events, f.recovered);
		assert_int_equal(journal_writer_next(journal_writer_get(f.journal, 0)).counter, 1);
		fixture_write(&f, 0, 10, 1000);
		struct fixture_read seen = fixture_read_all(&f, 0);
		assert_int_equal(seen.records, 100 + 10 * round);
		assert_int_equal(seen.gaps, 0);
	}
	assert_int_equal(fixture_stats(&f).torn_tails, 0);
	assert_int_equal(fixture_stats(&f).quarantined_bytes, 0);
	fixture_fini(&f);
}

static void test_lanes_come_and_go(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f, NULL);
	f.options.lanes = 4;
	fixture_open(&f);
	for (uint32_t lane = 0; lane < 4; lane++)
		fixture_write(&f, lane, 20, 200);
	journal_close(&f.journal);
	f.options.lanes = 1;
	fixture_open(&f);
	assert_int_equal(journal_lane_count(f.journal), 4);
	assert_null(journal_writer_get(f.journal, 1));
	assert_int_equal(f.recovered, 80);
	for (uint32_t lane = 0; lane < 4; lane++) {
		struct fixture_read seen = fixture_read_all(&f, lane);
		assert_int_equal(seen.records, 20);
		journal_set_checkpoint(f.journal, lane, seen.last);
	}
	/* All is covered: the folders of the lanes gone run empty, their totals stay. */
	int64_t deadline = fixture_deadline();
	while (fixture_files(&f, 1, 0, NULL) + fixture_files(&f, 2, 0, NULL) + fixture_files(&f, 3, 0, NULL) > 0) {
		assert_true(clock_monotonic_ms() < deadline);
		fixture_pause();
	}
	journal_close(&f.journal);
	f.options.lanes = 4;
	fixture_open(&f);
	assert_int_equal(fixture_stats(&f).accepted_events, 80);
	for (uint32_t lane = 0; lane < 4; lane++) {
		fixture_write(&f, lane, 5, 200);
		assert_int_equal(fixture_read_all(&f, lane).gaps, 0);
	}
	assert_int_equal(fixture_stats(&f).accepted_events, 100);
	fixture_fini(&f);
}

static void test_second_opener_is_busy(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f, NULL);
	fixture_open(&f);
	struct error err = { 0 };
	assert_null(journal_open(&f.options, &err));
	assert_int_equal(err.code, ERROR_BUSY);
	fixture_reopen(&f);
	fixture_fini(&f);
}

static void test_meta_missing(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f, NULL);
	fixture_open(&f);
	fixture_write(&f, 0, 1, 10);
	journal_close(&f.journal);
	char path[512];
	snprintf(path, sizeof(path), "%s/meta", f.dir);
	FILE *meta = fopen(path, "r+");
	assert_non_null(meta);
	fseek(meta, 30, SEEK_SET);
	fputc('x', meta);
	fputc('y', meta);
	fclose(meta);
	assert_null(journal_open(&f.options, &f.err));
	assert_int_equal(f.err.code, ERROR_DATA);
	assert_int_equal(unlink(path), 0);
	assert_null(journal_open(&f.options, &f.err));
	assert_int_equal(f.err.code, ERROR_DATA);
	fixture_fini(&f);
}

/* ---- waiting ---- */

struct waiting {
	struct fixture *f;
	_Atomic int rounds;
	_Atomic bool stop;
};

static void *wait_for_commits(void *context)
{
	struct waiting *w = context;
	while (!atomic_load(&w->stop)) {
		journal_wait(w->f->journal, 60000);
		atomic_fetch_add(&w->rounds, 1);
	}
	return NULL;
}

static void until_round(struct waiting *w, int round)
{
	int64_t deadline = fixture_deadline();
	while (atomic_load(&w->rounds) < round) {
		assert_true(clock_monotonic_ms() < deadline);
		fixture_pause();
	}
}

static void test_wait(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f, NULL);
	fixture_open(&f);
	int64_t begin_ms = clock_monotonic_ms();
	journal_wait(f.journal, 20);
	assert_true(clock_monotonic_ms() - begin_ms >= 19);
	fixture_write(&f, 0, 1, 10); /* before the wait: it must not sleep */
	begin_ms = clock_monotonic_ms();
	journal_wait(f.journal, 60000);
	assert_true(clock_monotonic_ms() - begin_ms < 30000);
	struct waiting w = { .f = &f };
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, wait_for_commits, &w), 0);
	for (int i = 1; i <= 20; i++) {
		int rounds = atomic_load(&w.rounds);
		fixture_write(&f, 0, 1, 10);
		until_round(&w, rounds + 1);
	}
	atomic_store(&w.stop, true);
	journal_wake(f.journal);
	pthread_join(thread, NULL);
	fixture_fini(&f);
}

/* ---- a reader beside writers ---- */

#define RACE_RECORDS 20000

static void *write_race(void *context)
{
	struct fixture *f = context;
	metrics_register_thread();
	struct journal_writer *writer = journal_writer_get(f->journal, 0);
	for (int i = 0; i < RACE_RECORDS; i++) {
		if (!fixture_append(writer, 0, 100) ||
		    ((i % 3 == 0 || i + 1 == RACE_RECORDS) && !journal_writer_commit(writer, NULL)))
			abort();
	}
	return NULL;
}

static void test_reader_beside_writer(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f, NULL);
	f.options.sync_on_commit = false;
	f.options.sync_interval_ms = 1;
	f.options.file_bytes = 256 * 1024;
	fixture_open(&f);
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, write_race, &f), 0);
	struct journal_reader *reader = journal_reader_open(f.journal, 0, (struct journal_position) { 0, 0 }, &f.err);
	int64_t deadline = fixture_deadline();
	for (uint64_t expected = 1; expected <= RACE_RECORDS;) {
		struct journal_record record;
		enum journal_read result = journal_reader_next(reader, &record, &f.err);
		if (result == JOURNAL_READ_END) {
			assert_true(clock_monotonic_ms() < deadline);
			journal_reader_release(reader);
			journal_wait(f.journal, 100);
			continue;
		}
		assert_int_equal(result, JOURNAL_READ_RECORD);
		assert_int_equal(record.position.counter, expected++);
		fixture_check(0, &record);
		journal_set_checkpoint(f.journal, 0, record.position);
	}
	journal_reader_close(&reader);
	pthread_join(thread, NULL);
	fixture_fini(&f);
}

int main(void)
{
	metrics_register_thread();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip_disk),
		cmocka_unit_test(test_round_trip_os),
		cmocka_unit_test(test_empty_parts),
		cmocka_unit_test(test_rollover),
		cmocka_unit_test(test_batch_larger_than_a_file),
		cmocka_unit_test(test_discard_burns),
		cmocka_unit_test(test_clean_restart),
		cmocka_unit_test(test_lanes_come_and_go),
		cmocka_unit_test(test_second_opener_is_busy),
		cmocka_unit_test(test_meta_missing),
		cmocka_unit_test(test_wait),
		cmocka_unit_test(test_reader_beside_writer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
