/* The official JSON Schema test suite, by the standard's rules: every required test of both drafts, and of the optional
 * ones all. An optional test that fails must stand in the table below with its reason, and what stands there must fail.
 * SUITES names the folder of suites; without it all is skipped. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/file.h"
#include "catalog/schema.h"

struct tally {
	size_t passed, failed, explained;
};

struct suite {
	const char *draft;
	bool draft7;
	bool assert_format;
	struct tally tally;
};

/* clang-format off */
static const struct {
	const char *file, *group, *test; /* test NULL: all of the group */
	const char *reason;
} explained[] = {
#define CONTENT "contentEncoding and contentMediaType are annotations here, as 2020-12 has them"
#define DRAFT_2019 "the dialect 2019-09 is refused by name"
	{ "draft7/optional/content.json", "validation of string-encoded content based on media type", "an invalid JSON document", CONTENT },
	{ "draft7/optional/content.json", "validation of binary string-encoding", "an invalid base64 string (% is not a valid character)", CONTENT },
	{ "draft7/optional/content.json", "validation of binary-encoded media type documents", "a validly-encoded invalid JSON document", CONTENT },
	{ "draft7/optional/content.json", "validation of binary-encoded media type documents", "an invalid base64 string that is valid JSON", CONTENT },
	{ "draft7/optional/cross-draft.json", "refs to future drafts are processed as future drafts", NULL, DRAFT_2019 },
	{ "draft2020-12/optional/cross-draft.json", "refs to historic drafts are processed as historic drafts", NULL, DRAFT_2019 },
};
/* clang-format on */

static bool is_met[sizeof explained / sizeof *explained];

static bool is_explained(const char *path, struct slice group, struct slice test)
{
	for (size_t i = 0; i < sizeof explained / sizeof *explained; i++)
		if (strstr(path, explained[i].file) && slice_equal(group, slice_of(explained[i].group)) &&
		    (!explained[i].test || slice_equal(test, slice_of(explained[i].test))))
			return is_met[i] = true;
	return false;
}

static const char *suite_root(void)
{
	static char root[512];
	const char *suites = getenv("SUITES");

	snprintf(root, sizeof root, "%s/JSON-Schema-Test-Suite", suites ? suites : "../shared/suites");
	return root;
}

static void note(struct suite *suite, const char *path, struct slice group, struct slice test, const char *what)
{
	if (is_explained(path, group, test)) {
		suite->tally.explained++;
		print_message("%s: %.*s: %.*s: fails, as explained in the table\n", strstr(path, suite->draft),
		              SLICE_ARG(group), SLICE_ARG(test));
		return;
	}
	suite->tally.failed++;
	print_message("%s: %.*s: %.*s: %s\n", path, SLICE_ARG(group), SLICE_ARG(test), what);
}

static void run_group(struct suite *suite, const char *path, const struct json_doc *doc, uint32_t group)
{
	char remotes[600];
	struct arena arena;
	struct error err = { 0 };
	struct violations v;

	snprintf(remotes, sizeof remotes, "%s/remotes", suite_root());
	arena_init(&arena, (size_t)64 << 20);
	const struct schema_map map = { SLICE("http://localhost:1234/"), slice_of(remotes) };
	const struct schema_options options = { .path = SLICE("suite.json"),
		                                .uri = SLICE("urn:suite"),
		                                .name = SLICE("suite"),
		                                .draft7 = suite->draft7,
		                                .specification = true,
		                                .assert_format = suite->assert_format,
		                                .maps = &map,
		                                .maps_count = 1 };
	uint32_t tests = json_get(doc, group, SLICE("tests"));
	struct slice about = json_string(doc, json_get(doc, group, SLICE("description")), &arena);
	struct slice text = json_raw(doc, json_get(doc, group, SLICE("schema")));
	const struct schema *schema = schema_compile_text(text, &options, &arena, &err);

	for (uint32_t i = tests + 1; i < doc->nodes[tests].next; i = doc->nodes[i].next) {
		struct slice test = json_string(doc, json_get(doc, i, SLICE("description")), &arena);
		if (!schema) {
			note(suite, path, about, test, err.message);
			continue;
		}
		violations_init(&v, &arena);
		bool valid = schema_validate(schema, doc, json_get(doc, i, SLICE("data")), SLICE(""), &v);
		assert_true(valid == (v.count == 0));
		if (valid == (json_type_of(doc, json_get(doc, i, SLICE("valid"))) == JSON_TRUE))
			suite->tally.passed++;
		else
			note(suite, path, about, test, valid ? "got valid" : "got invalid");
	}
	arena_fini(&arena);
}

static void run_file(struct suite *suite, const char *path)
{
	const struct json_options options = { .depth_max = 512, .nodes_max = 1000000 };
	struct arena arena;
	struct slice text;
	struct error err;
	struct json_doc doc = { 0 };
	size_t offset;

	arena_init(&arena, (size_t)64 << 20);
	assert_true(file_read(&arena, path, 16 << 20, &text, &err));
	assert_int_equal(json_scan(&doc, text, &options, &arena, &offset), JSON_OK);
	for (uint32_t i = 1; i < doc.nodes[0].next; i = doc.nodes[i].next)
		run_group(suite, path, &doc, i);
	arena_fini(&arena);
}

static bool run_folder(struct suite *suite, const char *below)
{
	char path[1200], folder[700];
	struct dirent *entry;

	snprintf(folder, sizeof folder, "%s/tests/%s%s", suite_root(), suite->draft, below);
	DIR *dir = opendir(folder);
	if (!dir)
		return false;
	while ((entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);
		if (len < 5 || strcmp(entry->d_name + len - 5, ".json") != 0)
			continue;
		snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
		run_file(suite, path);
	}
	closedir(dir);
	return true;
}

static void run_required(const char *draft, bool draft7, size_t count)
{
	struct suite suite = { .draft = draft, .draft7 = draft7 };

	if (!run_folder(&suite, "")) {
		print_message("the suite is not there: skipped\n");
		skip();
	}
	print_message("%s: %zu of %zu required tests passed\n", draft, suite.tally.passed, count);
	assert_int_equal(suite.tally.failed + suite.tally.explained, 0);
	assert_int_equal(suite.tally.passed, count);
}

static void test_draft7(void **state)
{
	(void)state;
	run_required("draft7", true, 927);
}

static void test_2020_12(void **state)
{
	(void)state;
	run_required("draft2020-12", false, 1299);
}

static void run_optional(const char *draft, bool draft7, const char *below, bool assert_format)
{
	struct suite suite = { .draft = draft, .draft7 = draft7, .assert_format = assert_format };

	if (!run_folder(&suite, below))
		skip();
	print_message("%s%s: %zu tests passed, %zu failed as explained, %zu failed\n", draft, below, suite.tally.passed,
	              suite.tally.explained, suite.tally.failed);
	assert_int_equal(suite.tally.failed, 0);
}

static void test_optional(void **state)
{
	(void)state;
	run_optional("draft7", true, "/optional", true);
	run_optional("draft2020-12", false, "/optional", true);
	for (size_t i = 0; i < sizeof explained / sizeof *explained; i++)
		if (!is_met[i])
			fail_msg("passes, though explained: %s: %s", explained[i].file, explained[i].group);
}

static void test_formats(void **state)
{
	(void)state;
	run_optional("draft7", true, "/optional/format", true);
	run_optional("draft2020-12", false, "/optional/format", true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_draft7),
		cmocka_unit_test(test_2020_12),
		cmocka_unit_test(test_optional),
		cmocka_unit_test(test_formats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
