/* The audit log: lines as told, ids as hashes, half lines ended, full files set aside and pruned. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "holdings/audit_log.h"

static const struct hash_key key = { "0123456789abcde" };
static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/headgate-audit-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command); /* NOLINT(cert-env33-c): a test's own folder */
}

static size_t read_log(char *to, size_t size)
{
	char path[128];
	snprintf(path, sizeof path, "%s/audit.ndjson", dir);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	size_t len = fread(to, 1, size - 1, file);
	to[len] = '\0';
	fclose(file);
	return len;
}

static struct audit_log *open_log(void)
{
	struct error err = { 0 };
	struct audit_log *log = audit_log_open(dir, &key, &err);
	if (!log)
		fail_msg("%s", err.message);
	return log;
}

static void test_lines(void **state)
{
	(void)state;
	struct error err = { 0 };
	struct buffer members;
	char text[1024], again[1024];
	struct audit_log *log = open_log();
	buffer_init(&members, NULL);
	audit_log_put_id(log, &members, SLICE("user_id"), SLICE("jane@shop.example"));
	audit_log_put_text(&members, "via", SLICE("ad\"min"));
	audit_log_put_number(&members, "records", 7);
	assert_true(audit_log_write(log, "erase", true, &members, &err));
	assert_true(audit_log_write(log, "reload", false, NULL, &err));
	read_log(text, sizeof text);
	assert_null(strstr(text, "jane"));
	assert_non_null(strstr(text, "\"act\":\"erase\",\"ok\":true,\"id\":{\"name\":\"user_id\",\"hash\":\""));
	assert_non_null(strstr(text, ",\"via\":\"ad\\\"min\",\"records\":7}\n{\"at\":\""));
	assert_non_null(strstr(text, "\"act\":\"reload\",\"ok\":false}\n"));
	members.len = 0;
	audit_log_put_id(log, &members, SLICE_NONE, SLICE("jane@shop.example"));
	snprintf(again, sizeof again, "%.*s", SLICE_ARG(buffer_slice(&members)));
	assert_non_null(strstr(text, strstr(again, "\"hash\":"))); /* the name does not change it */
	struct stat st;
	snprintf(again, sizeof again, "%s/audit.ndjson", dir);
	assert_int_equal(stat(again, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	buffer_fini(&members);
	audit_log_close(&log);
}

static void test_goes_on_behind_half_a_line(void **state)
{
	(void)state;
	struct error err = { 0 };
	char path[128], text[1024];
	snprintf(path, sizeof path, "%s/audit.ndjson", dir);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs("{\"at\":\"2026", file);
	fclose(file);
	struct audit_log *log = open_log();
	assert_true(audit_log_write(log, "find", true, NULL, &err));
	audit_log_close(&log);
	read_log(text, sizeof text);
	assert_non_null(strstr(text, "{\"at\":\"2026\n{\"at\":\""));
}

/* A command beside the daemon: neither writes over the other's lines. */
static void test_two_writers(void **state)
{
	(void)state;
	struct error err = { 0 };
	char text[1024];
	struct audit_log *daemon = open_log(), *command = open_log();
	assert_true(audit_log_write(daemon, "first", true, NULL, &err));
	assert_true(audit_log_write(command, "second", true, NULL, &err));
	assert_true(audit_log_write(daemon, "third", true, NULL, &err));
	audit_log_close(&command);
	audit_log_close(&daemon);
	read_log(text, sizeof text);
	const char *first = strstr(text, "\"first\",\"ok\":true}\n{"),
	           *second = strstr(text, "\"second\",\"ok\":true}\n{");
	const char *third = strstr(text, "\"third\",\"ok\":true}\n");
	assert_non_null(first);
	assert_non_null(second);
	assert_non_null(third);
	assert_true(first < second && second < third);
}

static int files_set_aside(void)
{
	int count = 0;
	DIR *listing = opendir(dir);
	assert_non_null(listing);
	for (struct dirent *entry; (entry = readdir(listing));)
		count += strncmp(entry->d_name, "audit-", 6) == 0;
	closedir(listing);
	return count;
}

static void test_full_file_is_set_aside_and_pruned(void **state)
{
	(void)state;
	struct error err = { 0 };
	char path[128], text[256];
	snprintf(path, sizeof path, "%s/audit.ndjson", dir);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (8 << 20) - 1), 0);
	assert_int_equal(pwrite(fd, "\n", 1, (8 << 20) - 1), 1);
	close(fd);
	struct audit_log *log = open_log();
	assert_true(audit_log_write(log, "find", true, NULL, &err));
	assert_int_equal(files_set_aside(), 1);
	assert_true(read_log(text, sizeof text) < 100);
	audit_log_prune(log, clock_wall_ms() - 60000);
	assert_int_equal(files_set_aside(), 1);
	audit_log_prune(log, clock_wall_ms() + 60000);
	assert_int_equal(files_set_aside(), 0);
	assert_true(read_log(text, sizeof text) > 0);
	audit_log_close(&log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lines, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_two_writers, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_goes_on_behind_half_a_line, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_full_file_is_set_aside_and_pruned, make_dir, remove_dir),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
