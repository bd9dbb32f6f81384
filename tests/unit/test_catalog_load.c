/* The shipped catalog, versions and look-ups, x-headgate, and folders that must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/file.h"
#include "catalog/catalog.h"
#include "catalog/schema.h"
#include "tracking/lint.h"

static struct arena arena;

static struct catalog *load(const char *dir, struct error *err)
{
	const struct catalog_options options = { .dir = slice_of(dir), .base_uri = SLICE("urn:headgate:") };

	return lint_load(&options, err);
}

static struct json_doc scan(struct slice text)
{
	const struct json_options options = { .depth_max = 32, .nodes_max = 100000 };
	struct json_doc doc = { 0 };
	size_t offset;

	assert_int_equal(json_scan(&doc, text, &options, &arena, &offset), JSON_OK);
	return doc;
}

static void print_violations(const struct violations *v)
{
	for (uint32_t i = 0; i < v->count; i++)
		print_message("%.*s [%.*s] %.*s\n", SLICE_ARG(v->at[i].path), SLICE_ARG(v->at[i].rule),
		              SLICE_ARG(v->at[i].message));
}

/* A schema's own examples pass it. */
static size_t check_examples(const struct schema *schema, struct slice source, const char *name)
{
	struct json_doc doc = scan(source);
	uint32_t examples = json_get(&doc, 0, SLICE("examples"));
	size_t count = 0;

	assert_true(examples);
	for (uint32_t i = examples + 1; i < doc.nodes[examples].next; i = doc.nodes[i].next, count++) {
		struct violations v;
		violations_init(&v, &arena);
		if (!schema_validate(schema, &doc, i, SLICE("/properties"), &v)) {
			print_violations(&v);
			fail_msg("%s: example %zu does not pass", name, count);
		}
	}
	return count;
}

static void test_shipped(void **state)
{
	static const char *const names[] = { "add_payment_info",
		                             "add_to_cart",
		                             "add_to_wishlist",
		                             "alias",
		                             "app_open",
		                             "checkout_start",
		                             "consent_update",
		                             "coupon_apply",
		                             "experiment_view",
		                             "identify",
		                             "lead",
		                             "login",
		                             "login_failed",
		                             "message_click",
		                             "message_delivered",
		                             "message_open",
		                             "page_leave",
		                             "page_view",
		                             "payment_failed",
		                             "product_click",
		                             "product_list_view",
		                             "product_view",
		                             "promotion_click",
		                             "promotion_view",
		                             "purchase",
		                             "refund",
		                             "remove_from_cart",
		                             "review",
		                             "screen_view",
		                             "scroll",
		                             "search",
		                             "sign_up",
		                             "store_purchase",
		                             "survey_response",
		                             "video_complete",
		                             "view_cart" };
	struct error err = { 0 };
	struct catalog *cat = load("schemas", &err);

	(void)state;
	if (!cat)
		fail_msg("%s", err.message);
	assert_int_equal(catalog_event_count(cat), sizeof names / sizeof *names);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const struct event_schema *es;
		assert_true(slice_equal(catalog_event_name(cat, i), slice_of(names[i])));
		assert_int_equal(catalog_find(cat, slice_of(names[i]), SLICE_NONE, &es), CATALOG_FOUND);
		assert_int_equal(es->event_index, i);
		assert_true(check_examples(es->properties, es->source_text, names[i]) >= 2);
		struct json_doc doc = scan(es->source_text);
		assert_true(json_get(&doc, 0, SLICE("title")) && json_get(&doc, 0, SLICE("description")));
	}
	assert_true(catalog_user(cat) && catalog_context(cat));
	assert_int_equal(catalog_fingerprint(cat).len, 32);
	catalog_destroy(&cat);
	assert_null(cat);
}

static void test_declarations(void **state)
{
	struct error err = { 0 };
	struct catalog *cat = load("schemas", &err);
	const struct event_schema *es;

	(void)state;
	assert_non_null(cat);
	assert_int_equal(catalog_find(cat, SLICE("purchase"), SLICE("1"), &es), CATALOG_FOUND);
	assert_true(slice_equal(es->name, SLICE("purchase/1-0-0")));
	assert_true(slice_equal(es->dataschema, SLICE("urn:headgate:event:purchase:1-0-0")));
	assert_int_equal(es->unique_by_count, 1);
	assert_true(slice_equal(es->unique_by[0], SLICE("/properties/order_id")));
	assert_true(es->unique_window_ms == UINT64_C(30) * 86400000);
	assert_false(es->unique_across_drop);
	assert_int_equal(es->purposes_count, 1);
	assert_true(slice_equal(es->purposes[0], SLICE("analytics")));
	assert_int_equal(catalog_find(cat, SLICE("refund"), SLICE_NONE, &es), CATALOG_FOUND);
	assert_true(slice_equal(es->unique_by[0], SLICE("/properties/refund_id")));
	assert_int_equal(catalog_find(cat, SLICE("lead"), SLICE_NONE, &es), CATALOG_FOUND);
	assert_int_equal(es->pii_count, 1);
	assert_true(slice_equal(es->pii[0].pointer, SLICE("/message")));
	assert_true(slice_equal(es->pii[0].kind, SLICE("free_text")));
	assert_true(slice_equal(catalog_guess_event(cat, SLICE("PageView")), SLICE("page_view")));
	assert_null(catalog_guess_event(cat, SLICE("zzz")).at);
	catalog_destroy(&cat);
}

static void test_wants_and_names(void **state)
{
	const struct slice price[] = { SLICE("items"), SLICE("0"), SLICE("price") };
	const struct slice quantity[] = { SLICE("items"), SLICE("12"), SLICE("quantity") };
	const struct slice tax_included[] = { SLICE("tax_included") }, order[] = { SLICE("order_id") };
	const struct slice unknown[] = { SLICE("items"), SLICE("x"), SLICE("price") };
	struct error err = { 0 };
	struct catalog *cat = load("schemas", &err);
	const struct event_schema *es;

	(void)state;
	assert_non_null(cat);
	assert_int_equal(catalog_find(cat, SLICE("purchase"), SLICE_NONE, &es), CATALOG_FOUND);
	assert_int_equal(schema_want_at(es->properties, price, 3), SCHEMA_WANT_NUMBER);
	assert_int_equal(schema_want_at(es->properties, quantity, 3), SCHEMA_WANT_INTEGER);
	assert_int_equal(schema_want_at(es->properties, tax_included, 1), SCHEMA_WANT_BOOLEAN);
	assert_int_equal(schema_want_at(es->properties, order, 1), SCHEMA_WANT_STRING);
	assert_int_equal(schema_want_at(es->properties, unknown, 3), SCHEMA_WANT_STRING);
	assert_true(schema_knows_name(es->properties, SLICE("category5")));
	assert_true(schema_knows_name(es->properties, SLICE("order_id")));
	assert_false(schema_knows_name(es->properties, SLICE("kim@example.com")));
	catalog_destroy(&cat);
}

static void write_file(const char *dir, const char *path, const char *text)
{
	char full[512], folder[512];
	struct error err = { 0 };

	snprintf(full, sizeof full, "%s/%s", dir, path);
	snprintf(folder, sizeof folder, "%s", full);
	*strrchr(folder, '/') = '\0';
	assert_true(file_make_dir(folder, &err));
	FILE *f = fopen(full, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void make_dir(char *dir)
{
	strcpy(dir, "/tmp/headgate-catalog-XXXXXX");
	assert_non_null(mkdtemp(dir));
}

static void remove_dir(const char *dir)
{
	char command[600];

	snprintf(command, sizeof command, "rm -rf '%s'", dir);
	assert_int_equal(system(command), 0);
}

static void test_versions(void **state)
{
	static const char *const versions[] = { "1-0-0", "1-0-9", "1-0-10", "1-2-0", "2-0-0", "10-0-0" };
	static const struct {
		const char *asked;
		enum catalog_lookup result;
		const char *got;
	} table[] = {
		{ "", CATALOG_FOUND, "1-2-0" },         { "1", CATALOG_FOUND, "1-2-0" },
		{ "1-0", CATALOG_FOUND, "1-0-10" },     { "1-0-9", CATALOG_FOUND, "1-0-9" },
		{ "2", CATALOG_FOUND, "2-0-0" },        { "10", CATALOG_FOUND, "10-0-0" },
		{ "3", CATALOG_NO_VERSION, "" },        { "1-1", CATALOG_NO_VERSION, "" },
		{ "1-0-1", CATALOG_NO_VERSION, "" },    { "01", CATALOG_BAD_VERSION, "" },
		{ "1-", CATALOG_BAD_VERSION, "" },      { "1.0.0", CATALOG_BAD_VERSION, "" },
		{ "1-0-0-0", CATALOG_BAD_VERSION, "" }, { "-1", CATALOG_BAD_VERSION, "" },
		{ "v1", CATALOG_BAD_VERSION, "" },      { "99999999999999999999", CATALOG_BAD_VERSION, "" },
	};
	char dir[64], path[64];
	struct error err = { 0 };
	const struct event_schema *es;

	(void)state;
	make_dir(dir);
	for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
		snprintf(path, sizeof path, "events/visit/%s.json", versions[i]);
		write_file(dir, path, "{}");
	}
	write_file(dir, "events/visit/.swp", "nothing");
	struct catalog *cat = load(dir, &err);
	if (!cat)
		fail_msg("%s", err.message);
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		assert_int_equal(catalog_find(cat, SLICE("visit"), slice_of(table[i].asked), &es), table[i].result);
		assert_true(table[i].result != CATALOG_FOUND || slice_equal(es->version_text, slice_of(table[i].got)));
	}
	assert_int_equal(catalog_find(cat, SLICE("visi"), SLICE_NONE, &es), CATALOG_NO_EVENT);
	catalog_destroy(&cat);

	const struct slice events[] = { SLICE("visit") };
	uint32_t models[] = { 2 };
	struct catalog_options options = { .dir = slice_of(dir),
		                           .base_uri = SLICE("u:"),
		                           .default_model_events = events,
		                           .default_models = models,
		                           .default_model_count = 1 };
	cat = lint_load(&options, &err);
	assert_non_null(cat);
	assert_int_equal(catalog_find(cat, SLICE("visit"), SLICE_NONE, &es), CATALOG_FOUND);
	assert_true(slice_equal(es->version_text, SLICE("2-0-0")));
	catalog_destroy(&cat);
	models[0] = 7;
	assert_null(lint_load(&options, &err));
	assert_non_null(strstr(err.message, "catalog.default_model.visit"));
	remove_dir(dir);
}

static void test_refused_folders(void **state)
{
	static const struct {
		const char *path, *text, *place, *reason;
	} table[] = {
		{ "events/visit/1-0.json", "{}", "events/visit/1-0.json#:", "MODEL-REVISION-ADDITION" },
		{ "events/visit/1-0-01.json", "{}", "events/visit/1-0-01.json#:", "MODEL-REVISION-ADDITION" },
		{ "events/visit/1-0-0.yaml", "{}", "events/visit/1-0-0.yaml#:", "MODEL-REVISION-ADDITION" },
		{ "events/Visit/1-0-0.json", "{}", "events/Visit#:", "[a-z]" },
		{ "events/1-0-0.json", "{}", "events/1-0-0.json#:", "[a-z]" },
		{ "events/visit2", "{}", "events/visit2#:", "must be a folder" },
		{ "event/visit/1-0-0.json", "{}", "/event#:", "unknown folder" },
		{ "common/bad.json", "{\"type\":\"text\"}", "common/bad.json#/type:", "must be one of" },
		{ "events/visit/2-0-0.json", "{\"type\":", "events/visit/2-0-0.json#:", "not JSON, noticed in line 1" },
		{ "events/visit/2-0-0.json", "{\"oneOf\":[]}", "events/visit/2-0-0.json#/oneOf:", "holds no schema" },
		{ "events/visit/2-0-0.json", "{\"properties\":{\"a\":{\"$ref\":\"../../common/none.json\"}}}",
		  "events/visit/2-0-0.json#/properties/a/$ref:", "No such file" },
		{ "events/visit/2-0-0.json", "{\"$ref\":\"../../../etc/passwd.json\"}",
		  "#/$ref:", "within the schemas' folder" },
		{ "events/visit/2-0-0.json", "{\"$ref\":\"https://example.com/a.json\"}",
		  "#/$ref:", "nothing is fetched" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		char dir[64];
		struct error err = { 0 };
		make_dir(dir);
		write_file(dir, "events/visit/1-0-0.json", "{}");
		write_file(dir, table[i].path, table[i].text);
		assert_null(load(dir, &err));
		if (!strstr(err.message, table[i].place) || !strstr(err.message, table[i].reason))
			fail_msg("%s: %s", table[i].path, err.message);
		remove_dir(dir);
	}
}

static void test_refused_declarations(void **state)
{
	static const struct {
		const char *member, *place;
	} table[] = {
		{ "{\"uniqe\":{}}", "#/x-headgate/uniqe: is not known" },
		{ "{\"purposes\":[]}", "#/x-headgate/purposes:" },
		{ "{\"purposes\":\"ads\"}", "#/x-headgate/purposes:" },
		{ "{\"purposes\":[\"Ads\"]}", "#/x-headgate/purposes/0:" },
		{ "{\"topic\":\"a b\"}", "#/x-headgate/topic:" },
		{ "{\"topic\":7}", "#/x-headgate/topic:" },
		{ "{\"key\":\"ids/user_id\"}", "#/x-headgate/key:" },
		{ "{\"key\":[\"/a~2\"]}", "#/x-headgate/key/0:" },
		{ "{\"unique\":{}}", "#/x-headgate/unique:" },
		{ "{\"unique\":{\"by\":[\"/a\"],\"window\":\"30 days\"}}", "#/x-headgate/unique/window:" },
		{ "{\"unique\":{\"by\":[\"/a\"],\"window\":\"0d\"}}", "#/x-headgate/unique/window:" },
		{ "{\"unique\":{\"by\":[\"/a\"],\"window\":\"401d\"}}", "#/x-headgate/unique/window:" },
		{ "{\"unique\":{\"by\":[\"/a\"],\"across\":\"maybe\"}}", "#/x-headgate/unique/across:" },
		{ "{\"unique\":{\"by\":[\"/a\"],\"wndow\":\"1d\"}}", "#/x-headgate/unique/wndow:" },
		{ "{\"dedup\":{\"mode\":\"none\"}}", "#/x-headgate/dedup/mode:" },
		{ "{\"aliases\":{\"events\":[]}}", "#/x-headgate/aliases/events:" },
		{ "{\"aliases\":{\"properties\":{\"a\":1}}}", "#/x-headgate/aliases/properties/a:" },
		{ "{\"owner\":\"\"}", "#/x-headgate/owner:" },
		{ "[]", "#/x-headgate:" },
	};
	const struct schema_options options = { .path = SLICE("events/visit/1-0-0.json"), .name = SLICE("visit") };

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct error err = { 0 };
		struct slice text = arena_print(&arena, "{\"x-headgate\":%s}", table[i].member);
		assert_null(schema_compile_text(text, &options, &arena, &err));
		if (!strstr(err.message, table[i].place))
			fail_msg("%s: %s", table[i].member, err.message);
	}
}

static void test_full_declaration(void **state)
{
	char dir[64];
	struct error err = { 0 };
	const struct event_schema *es;

	(void)state;
	make_dir(dir);
	write_file(dir, "events/visit/1-0-0.json",
	           "{\"x-headgate\":{\"purposes\":[\"analytics\",\"ads\"],\"topic\":\"shop.{event}\",\"key\":\"/ids/"
	           "user_id\","
	           "\"unique\":{\"by\":[\"/properties/a\",\"/properties/b\"],\"window\":\"24h\",\"across\":\"drop\"},"
	           "\"dedup\":{\"mode\":\"id\",\"window\":\"10m\"},"
	           "\"aliases\":{\"event\":[\"Visited\"],\"properties\":{\"x\":\"a\"},\"compute\":\"line_total_to_"
	           "price\"},\"owner\":"
	           "\"me\"},"
	           "\"properties\":{\"list\":{\"items\":{\"properties\":{\"mail\":{\"x-pii\":\"email\",\"x-pii-"
	           "action\":\"drop\"}}}}}}");
	struct catalog *cat = load(dir, &err);
	if (!cat)
		fail_msg("%s", err.message);
	assert_int_equal(catalog_find(cat, SLICE("visit"), SLICE_NONE, &es), CATALOG_FOUND);
	assert_int_equal(es->purposes_count, 2);
	assert_true(slice_equal(es->topic, SLICE("shop.{event}")));
	assert_int_equal(es->key_count, 1);
	assert_int_equal(es->unique_by_count, 2);
	assert_true(es->unique_window_ms == 86400000 && es->unique_across_drop);
	assert_true(slice_equal(es->dedup_mode, SLICE("id")) && es->dedup_window_ms == 600000);
	assert_true(slice_starts(es->aliases, SLICE("{\"event\":")));
	assert_true(slice_equal(es->owner, SLICE("me")));
	assert_int_equal(es->pii_count, 1);
	assert_true(slice_equal(es->pii[0].pointer, SLICE("/list/*/mail")));
	assert_true(slice_equal(es->pii[0].action, SLICE("drop")));
	char fingerprint[33] = { 0 };
	memcpy(fingerprint, catalog_fingerprint(cat).at, 32);
	catalog_destroy(&cat);
	write_file(dir, "events/visit/1-0-0.json", "{ }");
	cat = load(dir, &err);
	assert_non_null(cat);
	assert_false(slice_equal(catalog_fingerprint(cat), slice_of(fingerprint)));
	catalog_destroy(&cat);
	remove_dir(dir);
}

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, (size_t)256 << 20);
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
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shipped),          cmocka_unit_test(test_declarations),
		cmocka_unit_test(test_wants_and_names),  cmocka_unit_test(test_versions),
		cmocka_unit_test(test_refused_folders),  cmocka_unit_test(test_refused_declarations),
		cmocka_unit_test(test_full_declaration),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
