/* Who is meant and what is of that person: ids by name and by value, in events, dead letters, quarantined lines and damaged
 * bytes; lines erased from files, with a crash at each call. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "forward/checkpoint.h"
#include "forward/file_erase.h"
#include "holdings/quarantine.h"
#include "holdings/raw.h"

/* ---- dying at the n-th call: these stand in for those of libc ---- */

static int calls_left = -1;

static void count_call(void)
{
	if (calls_left >= 0 && calls_left-- == 0)
		_exit(43);
}

int fdatasync(int fd)
{
	count_call();
	return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
	count_call();
	return (int)syscall(SYS_fsync, fd);
}

int rename(const char *from, const char *to)
{
	count_call();
	return (int)syscall(SYS_rename, from, to);
}

int unlink(const char *path)
{
	count_call();
	return (int)syscall(SYS_unlink, path);
}

/* ---- who is meant ---- */

static void test_parse(void **state)
{
	(void)state;
	static const struct {
		const char *text, *name, *value;
	} rows[] = { { "user_id=abc", "user_id", "abc" },
		     { "abc", "", "abc" },
		     { "=a=b", "", "a=b" },
		     { "crm.id-2=7", "crm.id-2", "7" },
		     { "user_id=a=b", "user_id", "a=b" },
		     { "YWJjZA==", "", "YWJjZA==" },
		     { "a b=c", "", "a b=c" },
		     { "jane@shop.example", "", "jane@shop.example" } };
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct person who;
		struct error err = { 0 };
		assert_true(person_parse(slice_of(rows[i].text), &who, &err));
		if (!slice_equal(who.name, slice_of(rows[i].name)) || !slice_equal(who.value, slice_of(rows[i].value)))
			fail_msg("%s: \"%.*s\" = \"%.*s\"", rows[i].text, SLICE_ARG(who.name), SLICE_ARG(who.value));
	}
	struct person who;
	struct error err = { 0 };
	assert_false(person_parse(SLICE(""), &who, &err));
	assert_false(person_parse(SLICE("user_id="), &who, &err));
	assert_int_equal(err.code, ERROR_USAGE);
}

static bool matches(const char *id, const char *json, bool with_erasures)
{
	struct person who;
	struct error err = { 0 };
	struct person_search *search = calloc(1, sizeof *search);
	assert_non_null(search);
	assert_true(person_parse(slice_of(id), &who, &err));
	person_search_init(search, &who, with_erasures);
	bool found = person_matches(search, slice_of(json));
	assert_false(search->failed);
	person_search_fini(search);
	free(search);
	return found;
}

static void test_matches(void **state)
{
	(void)state;
	static const struct {
		const char *id, *json;
		bool expected;
	} rows[] = {
		{ "user_id=u1", "{\"ids\":{\"user_id\":\"u1\"}}", true },
		{ "u1", "{\"ids\":{\"user_id\":\"u1\"}}", true },
		{ "anonymous_id=u1", "{\"ids\":{\"user_id\":\"u1\"}}", false },
		{ "u1", "{\"ids\":{\"user_id\":\"u12\"}}", false },
		{ "u1", "{\"ids\":{\"user_id\":\"\\u00751\"}}", true },
		{ "u1", "{\"ids\":{\"\\u0075ser_id\":\"u1\"}}", true },
		{ "42", "{\"ids\":{\"crm\":42}}", true },
		{ "e1", "{\"event_id\":\"e1\"}", true },
		{ "event_id=e1", "{\"event_id\":\"x\",\"client_event_id\":\"e1\"}", true },
		{ "user_id=e1", "{\"event_id\":\"e1\"}", false },
		{ "u1", "{\"properties\":{\"coupon\":\"u1\"},\"context\":{\"page\":{\"title\":\"u1\"}}}", false },
		/* dead letters */
		{ "u1", "{\"reason\":\"schema\",\"payload\":{\"user_id\":\"u1\"}}", true },
		{ "u1", "{\"reason\":\"schema\",\"payload\":{\"userId\":\"u1\"}}", true },
		{ "u1", "{\"reason\":\"schema\",\"payload\":{\"ids\":{\"crm\":\"u1\"}}}", true },
		{ "u1", "{\"reason\":\"schema\",\"payload\":{\"properties\":{\"size\":\"u1\"}}}", false },
		{ "a-long-id", "{\"reason\":\"json\",\"payload\":{\"batch\":[{\"deep\":{\"user\":\"a-long-id\"}}]}}",
		  true },
		{ "user_id=a-long-id", "{\"payload\":{\"batch\":[{\"user_id\":\"a-long-id\"}]}}", true },
		{ "user_id=a-long-id", "{\"payload\":{\"batch\":[{\"other\":\"a-long-id\"}]}}", false },
		{ "u1", "{\"reason\":\"utf8\",\"payload_base64\":\"eyJ1c2VyX2lkIjoidTEi\"}",
		  true }, /* {"user_id":"u1" */
		{ "u2", "{\"reason\":\"utf8\",\"payload_base64\":\"eyJ1c2VyX2lkIjoidTEi\"}", false },
		/* quarantine/kafka.ndjson */
		{ "u1", "{\"position\":\"p\",\"key\":\"u1\",\"value\":{\"ids\":{\"user_id\":\"u1\"}}}", true },
		/* what is no JSON, but holds it */
		{ "u1", "{\"ids\":{\"user_id\":\"u1\"", true },
		{ "u1", "[\"u1\"]", false },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (matches(rows[i].id, rows[i].json, false) != rows[i].expected)
			fail_msg("%s in %s: expected %d", rows[i].id, rows[i].json, rows[i].expected);
	const char *erasure = "{\"format\":1,\"type\":\"erasure\",\"ids\":{\"any\":\"u1\",\"user_id\":\"u1\"}}";
	assert_false(matches("u1", erasure, false));
	assert_true(matches("u1", erasure, true));
}

/* ---- damaged bytes ---- */

static void blank(void *context, size_t offset, struct slice span)
{
	memset((char *)context + offset, 0, span.len);
}

static void test_raw(void **state)
{
	(void)state;
	char bytes[] = "tail gone-person\"}#1#headgate.eventskept{\"format\":1,\"ids\":{\"user_id\":\"kept\"}}"
	               "#2#headgate.eventsgone-person{\"format\":1,\"ids\":{\"user_id\":\"gone-person\"}}"
	               "#3#headgate.eventskept{\"format\":1,\"ids\":{\"user_id\":\"kept\"},\"t\":\"a } in {\"}"
	               "#4#{\"format\":1,\"ids\":{\"user_id\":\"gone-person\",\"cut off"
	               "{\"format\":1,\"ids\":{\"user_id\":\"kept2\"}}#5#headgate.eventsgone-person";
	struct person who = { SLICE_NONE, SLICE("gone-person") };
	struct person_search *search = calloc(1, sizeof *search);
	assert_non_null(search);
	person_search_init(search, &who, false);
	struct slice all = { bytes, sizeof bytes - 1 };
	raw_visit(search, all, blank, bytes);
	assert_null(memmem(bytes, all.len, "gone-person", 11));
	assert_null(memmem(bytes, all.len, "#2#", 3)); /* the record's header goes with it */
	assert_non_null(memmem(bytes, all.len, "{\"format\":1,\"ids\":{\"user_id\":\"kept\"}}", 37));
	assert_non_null(memmem(bytes, all.len, "#3#headgate.eventskept", 22));
	assert_non_null(memmem(bytes, all.len, "a } in {", 8));
	assert_non_null(memmem(bytes, all.len, "kept2", 5));
	person_search_fini(search);
	free(search);
}

/* ---- files ---- */

static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	log_init(LOG_ERROR, LOG_FORMAT_JSON);
	snprintf(dir, sizeof dir, "%s/headgate-holdings-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command); /* NOLINT(cert-env33-c): a test's own folder */
}

static void write_file(const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	char *slash = strrchr(path, '/');
	*slash = '\0';
	assert_true(file_make_dir(path, &(struct error) { 0 }));
	*slash = '/';
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static bool read_text(const char *name, char to[1024])
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *file = fopen(path, "r");
	to[0] = '\0';
	if (!file)
		return false;
	to[fread(to, 1, 1023, file)] = '\0';
	fclose(file);
	return true;
}

static bool is_gone(void *context, const char *path, uint64_t number, struct slice line)
{
	(void)context;
	(void)path;
	(void)number;
	return slice_starts(line, SLICE("gone"));
}

#define OPEN "headgate.events/2026-11-25/08.ndjson"
#define CLOSED "headgate.events/2026-11-25/07.ndjson"

static void lay_out(void)
{
	char path[256];
	struct checkpoint checkpoint;
	struct error err = { 0 };
	write_file("events/" OPEN, "kept 1\ngone 1\nkept 2\ngone 2, not committed\n");
	write_file("events/" CLOSED, "gone 3\nkept 3\n");
	checkpoint_init(&checkpoint, "0123456789abcdef0123456789abcdef");
	checkpoint.lanes[0] = (struct journal_position) { 3, 4 };
	assert_true(checkpoint_add_file(&checkpoint, OPEN, 21));
	snprintf(path, sizeof path, "%s/files.checkpoint", dir);
	assert_true(checkpoint_write(path, &checkpoint, &err));
	checkpoint_fini(&checkpoint);
}

static uint64_t listed_length(void)
{
	char path[256];
	struct checkpoint checkpoint;
	struct error err = { 0 };
	snprintf(path, sizeof path, "%s/files.checkpoint", dir);
	assert_true(checkpoint_read(path, &checkpoint, &err));
	assert_int_equal(checkpoint.file_count, 1);
	assert_int_equal(checkpoint.lanes[0].counter, 4);
	uint64_t length = checkpoint.files[0].length;
	checkpoint_fini(&checkpoint);
	return length;
}

static bool erase(struct file_erased *out)
{
	struct error err = { 0 };
	const struct file_erase_calls calls = { .matches = is_gone };
	return file_erase(dir, &calls, out, &err);
}

static void test_erase_lines(void **state)
{
	(void)state;
	char text[1024];
	struct file_erased out;
	lay_out();
	assert_true(erase(&out));
	assert_int_equal(out.lines, 2);
	assert_int_equal(out.files, 2);
	assert_true(read_text("events/" OPEN, text));
	assert_string_equal(text, "kept 1\nkept 2\n");
	assert_int_equal(listed_length(), strlen(text));
	assert_true(read_text("events/" CLOSED, text));
	assert_string_equal(text, "kept 3\n");
	assert_true(erase(&out));
	assert_int_equal(out.files, 0);
}

/* At each point: what others have is there, whole, and a length that is listed is not beyond the file, or tells the sink
 * that the file is not its own any more. */
static void test_crash_at_each_call(void **state)
{
	(void)state;
	char text[1024];
	bool through = false;
	for (int n = 0; !through; n++) {
		assert_true(n < 100);
		lay_out();
		fflush(NULL);
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			struct file_erased out;
			calls_left = n;
			bool done = erase(&out);
			calls_left = -1;
			_exit(done ? 42 : 1);
		}
		int status;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 42 || WEXITSTATUS(status) == 43));
		through = WEXITSTATUS(status) == 42;
		assert_true(read_text("events/" OPEN, text));
		uint64_t length = listed_length();
		bool old = strncmp(text, "kept 1\ngone 1\nkept 2\n", 21) == 0;
		assert_true(old ? length == 21
		                : strcmp(text, "kept 1\nkept 2\n") == 0 && (length == 14 || length == 21));
		assert_true(read_text("events/" CLOSED, text));
		assert_true(strcmp(text, "gone 3\nkept 3\n") == 0 || strcmp(text, "kept 3\n") == 0);
		struct file_erased out;
		assert_true(erase(&out)); /* asked again */
		assert_true(read_text("events/" OPEN, text));
		assert_string_equal(text, "kept 1\nkept 2\n");
		assert_false(read_text("files.erase.tmp", text));
	}
}

static void test_unreadable_file_keeps_no_other(void **state)
{
	(void)state;
	char text[1024];
	struct file_erased out;
	lay_out();
	write_file("events/headgate.events/2026-11-25/05.ndjson.gz", "\x1f\x8b\x08 no gzip at all");
	assert_false(erase(&out));
	assert_true(read_text("events/" OPEN, text));
	assert_string_equal(text, "kept 1\nkept 2\n");
	assert_true(read_text("events/" CLOSED, text));
	assert_string_equal(text, "kept 3\n");
}

static void set_age(const char *name, int64_t wall_ms)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	const struct timespec times[2] = { { .tv_sec = wall_ms / 1000 }, { .tv_sec = wall_ms / 1000 } };
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void test_quarantine_ages(void **state)
{
	(void)state;
	char text[1024];
	int64_t now = clock_wall_ms(), day = INT64_C(86400000);
	write_file("quarantine/0-a.log-8192.bad", "old");
	write_file("quarantine/0-b.log-8192.bad", "new");
	write_file("quarantine/kafka.ndjson",
	           "{\"position\":\"p\",\"at\":\"2026-11-20T08:00:00.000Z\",\"value\":{}}\n");
	set_age("quarantine/0-a.log-8192.bad", now - 31 * day);
	quarantine_prune(dir, now - 30 * day, now);
	assert_false(read_text("quarantine/0-a.log-8192.bad", text));
	assert_true(read_text("quarantine/0-b.log-8192.bad", text));
	assert_false(read_text("quarantine/kafka.ndjson", text)); /* of an earlier day: set aside, so that it can age */
	assert_true(read_text("quarantine/kafka-2026-11-20-1.ndjson", text));
	assert_non_null(strstr(text, "2026-11-20T08"));
	quarantine_prune(dir, now + day, now);
	assert_false(read_text("quarantine/kafka-2026-11-20-1.ndjson", text));
	assert_false(read_text("quarantine/0-b.log-8192.bad", text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_raw),
		cmocka_unit_test_setup_teardown(test_erase_lines, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_crash_at_each_call, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_unreadable_file_keeps_no_other, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_quarantine_ages, make_dir, remove_dir),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
