/* Files that are used again: in steady state no new one is made, and what a file held before never shows: not to
 * readers, not to recovery, not as damage. A torn write is still told from it. All records have the same size, so that
 * stale ones stand exactly where the next one is looked for. */
#include "journal_fixture.h"

#include <dirent.h>

#define SCRATCH (access("/dev/shm", W_OK) == 0 ? "/dev/shm" : NULL)
#define VALUE_BYTES 1000
#define PER_ROUND 40 /* of the 50 that a file holds */
#define MORE 7

static void until_covered(struct fixture *f)
{
	int64_t deadline = fixture_deadline();
	while (fixture_files(f, 0, 0, NULL) != 1) {
		assert_true(clock_monotonic_ms() < deadline);
		fixture_pause();
	}
}

static bool has_old_header(const char *folder, const char *name)
{
	char path[512];
	struct journal_file_header header;
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	int fd = open(path, O_RDONLY);
	bool sound = fd >= 0 && journal_header_read(fd, &header, NULL);
	if (fd >= 0)
		close(fd);
	return sound;
}

/* No file is on its way from covered to spare: a crash would give it its name back. */
static void until_blanked(struct fixture *f)
{
	char folder[256];
	snprintf(folder, sizeof(folder), "%s/journal/0", f->dir);
	int64_t deadline = fixture_deadline();
	for (bool busy = true; busy;) {
		assert_true(clock_monotonic_ms() < deadline);
		busy = false;
		DIR *dir = opendir(folder);
		for (struct dirent *entry; (entry = readdir(dir));)
			busy = busy || (strstr(entry->d_name, ".pre") && has_old_header(folder, entry->d_name));
		closedir(dir);
	}
}

static void cover_all(struct fixture *f)
{
	struct journal_position last = journal_writer_next(journal_writer_get(f->journal, 0));
	last.counter--;
	journal_set_checkpoint(f->journal, 0, last);
	until_covered(f);
	until_blanked(f);
}

static struct journal_file_header newest_header(struct fixture *f, ino_t *inode, char *path)
{
	struct journal_file_header header;
	struct stat st;
	fixture_files(f, 0, -1, path);
	int fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_true(journal_header_read(fd, &header, &f->err));
	assert_int_equal(fstat(fd, &st), 0);
	*inode = st.st_ino;
	close(fd);
	return header;
}

static uint64_t scan_newest(struct fixture *f, struct journal_scan *scan)
{
	char path[512];
	fixture_files(f, 0, -1, path);
	assert_true(journal_scan_file(path, NULL, NULL, scan, &f->err));
	return scan->records;
}

/* Until the file in use has the past of a full one behind its end. */
static void write_until_recycled(struct fixture *f, void *context)
{
	(void)context;
	struct journal_scan scan;
	char path[512];
	ino_t inode;
	bool found = false;
	for (int i = 0; i < 40 && !found; i++) {
		fixture_write(f, 0, PER_ROUND, VALUE_BYTES);
		cover_all(f);
		found = (newest_header(f, &inode, path).flags & JOURNAL_FILE_RECYCLED) && scan_newest(f, &scan) <= 30;
	}
	assert_true(found);
	fixture_write(f, 0, MORE, VALUE_BYTES);
}

static void test_steady_state(void **state)
{
	(void)state;
	struct fixture f;
	char path[512];
	ino_t seen[64], inode;
	size_t kinds = 0, recycled = 0;
	fixture_init(&f, SCRATCH);
	fixture_open(&f);
	for (int round = 0; round < 40; round++) {
		fixture_write(&f, 0, PER_ROUND, VALUE_BYTES);
		struct journal_position from = { journal_epoch(f.journal), (uint64_t)round * PER_ROUND };
		assert_int_equal(fixture_read_lane(&f, 0, from).records, PER_ROUND);
		cover_all(&f);
		recycled += newest_header(&f, &inode, path).flags & JOURNAL_FILE_RECYCLED ? 1 : 0;
		size_t at = 0;
		while (at < kinds && seen[at] != inode)
			at++;
		seen[at] = inode;
		kinds += at == kinds;
	}
	assert_true(recycled > 30);
	assert_true(kinds <= 8);
	struct journal_stats stats = fixture_stats(&f);
	assert_int_equal(stats.gaps + stats.quarantined_bytes, 0);
	assert_true(stats.disk_bytes < 8 * 64 * 1024);
	fixture_reopen(&f);
	assert_int_equal(fixture_stats(&f).accepted_events, 40 * PER_ROUND);
	fixture_fini(&f);
}

static void test_crash_shows_no_past(void **state)
{
	(void)state;
	struct fixture f;
	struct journal_scan scan;
	fixture_init(&f, SCRATCH);
	fixture_crash(&f, write_until_recycled, NULL);
	uint64_t records = scan_newest(&f, &scan);
	assert_in_range(records, MORE, 30 + MORE);
	assert_int_equal(scan.torn_bytes + scan.damaged_bytes + scan.missing, 0);
	assert_true(scan.file_bytes > scan.valid_bytes);
	fixture_open(&f);
	assert_int_equal(f.recovered, records);
	struct journal_stats stats = fixture_stats(&f);
	assert_int_equal(stats.torn_tails + stats.quarantined_bytes + stats.gaps, 0);
	assert_int_equal(fixture_read_all(&f, 0).records, records);
	assert_int_equal(fixture_read_all(&f, 0).gaps, 0);
	fixture_fini(&f);
}

/* The stale record right behind the end is a real one: with a fresh header and the old salt it would be read. */
static void test_the_past_is_there(void **state)
{
	(void)state;
	struct fixture f;
	struct journal_scan scan;
	char path[512], magic[4];
	fixture_init(&f, SCRATCH);
	fixture_crash(&f, write_until_recycled, NULL);
	scan_newest(&f, &scan);
	fixture_files(&f, 0, -1, path);
	int fd = open(path, O_RDONLY);
	struct journal_record_header header, first;
	assert_int_equal(pread(fd, &header, sizeof(header), (off_t)scan.valid_bytes), sizeof(header));
	assert_int_equal(pread(fd, &first, sizeof(first), JOURNAL_HEADER_BYTES), sizeof(first));
	assert_int_equal(header.length, first.length);
	assert_int_equal(header.type, JOURNAL_EVENT);
	memcpy(magic, &header.magic, sizeof(magic));
	assert_memory_not_equal(magic, &first.magic, sizeof(magic));
	close(fd);
	fixture_fini(&f);
}

/* A record that is right in all but the salt does not pass; with the salt it would. */
static void forge(bool right_salt)
{
	struct fixture f;
	struct journal_scan scan;
	char path[512], bytes[4096];
	ino_t inode;
	fixture_init(&f, SCRATCH);
	fixture_crash(&f, write_until_recycled, NULL);
	uint64_t records = scan_newest(&f, &scan), size = (scan.valid_bytes - JOURNAL_HEADER_BYTES) / records;
	uint32_t salt_crc = journal_salt_crc(newest_header(&f, &inode, path).salt);
	int fd = open(path, O_RDWR);
	assert_int_equal(pread(fd, bytes, size, (off_t)scan.valid_bytes), size);
	uint64_t counter = scan.last + 1;
	memcpy(bytes + offsetof(struct journal_record_header, counter), &counter, sizeof(counter));
	journal_record_stamp(bytes, right_salt ? salt_crc : journal_salt_crc(12345));
	uint32_t magic = JOURNAL_RECORD_MAGIC ^ salt_crc;
	memcpy(bytes, &magic, sizeof(magic));
	assert_int_equal(pwrite(fd, bytes, size, (off_t)scan.valid_bytes), size);
	close(fd);
	fixture_open(&f);
	assert_int_equal(f.recovered, records + right_salt);
	assert_int_equal(fixture_stats(&f).torn_tails, !right_salt);
	fixture_fini(&f);
}

static void test_salt_decides(void **state)
{
	(void)state;
	forge(true);
	forge(false);
}

/* Cut at each of some places within the last record: it is torn, and nothing else is. */
static void test_torn_tail(void **state)
{
	(void)state;
	static const uint64_t kept[] = { 1, 4, 8, 95, 96, 500, 1110 };
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		struct fixture f;
		struct journal_scan scan;
		char path[512], past[4096];
		fixture_init(&f, SCRATCH);
		fixture_crash(&f, write_until_recycled, NULL);
		uint64_t records = scan_newest(&f, &scan), size = (scan.valid_bytes - JOURNAL_HEADER_BYTES) / records;
		assert_true(size > 1110 && size < sizeof(past));
		fixture_files(&f, 0, -1, path);
		int fd = open(path, O_RDWR);
		assert_int_equal(pread(fd, past, size, (off_t)scan.valid_bytes), size);
		uint64_t last = scan.valid_bytes - size;
		assert_int_equal(pwrite(fd, past + kept[i], size - kept[i], (off_t)(last + kept[i])), size - kept[i]);
		close(fd);
		fixture_open(&f);
		assert_int_equal(f.recovered, records - 1);
		/* Less than its magic number left: nothing says that it was ever begun. */
		assert_int_equal(fixture_stats(&f).torn_tails, kept[i] >= 4);
		assert_int_equal(fixture_stats(&f).quarantined_bytes, kept[i] >= 4 ? size : 0);
		assert_int_equal(fixture_read_all(&f, 0).records, records - 1);
		fixture_fini(&f);
	}
}

static void test_damage_in_the_middle(void **state)
{
	(void)state;
	struct fixture f;
	struct journal_scan scan;
	char path[512], byte = 'X';
	fixture_init(&f, SCRATCH);
	fixture_crash(&f, write_until_recycled, NULL);
	uint64_t records = scan_newest(&f, &scan), size = (scan.valid_bytes - JOURNAL_HEADER_BYTES) / records;
	fixture_files(&f, 0, -1, path);
	int fd = open(path, O_RDWR);
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)(scan.valid_bytes - 3 * size)), 1); /* in a magic number */
	close(fd);
	fixture_open(&f);
	assert_int_equal(f.recovered, records - 1);
	assert_int_equal(fixture_stats(&f).quarantined_bytes, size);
	assert_int_equal(fixture_stats(&f).torn_tails, 0);
	assert_int_equal(fixture_read_all(&f, 0).missing, 1);
	fixture_fini(&f);
}

/* The name reached the disk, the header did not. */
static void test_spare_under_a_name(void **state)
{
	(void)state;
	struct fixture f;
	char path[512];
	fixture_init(&f, SCRATCH);
	fixture_crash(&f, write_until_recycled, NULL);
	fixture_files(&f, 0, -1, path);
	int fd = open(path, O_RDWR);
	assert_false(journal_spare_is(fd));
	assert_true(journal_spare_write(fd, &f.err));
	assert_true(journal_spare_is(fd));
	close(fd);
	fixture_open(&f);
	assert_int_equal(f.recovered, 0);
	assert_int_equal(fixture_stats(&f).quarantined_bytes, 0);
	assert_int_equal(access(path, F_OK), -1);
	fixture_fini(&f);
}

/* A crash between the renaming and the new header: the file is still what it was. */
static void test_rename_alone(void **state)
{
	(void)state;
	struct fixture f;
	char path[512], other[600];
	int count = 30;
	fixture_init(&f, SCRATCH);
	fixture_open(&f);
	fixture_write(&f, 0, count, VALUE_BYTES);
	journal_close(&f.journal);
	fixture_files(&f, 0, 0, path);
	snprintf(other, sizeof(other), "%s/journal/0/next-77.pre", f.dir);
	assert_int_equal(rename(path, other), 0);
	fixture_open(&f);
	assert_int_equal(f.recovered, count);
	assert_int_equal(fixture_read_all(&f, 0).records, count);
	assert_int_equal(access(path, F_OK), 0);
	fixture_fini(&f);
}

/* Near the end of the budget nothing is set aside. */
static void test_budget(void **state)
{
	(void)state;
	struct fixture f;
	char path[512];
	ino_t inode;
	fixture_init(&f, SCRATCH);
	f.options.disk_budget_bytes = 4 * 64 * 1024;
	fixture_open(&f);
	for (int round = 0; round < 10; round++) {
		fixture_write(&f, 0, PER_ROUND, VALUE_BYTES);
		cover_all(&f);
		assert_true(fixture_stats(&f).disk_bytes <= 4 * 64 * 1024);
		assert_true(journal_has_headroom(f.journal));
	}
	assert_false(newest_header(&f, &inode, path).flags & JOURNAL_FILE_RECYCLED);
	fixture_fini(&f);
}

/* After an orderly stop nothing stands behind the last record: a last one that lost its magic number is damage, not the
 * file's past. */
static void test_lost_magic_of_the_last_record(void **state)
{
	(void)state;
	struct fixture f;
	char path[512];
	struct journal_scan scan;
	fixture_init(&f, SCRATCH);
	fixture_open(&f);
	write_until_recycled(&f, NULL);
	journal_close(&f.journal);
	fixture_files(&f, 0, -1, path);
	assert_true(journal_scan_file(path, NULL, NULL, &scan, &f.err));
	assert_false(scan.sealed);
	size_t size = (scan.valid_bytes - JOURNAL_HEADER_BYTES) / scan.records;
	int fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "\xff", 1, (off_t)(scan.valid_bytes - size)), 1);
	close(fd);
	fixture_open(&f);
	assert_int_equal(fixture_stats(&f).torn_tails, 1);
	assert_int_equal(fixture_stats(&f).quarantined_bytes, size);
	fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steady_state),
		cmocka_unit_test(test_crash_shows_no_past),
		cmocka_unit_test(test_the_past_is_there),
		cmocka_unit_test(test_salt_decides),
		cmocka_unit_test(test_torn_tail),
		cmocka_unit_test(test_damage_in_the_middle),
		cmocka_unit_test(test_spare_under_a_name),
		cmocka_unit_test(test_rename_alone),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_lost_magic_of_the_last_record),
	};
	metrics_register_thread();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
