/* Key index files: written, sorted, loaded, damaged. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "dedup_fixture.h"

static void test_index(void **state)
{
	(void)state;
	char folder[] = "/tmp/headgate-dedup-XXXXXX", path[64];
	struct error err = { 0 };
	struct dedup *dedup = make(16 << 20), *other = make(16 << 20);
	struct dedup_entry entries[1001];
	bool all_expired = true;
	int64_t now = clock_wall_ms();
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/0-1-1.idx", folder);
	memset(entries, 0, sizeof(entries));
	for (uint64_t i = 0; i < 1000; i++)
		entries[i] = (struct dedup_entry) { key_of(dedup, i, now, i % 2 ? DAY_MS : 2 * BUCKET_MS), i % 5 };
	assert_true(dedup_index_write(path, entries, 1001, &err));
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 32 + 1000 * 24);
	assert_true(dedup_index_load(other, path, now, &all_expired, &err));
	assert_false(all_expired);
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(see(other, i, i % 5, now), DEDUP_SAME);
	dedup_destroy(&other);
	other = make(16 << 20);
	int64_t later = now + 10 * BUCKET_MS;
	assert_true(dedup_index_load(other, path, later, &all_expired, &err));
	assert_false(all_expired);
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(see(other, i, i % 5, later), i % 2 ? DEDUP_SAME : DEDUP_NEW);
	assert_true(dedup_index_load(other, path, now + 3 * (int64_t)DAY_MS, &all_expired, &err));
	assert_true(all_expired);
	assert_true(dedup_index_load(other, path, now + 40000ll * BUCKET_MS, &all_expired, &err));
	assert_true(all_expired);
	assert_false(dedup_index_load(other, "/nonexistent", now, &all_expired, &err));
	assert_int_not_equal(err.code, ERROR_DATA);
	assert_true(dedup_index_write(path, entries, 0, &err));
	assert_true(dedup_index_load(other, path, now, &all_expired, &err));
	assert_true(all_expired);
	assert_int_equal(unlink(path) | rmdir(folder), 0);
	dedup_destroy(&dedup);
	dedup_destroy(&other);
}

/* Sorted whatever came in: spread keys, one key many times with other tags, and each entry still there. */
static void test_index_order(void **state)
{
	(void)state;
	enum { COUNT = 30000, SAME = 500 };
	char path[] = "/tmp/headgate-dedup-XXXXXX";
	struct error err = { 0 };
	struct dedup *dedup = make(1 << 20);
	struct dedup_entry *entries = calloc(COUNT, sizeof(*entries)), *sorted = calloc(COUNT, sizeof(*sorted));
	int64_t now = clock_wall_ms();
	int fd = mkstemp(path);
	assert_true(fd >= 0 && entries && sorted);
	close(fd);
	uint64_t sum = 0, sum_sorted = 0;
	for (uint64_t i = 0; i < COUNT; i++) {
		entries[i] =
		        (struct dedup_entry) { key_of(dedup, i % 4 ? i : i % SAME, now, DAY_MS), i * 7919 % COUNT };
		sum += entries[i].tag * (uint64_t)(entries[i].key.hash[3] + 1);
	}
	assert_true(dedup_index_write(path, entries, COUNT, &err));
	fd = open(path, O_RDONLY);
	assert_int_equal(pread(fd, sorted, COUNT * sizeof(*sorted), 32), COUNT * sizeof(*sorted));
	for (size_t i = 0; i < COUNT; i++) {
		sum_sorted += sorted[i].tag * (uint64_t)(sorted[i].key.hash[3] + 1);
		int order = i ? memcmp(sorted[i - 1].key.hash, sorted[i].key.hash, sizeof(sorted[i].key.hash)) : -1;
		assert_true(order < 0 || (order == 0 && sorted[i - 1].tag <= sorted[i].tag));
	}
	assert_int_equal(sum, sum_sorted);
	assert_int_equal(close(fd) | unlink(path), 0);
	free(entries);
	free(sorted);
	dedup_destroy(&dedup);
}

/* Every single damaged byte and every cut is noticed, and nothing of such a file is taken in. */
static void test_index_damage(void **state)
{
	(void)state;
	char path[] = "/tmp/headgate-dedup-XXXXXX";
	struct error err = { 0 };
	struct dedup *dedup = make(1 << 20);
	struct dedup_entry entries[5];
	struct dedup_stats stats;
	char bytes[32 + 5 * 24];
	bool all_expired;
	int64_t now = clock_wall_ms();
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	for (uint64_t i = 0; i < 5; i++)
		entries[i] = (struct dedup_entry) { key_of(dedup, i, now, DAY_MS), 0 };
	assert_true(dedup_index_write(path, entries, 5, &err));
	close(fd);
	fd = open(path, O_RDWR);
	assert_int_equal(read(fd, bytes, sizeof(bytes)), sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		char damaged = (char)(bytes[i] ^ 0x10);
		assert_int_equal(pwrite(fd, &damaged, 1, (off_t)i), 1);
		assert_false(dedup_index_load(dedup, path, now, &all_expired, &err));
		assert_int_equal(err.code, ERROR_DATA);
		assert_false(all_expired);
		assert_int_equal(pwrite(fd, &bytes[i], 1, (off_t)i), 1);
	}
	for (size_t len = 0; len < sizeof(bytes); len++) {
		assert_int_equal(ftruncate(fd, (off_t)len), 0);
		assert_int_equal(pwrite(fd, bytes, len, 0), len);
		assert_false(dedup_index_load(dedup, path, now, &all_expired, &err));
	}
	dedup_stats(dedup, &stats);
	assert_int_equal(stats.entries, 0);
	close(fd);
	assert_int_equal(unlink(path), 0);
	dedup_destroy(&dedup);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index),
		cmocka_unit_test(test_index_order),
		cmocka_unit_test(test_index_damage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
