/* Key indexes as recovery sees them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "dedup/recovery.h"

/* An index that is there but cannot be read must not keep recovery from scanning the journal file. */
static void test_unread_index_does_not_count(void **state)
{
	(void)state;
	char folder[] = "/tmp/headgate-dedup-XXXXXX", path[96];
	struct error err = { 0 };
	const struct dedup_options options = { .memory_bytes = 16 << 20, .bucket_ms = DEDUP_BUCKET_MS };
	struct dedup *dedup = dedup_create(&options, &err);
	struct dedup_recovery recovery;
	struct dedup_entry entry = { { { 1 }, 0 }, 0 };
	const struct slice parts[] = { SLICE("web"), SLICE("purchase"), SLICE("id") };
	assert_non_null(dedup);
	entry.key = dedup_make_key(dedup, parts, 3, clock_wall_ms(), 86400000);
	assert_non_null(mkdtemp(folder));
	assert_true(dedup_recovery_init(&recovery, dedup, folder, &err));
	snprintf(path, sizeof(path), "%s/dedup", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/dedup/0-good.idx", folder);
	assert_true(dedup_index_write(path, &entry, 1, &err));
	snprintf(path, sizeof(path), "%s/dedup/0-bad.idx", folder);
	assert_int_equal(mkdir(path, 0700), 0); /* reading it is an I/O error, not damage */
	assert_true(dedup_recovery_has_index(&recovery, 0, "good.log"));
	assert_false(dedup_recovery_has_index(&recovery, 0, "bad.log"));
	assert_false(dedup_recovery_has_index(&recovery, 0, "none.log"));
	rmdir(path);
	snprintf(path, sizeof(path), "%s/dedup/0-good.idx", folder);
	unlink(path);
	snprintf(path, sizeof(path), "%s/dedup", folder);
	rmdir(path);
	rmdir(folder);
	dedup_destroy(&dedup);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unread_index_does_not_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
