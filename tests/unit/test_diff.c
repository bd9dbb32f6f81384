/* What each change breaks, and that a catalog which is numbered against that is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "catalog/catalog.h"
#include "catalog_fixture.h"
#include "tracking/diff.h"
#include "tracking/lint.h"

static struct arena arena;

struct seen {
	size_t count;
	struct change changes[16];
};

static void keep(void *context, const struct change *change)
{
	struct seen *seen = context;

	if (seen->count < 16)
		seen->changes[seen->count] = *change;
	seen->count++;
}

/* Quotes are written as ' in the table. */
static struct spot root_of(struct sources *src, const char *text)
{
	struct slice copy = arena_copy(&arena, slice_of(text));
	struct error err = { 0 };

	for (char *c = (char *)(uintptr_t)copy.at; c < copy.at + copy.len; c++)
		*c = *c == '\'' ? '"' : *c;
	sources_init(src, SLICE_NONE, &arena);
	const struct source_file *file = source_add(src, SLICE("events/visit/1-0-0.json"), copy, &err);
	if (!file)
		fail_msg("%s", err.message);
	return (struct spot) { file, 0 };
}

#define A "{'properties':{'a':"
#define N BREAKS_NOTHING
#define C BREAKS_CONSUMERS
#define P BREAKS_PRODUCERS
#define B BREAKS_BOTH

static const struct row {
	const char *from, *to, *pointer;
	enum change_kind kind;
	enum change_class class;
} table[] = {
	{ "{'additionalProperties':false}", "{'properties':{'a':{}},'additionalProperties':false}", "/properties/a",
	  CHANGE_PROPERTY_ADDED, N },
	{ "{}", "{'properties':{'a':{}},'required':['a']}", "/properties/a", CHANGE_PROPERTY_ADDED_REQUIRED, P },
	{ "{'properties':{'a':{}},'additionalProperties':false}", "{'additionalProperties':false}", "/properties/a",
	  CHANGE_PROPERTY_REMOVED, B },
	{ "{'properties':{'a':{}}}", "{}", "/properties/a", CHANGE_PROPERTY_UNCHECKED, C },
	{ A "{}}}", A "false}}", "/properties/a", CHANGE_PROPERTY_FORBIDDEN, B },
	{ A "false}}", A "{}}}", "/properties/a", CHANGE_PROPERTY_PERMITTED, C },
	{ A "{}}}", A "{}},'required':['a']}", "/properties/a", CHANGE_REQUIRED_ADDED, P },
	{ A "{}},'required':['a']}", A "{}}}", "/properties/a", CHANGE_REQUIRED_REMOVED, C },
	{ "{}", "{'required':['a']}", "/required/a", CHANGE_REQUIRED_ADDED, P },
	{ "{}", "{'additionalProperties':false}", "/additionalProperties", CHANGE_CLOSED, P },
	{ "{'additionalProperties':false}", "{}", "/additionalProperties", CHANGE_OPENED, N },
	{ "{}", "{'additionalProperties':{'type':'string'}}", "/additionalProperties", CHANGE_REST_ADDED, P },
	{ "{'additionalProperties':{'type':'string'}}", "{}", "/additionalProperties", CHANGE_REST_REMOVED, C },
	{ "{'additionalProperties':{'maxLength':5}}", "{'additionalProperties':{'maxLength':4}}",
	  "/additionalProperties/maxLength", CHANGE_BOUND_TIGHTENED, P },
	{ A "{}}}", A "{'type':'string'}}}", "/properties/a/type", CHANGE_TYPE_ADDED, P },
	{ A "{'type':'string'}}}", A "{}}}", "/properties/a/type", CHANGE_TYPE_REMOVED, C },
	{ A "{'type':'number'}}}", A "{'type':'integer'}}}", "/properties/a/type", CHANGE_TYPE_NARROWED, P },
	{ A "{'type':'integer'}}}", A "{'type':'number'}}}", "/properties/a/type", CHANGE_TYPE_WIDENED, C },
	{ A "{'type':'string'}}}", A "{'type':['string','null']}}}", "/properties/a/type", CHANGE_TYPE_WIDENED, C },
	{ A "{'type':'string'}}}", A "{'type':'number'}}}", "/properties/a/type", CHANGE_TYPE_CHANGED, B },
	{ A "{'enum':['x']}}}", A "{'enum':['x','y']}}}", "/properties/a/enum", CHANGE_VALUES_ADDED, C },
	{ A "{'enum':['x','y']}}}", A "{'enum':['x']}}}", "/properties/a/enum", CHANGE_VALUES_REMOVED, P },
	{ A "{}}}", A "{'enum':['x']}}}", "/properties/a/enum", CHANGE_VALUES_LISTED, P },
	{ A "{'const':1}}}", A "{}}}", "/properties/a/const", CHANGE_VALUES_UNLISTED, C },
	{ A "{}}}", A "{'maxLength':9}}}", "/properties/a/maxLength", CHANGE_BOUND_ADDED, P },
	{ A "{'maxLength':9}}}", A "{}}}", "/properties/a/maxLength", CHANGE_BOUND_REMOVED, C },
	{ A "{'maxLength':9}}}", A "{'maxLength':8}}}", "/properties/a/maxLength", CHANGE_BOUND_TIGHTENED, P },
	{ A "{'maxLength':9}}}", A "{'maxLength':10}}}", "/properties/a/maxLength", CHANGE_BOUND_RELAXED, C },
	{ A "{'minimum':0}}}", A "{'minimum':1}}}", "/properties/a/minimum", CHANGE_BOUND_TIGHTENED, P },
	{ A "{'minimum':0}}}", A "{'minimum':-1.5}}}", "/properties/a/minimum", CHANGE_BOUND_RELAXED, C },
	{ A "{'exclusiveMaximum':10}}}", A "{'exclusiveMaximum':9.99}}}", "/properties/a/exclusiveMaximum",
	  CHANGE_BOUND_TIGHTENED, P },
	{ A "{'minItems':1}}}", A "{'minItems':0}}}", "/properties/a/minItems", CHANGE_BOUND_REMOVED, C },
	{ A "{'maxItems':5}}}", A "{'maxItems':50}}}", "/properties/a/maxItems", CHANGE_BOUND_RELAXED, C },
	{ A "{}}}", A "{'multipleOf':0.01}}}", "/properties/a/multipleOf", CHANGE_STEP_ADDED, P },
	{ A "{'multipleOf':0.01}}}", A "{}}}", "/properties/a/multipleOf", CHANGE_STEP_REMOVED, C },
	{ A "{'multipleOf':2}}}", A "{'multipleOf':3}}}", "/properties/a/multipleOf", CHANGE_STEP_CHANGED, B },
	{ A "{}}}", A "{'pattern':'^a$'}}}", "/properties/a/pattern", CHANGE_PATTERN_ADDED, P },
	{ A "{'pattern':'^a$'}}}", A "{}}}", "/properties/a/pattern", CHANGE_PATTERN_REMOVED, C },
	{ A "{'pattern':'^a$'}}}", A "{'pattern':'^b$'}}}", "/properties/a/pattern", CHANGE_PATTERN_CHANGED, B },
	{ A "{}}}", A "{'format':'uri'}}}", "/properties/a/format", CHANGE_FORMAT_ADDED, P },
	{ A "{'format':'uri'}}}", A "{}}}", "/properties/a/format", CHANGE_FORMAT_REMOVED, C },
	{ A "{'format':'uri'}}}", A "{'format':'email'}}}", "/properties/a/format", CHANGE_FORMAT_CHANGED, B },
	{ A "{}}}", A "{'uniqueItems':true}}}", "/properties/a/uniqueItems", CHANGE_UNIQUE_ADDED, P },
	{ A "{'uniqueItems':true}}}", A "{'uniqueItems':false}}}", "/properties/a/uniqueItems", CHANGE_UNIQUE_REMOVED,
	  C },
	{ A "{}}}", A "{'items':{'type':'string'}}}}", "/properties/a/items", CHANGE_ITEMS_ADDED, P },
	{ A "{'items':{'type':'string'}}}}", A "{}}}", "/properties/a/items", CHANGE_ITEMS_REMOVED, C },
	{ A "{'items':{'properties':{'b':{'maximum':5}}}}}}", A "{'items':{'properties':{'b':{'maximum':4}}}}}}",
	  "/properties/a/items/properties/b/maximum", CHANGE_BOUND_TIGHTENED, P },
	{ A "{'prefixItems':[{'type':'string'}]}}}", A "{'prefixItems':[{'type':'number'}]}}}",
	  "/properties/a/prefixItems/0/type", CHANGE_TYPE_CHANGED, B },
	{ A "{'anyOf':[{'const':1}]}}}", A "{'anyOf':[{'const':1},{'const':2}]}}}", "/properties/a/anyOf",
	  CHANGE_ALTERNATIVE_ADDED, C },
	{ A "{'oneOf':[{'const':1},{'const':2}]}}}", A "{'oneOf':[{'const':2}]}}}", "/properties/a/oneOf",
	  CHANGE_ALTERNATIVE_REMOVED, P },
	{ "{}", "{'if':{'required':['a']}}", "/if", CHANGE_RULE_ADDED, P },
	{ "{'not':{'const':1}}", "{}", "/not", CHANGE_RULE_REMOVED, C },
	{ "{'dependentRequired':{'a':['b']}}", "{'dependentRequired':{'a':['c']}}", "/dependentRequired",
	  CHANGE_RULE_CHANGED, B },
	{ A "{}}}", A "{'x-pii':'email'}}}", "/properties/a/x-pii", CHANGE_PII_ADDED, C },
	{ A "{'x-pii':'email'}}}", A "{}}}", "/properties/a/x-pii", CHANGE_PII_REMOVED, C },
	{ A "{'x-pii':'id'}}}", A "{'x-pii':'id','x-pii-action':'hash'}}}", "/properties/a/x-pii-action",
	  CHANGE_PII_CHANGED, C },
	{ "{}", "{'x-headgate':{'purposes':['ads']}}", "/x-headgate/purposes", CHANGE_PURPOSES_CHANGED, C },
	{ "{}", "{'x-headgate':{'topic':'t'}}", "/x-headgate/topic", CHANGE_TOPIC_CHANGED, C },
	{ "{'x-headgate':{'key':'/a'}}", "{'x-headgate':{'key':'/b'}}", "/x-headgate/key", CHANGE_KEY_CHANGED, C },
	{ "{}", "{'x-headgate':{'unique':{'by':['/properties/a']}}}", "/x-headgate/unique", CHANGE_IDENTITY_CHANGED,
	  C },
	{ "{}", "{'x-headgate':{'aliases':{'event':['Visit']}}}", "/x-headgate/aliases", CHANGE_ALIAS_ADDED, N },
	{ "{'x-headgate':{'aliases':{'event':['Visit']}}}", "{}", "/x-headgate/aliases", CHANGE_ALIAS_REMOVED, P },
	{ A "{'description':'x'}}}", A "{'description':'y'}}}", "/properties/a/description", CHANGE_DOCUMENTATION, N },
	{ "{}", "{'examples':[{}]}", "/examples", CHANGE_DOCUMENTATION, N },
	{ "{'x-headgate':{'owner':'a'}}", "{'x-headgate':{'owner':'b'}}", "/x-headgate/owner", CHANGE_DOCUMENTATION,
	  N },
	{ A "{'$ref':'#/$defs/d'}},'$defs':{'d':{'maximum':5}}}", A "{'maximum':6}}}", "/properties/a/maximum",
	  CHANGE_BOUND_RELAXED, C },
	{ A "{'allOf':[{'maxLength':5}]}}}", A "{'maxLength':4}}}", "/properties/a/maxLength", CHANGE_BOUND_TIGHTENED,
	  P },
};

static void test_table(void **state)
{
	(void)state;
	assert_true(sizeof table / sizeof *table >= 40);
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		const struct row *row = &table[i];
		struct sources from_src, to_src;
		struct seen seen = { .count = 0 };
		struct spot from = root_of(&from_src, row->from), to = root_of(&to_src, row->to);
		diff_schemas(&from_src, from, &to_src, to, keep, &seen);
		if (seen.count != 1 || seen.changes[0].kind != row->kind ||
		    !slice_equal(seen.changes[0].pointer, slice_of(row->pointer)))
			fail_msg("%s -> %s: %zu changes, the first: %s", row->from, row->to, seen.count,
			         seen.count ? change_text(seen.changes[0].kind) : "none");
		if (change_class(row->kind) != row->class)
			fail_msg("%s -> %s: breaks %s", row->from, row->to, change_class_text(change_class(row->kind)));
	}
}

/* Every kind stands in the table above, so that none is given a class that nobody looked at. */
static void test_table_is_complete(void **state)
{
	(void)state;
	for (int kind = 0; kind < CHANGE_count; kind++) {
		size_t i = 0;
		while (i < sizeof table / sizeof *table && (int)table[i].kind != kind)
			i++;
		if (i == sizeof table / sizeof *table)
			fail_msg("no row for: %s", change_text((enum change_kind)kind));
	}
}

static void test_no_change(void **state)
{
	static const char *const pairs[][2] = {
		{ "{'properties':{'a':{'maximum':10},'b':{}}}", "{'properties':{'b':{},'a':{'maximum':1e1}}}" },
		{ A "{'$ref':'#/$defs/d'}},'$defs':{'d':{'type':'string'}}}", A "{'type':'string'}}}" },
		{ "{'required':['a','b']}", "{'required':['b','a']}" },
		{ A "{'enum':['x','y']}}}", A "{'enum':['y','x']}}}" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		struct sources from_src, to_src;
		struct seen seen = { .count = 0 };
		struct spot from = root_of(&from_src, pairs[i][0]), to = root_of(&to_src, pairs[i][1]);
		diff_schemas(&from_src, from, &to_src, to, keep, &seen);
		if (seen.count)
			fail_msg("%s -> %s: %s", pairs[i][0], pairs[i][1], change_text(seen.changes[0].kind));
	}
}

static void test_numbering(void **state)
{
	static const struct {
		const char *version, *text;
		bool accepted;
	} rows[] = {
		{ "1-0-1", "{\"properties\":{\"a\":{\"type\":\"string\"},\"b\":{}}}", true },
		{ "1-0-1", "{\"properties\":{\"a\":{\"type\":\"string\",\"maxLength\":9}}}", false },
		{ "1-1-0", "{\"properties\":{\"a\":{\"type\":\"string\",\"maxLength\":9}}}", false },
		{ "2-0-0", "{\"properties\":{\"a\":{\"type\":\"string\",\"maxLength\":9}}}", true },
		{ "1-0-1", "{\"properties\":{\"a\":{\"type\":[\"string\",\"null\"]}}}", false },
		{ "1-1-0", "{\"properties\":{\"a\":{\"type\":[\"string\",\"null\"]}}}", true },
		{ "2-0-0", "{\"properties\":{\"a\":{\"type\":\"string\"}}}", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char dir[64], path[64];
		struct error err = { 0 };
		fixture_make(dir);
		snprintf(path, sizeof path, "events/visit/%s.json", rows[i].version);
		fixture_write(dir, "events/visit/1-0-0.json", "{\"properties\":{\"a\":{\"type\":\"string\"}}}");
		fixture_write(dir, path, rows[i].text);
		const struct catalog_options options = { .dir = slice_of(dir), .base_uri = SLICE("u:") };
		struct catalog *cat = lint_load(&options, &err);
		if ((cat != NULL) != rows[i].accepted)
			fail_msg("%s %s: %s", rows[i].version, rows[i].text, cat ? "accepted" : err.message);
		if (!cat && (!strstr(err.message, path) || !strstr(err.message, "must grow")))
			fail_msg("%s", err.message);
		catalog_destroy(&cat);
		fixture_remove(dir);
	}
}

static int set_up(void **state)
{
	(void)state;
	arena_init(&arena, (size_t)256 * 1024 * 1024);
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
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_table_is_complete),
		cmocka_unit_test(test_no_change),
		cmocka_unit_test(test_numbering),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
