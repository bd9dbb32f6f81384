/* The official JSON Schema test suite: every required test of a group whose schema uses supported keywords only must
 * give the verdict it asks for, and so must the optional tests of the formats that are supported. Groups refused by
 * name are counted. SUITES names the folder of suites; without it all is skipped. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/file.h"
#include "catalog/schema.h"

struct tally {
	size_t passed, failed, groups, groups_refused;
};

/* Ways of saying that a schema is beyond what is supported; any other refusal is a failure. */
static bool is_refusal_by_name(const char *message)
{
	static const char *const ways[] = { "not supported yet", "is not a keyword", "nothing is fetched",
		                            "within the schemas' folder" };

	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
		if (strstr(message, ways[i]))
			return true;
	return false;
}

static void run_group(struct arena *arena, const struct json_doc *doc, uint32_t group, bool draft7, const char *file,
                      struct tally *tally)
{
	uint32_t schema_node = json_get(doc, group, SLICE("schema")), tests = json_get(doc, group, SLICE("tests"));
	struct slice about = json_string(doc, json_get(doc, group, SLICE("description")), arena);
	const struct schema_options options = { .path = SLICE("suite.json"), .name = SLICE("suite"), .draft7 = draft7 };
	struct error err = { 0 };
	const struct schema *schema = schema_compile_text(json_raw(doc, schema_node), &options, arena, &err);

	tally->groups++;
	if (!schema && is_refusal_by_name(err.message)) {
		tally->groups_refused++;
		return;
	}
	if (!schema) {
		print_message("%s: %.*s: %s\n", file, SLICE_ARG(about), err.message);
		tally->failed++;
		return;
	}
	for (uint32_t i = tests + 1; i < doc->nodes[tests].next; i = doc->nodes[i].next) {
		struct violations v;
		violations_init(&v, arena);
		bool valid = schema_validate(schema, doc, json_get(doc, i, SLICE("data")), SLICE(""), &v);
		bool wanted = json_type_of(doc, json_get(doc, i, SLICE("valid"))) == JSON_TRUE;
		assert_true(valid == (v.count == 0));
		if (valid == wanted) {
			tally->passed++;
			continue;
		}
		tally->failed++;
		struct slice test = json_string(doc, json_get(doc, i, SLICE("description")), arena);
		print_message("%s: %.*s: %.*s: got %s\n", file, SLICE_ARG(about), SLICE_ARG(test),
		              valid ? "valid" : "invalid");
	}
}

static void run_file(const char *path, bool draft7, struct tally *tally)
{
	const struct json_options options = { .depth_max = 512, .nodes_max = 1000000 };
	struct arena arena;
	struct slice text;
	struct error err;
	struct json_doc doc = { 0 };
	size_t offset;

	arena_init(&arena, (size_t)256 << 20);
	assert_true(file_read(&arena, path, 16 << 20, &text, &err));
	assert_int_equal(json_scan(&doc, text, &options, &arena, &offset), JSON_OK);
	for (uint32_t i = 1; i < doc.nodes[0].next; i = doc.nodes[i].next)
		run_group(&arena, &doc, i, draft7, path, tally);
	arena_fini(&arena);
}

static const char *suite_root(void)
{
	static char root[512];
	const char *suites = getenv("SUITES");

	snprintf(root, sizeof root, "%s/JSON-Schema-Test-Suite/tests", suites ? suites : "../shared/suites");
	return root;
}

static void run_required(const char *draft, bool draft7)
{
	char path[1024];
	struct tally tally = { 0 };
	struct dirent *entry;

	snprintf(path, sizeof path, "%s/%s", suite_root(), draft);
	DIR *dir = opendir(path);
	if (!dir) {
		print_message("the suite is not there: skipped\n");
		skip();
	}
	while ((entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);
		/* By the standard a format is an annotation; in a catalog it is asserted. */
		if (len < 5 || strcmp(entry->d_name + len - 5, ".json") != 0 ||
		    strcmp(entry->d_name, "format.json") == 0)
			continue;
		snprintf(path, sizeof path, "%s/%s/%s", suite_root(), draft, entry->d_name);
		run_file(path, draft7, &tally);
	}
	closedir(dir);
	print_message("%s: %zu required tests passed, %zu failed; %zu of %zu groups refused by name\n", draft,
	              tally.passed, tally.failed, tally.groups_refused, tally.groups);
	assert_int_equal(tally.failed, 0);
	assert_true(tally.passed > 200);
}

static void test_draft7(void **state)
{
	(void)state;
	run_required("draft7", true);
}

static void test_2020_12(void **state)
{
	(void)state;
	run_required("draft2020-12", false);
}

static void run_formats(const char *draft, bool draft7)
{
	static const char *const names[] = { "date-time", "date", "email", "uri", "uuid", "ipv4", "ipv6" };
	char path[1024];
	struct tally tally = { 0 };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(path, sizeof path, "%s/%s/optional/format/%s.json", suite_root(), draft, names[i]);
		FILE *f = fopen(path, "r");
		if (!f)
			continue;
		fclose(f);
		run_file(path, draft7, &tally);
	}
	if (tally.groups == 0)
		skip();
	print_message("%s formats: %zu tests passed, %zu failed\n", draft, tally.passed, tally.failed);
	assert_int_equal(tally.failed, 0);
}

static void test_formats(void **state)
{
	(void)state;
	run_formats("draft7", true);
	run_formats("draft2020-12", false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_draft7),
		cmocka_unit_test(test_2020_12),
		cmocka_unit_test(test_formats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
