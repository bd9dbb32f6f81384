/* Reading, replacing, folders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"

static char folder[64];
static struct arena arena;
static struct error err;

static const char *in_folder(const char *name)
{
	return arena_print(&arena, "%s/%s", folder, name).at;
}

static int set_up(void **state)
{
	(void)state;
	arena_init(&arena, 64u << 20);
	snprintf(folder, sizeof folder, "/tmp/headgate-test-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
	(void)info;
	(void)type;
	(void)walk;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	arena_fini(&arena);
	return 0;
}

static void a_file_is_replaced_and_read(void **state)
{
	struct slice text;
	struct stat info;
	const char *path = in_folder("a");
	(void)state;
	assert_true(file_replace(path, SLICE("first"), &err));
	assert_true(file_replace(path, SLICE("second, longer"), &err));
	assert_true(file_read(&arena, path, 100, &text, &err));
	assert_true(slice_equal(text, SLICE("second, longer")));
	assert_int_equal(text.at[text.len], '\0');
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
	assert_int_equal(access(in_folder("a.tmp"), F_OK), -1);
	assert_true(file_replace(path, SLICE_NONE, &err));
	assert_true(file_read(&arena, path, 0, &text, &err));
	assert_int_equal(text.len, 0);
}

/* A replacement that fails leaves the old file and no temporary one. */
static void a_failed_replacement_changes_nothing(void **state)
{
	struct slice text;
	const char *path = in_folder("dir");
	(void)state;
	assert_int_equal(mkdir(path, 0700), 0);
	assert_false(file_replace(path, SLICE("x"), &err));
	assert_int_equal(access(in_folder("dir.tmp"), F_OK), -1);
	assert_false(file_replace(in_folder("none/a"), SLICE("x"), &err));
	assert_int_equal(err.code, ERROR_NOT_FOUND);
	assert_false(file_read(&arena, in_folder("none/a"), 10, &text, &err));
	assert_int_equal(err.code, ERROR_NOT_FOUND);
	assert_false(file_read(&arena, path, 10, &text, &err));
	assert_int_equal(err.code, ERROR_DATA);
}

static void the_read_limit_holds(void **state)
{
	struct slice text;
	const char *path = in_folder("limit");
	(void)state;
	assert_true(file_replace(path, SLICE("0123456789"), &err));
	assert_true(file_read(&arena, path, 10, &text, &err));
	assert_false(file_read(&arena, path, 9, &text, &err));
	assert_int_equal(err.code, ERROR_DATA);
	assert_non_null(strstr(err.message, "larger than 9 bytes"));
}

/* A pipe tells no size: the buffer grows. */
static void a_pipe_is_read_whole(void **state)
{
	struct slice text;
	char command[200];
	(void)state;
	const char *path = in_folder("pipe");
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(command, sizeof command, "head -c 300000 /dev/zero > %s &", path);
	assert_int_equal(system(command), 0);
	assert_true(file_read(&arena, path, 1000000, &text, &err));
	assert_int_equal(text.len, 300000);
}

static void bytes_are_written_at_their_place(void **state)
{
	char got[8] = { 0 };
	int fd = open(in_folder("at"), O_RDWR | O_CREAT, 0600);
	(void)state;
	assert_true(file_write_at(fd, SLICE("abc"), 2, &err));
	assert_int_equal(pread(fd, got, sizeof got, 0), 5);
	assert_memory_equal(got, "\0\0abc", 5);
	close(fd);
	fd = open("/dev/full", O_WRONLY);
	assert_false(file_write_at(fd, SLICE("x"), 0, &err));
	assert_int_equal(err.code, ERROR_NO_SPACE);
	close(fd);
}

static void folders_are_made(void **state)
{
	struct stat info;
	(void)state;
	assert_true(file_make_dir(in_folder("x/y//z/"), &err));
	assert_true(file_make_dir(in_folder("x/y/z"), &err));
	assert_int_equal(stat(in_folder("x/y/z"), &info), 0);
	assert_int_equal(info.st_mode & 0777, 0700);
	assert_true(file_replace(in_folder("x/file"), SLICE("1"), &err));
	assert_false(file_make_dir(in_folder("x/file/y"), &err));
	assert_false(file_make_dir(in_folder("x/file"), &err));
	assert_false(file_make_dir("", &err));
	assert_true(file_sync_dir(in_folder("x/file"), &err));
	assert_true(file_sync_dir(in_folder("x"), &err));
	assert_false(file_sync_dir(in_folder("none/file"), &err));
}

static void disk_use(void **state)
{
	static char block[100000];
	uint64_t bytes = 0;
	(void)state;
	memset(block, 'x', sizeof block);
	assert_true(file_make_dir(in_folder("use/deep"), &err));
	uint64_t before = file_disk_usage(in_folder("use"));
	assert_true(file_replace(in_folder("use/deep/a"), (struct slice) { block, sizeof block }, &err));
	uint64_t after = file_disk_usage(in_folder("use"));
	assert_true(after - before >= sizeof block && after - before < sizeof block * 2);
	assert_int_equal(file_disk_usage(in_folder("nothing")), 0);
	assert_true(file_disk_free(folder, &bytes, &err));
	assert_true(bytes > 0);
	assert_false(file_disk_free(in_folder("nothing"), &bytes, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_replaced_and_read),
		cmocka_unit_test(a_failed_replacement_changes_nothing),
		cmocka_unit_test(the_read_limit_holds),
		cmocka_unit_test(a_pipe_is_read_whole),
		cmocka_unit_test(bytes_are_written_at_their_place),
		cmocka_unit_test(folders_are_made),
		cmocka_unit_test(disk_use),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
