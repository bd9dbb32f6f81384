/* What the linter refuses and what it only remarks on; and that a loaded catalog has passed it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "catalog/pattern_risk.h"
#include "catalog_fixture.h"
#include "tracking/lint.h"

static struct arena arena;

static void test_pattern_danger(void **state)
{
	static const struct {
		const char *pattern;
		bool dangerous;
	} table[] = {
		{ "^(a+)+$", true },
		{ "^(a*)*$", true },
		{ "^(a|a)*$", true },
		{ "^(a|aa)+$", true },
		{ "^(\\w|\\d)+$", true },
		{ "^(\\w+\\s?)*$", true },
		{ "^([a-zA-Z0-9]+)*@", true },
		{ "^(([a-z])+.)+[A-Z]([a-z])+$", true },
		{ "^(.*)*x", true },
		{ "(x+x+)+y", true },
		{ "^(?:a?b?)*$", true },
		{ "^(?=(a+)+$)x", true },
		{ "^(가|가나?)*$", true },
		{ "^(\\s|가|가)+$", true },
		{ "^[A-Z]{3}$", false },
		{ "^[a-z]+(-[a-z]+)*$", false },
		{ "^([a-z]+\\.)+[a-z]{2,}$", false },
		{ "^(ab|ac)*$", false },
		{ "^(가|나|다)*$", false },
		{ "^(?:\\d{3}-)*\\d{4}$", false },
		{ "^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", false },
		{ "^\\+?[1-9]\\d{1,14}$", false },
		{ "^([01]\\d|2[0-3]):[0-5]\\d$", false },
		{ "^(KR|US|DE|GB|JP)(,(KR|US|DE|GB|JP))*$", false },
		{ "^[\\p{L} '-]{1,64}$", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct pattern_risk risk;
		pattern_risk_judge(slice_of(table[i].pattern), &arena, &risk);
		if ((risk.danger != NULL) != table[i].dangerous)
			fail_msg("%s: %s", table[i].pattern, risk.danger ? risk.danger : "found harmless");
	}
}

static void test_pattern_bounds(void **state)
{
	static const struct {
		const char *pattern;
		bool bounded;
		size_t longest;
	} table[] = {
		{ "^[A-Z]{3}$", true, 3 },         { "^(?:ab|cde)$", true, 3 }, { "^a?b{2,5}$", true, 6 },
		{ "^a$|^bc$", true, 2 },           { "^(a|b$)", false, 0 },     { "[A-Z]{3}", false, 0 },
		{ "^[A-Z]{3}", false, 0 },         { "^a+$", false, 0 },        { "^(a)\\1$", false, 0 },
		{ "^\\u{1F600}x\\x41$", true, 3 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct pattern_risk risk;
		pattern_risk_judge(slice_of(table[i].pattern), &arena, &risk);
		if (risk.bounded != table[i].bounded || (risk.bounded && risk.longest != table[i].longest))
			fail_msg("%s: %d %zu", table[i].pattern, risk.bounded, risk.longest);
	}
}

struct findings {
	char text[8192];
	size_t len;
};

static void keep(void *context, enum lint_level level, struct slice file, struct slice pointer, struct slice reason)
{
	struct findings *f = context;
	int n = snprintf(f->text + f->len, sizeof f->text - f->len, "%s %.*s#%.*s: %.*s\n",
	                 level == LINT_ERROR ? "error" : "warning", SLICE_ARG(file), SLICE_ARG(pointer),
	                 SLICE_ARG(reason));

	if (n > 0)
		f->len = f->len + (size_t)n < sizeof f->text ? f->len + (size_t)n : sizeof f->text - 1;
}

static struct lint run(const char *dir, struct findings *f)
{
	static struct sources src;
	const struct catalog_options options = { .dir = slice_of(dir), .base_uri = SLICE("urn:headgate:") };
	struct lint lint = { .src = &src, .report = keep, .context = f };
	struct error err = { 0 };

	memset(f, 0, sizeof *f);
	sources_init(&src, options.dir, &arena);
	if (!lint_check_folder(&lint, &options, &err))
		fail_msg("%s", err.message);
	return lint;
}

#define EVENT "events/visit/1-0-0.json#"
#define GOOD                                                                                                          \
	"\"description\":\"A visit.\",\"type\":\"object\",\"examples\":[{\"code\":\"A\"}],\"properties\":{\"code\":{" \
	"\"description\":\"Code.\",\"type\":\"string\",\"maxLength\":9}"

static void test_findings(void **state)
{
	static const struct {
		const char *text, *finding;
	} table[] = {
		{ "{" GOOD ",\"x\":{\"type\":\"string\",\"maxLength\":9,\"pattern\":\"^(a+)+$\"}}}",
		  "error " EVENT "/properties/x/pattern: nests repetitions" },
		{ "{" GOOD ",\"x\":{\"type\":\"string\",\"maxLength\":9,\"pattern\":\"^(a|a)+$\"}}}",
		  "error " EVENT "/properties/x/pattern: repeats alternatives that overlap" },
		{ "{" GOOD ",\"x\":{\"type\":\"string\",\"pattern\":\"^a+$\"}}}",
		  "error " EVENT "/properties/x/pattern: a pattern without a bound" },
		{ "{" GOOD ",\"x\":{\"type\":\"object\",\"properties\":{\"y\":{\"$ref\":\"#/properties/x\"}}}}}",
		  "error " EVENT "/properties/x/properties/y/$ref: leads back" },
		{ "{" GOOD
		  ",\"x\":{\"$ref\":\"#/$defs/t\"}},\"$defs\":{\"t\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/"
		  "$defs/t\"}}}}",
		  "error " EVENT "/$defs/t/items/$ref: leads back" },
		{ "{" GOOD ",\"x\":{\"type\":\"integer\",\"maximum\":9,\"examples\":[3,12]}}}",
		  "error " EVENT "/properties/x/examples/1: the example does not satisfy its schema: / must be <= 9" },
		{ "{" GOOD "},\"required\":[\"z\"]}",
		  "error " EVENT "/examples/0: the example does not satisfy its schema: /" },
		{ "{" GOOD ",\"x\":{\"type\":\"txt\"}}}", "error " EVENT "/properties/x/type: must be one of" },
		{ "{" GOOD ",\"x\":{\"type\":\"string\",\"maxLength\":9}}}",
		  "warning " EVENT "/properties/x: no description" },
		{ "{" GOOD ",\"x\":{\"description\":\"X.\"}}}", "warning " EVENT "/properties/x: no type" },
		{ "{" GOOD ",\"x\":{\"description\":\"X.\",\"type\":\"string\"}}}",
		  "warning " EVENT "/properties/x: a string without maxLength" },
		{ "{" GOOD ",\"x\":{\"description\":\"X.\",\"type\":\"array\"}}}",
		  "warning " EVENT "/properties/x: an array without maxItems" },
		{ "{" GOOD ",\"x\":{\"description\":\"X.\",\"type\":\"number\",\"minimum\":0}}}",
		  "warning " EVENT "/properties/x: a number without maximum" },
		{ "{" GOOD ",\"x\":{\"description\":\"X.\",\"type\":\"string\",\"maxLength\":9}}}",
		  "warning " EVENT "/properties/x: no example" },
		{ "{" GOOD "},\"x-headgate\":{\"purposes\":[\"necessary\"]}}",
		  "warning " EVENT "/x-headgate/purposes: claims the purpose necessary" },
		{ "{\"description\":\"A visit.\",\"type\":\"object\"}", "warning " EVENT ": no examples" },
		{ "{\"type\":\"object\",\"examples\":[{}]}", "warning " EVENT ": no description" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		char dir[64];
		struct findings f;
		fixture_make(dir);
		fixture_write(dir, "events/visit/1-0-0.json", table[i].text);
		struct lint lint = run(dir, &f);
		if (!strstr(f.text, table[i].finding))
			fail_msg("%s\nasked for: %s\nfound: %s", table[i].text, table[i].finding, f.text);
		assert_true((lint.errors > 0) == (table[i].finding[0] == 'e'));
		const struct catalog_options options = { .dir = slice_of(dir), .base_uri = SLICE("u:") };
		struct error err = { 0 };
		struct catalog *cat = lint_load(&options, &err);
		assert_true((cat == NULL) == (table[i].finding[0] == 'e'));
		if (!cat && !strstr(err.message, "events/visit/1-0-0.json#/"))
			fail_msg("%s", err.message);
		catalog_destroy(&cat);
		fixture_remove(dir);
	}
}

static void test_nothing_found(void **state)
{
	char dir[64];
	struct findings f;

	(void)state;
	fixture_make(dir);
	fixture_write(dir, "common/code.json",
	              "{\"description\":\"Code.\",\"type\":\"string\",\"pattern\":\"^[A-Z]{3}$\"}");
	fixture_write(dir, "events/visit/1-0-0.json",
	              "{" GOOD
	              ",\"kind\":{\"description\":\"Kind.\",\"enum\":[\"a\",\"b\"]},\"c\":{\"$ref\":\"../../common/"
	              "code.json\",\"examples\":[\"KRW\"]}}}");
	struct lint lint = run(dir, &f);
	if (lint.errors || lint.warnings)
		fail_msg("%s", f.text);
	fixture_remove(dir);
}

/* 2^20 checks from twenty lines. */
static void test_branching(void **state)
{
	char dir[64], text[8192];
	struct findings f;
	size_t len;

	(void)state;
	len = (size_t)snprintf(text, sizeof text, "{\"properties\":{\"x\":{\"$ref\":\"#/$defs/d0\"}},\"$defs\":{");
	for (int i = 0; i < 20; i++)
		len += (size_t)snprintf(text + len, sizeof text - len,
		                        "\"d%d\":{\"properties\":{\"a\":{\"$ref\":\"#/$defs/d%d\"},\"b\":{\"$ref\":\"#/"
		                        "$defs/d%d\"}}},",
		                        i, i + 1, i + 1);
	snprintf(text + len, sizeof text - len, "\"d20\":{\"type\":\"string\"}}}");
	fixture_make(dir);
	fixture_write(dir, "events/visit/1-0-0.json", text);
	struct lint lint = run(dir, &f);
	assert_true(lint.errors > 0);
	assert_non_null(strstr(f.text, "by its references"));
	fixture_remove(dir);
}

static void test_shipped(void **state)
{
	struct findings f;

	(void)state;
	struct lint lint = run("schemas", &f);
	if (lint.errors)
		fail_msg("%s", f.text);
}

static int set_up(void **state)
{
	(void)state;
	arena_init(&arena, (size_t)1024 * 1024 * 1024);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pattern_danger), cmocka_unit_test(test_pattern_bounds),
		cmocka_unit_test(test_findings),       cmocka_unit_test(test_nothing_found),
		cmocka_unit_test(test_branching),      cmocka_unit_test(test_shipped),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
