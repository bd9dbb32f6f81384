/* Foreign names: one purchase of four shops, the rules one by one, what is left alone, and aliases that are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sys/stat.h>

#include "base/file.h"
#include "catalog/normalise.h"
#include "catalog/schema.h"
#include "catalog/unit_price.h"

static struct arena arena;

static const char purchase[] =
        "{\"order_id\":\"O-20261122-0001\",\"value\":88000,\"currency\":\"KRW\",\"tax\":8000,\"shipping\":3000,"
        "\"coupon\":\"WELCOME10\",\"payment_method\":\"card\",\"items\":["
        "{\"product_id\":\"SKU-1042\",\"name\":\"린넨 셔츠\",\"brand\":\"Hanji Studio\",\"category\":\"의류\","
        "\"category2\":\"셔츠\",\"variant\":\"M / 네이비\",\"price\":29500,\"quantity\":2},"
        "{\"product_id\":\"SKU-88\",\"name\":\"Ceramic mug\",\"brand\":\"Onggi\",\"category\":\"주방\","
        "\"category2\":\"컵\",\"variant\":\"white\",\"price\":29000,\"quantity\":1,\"index\":1}],"
        "\"affiliation\":\"shop.example\"}";

static struct catalog *load(const char *dir, struct error *err)
{
	const struct catalog_options options = { .dir = slice_of(dir), .base_uri = SLICE("urn:headgate:") };

	return catalog_load(&options, err);
}

static void scan(struct slice text, struct json_doc *doc)
{
	const struct json_options options = { .depth_max = 64, .nodes_max = 1000000 };
	size_t at = 0;

	memset(doc, 0, sizeof *doc);
	if (json_scan(doc, text, &options, &arena, &at) != JSON_OK)
		fail_msg("not JSON at byte %zu: %.*s", at, SLICE_ARG(text));
}

/* The translated text, or SLICE_NONE where it stays as it is. */
static struct slice normalise(const struct catalog *cat, struct slice text)
{
	struct json_doc doc;
	struct buffer out;

	scan(text, &doc);
	buffer_init(&out, &arena);
	return catalog_normalise(cat, &doc, 0, &arena, &out) ? buffer_slice(&out) : SLICE_NONE;
}

static void test_shops(void **state)
{
	struct slice text = SLICE_NONE;
	struct error err = { 0 };
	struct catalog *cat = load("schemas", &err);
	size_t shops = 0;

	(void)state;
	if (!cat)
		fail_msg("%s", err.message);
	assert_true(file_read(&arena, "tests/catalog/aliases.ndjson", 1 << 20, &text, &err));
	while (text.len) {
		struct slice line = slice_trim(slice_split(&text, '\n')), got = normalise(cat, line);
		const struct event_schema *es;
		struct violations v;
		struct json_doc doc;
		assert_non_null(got.at);
		scan(got, &doc);
		uint32_t event = json_get(&doc, 0, SLICE("event")), properties = json_get(&doc, 0, SLICE("properties"));
		assert_true(json_string_equals(&doc, event, SLICE("purchase")));
		if (!slice_equal(json_raw(&doc, properties), SLICE(purchase)))
			fail_msg("%.*s became %.*s", SLICE_ARG(line), SLICE_ARG(got));
		assert_int_equal(catalog_find(cat, SLICE("purchase"), SLICE_NONE, &es), CATALOG_FOUND);
		violations_init(&v, &arena);
		assert_true(schema_validate(es->properties, &doc, properties, SLICE("/properties"), &v));
		/* what is ours already stays as it is, byte for byte */
		assert_null(normalise(cat, got).at);
		shops++;
	}
	assert_int_equal(shops, 4);
	catalog_destroy(&cat);
}

static const struct {
	const char *sent, *event, *properties; /* NULL: as they were sent */
} foreign[] = {
	{ "\"event\":\"Product Viewed\",\"properties\":{\"product_id\":\"P-1\",\"sku\":\"G-32\",\"category\":"
	  "\"Games\",\"name\":\"Monopoly\",\"brand\":\"Hasbro\",\"variant\":\"200 pieces\",\"price\":18.99,"
	  "\"quantity\":1,\"coupon\":\"MAYDEALS\",\"currency\":\"usd\",\"position\":3,\"value\":18.99,\"url\":"
	  "\"https://shop.example/p\",\"image_url\":\"https://shop.example/i\"}",
	  "product_view",
	  "{\"value\":18.99,\"currency\":\"usd\",\"coupon\":\"MAYDEALS\",\"items\":[{\"product_id\":\"P-1\","
	  "\"name\":\"Monopoly\",\"brand\":\"Hasbro\",\"category\":\"Games\",\"variant\":\"200 "
	  "pieces\",\"price\":"
	  "18.99,\"quantity\":1,\"index\":3,\"url\":\"https://shop.example/p\"}]}" },
	{ "\"event\":\"view_item\",\"properties\":{\"currency\":\"USD\",\"value\":30.03,\"items\":[{\"item_"
	  "id\":"
	  "\"A\",\"item_name\":\"Tee\",\"affiliation\":\"G\",\"index\":0,\"item_list_id\":\"r\","
	  "\"item_list_name\":\"Related\",\"location_id\":\"C\",\"price\":10.01,\"quantity\":3}]}",
	  "product_view",
	  "{\"value\":30.03,\"currency\":\"USD\",\"items\":[{\"product_id\":\"A\",\"name\":\"Tee\",\"price\":"
	  "10.01,"
	  "\"quantity\":3,\"index\":0,\"list\":\"Related\"}]}" },
	{ "\"event\":\"add_to_cart\",\"properties\":{\"total_value\":40,\"currency\":\"EUR\",\"products\":[{"
	  "\"id\":"
	  "\"A\",\"price\":20,\"list_price\":25,\"quantity\":1,\"creative_id\":\"c\",\"currency\":\"EUR\"}]}",
	  "add_to_cart", "{\"currency\":\"EUR\",\"items\":[{\"product_id\":\"A\",\"price\":20,\"quantity\":1}]}" },
	{ "\"event\":\"Product "
	  "Removed\",\"properties\":{\"cart_id\":\"c\",\"product_id\":\"A\",\"quantity\":\"1\"}",
	  "remove_from_cart", "{\"items\":[{\"product_id\":\"A\",\"quantity\":1}],\"cart_id\":\"c\"}" },
	{ "\"event\":\"Product Added\",\"properties\":{\"product_id\":\"A\"}", "add_to_cart",
	  "{\"items\":[{\"product_id\":\"A\"}]}" },
	{ "\"event\":\"Cart Viewed\",\"properties\":{\"cart_id\":\"c\",\"products\":[{\"product_id\":\"A\"}]}",
	  "view_cart", "{\"items\":[{\"product_id\":\"A\"}],\"cart_id\":\"c\"}" },
	{ "\"event\":\"view_cart\",\"properties\":{\"total_value\":\"20\",\"currency\":\"EUR\",\"products\":[{"
	  "\"id\":\"A\"}]}",
	  "view_cart", "{\"value\":20,\"currency\":\"EUR\",\"items\":[{\"product_id\":\"A\"}]}" },
	{ "\"event\":\"begin_checkout\",\"properties\":{\"currency\":\"KRW\",\"items\":[{\"item_id\":\"A\"}]}",
	  "checkout_start", "{\"currency\":\"KRW\",\"items\":[{\"product_id\":\"A\"}]}" },
	{ "\"event\":\"Checkout Started\",\"properties\":{\"order_id\":\"1\",\"revenue\":25.0,\"products\":[{"
	  "\"sku\":\"A\"}]}",
	  "checkout_start", "{\"order_id\":\"1\",\"value\":25.0,\"items\":[{\"product_id\":\"A\"}]}" },
	{ "\"event\":\"Order Refunded\",\"properties\":{\"refund_id\":\"R\",\"order_id\":\"1\",\"total\":30}", "refund",
	  NULL },
	{ "\"event\":\"refund\",\"properties\":{\"refund_id\":\"R\",\"transaction_id\":\"1\",\"refund_amount\":"
	  "5,"
	  "\"refund_reason\":\"size\",\"currency\":\"EUR\"}",
	  "refund", "{\"order_id\":\"1\",\"refund_id\":\"R\",\"value\":5,\"currency\":\"EUR\",\"reason\":\"size\"}" },
	{ "\"event\":\"Products Searched\",\"properties\":{\"query\":\"린넨\"}", "search",
	  "{\"search_term\":\"린넨\"}" },
	{ "\"event\":\"view_search_results\",\"properties\":{\"search_term\":\"mug\"}", "search", NULL },
	{ "\"event\":\"Page Viewed\",\"properties\":{\"title\":\"Home\",\"path\":\"/\"}", "page_view",
	  "{\"name\":\"Home\",\"path\":\"/\"}" },
	{ "\"event\":\"page_view\",\"properties\":{\"page_title\":\"Home\"}", "page_view", "{\"name\":\"Home\"}" },
	{ "\"event\":\"Signed "
	  "Up\",\"properties\":{\"type\":\"organic\",\"email\":\"a@example.com\",\"plan\":\"x\"}",
	  "sign_up", "{\"plan\":\"x\"}" },
	{ "\"event\":\"Signed In\",\"properties\":{\"username\":\"mina\"}", "login", "{}" },
};

/* Every name of the shipped aliases leads to an event, and what it gives satisfies that event's schema. */
static void test_shipped_names(void **state)
{
	struct error err = { 0 };
	struct catalog *cat = load("schemas", &err);

	(void)state;
	if (!cat)
		fail_msg("%s", err.message);
	for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
		struct slice sent = arena_print(&arena, "{%s}", foreign[i].sent), got = normalise(cat, sent);
		struct slice wanted = SLICE_NONE;
		if (foreign[i].properties)
			wanted = arena_print(&arena, "{\"event\":\"%s\",\"properties\":%s}", foreign[i].event,
			                     foreign[i].properties);
		else
			wanted = arena_print(&arena, "{\"event\":\"%s\",%s", foreign[i].event,
			                     strstr(sent.at, "\"properties\""));
		if (!slice_equal(got, wanted))
			fail_msg("%s: expected %.*s, got %.*s", foreign[i].sent, SLICE_ARG(wanted), SLICE_ARG(got));
	}
	print_message("%zu foreign events\n", sizeof foreign / sizeof *foreign);
	catalog_destroy(&cat);
}

static void make_dir(char *dir)
{
	strcpy(dir, "/tmp/headgate-aliases-XXXXXX");
	assert_non_null(mkdtemp(dir));
}

static void remove_dir(const char *dir)
{
	char command[600];

	snprintf(command, sizeof command, "rm -rf '%s'", dir);
	assert_int_equal(system(command), 0);
}

static void write_schema(const char *dir, const char *event, const char *text)
{
	char path[600];

	snprintf(path, sizeof path, "mkdir -p '%s/events/%s'", dir, event);
	assert_int_equal(system(path), 0);
	snprintf(path, sizeof path, "%s/events/%s/1-0-0.json", dir, event);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

struct translation_case {
	const char *aliases, *sent, *expected; /* expected NULL: left alone */
};

#define WIRE                                                                                                \
	"{\"event\":[\"Order Completed\"],\"properties\":{\"item_id\":\"items[].product_id\"},\"compute\":" \
	"\"line_total_to_price\"}"
#define TWO "{\"properties\":{\"a\":\"c\",\"b\":\"c\"}}"
#define LINES                                                                                                       \
	"{\"event\":\"O\",\"properties\":{\"lines\":\"items\",\"sum\":\"items[].line_total\"},\"compute\":[\"line_" \
	"total_to_price\"]}"

/* clang-format off */
static const struct translation_case cases[] = {
	{ WIRE, "{\"event\":\"Order Completed\",\"event_id\":\"e\",\"properties\":{\"items\":[{\"item_id\":\"A\",\"price\":20000,\"quantity\":2}]}}",
	  "{\"event\":\"buy\",\"event_id\":\"e\",\"properties\":{\"items\":[{\"product_id\":\"A\",\"price\":10000,\"quantity\":2}]}}" },
	/* under our own name, prices are what we say they are */
	{ WIRE, "{\"event\":\"buy\",\"properties\":{\"items\":[{\"item_id\":\"A\",\"price\":20000,\"quantity\":2}]}}",
	  "{\"event\":\"buy\",\"properties\":{\"items\":[{\"product_id\":\"A\",\"price\":20000,\"quantity\":2}]}}" },
	{ WIRE, "{\"event\":\"buy\",\"properties\":{\"items\":[{\"price\":20000,\"product_id\":\"A\"}]}}", NULL },
	{ WIRE, "{\"event\":\"Order Completed\"}", "{\"event\":\"buy\"}" },
	{ WIRE, "{ \"event\" : \"Order\\u0020Completed\" , \"properties\" : 7 }", "{\"event\":\"buy\",\"properties\":7}" },
	{ WIRE, "{\"event\":\"order completed\"}", NULL },
	{ WIRE, "{\"event\":7}", NULL },
	{ WIRE, "{\"event\":\"buy\"}", NULL },
	{ WIRE, "{\"event\":\"Order Completed\",\"version\":\"9\",\"properties\":{\"item_id\":\"A\"}}",
	  "{\"event\":\"buy\",\"version\":\"9\",\"properties\":{\"item_id\":\"A\"}}" },
	/* a single product, without an array */
	{ WIRE, "{\"event\":\"buy\",\"properties\":{\"item_id\":\"A\",\"x\":1}}", "{\"event\":\"buy\",\"properties\":{\"items\":[{\"product_id\":\"A\"}],\"x\":1}}" },
	/* text that is a number where one is asked for, and only there */
	{ WIRE, "{\"event\":\"buy\",\"properties\":{\"value\":\"10.50\",\"items\":[{\"price\":\"1e2\",\"product_id\":\"7\",\"quantity\":\"2\"}]}}",
	  "{\"event\":\"buy\",\"properties\":{\"value\":10.50,\"items\":[{\"product_id\":\"7\",\"price\":1e2,\"quantity\":2}]}}" },
	{ WIRE, "{\"event\":\"buy\",\"properties\":{\"value\":\"1,000\"}}", NULL },
	{ WIRE, "{\"event\":\"buy\",\"properties\":{\"value\":\"007\"}}", NULL },
	{ WIRE, "{\"event\":\"buy\",\"properties\":{\"value\":\" 7\"}}", NULL },
	/* the rule told first wins; ours before all; what agrees is one; what does not keeps its name */
	{ TWO, "{\"event\":\"buy\",\"properties\":{\"b\":2,\"a\":1}}", "{\"event\":\"buy\",\"properties\":{\"b\":2,\"c\":1}}" },
	{ TWO, "{\"event\":\"buy\",\"properties\":{\"b\":1,\"a\":1}}", "{\"event\":\"buy\",\"properties\":{\"c\":1}}" },
	{ TWO, "{\"event\":\"buy\",\"properties\":{\"b\":1,\"c\":3}}", NULL },
	{ TWO, "{\"event\":\"buy\",\"properties\":{\"b\":3,\"c\":3}}", "{\"event\":\"buy\",\"properties\":{\"c\":3}}" },
	{ "{\"properties\":{\"a\":\"b\",\"b\":\"a\"}}", "{\"event\":\"buy\",\"properties\":{\"b\":1,\"a\":2}}", "{\"event\":\"buy\",\"properties\":{\"a\":1,\"b\":2}}" },
	{ "{\"properties\":{\"a\":\"c\"},\"drop\":[\"a\",\"d\"]}", "{\"event\":\"buy\",\"properties\":{\"a\":1,\"c\":2,\"d\":{\"x\":1}}}", "{\"event\":\"buy\",\"properties\":{\"c\":2}}" },
	{ "{\"drop\":\"d\"}", "{\"event\":\"buy\",\"properties\":{\"d\":1}}", "{\"event\":\"buy\",\"properties\":{}}" },
	/* nested names; an object that all has left goes, one that was empty stays */
	{ "{\"properties\":{\"ecommerce.purchase.id\":\"order_id\",\"ecommerce.purchase.products\":\"items\",\"ecommerce.purchase.products[].id\":\"items[].product_id\"}}",
	  "{\"event\":\"buy\",\"properties\":{\"ecommerce\":{\"purchase\":{\"id\":\"1\",\"products\":[{\"id\":\"A\"},{\"id\":\"B\",\"x\":[1, 2]}]}}}}",
	  "{\"event\":\"buy\",\"properties\":{\"order_id\":\"1\",\"items\":[{\"product_id\":\"A\"},{\"product_id\":\"B\",\"x\":[1,2]}],\"ecommerce\":{}}}" },
	{ "{\"properties\":{\"e.id\":\"order_id\"}}", "{\"event\":\"buy\",\"properties\":{\"e\":{\"id\":\"1\"}}}", "{\"event\":\"buy\",\"properties\":{\"order_id\":\"1\"}}" },
	{ "{\"properties\":{\"e.id\":\"order_id\"}}", "{\"event\":\"buy\",\"properties\":{\"e\":{\"id\":\"1\",\"more\":{}}}}", "{\"event\":\"buy\",\"properties\":{\"order_id\":\"1\",\"e\":{\"more\":{}}}}" },
	{ "{\"properties\":{\"a\":\"b\",\"e.id\":\"f.g\"}}", "{\"event\":\"buy\",\"properties\":{\"a\":1,\"e\":{}}}", "{\"event\":\"buy\",\"properties\":{\"b\":1,\"e\":{}}}" },
	{ "{\"properties\":{\"e.id\":\"f.g\"}}", "{\"event\":\"buy\",\"properties\":{\"e\":{\"id\":1},\"f\":{\"h\":2}}}", NULL },
	/* two arrays for one place: the foreign one keeps its name and its members theirs */
	{ LINES, "{\"event\":\"buy\",\"properties\":{\"lines\":[{\"sum\":1}],\"items\":[{\"product_id\":\"A\"}]}}", NULL },
	{ LINES, "{\"event\":\"buy\",\"properties\":{\"lines\":{\"sum\":1}}}", "{\"event\":\"buy\",\"properties\":{\"items\":{\"sum\":1}}}" },
	{ LINES, "{\"event\":\"buy\",\"properties\":{\"lines\":[7,{\"sum\":\"10\"},null]}}", "{\"event\":\"buy\",\"properties\":{\"items\":[7,{\"price\":10},null]}}" },
	{ LINES, "{\"event\":\"buy\",\"properties\":{\"items\":\"none\",\"sum\":1}}", NULL },
	/* sums of lines */
	{ LINES, "{\"event\":\"buy\",\"properties\":{\"lines\":[{\"sum\":\"59000.00\",\"quantity\":2},{\"sum\":10,\"quantity\":3},{\"sum\":1,\"quantity\":8.0},{\"sum\":-5,\"quantity\":2}]}}",
	  "{\"event\":\"buy\",\"properties\":{\"items\":[{\"price\":29500,\"quantity\":2},{\"price\":3.333333,\"quantity\":3},{\"price\":0.125,\"quantity\":8.0},{\"price\":-2.5,\"quantity\":2}]}}" },
	{ LINES, "{\"event\":\"O\",\"properties\":{\"items\":[{\"price\":5,\"quantity\":2,\"sum\":10}]}}", "{\"event\":\"buy\",\"properties\":{\"items\":[{\"price\":5,\"quantity\":2}]}}" },
	{ LINES, "{\"event\":\"O\",\"properties\":{\"items\":[{\"quantity\":0,\"sum\":10}]}}", "{\"event\":\"buy\",\"properties\":{\"items\":[{\"quantity\":0,\"line_total\":10}]}}" },
	{ LINES, "{\"event\":\"O\",\"properties\":{\"items\":[{\"quantity\":2,\"price\":10}]}}", "{\"event\":\"buy\",\"properties\":{\"items\":[{\"quantity\":2,\"price\":10}]}}" },
	/* numbers and strings keep their bytes */
	{ TWO, "{\"event\":\"buy\",\"properties\":{\"a\": 1.0E+2 ,\"big\":9007199254740993,\"s\":\"\\u00e9\\/두\",\"n\":null}}",
	  "{\"event\":\"buy\",\"properties\":{\"big\":9007199254740993,\"c\":1.0E+2,\"n\":null,\"s\":\"\\u00e9\\/두\"}}" },
};
/* clang-format on */

static void test_rules(void **state)
{
	char dir[64];

	(void)state;
	make_dir(dir);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct error err = { 0 };
		struct slice schema = arena_print(
		        &arena,
		        "{\"x-headgate\":{\"aliases\":%s},\"properties\":{\"value\":{\"type\":\"number\"},\"items\":{"
		        "\"items\":{\"properties\":{\"price\":{\"type\":\"number\"},\"quantity\":{\"type\":\"integer\"}"
		        ",\"product_id\":{\"type\":\"string\"}}}}}}",
		        cases[i].aliases);
		write_schema(dir, "buy", schema.at);
		struct catalog *cat = load(dir, &err);
		if (!cat)
			fail_msg("%s", err.message);
		struct slice got = normalise(cat, slice_of(cases[i].sent));
		if (!slice_equal(got, slice_of(cases[i].expected)))
			fail_msg("%s\n%s: expected %s, got %.*s", cases[i].aliases, cases[i].sent, cases[i].expected,
			         SLICE_ARG(got));
		catalog_destroy(&cat);
	}
	print_message("%zu cases\n", sizeof cases / sizeof *cases);
	remove_dir(dir);
}

static void test_refused(void **state)
{
	static const struct {
		const char *aliases, *place;
	} table[] = {
		{ "7", "#/x-headgate/aliases: must be an object" },
		{ "{\"events\":[]}", "#/x-headgate/aliases/events: is not known" },
		{ "{\"event\":7}", "#/x-headgate/aliases/event: must be a string" },
		{ "{\"event\":[\"a\",\"\"]}", "#/x-headgate/aliases/event/1: must have" },
		{ "{\"properties\":[]}", "#/x-headgate/aliases/properties: must be an object" },
		{ "{\"properties\":{\"a\":1}}", "#/x-headgate/aliases/properties/a: must be a string" },
		{ "{\"properties\":{\"a\":\"\"}}", "#/x-headgate/aliases/properties/a: must be a path" },
		{ "{\"properties\":{\"a.\":\"b\"}}", "#/x-headgate/aliases/properties/a.: must be a path" },
		{ "{\"properties\":{\"a[]\":\"b\"}}", "#/x-headgate/aliases/properties/a[]: must be a path" },
		{ "{\"properties\":{\"a\":\"b[0].c\"}}", "#/x-headgate/aliases/properties/a: must be a path" },
		{ "{\"properties\":{\"a\":\"b[].c[].d\"}}", "#/x-headgate/aliases/properties/a: must be a path" },
		{ "{\"properties\":{\"a\":\"1.2.3.4.5.6.7\"}}", "#/x-headgate/aliases/properties/a: must be a path" },
		{ "{\"properties\":{\"a\":\"a\"}}", "#/x-headgate/aliases/properties/a: leads to itself" },
		{ "{\"properties\":{\"p[].a\":\"x[].a\",\"p[].b\":\"y[].b\"}}", "\"p\" is sent to two places" },
		{ "{\"properties\":{\"p[].a\":\"x.y\"}}", "leads out of an array into an object" },
		{ "{\"drop\":[1]}", "#/x-headgate/aliases/drop/0: must be a string" },
		{ "{\"compute\":\"line_total\"}", "#/x-headgate/aliases/compute: must be line_total_to_price" },
	};
	const struct schema_options options = { .path = SLICE("events/buy/1-0-0.json"), .name = SLICE("buy") };

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct error err = { 0 };
		struct slice text = arena_print(&arena, "{\"x-headgate\":{\"aliases\":%s}}", table[i].aliases);
		assert_null(schema_compile_text(text, &options, &arena, &err));
		if (!strstr(err.message, table[i].place))
			fail_msg("%s: %s", table[i].aliases, err.message);
	}
}

static void test_one_name_for_two_events(void **state)
{
	static const struct {
		const char *buy, *sell;
		bool good;
	} table[] = {
		{ "{\"event\":[\"O\"]}", "{\"event\":[\"O\"]}", false },
		{ "{\"event\":[\"sell\"]}", "{}", false },
		{ "{\"event\":[\"buy\",\"O\",\"O\"]}", "{\"event\":[\"P\"]}", true },
	};
	char dir[64];

	(void)state;
	make_dir(dir);
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct error err = { 0 };
		write_schema(dir, "buy", arena_print(&arena, "{\"x-headgate\":{\"aliases\":%s}}", table[i].buy).at);
		write_schema(dir, "sell", arena_print(&arena, "{\"x-headgate\":{\"aliases\":%s}}", table[i].sell).at);
		struct catalog *cat = load(dir, &err);
		assert_int_equal(cat != NULL, table[i].good);
		if (!cat && !strstr(err.message, "1-0-0.json#/x-headgate/aliases/event: "))
			fail_msg("%s", err.message);
		if (cat)
			catalog_destroy(&cat);
	}
	remove_dir(dir);
}

static void test_unit_price(void **state)
{
	static const struct {
		const char *total, *pieces, *price; /* "": cannot be told */
	} table[] = {
		{ "59000", "2", "29500" },
		{ "59000.00", "2", "29500" },
		{ "0", "3", "0" },
		{ "0.30", "3", "0.1" },
		{ "10", "3", "3.333333" },
		{ "20", "3", "6.666667" },
		{ "-20", "3", "-6.666667" },
		{ "1", "4", "0.25" },
		{ "1", "1000000", "0.000001" },
		{ "1", "3000000", "0" },
		{ "100", "1", "100" },
		{ "999999999999999", "1", "999999999999999" },
		{ "1000000000000000", "1", "" },
		{ "10", "0", "" },
		{ "10", "-1", "" },
		{ "10", "1.5", "" },
		{ "10", "2.0", "5" },
		{ "1e3", "2", "" },
		{ "", "2", "" },
		{ "10", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct slice got = unit_price_compute(slice_of(table[i].total), slice_of(table[i].pieces), &arena);
		if (!slice_equal(got, slice_of(table[i].price)))
			fail_msg("%s / %s: expected \"%s\", got \"%.*s\"", table[i].total, table[i].pieces,
			         table[i].price, SLICE_ARG(got));
	}
}

/* Work and memory stay in proportion where somebody sends as many moves as fit an event. */
static void test_many_items(void **state)
{
	struct error err = { 0 };
	struct catalog *cat = load("schemas", &err);
	struct buffer text;

	(void)state;
	assert_non_null(cat);
	buffer_init(&text, &arena);
	buffer_append(&text, SLICE("{\"event\":\"transaction\",\"properties\":{\"products\":["));
	for (int i = 0; i < 60000; i++)
		buffer_append(&text, i ? SLICE(",{\"id\":\"1\"}") : SLICE("{\"id\":\"1\"}"));
	buffer_append(&text, SLICE("]}}"));
	struct slice got = normalise(cat, buffer_slice(&text));
	assert_true(
	        slice_starts(got, SLICE("{\"event\":\"purchase\",\"properties\":{\"items\":[{\"product_id\":\"1\"},")));
	catalog_destroy(&cat);
}

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, (size_t)512 << 20);
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
		cmocka_unit_test(test_shops),
		cmocka_unit_test(test_shipped_names),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_one_name_for_two_events),
		cmocka_unit_test(test_unit_price),
		cmocka_unit_test(test_many_items),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
