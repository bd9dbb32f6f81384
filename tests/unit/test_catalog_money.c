/* What is warned of: sums that do not add up, decimals that a currency does not have. And what it costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "catalog/decimal.h"
#include "catalog/money.h"

#define ITEM(price, quantity) "{\"product_id\":\"a\",\"price\":" price ",\"quantity\":" quantity "}"
#define ORDER(currency, value, more, items) \
	"{\"currency\":\"" currency "\",\"value\":" value more ",\"items\":[" items "]}"

static struct arena arena;

struct money_case {
	const char *properties;
	const char *findings; /* "path rule" joined by ", " */
};

/* clang-format off */
static const struct money_case cases[] = {
	{ ORDER("KRW", "59000", "", ITEM("29500", "2")), "" },
	{ ORDER("KRW", "59001", "", ITEM("29500", "2")), "/properties/value value_differs" },
	{ ORDER("KRW", "58999", "", ITEM("29500", "2")), "/properties/value value_differs" },
	{ ORDER("KRW", "62000", ",\"shipping\":3000", ITEM("29500", "2")), "" },
	{ ORDER("KRW", "62001", ",\"shipping\":3000", ITEM("29500", "2")), "/properties/value value_differs" },
	{ ORDER("KRW", "50637", ",\"shipping\":2000,\"tax\":5363,\"discount\":1000", ITEM("29500", "2")), "" },
	{ ORDER("KRW", "50636", ",\"shipping\":2000,\"tax\":5363,\"discount\":1000", ITEM("29500", "2")), "/properties/value value_differs" },
	{ ORDER("KRW", "590", "", ITEM("29500", "2") "," ITEM("1", "1")), "/properties/value value_differs" },
	/* a discount of one piece explains as much as there are pieces */
	{ ORDER("KRW", "56000", "", "{\"price\":29500,\"quantity\":2,\"discount\":1500}"), "" },
	{ ORDER("KRW", "55999", "", "{\"price\":29500,\"quantity\":2,\"discount\":1500}"), "/properties/value value_differs" },
	/* no quantity is one piece; without a price nothing is judged */
	{ ORDER("KRW", "29500", "", "{\"price\":29500}"), "" },
	{ ORDER("KRW", "29501", "", "{\"price\":29500}"), "/properties/value value_differs" },
	{ ORDER("KRW", "1", "", "{\"product_id\":\"a\"}"), "" },
	{ ORDER("KRW", "1", "", ITEM("29500", "2") ",{\"product_id\":\"a\"}"), "" },
	{ "{\"currency\":\"KRW\",\"value\":1}", "" },
	{ "{\"value\":1,\"items\":[" ITEM("29500", "2") "]}", "" },
	{ "{\"currency\":\"KRW\",\"items\":[" ITEM("29500", "2") "]}", "" },
	/* what is no money passes: other schemas may use the names */
	{ "{\"currency\":\"KRW\",\"value\":\"1\",\"items\":[1]}", "" },
	{ "{\"currency\":7,\"value\":1,\"items\":{}}", "" },
	{ ORDER("KRW", "1", "", ITEM("\"29500\"", "2")), "" },
	{ ORDER("KRW", "1", "", ITEM("29500", "0.5")), "" },
	{ ORDER("KRW", "59000", "", ITEM("29500", "2.0")), "" },
	{ ORDER("KRW", "59001", "", ITEM("29500", "2.0")), "/properties/value value_differs" },
	/* exact where doubles are not, and deaf to what doubles leave behind */
	{ ORDER("USD", "0.3", "", ITEM("0.1", "3")), "" },
	{ ORDER("USD", "41.25", "", ITEM("13.75", "3")), "" },
	{ ORDER("USD", "41.24", "", ITEM("13.75", "3")), "/properties/value value_differs" },
	{ ORDER("USD", "41.24999999999999", "", ITEM("13.75", "3")), "/properties/value currency_decimals" },
	{ ORDER("USD", "999999999999.99", "", ITEM("999999.99999999", "1000000")), "/properties/items/0/price currency_decimals" },
	{ ORDER("USD", "900719925474099.3", "", ITEM("900719925474099.1", "1")), "/properties/value value_differs" },
	{ ORDER("USD", "1e99", "", ITEM("1", "1")), "" },
	/* decimals by currency; zeros do not count */
	{ ORDER("KRW", "59000.00", "", ITEM("29500.0", "2")), "" },
	{ ORDER("KRW", "59000.5", "", ITEM("29500.25", "2")), "/properties/value currency_decimals, /properties/items/0/price currency_decimals" },
	{ ORDER("JPY", "1.5", "", ITEM("1.5", "1")), "/properties/value currency_decimals, /properties/items/0/price currency_decimals" },
	{ ORDER("USD", "1.25", "", ITEM("1.25", "1")), "" },
	{ ORDER("USD", "1.255", "", ITEM("1.255", "1")), "/properties/value currency_decimals, /properties/items/0/price currency_decimals" },
	{ ORDER("KWD", "1.255", "", ITEM("1.255", "1")), "" },
	{ ORDER("KWD", "1.2555", "", ITEM("1.2555", "1")), "/properties/value currency_decimals, /properties/items/0/price currency_decimals" },
	{ ORDER("CLF", "1.2555", "", ITEM("1.2555", "1")), "" },
	{ ORDER("KRW", "128000", ",\"tax\":11636.36,\"total\":1e-3", ITEM("128000", "1")), "/properties/total currency_decimals, /properties/tax currency_decimals" },
	{ "{\"currency\":\"KRW\",\"value\":1.5}", "/properties/value currency_decimals" },
	/* the sum has a place of its own */
	{ ORDER("KRW", "1.5", ",\"total\":1.5,\"tax\":1.5,\"shipping\":1.5,\"discount\":1.5", ITEM("99.5", "1")),
	  "/properties/value currency_decimals, /properties/total currency_decimals, /properties/tax currency_decimals, /properties/value value_differs" },
	{ "{}", "" },
};
/* clang-format on */

static void scan(struct slice text, struct json_doc *doc)
{
	const struct json_options options = { .depth_max = 64, .nodes_max = 1000000 };
	size_t at = 0;

	memset(doc, 0, sizeof *doc);
	if (json_scan(doc, text, &options, &arena, &at) != JSON_OK)
		fail_msg("not JSON: %.*s", SLICE_ARG(text));
}

static void test_findings(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct money_finding found[MONEY_FINDINGS_MAX];
		struct json_doc doc;
		struct buffer got;
		scan(slice_of(cases[i].properties), &doc);
		size_t count = money_check(&doc, 0, &arena, found);
		buffer_init(&got, &arena);
		for (size_t f = 0; f < count; f++)
			buffer_append_format(&got, "%s%.*s %.*s", f ? ", " : "", SLICE_ARG(found[f].path),
			                     SLICE_ARG(found[f].rule));
		if (!slice_equal(buffer_slice(&got), slice_of(cases[i].findings)))
			fail_msg("%s: expected \"%s\", got \"%.*s\"", cases[i].properties, cases[i].findings,
			         SLICE_ARG(buffer_slice(&got)));
	}
	print_message("%zu cases\n", sizeof cases / sizeof *cases);
}

static void test_minor_units(void **state)
{
	static const struct {
		const char *codes;
		unsigned units;
	} table[] = {
		{ "KRW JPY VND CLP ISK UGX PYG XAF XOF XPF BIF DJF GNF KMF RWF VUV UYI", 0 },
		{ "BHD IQD JOD KWD LYD OMR TND", 3 },
		{ "CLF UYW", 4 },
		{ "USD EUR CNY GBP krw K \xEA\xB0\x80", 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct slice rest = slice_of(table[i].codes);
		while (rest.len) {
			struct slice code = slice_split(&rest, ' ');
			if (money_minor_units(code) != table[i].units)
				fail_msg("%.*s", SLICE_ARG(code));
		}
	}
	assert_int_equal(money_minor_units(SLICE_NONE), 2);
}

static void test_places(void **state)
{
	static const struct {
		const char *text;
		uint32_t places;
	} table[] = { { "0", 0 },      { "0.00", 0 },    { "1e3", 0 },
		      { "1.50e1", 0 }, { "-1.250", 2 },  { "12.5e-1", 2 },
		      { "1e-1", 1 },   { "100e-2", 0 },  { "1e-9999999999", UINT32_MAX },
		      { "0.1e1", 0 },  { "0.000001", 6 } };

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (decimal_places(slice_of(table[i].text)) != table[i].places)
			fail_msg("%s: %u", table[i].text, decimal_places(slice_of(table[i].text)));
}

/* Many items at the bounds: nothing overflows (UBSan would tell), and the difference is still seen. */
static void test_extremes(void **state)
{
	struct money_finding found[MONEY_FINDINGS_MAX];
	struct json_doc doc;
	struct buffer text;

	(void)state;
	buffer_init(&text, &arena);
	buffer_append(&text, SLICE("{\"currency\":\"USD\",\"value\":1,\"items\":["));
	for (int i = 0; i < 65535; i++) {
		if (i)
			buffer_append_char(&text, ',');
		buffer_append(&text, SLICE(ITEM("999999999999999.99", "1000000")));
	}
	buffer_append(&text, SLICE("]}"));
	scan(buffer_slice(&text), &doc);
	assert_int_equal(money_check(&doc, 0, &arena, found), 1);
	assert_true(slice_equal(found[0].rule, SLICE("value_differs")));
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
		cmocka_unit_test(test_findings),
		cmocka_unit_test(test_minor_units),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_extremes),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
