/* What a start makes of files that a crash, a bad disk or an operator left: nothing accepted is lost that the disk
 * still has, nothing is invented, the start is never blocked. */
#include "journal_fixture.h"

#include <signal.h>
#include <sys/mman.h>

#define SCRATCH (access("/dev/shm", W_OK) == 0 ? "/dev/shm" : NULL)
#define RECORDS 5
#define VALUE_BYTES 101

static void write_some(struct fixture *f, void *context)
{
	fixture_write(f, 0, *(const int *)context, VALUE_BYTES);
}

/* A data directory as a crash left it, to be damaged and opened again and again. */
struct crashed {
	char log_path[512], meta_path[512];
	char *log, *meta;
	size_t log_len, meta_len;
	uint64_t epoch;
	uint64_t end; /* of the records */
};

static char *load(const char *path, size_t *len)
{
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	char *bytes = malloc((size_t)1 << 20);
	*len = fread(bytes, 1, (size_t)1 << 20, file);
	fclose(file);
	return bytes;
}

static void save(const char *path, const char *bytes, size_t len)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	fclose(file);
}

static void crash_init(struct crashed *c, struct fixture *f, bool clean)
{
	int count = RECORDS;
	fixture_init(f, SCRATCH);
	if (clean) {
		fixture_open(f);
		write_some(f, &count);
		journal_close(&f->journal);
	} else {
		fixture_crash(f, write_some, &count);
	}
	fixture_files(f, 0, 0, c->log_path);
	snprintf(c->meta_path, sizeof(c->meta_path), "%s/meta", f->dir);
	c->log = load(c->log_path, &c->log_len);
	c->meta = load(c->meta_path, &c->meta_len);
	struct journal_scan scan;
	assert_true(journal_scan_file(c->log_path, NULL, NULL, &scan, &f->err));
	assert_int_equal(scan.records, RECORDS);
	c->epoch = scan.epoch;
	c->end = scan.valid_bytes;
}

static void crash_fini(struct crashed *c, struct fixture *f)
{
	free(c->log);
	free(c->meta);
	fixture_fini(f);
}

/* Puts the directory back as it was, but for the log, of which `log` is stored. */
static void crash_restore(struct crashed *c, struct fixture *f, const char *log, size_t len)
{
	journal_close(&f->journal);
	fixture_remove(f->dir);
	assert_int_equal(mkdir(f->dir, 0700), 0);
	char path[512];
	snprintf(path, sizeof(path), "%s/journal", f->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/journal/0", f->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	save(c->meta_path, c->meta, c->meta_len);
	save(c->log_path, log, len);
}

static void test_unclean_stop(void **state)
{
	(void)state;
	for (int sync = 0; sync < 2; sync++) {
		struct fixture f;
		int count = 200;
		fixture_init(&f, NULL);
		f.options.sync_on_commit = sync;
		for (int round = 1; round <= 3; round++) {
			fixture_crash(&f, write_some, &count);
			fixture_open(&f);
			assert_int_equal(f.recovered, round * count);
			assert_int_equal(fixture_stats(&f).accepted_events, round * count);
			struct fixture_read seen = fixture_read_all(&f, 0);
			assert_int_equal(seen.records, round * count);
			assert_int_equal(seen.gaps, 0);
			journal_close(&f.journal);
		}
		fixture_fini(&f);
	}
}

static void test_unclean_file_is_rewritten(void **state)
{
	(void)state;
	struct fixture f;
	struct crashed c;
	crash_init(&c, &f, false);
	struct stat before, after;
	assert_int_equal(stat(c.log_path, &before), 0);
	fixture_open(&f);
	assert_int_equal(stat(c.log_path, &after), 0);
	assert_int_not_equal(before.st_ino, after.st_ino);
	assert_int_equal(after.st_size, c.end);
	journal_close(&f.journal);
	crash_fini(&c, &f);
}

static void test_torn_at_every_byte(void **state)
{
	(void)state;
	struct fixture f;
	struct crashed c;
	crash_init(&c, &f, false);
	size_t size = (size_t)(c.end - JOURNAL_HEADER_BYTES) / RECORDS, length;
	size_t last = (size_t)c.end - size;
	uint32_t stored;
	memcpy(&stored, c.log + last + offsetof(struct journal_record_header, length), sizeof(stored));
	length = stored;
	char *log = malloc(c.log_len);
	for (size_t cut = 0; cut <= size; cut++) {
		memcpy(log, c.log, c.log_len);
		memset(log + last + cut, 0, c.log_len - last - cut);
		/* Cut off in turn by zeros ahead of it and by the end of the file. */
		bool whole = cut >= length && (cut == size || cut % 2);
		crash_restore(&c, &f, log, cut % 2 ? c.log_len : last + cut);
		fixture_open(&f);
		uint64_t expected = whole ? RECORDS : RECORDS - 1;
		assert_int_equal(f.recovered, expected);
		struct fixture_read seen = fixture_read_all(&f, 0);
		assert_int_equal(seen.records, expected);
		assert_int_equal(seen.gaps, 0);
		assert_int_equal(fixture_stats(&f).torn_tails, cut > 0 && !whole);
		assert_int_equal(fixture_stats(&f).quarantined_bytes > 0, cut > 0 && !whole);
		/* What comes next stands behind, under a new epoch. */
		fixture_write(&f, 0, 1, VALUE_BYTES);
		assert_int_equal(fixture_read_all(&f, 0).records, expected + 1);
	}
	free(log);
	crash_fini(&c, &f);
}

static void flip_everywhere(bool clean)
{
	struct fixture f;
	struct crashed c;
	crash_init(&c, &f, clean);
	size_t size = (size_t)(c.end - JOURNAL_HEADER_BYTES) / RECORDS;
	char *log = malloc(c.log_len);
	for (size_t at = JOURNAL_HEADER_BYTES; at < c.end; at += 3) {
		memcpy(log, c.log, c.log_len);
		log[at] = (char)(log[at] ^ (1 << (at % 8)));
		crash_restore(&c, &f, log, c.log_len);
		fixture_open(&f);
		bool in_last = at >= c.end - size;
		assert_int_equal(f.recovered, RECORDS - 1);
		for (int again = 0; again < 2; again++) {
			struct fixture_read seen = fixture_read_all(&f, 0);
			assert_int_equal(seen.records, RECORDS - 1);
			assert_int_equal(seen.missing, in_last ? 0 : 1);
		}
		assert_int_equal(fixture_stats(&f).gaps, in_last ? 0 : 1);
		assert_int_equal(fixture_stats(&f).torn_tails, in_last ? 1 : 0);
		assert_in_range(fixture_stats(&f).quarantined_bytes, 1, size);
	}
	free(log);
	crash_fini(&c, &f);
}

static void test_flipped_bits(void **state)
{
	(void)state;
	flip_everywhere(false);
}

static void test_flipped_bits_after_clean_stop(void **state)
{
	(void)state;
	flip_everywhere(true);
}

static void test_damage_under_a_reader(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f, SCRATCH);
	fixture_open(&f);
	fixture_write(&f, 0, RECORDS, VALUE_BYTES);
	char path[512];
	struct journal_scan scan;
	fixture_files(&f, 0, 0, path);
	assert_true(journal_scan_file(path, NULL, NULL, &scan, &f.err));
	uint64_t size = (scan.valid_bytes - JOURNAL_HEADER_BYTES) / RECORDS;
	int fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "damage", 6, (off_t)(JOURNAL_HEADER_BYTES + 2 * size + 50)), 6);
	assert_int_equal(pwrite(fd, "damage", 6, (off_t)(JOURNAL_HEADER_BYTES + 4 * size + 50)), 6);
	close(fd);
	struct fixture_read seen = fixture_read_all(&f, 0);
	assert_int_equal(seen.records, RECORDS - 2);
	assert_int_equal(seen.missing, 1); /* the last one is missed once something stands behind it */
	fixture_write(&f, 0, 100, 1000);
	seen = fixture_read_all(&f, 0);
	assert_int_equal(seen.records, RECORDS - 2 + 100);
	assert_int_equal(seen.missing, 2);
	assert_int_equal(fixture_stats(&f).gaps, 2);
	fixture_fini(&f);
}

static void test_header(void **state)
{
	(void)state;
	struct fixture f;
	struct crashed c;
	crash_init(&c, &f, false);
	char *log = malloc(c.log_len);
	/* One copy lost: nothing is. */
	for (int copy = 0; copy < 2; copy++) {
		memcpy(log, c.log, c.log_len);
		memset(log + copy * JOURNAL_HEADER_COPY_AT, 0, 512);
		crash_restore(&c, &f, log, c.log_len);
		fixture_open(&f);
		assert_int_equal(f.recovered, RECORDS);
	}
	/* Both: the file is in quarantine, the start goes on. */
	memset(log, 0, JOURNAL_HEADER_BYTES);
	crash_restore(&c, &f, log, c.log_len);
	fixture_open(&f);
	assert_int_equal(f.recovered, 0);
	assert_int_equal(fixture_stats(&f).quarantined_bytes, c.log_len);
	fixture_write(&f, 0, 1, VALUE_BYTES);
	assert_int_equal(fixture_read_all(&f, 0).records, 1);
	/* Truncated within the header, empty, and never written to. */
	memset(log, 0, c.log_len);
	const size_t lengths[] = { 0, 1, 127, c.log_len };
	for (size_t i = 0; i < 4; i++) {
		crash_restore(&c, &f, i == 3 ? log : c.log, lengths[i]);
		fixture_open(&f);
		assert_int_equal(f.recovered, 0);
	}
	free(log);
	crash_fini(&c, &f);
}

static void test_lost_file_is_a_gap(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f, SCRATCH);
	fixture_open(&f);
	fixture_write(&f, 0, 300, 1000);
	journal_close(&f.journal);
	char path[512];
	struct journal_scan scan;
	fixture_files(&f, 0, 1, path);
	assert_true(journal_scan_file(path, NULL, NULL, &scan, &f.err));
	int fd = open(path, O_WRONLY);
	char zeros[JOURNAL_HEADER_BYTES] = { 0 };
	assert_int_equal(pwrite(fd, zeros, sizeof(zeros), 0), sizeof(zeros));
	close(fd);
	fixture_open(&f);
	struct fixture_read seen = fixture_read_all(&f, 0);
	assert_int_equal(seen.gaps, 1);
	assert_int_equal(seen.missing, scan.records);
	assert_int_equal(seen.records, 300 - scan.records);
	assert_int_equal(f.recovered, 300 - scan.records);
	fixture_fini(&f);
}

/* A sound record of another file, and one of the same file in another place, are not records here. */
static void test_stale_and_moved_bytes(void **state)
{
	(void)state;
	struct fixture f, other;
	struct crashed c, d;
	crash_init(&d, &other, false);
	crash_init(&c, &f, false);
	size_t size = (size_t)(c.end - JOURNAL_HEADER_BYTES) / RECORDS;
	char *log = malloc(c.log_len);
	for (int moved = 0; moved < 2; moved++) {
		memcpy(log, c.log, c.log_len);
		memcpy(log + c.end, (moved ? c.log : d.log) + JOURNAL_HEADER_BYTES + size, size);
		crash_restore(&c, &f, log, c.log_len);
		fixture_open(&f);
		assert_int_equal(f.recovered, RECORDS);
		assert_int_equal(fixture_read_all(&f, 0).records, RECORDS);
		assert_int_equal(fixture_stats(&f).torn_tails, 1);
	}
	/* A whole file of another log. */
	crash_restore(&c, &f, d.log, d.log_len);
	fixture_open(&f);
	assert_int_equal(f.recovered, 0);
	assert_int_equal(fixture_stats(&f).quarantined_bytes, d.log_len);
	free(log);
	crash_fini(&c, &f);
	crash_fini(&d, &other);
}

static void test_prepared_file_is_adopted(void **state)
{
	(void)state;
	struct fixture f;
	struct crashed c;
	crash_init(&c, &f, false);
	crash_restore(&c, &f, c.log, c.log_len);
	char prepared[512];
	snprintf(prepared, sizeof(prepared), "%s/journal/0/next-7.pre", f.dir);
	assert_int_equal(rename(c.log_path, prepared), 0); /* as if the rename had not reached the disk */
	fixture_open(&f);
	assert_int_equal(f.recovered, RECORDS);
	assert_int_equal(access(c.log_path, F_OK), 0);
	crash_fini(&c, &f);
}

static void write_lanes(struct fixture *f, void *context)
{
	int count = *(const int *)context;
	for (uint32_t lane = 0; lane < f->options.lanes; lane++)
		fixture_write(f, lane, count, 500);
}

static void test_lanes_change_over_crashes(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f, SCRATCH);
	int count = 150;
	const uint32_t lanes[] = { 4, 1, 4, 2 };
	uint64_t written[4] = { 0 };
	for (int i = 0; i < 4; i++) {
		f.options.lanes = lanes[i];
		fixture_crash(&f, write_lanes, &count);
		for (uint32_t lane = 0; lane < lanes[i]; lane++)
			written[lane] += (uint64_t)count;
	}
	fixture_open(&f);
	assert_int_equal(journal_lane_count(f.journal), 4);
	uint64_t all = 0;
	for (uint32_t lane = 0; lane < 4; lane++) {
		struct fixture_read seen = fixture_read_all(&f, lane);
		assert_int_equal(seen.records, written[lane]);
		assert_int_equal(seen.gaps, 0);
		all += written[lane];
	}
	assert_int_equal(f.recovered, all);
	assert_int_equal(fixture_stats(&f).accepted_events, all);
	fixture_fini(&f);
}

/* ---- killed at any moment ---- */

struct kill_state {
	_Atomic uint64_t committed; /* shared with the child */
};

static void write_until_killed(struct fixture *f, struct kill_state *shared)
{
	fixture_open(f);
	struct journal_writer *writer = journal_writer_get(f->journal, 0);
	for (unsigned i = 0;; i++) {
		/* From single records to batches of several files, and some discarded. */
		unsigned count = i % 50 == 49 ? 150 : 1 + i % 4;
		for (unsigned n = 0; n < count; n++)
			if (!fixture_append(writer, 0, 200 + (i * 37 + n) % 900))
				_exit(1);
		if (i % 11 == 10) {
			journal_writer_discard(writer);
			continue;
		}
		if (!journal_writer_commit(writer, &f->err))
			_exit(2);
		atomic_fetch_add(&shared->committed, count);
	}
}

static void kill_loop(bool sync)
{
	struct fixture f;
	fixture_init(&f, SCRATCH);
	f.options.sync_on_commit = sync;
	f.options.sync_interval_ms = 1;
	struct kill_state *shared =
	        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(shared != MAP_FAILED);
	uint64_t kept = 0;
	srand(7);
	for (int round = 0; round < 25; round++) {
		uint64_t target = atomic_load(&shared->committed) + 1 + (uint64_t)rand() % 500;
		fflush(NULL);
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			write_until_killed(&f, shared);
		int status = 0;
		while (atomic_load(&shared->committed) < target)
			assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		uint64_t committed = atomic_load(&shared->committed);
		fixture_open(&f);
		struct fixture_read seen = fixture_read_all(&f, 0);
		assert_int_equal(seen.gaps, 0);
		/* All that was committed, and of what was not at most the one batch under way (150, or one whose commit
		 * was not counted yet). */
		assert_in_range(seen.records, committed, committed + kept + 150);
		assert_int_equal(f.recovered, seen.records);
		assert_int_equal(fixture_stats(&f).accepted_events, seen.records);
		kept = seen.records - committed;
		journal_close(&f.journal);
	}
	munmap(shared, sizeof(*shared));
	fixture_fini(&f);
}

static void test_killed_disk(void **state)
{
	(void)state;
	kill_loop(true);
}

static void test_killed_os(void **state)
{
	(void)state;
	kill_loop(false);
}

int main(void)
{
	metrics_register_thread();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unclean_stop),
		cmocka_unit_test(test_unclean_file_is_rewritten),
		cmocka_unit_test(test_torn_at_every_byte),
		cmocka_unit_test(test_flipped_bits),
		cmocka_unit_test(test_flipped_bits_after_clean_stop),
		cmocka_unit_test(test_damage_under_a_reader),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_lost_file_is_a_gap),
		cmocka_unit_test(test_stale_and_moved_bytes),
		cmocka_unit_test(test_prepared_file_is_adopted),
		cmocka_unit_test(test_lanes_change_over_crashes),
		cmocka_unit_test(test_killed_disk),
		cmocka_unit_test(test_killed_os),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
