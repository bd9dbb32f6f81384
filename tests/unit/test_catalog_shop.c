/* The shipped catalog against tests/catalog/<event>.json: for each event 3 documents that it must accept and 5 that it
 * must refuse for one reason each, with pointer and rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/file.h"
#include "catalog/catalog.h"
#include "tracking/lint.h"

#define FILE_BYTES (1 << 20)
#define VALID_EACH 3
#define INVALID_EACH 5

static struct arena arena;
static size_t accepted, refused;

static void scan(struct slice text, struct json_doc *doc)
{
	const struct json_options options = { .depth_max = 64, .nodes_max = 100000 };
	size_t at = 0;

	memset(doc, 0, sizeof *doc);
	if (json_scan(doc, text, &options, &arena, &at) != JSON_OK)
		fail_msg("not JSON at byte %zu of %.*s", at, SLICE_ARG(text));
}

static struct slice member(const struct json_doc *doc, uint32_t node, const char *name)
{
	uint32_t value = json_get(doc, node, slice_of(name));

	if (!value || json_type_of(doc, value) != JSON_STRING)
		fail_msg("a document without %s", name);
	return json_string(doc, value, &arena);
}

static void accept(const struct event_schema *es, const struct json_doc *doc, uint32_t node)
{
	struct violations v;

	violations_init(&v, &arena);
	if (!schema_validate(es->properties, doc, node, SLICE("/properties"), &v))
		fail_msg("%.*s: %.*s refused: %.*s %.*s", SLICE_ARG(es->event), SLICE_ARG(json_raw(doc, node)),
		         SLICE_ARG(v.at[0].path), SLICE_ARG(v.at[0].message));
	accepted++;
}

static void refuse(const struct event_schema *es, const struct json_doc *doc, uint32_t entry)
{
	struct slice path = member(doc, entry, "path"), rule = member(doc, entry, "rule");
	uint32_t properties = json_get(doc, entry, SLICE("properties"));
	struct violations v;

	violations_init(&v, &arena);
	if (schema_validate(es->properties, doc, properties, SLICE("/properties"), &v))
		fail_msg("%.*s: %.*s accepted", SLICE_ARG(es->event), SLICE_ARG(json_raw(doc, properties)));
	if (v.count != 1 || !slice_equal(v.at[0].path, path) || !slice_equal(v.at[0].rule, rule))
		fail_msg("%.*s: %.*s: expected %.*s %.*s, got %.*s %.*s (%u in all)", SLICE_ARG(es->event),
		         SLICE_ARG(json_raw(doc, properties)), SLICE_ARG(path), SLICE_ARG(rule),
		         SLICE_ARG(v.at[0].path), SLICE_ARG(v.at[0].rule), v.count);
	refused++;
}

static void check_event(const struct event_schema *es)
{
	struct slice text = SLICE_NONE;
	struct error err = { 0 };
	struct json_doc doc;
	size_t count = 0;

	struct slice path = arena_print(&arena, "tests/catalog/%.*s.json", SLICE_ARG(es->event));
	if (!file_read(&arena, path.at, FILE_BYTES, &text, &err))
		fail_msg("%s", err.message);
	scan(text, &doc);
	assert_true(slice_equal(member(&doc, 0, "event"), es->event));
	uint32_t valid = json_get(&doc, 0, SLICE("valid")), invalid = json_get(&doc, 0, SLICE("invalid"));
	assert_true(valid && invalid);
	for (uint32_t i = valid + 1; i < doc.nodes[valid].next; i = doc.nodes[i].next, count++)
		accept(es, &doc, i);
	assert_int_equal(count, VALID_EACH);
	count = 0;
	for (uint32_t i = invalid + 1; i < doc.nodes[invalid].next; i = doc.nodes[i].next, count++)
		refuse(es, &doc, i);
	assert_int_equal(count, INVALID_EACH);
}

static void test_documents(void **state)
{
	const struct catalog_options options = { .dir = SLICE("schemas"), .base_uri = SLICE("urn:headgate:") };
	struct error err = { 0 };
	struct catalog *cat = lint_load(&options, &err);

	(void)state;
	if (!cat)
		fail_msg("%s", err.message);
	for (size_t i = 0; i < catalog_schema_count(cat); i++)
		check_event(catalog_schema_at(cat, i));
	print_message("%zu events, %zu documents accepted, %zu refused\n", catalog_event_count(cat), accepted, refused);
	catalog_destroy(&cat);
}

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, (size_t)64 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_documents) };

	return cmocka_run_group_tests(tests, setup, teardown);
}
