/* Keywords, messages, decimals, and schemas that must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "catalog/decimal.h"
#include "catalog/name_table.h"
#include "catalog/schema.h"

static struct arena arena;

static const struct schema *compile(const char *text, struct error *err)
{
	const struct schema_options options = { .path = SLICE("draft.json"), .name = SLICE("purchase") };

	return schema_compile_text(slice_of(text), &options, &arena, err);
}

static void scan(const char *text, struct json_doc *doc)
{
	const struct json_options options = { .depth_max = 512, .nodes_max = 1000000 };
	size_t offset;

	memset(doc, 0, sizeof *doc);
	assert_int_equal(json_scan(doc, slice_of(text), &options, &arena, &offset), JSON_OK);
}

static bool check(const char *schema_text, const char *value, struct violations *v)
{
	struct error err = { 0 };
	struct json_doc doc;
	const struct schema *schema = compile(schema_text, &err);

	if (!schema)
		fail_msg("%s: %s", schema_text, err.message);
	scan(value, &doc);
	violations_init(v, &arena);
	return schema_validate(schema, &doc, 0, SLICE("/properties"), v);
}

struct verdict {
	const char *schema, *value;
	const char *path, *rule, *message; /* NULL: valid */
};

/* clang-format off */
static const struct verdict verdicts[] = {
	{ "true", "1", NULL, NULL, NULL },
	{ "false", "1", "/properties", "false", "is not allowed here" },
	{ "{\"type\":\"string\"}", "\"a\"", NULL, NULL, NULL },
	{ "{\"type\":\"string\"}", "1", "/properties", "type", "must be a string, got number" },
	{ "{\"type\":\"number\"}", "\"1\"", "/properties", "type", "must be a number, got string" },
	{ "{\"type\":\"integer\"}", "1.0", NULL, NULL, NULL },
	{ "{\"type\":\"integer\"}", "12.50e1", NULL, NULL, NULL },
	{ "{\"type\":\"integer\"}", "1.5", "/properties", "type", "must be an integer, got 1.5" },
	{ "{\"type\":\"integer\"}", "true", "/properties", "type", "must be an integer, got boolean" },
	{ "{\"type\":[\"string\",\"null\"]}", "{}", "/properties", "type", "must be a string or null, got object" },
	{ "{\"type\":\"boolean\"}", "null", "/properties", "type", "must be true or false, got null" },
	{ "{\"type\":[\"number\",\"array\"]}", "\"a\"", "/properties", "type", "must be a number or an array, got string" },
	{ "{\"minimum\":0}", "0", NULL, NULL, NULL },
	{ "{\"minimum\":0}", "-3", "/properties", "minimum", "must be >= 0, got -3" },
	{ "{\"minimum\":0}", "\"a\"", NULL, NULL, NULL },
	{ "{\"minimum\":10.10}", "10.1", NULL, NULL, NULL },
	{ "{\"maximum\":9007199254740992}", "9007199254740993", "/properties", "maximum",
	  "must be <= 9007199254740992, got 9007199254740993" },
	{ "{\"maximum\":1e2}", "100.00000000000000000000001", "/properties", "maximum",
	  "must be <= 1e2, got 100.00000000000000000000001" },
	{ "{\"maximum\":0}", "1000000000000000000000000000000000000000000000000", "/properties", "maximum",
	  "must be <= 0, got a number of many digits" },
	{ "{\"exclusiveMinimum\":0}", "0.0", "/properties", "exclusiveMinimum", "must be > 0, got 0.0" },
	{ "{\"exclusiveMaximum\":1}", "0.999", NULL, NULL, NULL },
	{ "{\"exclusiveMaximum\":1}", "1e0", "/properties", "exclusiveMaximum", "must be < 1, got 1e0" },
	{ "{\"minLength\":1}", "\"\"", "/properties", "minLength", "must have at least 1 character, got 0" },
	{ "{\"minLength\":3}", "\"\xED\x95\x9C\xEA\xB8\x80\"", "/properties", "minLength", "must have at least 3 characters, got 2" },
	{ "{\"minLength\":2}", "\"\\ud83d\\ude00\"", "/properties", "minLength", "must have at least 2 characters, got 1" },
	{ "{\"maxLength\":2}", "\"\xED\x95\x9C\xEA\xB8\x80\"", NULL, NULL, NULL },
	{ "{\"maxLength\":2}", "\"abc\"", "/properties", "maxLength", "must have at most 2 characters, got 3" },
	{ "{\"maxLength\":2}", "\"\\u0061\\n\"", NULL, NULL, NULL },
	{ "{\"pattern\":\"^[A-Z]{3}$\"}", "\"KRW\"", NULL, NULL, NULL },
	{ "{\"pattern\":\"^[A-Z]{3}$\"}", "\"K\\u0052W\"", NULL, NULL, NULL },
	{ "{\"pattern\":\"^[A-Z]{3}$\"}", "\"KRW\\n\"", "/properties", "pattern", "must match the pattern ^[A-Z]{3}$" },
	{ "{\"pattern\":\"^\\\\p{Letter}+$\"}", "\"\xED\x95\x9C\"", NULL, NULL, NULL },
	{ "{\"pattern\":\"^(a+)+$\"}", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\"", "/properties", "pattern",
	  "takes too long to match against the schema's pattern" },
	{ "{\"enum\":[\"a\",1.0,null,[1,{\"b\":2}]]}", "\"a\"", NULL, NULL, NULL },
	{ "{\"enum\":[\"a\",1.0,null]}", "1", NULL, NULL, NULL },
	{ "{\"enum\":[\"a\",1.0,[1,{\"b\":2,\"c\":3}]]}", "[1.0,{\"c\":3e0,\"\\u0062\":2}]", NULL, NULL, NULL },
	{ "{\"enum\":[\"a\",[1,2]]}", "[1]", "/properties", "enum", "must be one of \"a\", [1,2], got an array" },
	{ "{\"enum\":[\"KRW\",\"USD\"]}", "\"secret\"", "/properties", "enum", "must be one of \"KRW\", \"USD\"" },
	{ "{\"enum\":[\"KRW\",\"USD\"]}", "false", "/properties", "enum", "must be one of \"KRW\", \"USD\", got false" },
	{ "{\"enum\":[]}", "1", "/properties", "enum", "is allowed no value, got 1" },
	{ "{\"const\":\"caf\\u00e9\"}", "\"caf\xC3\xA9\"", NULL, NULL, NULL },
	{ "{\"const\":1}", "2", "/properties", "const", "must be 1, got 2" },
	{ "{\"format\":\"date-time\"}", "\"2026-11-22T02:01:00.123+09:00\"", NULL, NULL, NULL },
	{ "{\"format\":\"date-time\"}", "\"2026-11-22\"", "/properties", "format",
	  "must be in the format date-time, as in 2026-11-22T02:01:00Z" },
	{ "{\"format\":\"date\"}", "\"2026-02-29\"", "/properties", "format", "must be in the format date, as in 2026-11-22" },
	{ "{\"format\":\"email\"}", "\"a@b.kr\"", NULL, NULL, NULL },
	{ "{\"format\":\"email\"}", "\"ab.kr\"", "/properties", "format", "must be in the format email, as in name@example.com" },
	{ "{\"format\":\"uri\"}", "\"/page\"", "/properties", "format", "must be in the format uri, as in https://shop.example/page" },
	{ "{\"format\":\"uuid\"}", "\"0190b6a2-7c1e-7000-8000-0123456789ab\"", NULL, NULL, NULL },
	{ "{\"format\":\"ipv4\"}", "\"256.0.0.1\"", "/properties", "format", "must be in the format ipv4, as in 203.0.113.7" },
	{ "{\"format\":\"ipv6\"}", "\"::1\"", NULL, NULL, NULL },
	{ "{\"items\":{\"type\":\"string\"}}", "[\"a\",1]", "/properties/1", "type", "must be a string, got number" },
	{ "{\"minItems\":1}", "[]", "/properties", "minItems", "must have at least 1 item, got 0" },
	{ "{\"maxItems\":1}", "[1,2]", "/properties", "maxItems", "must have at most 1 item, got 2" },
	{ "{\"required\":[\"order_id\"]}", "{}", "/properties/order_id", "required", "is required" },
	{ "{\"required\":[\"a/b~\"]}", "{}", "/properties/a~1b~0", "required", "is required" },
	{ "{\"required\":[\"a\"]}", "{\"\\u0061\":1}", NULL, NULL, NULL },
	{ "{\"properties\":{\"a\":{\"type\":\"null\"}}}", "{\"\\u0061\":1}", "/properties/a", "type", "must be null, got number" },
	{ "{\"properties\":{\"order_id\":{}},\"additionalProperties\":false}", "{\"orderId\":1}", "/properties/orderId",
	  "additionalProperties", "is not a known property of purchase; did you mean \"order_id\"?" },
	{ "{\"properties\":{\"order_id\":{}},\"additionalProperties\":false}", "{\"oder_id\":1}", "/properties/oder_id",
	  "additionalProperties", "is not a known property of purchase; did you mean \"order_id\"?" },
	{ "{\"properties\":{\"order_id\":{}},\"additionalProperties\":false}", "{\"colour\":1}", "/properties/colour",
	  "additionalProperties", "is not a known property of purchase" },
	{ "{\"properties\":{\"items\":{\"items\":{\"properties\":{\"price\":{}},\"additionalProperties\":false}}}}",
	  "{\"items\":[{},{\"pricee\":1}]}", "/properties/items/1/pricee", "additionalProperties",
	  "is not a known property of items; did you mean \"price\"?" },
	{ "{\"additionalProperties\":{\"type\":\"number\"}}", "{\"x\":\"a\"}", "/properties/x", "type", "must be a number, got string" },
	{ "{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"minimum\":1}}}", "0", "/properties", "minimum", "must be >= 1, got 0" },
	{ "{\"$ref\":\"#/$defs/a%25b\",\"minimum\":5,\"$defs\":{\"a%b\":{\"type\":\"number\"}}}", "4", "/properties", "minimum",
	  "must be >= 5, got 4" },
	{ "{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"$ref\":\"#/definitions/a\",\"minimum\":5,"
	  "\"definitions\":{\"a\":{}}}", "4", NULL, NULL, NULL },
	{ "{\"properties\":{\"next\":{\"$ref\":\"#\"}},\"additionalProperties\":false}", "{\"next\":{\"next\":{\"nxt\":1}}}",
	  "/properties/next/next/nxt", "additionalProperties", "is not a known property of next; did you mean \"next\"?" },
	{ "{\"multipleOf\":0.01}", "19.99", NULL, NULL, NULL },
	{ "{\"multipleOf\":0.01}", "19.999", "/properties", "multipleOf", "must be a multiple of 0.01, got 19.999" },
	{ "{\"multipleOf\":1e-8}", "12391239123", NULL, NULL, NULL },
	{ "{\"multipleOf\":3}", "1e1000000000", "/properties", "multipleOf", "must be a multiple of 3, got 1e1000000000" },
	{ "{\"multipleOf\":9007199254740993}", "18014398509481986", NULL, NULL, NULL },
	{ "{\"uniqueItems\":true}", "[1,{\"a\":1,\"b\":[\"x\"]},{\"b\":[\"\\u0078\"],\"a\":10e-1}]", "/properties/2", "uniqueItems",
	  "must not occur twice" },
	{ "{\"uniqueItems\":true}", "[1,true,\"1\",[1],null,false,0,{},[],\"\"]", NULL, NULL, NULL },
	{ "{\"contains\":{\"const\":1},\"minContains\":2}", "[1,2]", "/properties", "minContains",
	  "must have at least 2 items of the kind that the schema asks for" },
	{ "{\"propertyNames\":{\"maxLength\":2}}", "{\"abc\":1}", "/properties/abc", "propertyNames",
	  "is not a name that the schema allows" },
	{ "{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"a\":1}", "/properties/b", "dependentRequired",
	  "is required where a is given" },
	{ "{\"patternProperties\":{\"^n_\":{\"type\":\"number\"}},\"additionalProperties\":false}", "{\"n_a\":1,\"x\":2}",
	  "/properties/x", "additionalProperties", "is not a known property of purchase" },
	{ "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"number\",\"minimum\":5}]}", "3", "/properties", "minimum",
	  "must be >= 5, got 3" },
	{ "{\"anyOf\":[{\"minimum\":9},{\"type\":\"number\",\"minimum\":5}]}", "3", "/properties", "anyOf",
	  "must fit one of the 2 alternatives of the schema, fits none" },
	{ "{\"oneOf\":[{\"minimum\":1},{\"minimum\":2}]}", "3", "/properties", "oneOf",
	  "must fit exactly one of the schema's alternatives, fits number 1 and 2" },
	{ "{\"not\":{\"pattern\":\"^(a+)+$\"}}", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\"", "/properties", "limit",
	  "takes too long to match against one of the schema's patterns" },
	{ "{\"allOf\":[{\"properties\":{\"a\":{}}}],\"unevaluatedProperties\":false}", "{\"a\":1,\"b\":2}", "/properties/b",
	  "unevaluatedProperties", "is not a known property of purchase" },
	{ "{\"prefixItems\":[{}],\"unevaluatedItems\":false}", "[1,2]", "/properties/1", "unevaluatedItems",
	  "is not allowed here" },
	{ "{\"$dynamicAnchor\":\"n\",\"$dynamicRef\":\"#n\"}", "1", "/properties", "limit",
	  "takes too long to check: references lead too deep" },
	{ "{\"pattern\":\"^\\\\s$\"}", "\"\xEF\xBB\xBF\"", NULL, NULL, NULL },
	{ "{\"pattern\":\"^.$\"}", "\"\\u2028\"", "/properties", "pattern", "must match the pattern ^.$" },
	{ "{\"pattern\":\"^[\\\\uD83D\\\\uDC32-\\\\u{1F433}]$\"}", "\"\xF0\x9F\x90\xB2\"", NULL, NULL, NULL },
	{ "{\"pattern\":\"^(?<y>a)\\\\k<y>[[:a-]$\"}", "\"aa[\"", NULL, NULL, NULL },
	/* What is marked as personal is never quoted, not even by its length. */
	{ "{\"x-pii\":\"phone\",\"maximum\":1}", "821012345678", "/properties", "maximum", "must be <= 1" },
	{ "{\"x-pii\":\"phone\",\"type\":\"integer\"}", "1.5", "/properties", "type", "must be an integer, got number" },
	{ "{\"x-pii\":\"phone\",\"maxLength\":1}", "\"ab\"", "/properties", "maxLength", "must have at most 1 character" },
	{ "{\"x-pii\":\"phone\",\"enum\":[1]}", "12345", "/properties", "enum", "must be 1" },
	{ "{\"x-pii\":\"id\",\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"items\":{\"minimum\":3}}}}", "[2]", "/properties/0",
	  "minimum", "must be >= 3" },
};
/* clang-format on */

static void test_verdicts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++) {
		const struct verdict *want = &verdicts[i];
		struct violations v;
		bool valid = check(want->schema, want->value, &v);
		if (valid != (want->rule == NULL) || valid != (v.count == 0))
			fail_msg("%s with %s: %s", want->schema, want->value, valid ? "valid" : "invalid");
		if (valid)
			continue;
		if (!slice_equal(v.at[0].path, slice_of(want->path)) ||
		    !slice_equal(v.at[0].rule, slice_of(want->rule)) ||
		    !slice_equal(v.at[0].message, slice_of(want->message)))
			fail_msg("%s with %s: %.*s [%.*s] %.*s", want->schema, want->value, SLICE_ARG(v.at[0].path),
			         SLICE_ARG(v.at[0].rule), SLICE_ARG(v.at[0].message));
		assert_int_equal(v.count, 1);
	}
}

/* clang-format off */
static const struct {
	const char *schema, *place, *reason;
} refused[] = {
	{ "{\"type\":\"text\"}", "#/type:", "must be one of null, boolean" },
	{ "{\"type\":[]}", "#/type:", "names no type" },
	{ "{\"type\":[\"string\",1]}", "#/type/1:", "must be a type's name, got number" },
	{ "{\"properties\":[]}", "#/properties:", "must be an object" },
	{ "{\"properties\":{\"a/b\":{\"minimum\":\"1\"}}}", "#/properties/a~1b/minimum:", "must be a number, got string" },
	{ "{\"properties\":{\"a\":1}}", "#/properties/a:", "must be a schema" },
	{ "{\"required\":\"a\"}", "#/required:", "must be an array of names" },
	{ "{\"required\":[1]}", "#/required/0:", "must be a name" },
	{ "{\"additionalProperties\":1}", "#/additionalProperties:", "must be a schema" },
	{ "{\"enum\":1}", "#/enum:", "must be an array" },
	{ "{\"minLength\":-1}", "#/minLength:", "must be an integer of 0 or more" },
	{ "{\"maxItems\":1.5}", "#/maxItems:", "must be an integer of 0 or more" },
	{ "{\"pattern\":\"a(\"}", "#/pattern:", "not a regular expression: missing closing parenthesis at character 2" },
	{ "{\"format\":\"host\"}", "#/format:", "format \"host\" is not known; known are date-time" },
	{ "{\"items\":[{}]}", "#/items:", "must be a schema" },
	{ "{\"oneOf\":[]}", "#/oneOf:", "holds no schema" },
	{ "{\"anyOf\":{}}", "#/anyOf:", "must be an array of schemas" },
	{ "{\"$defs\":{\"a\":{\"multipleOf\":0.0}}}", "#/$defs/a/multipleOf:", "must be above 0" },
	{ "{\"multipleOf\":1.00000000000000000000000000000000000001}", "#/multipleOf:", "at most 37 digits" },
	{ "{\"additionalItems\":{}}", "#/additionalItems:", "is a keyword of draft-07, this schema is 2020-12" },
	{ "{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"prefixItems\":[]}", "#/prefixItems:",
	  "is a keyword of 2020-12, this schema is draft-07" },
	{ "{\"patternProperties\":{\"a(\":{}}}", "#/patternProperties/a(:", "missing closing parenthesis" },
	{ "{\"pattern\":\"a++\"}", "#/pattern:", "nothing to repeat at character 2" },
	{ "{\"pattern\":\"(?<=a+)b\"}", "#/pattern:", "beyond what is supported" },
	{ "{\"pattern\":\"\\\\Qa\"}", "#/pattern:", "an escape that does not exist" },
	{ "{\"dependentRequired\":{\"a\":[1]}}", "#/dependentRequired/a/0:", "must be a name" },
	{ "{\"$defs\":{\"a\":{\"$id\":\"x\"},\"b\":{\"$id\":\"x\"}}}", "#/$defs/b/$id:", "duplicate $id" },
	{ "{\"$defs\":{\"a\":{\"$anchor\":\"x\"},\"b\":{\"$anchor\":\"x\"}}}", "#/$defs/b/$anchor:", "duplicate anchor" },
	{ "{\"$anchor\":\"1\"}", "#/$anchor:", "must be a letter or _" },
	{ "{\"anyOf\":[{},{\"$ref\":\"#\"}]}", "#", "leads back to itself" },
	{ "{\"not\":{\"allOf\":[{\"$ref\":\"#/not\"}]}}", "#/not", "leads back to itself" },
	{ "{\"requird\":[]}", "#/requird:", "is not a keyword of JSON Schema; did you mean \"required\"?" },
	{ "{\"frobnicate\":1}", "#/frobnicate:", "is not a keyword of JSON Schema" },
	{ "{\"x-pii\":\"mail\"}", "#/x-pii:", "must be one of email" },
	{ "{\"x-pii\":\"email\",\"x-pii-action\":\"burn\"}", "#/x-pii-action:", "must be one of keep" },
	{ "{\"x-pii-action\":\"drop\"}", "#:", "x-pii-action without x-pii" },
	{ "{\"x-piii\":\"email\"}", "#/x-piii:", "is not a keyword" },
	{ "{\"x-headgate\":{}}", "#/x-headgate:", "belongs at the root of an event's schema" },
	{ "{\"$ref\":\"#/$defs/none\"}", "#/$ref:", "leads nowhere" },
	{ "{\"$ref\":\"#name\"}", "#/$ref:", "has no anchor name" },
	{ "{\"$ref\":\"#/%zz\"}", "#/$ref:", "wrong percent-encoding" },
	{ "{\"$ref\":\"http://example.com/x.json\"}", "#/$ref:", "nothing is fetched" },
	{ "{\"$ref\":\"other.json\"}", "#/$ref:", "within the schemas' folder" },
	{ "{\"$ref\":\"#\"}", "#:", "leads back to itself" },
	{ "{\"properties\":{\"a\":{\"$ref\":\"#/$defs/b\"}},\"$defs\":{\"b\":{\"$ref\":\"#/$defs/c\"},\"c\":{\"$ref\":\"#/$defs/b\"}}}",
	  "#/", "leads back to itself" },
	{ "{\"$schema\":\"http://json-schema.org/draft-04/schema#\"}", "#/$schema:", "dialect is not supported" },
	{ "{\"properties\":{\"a\":{\"$id\":\"b#c\"}}}", "#/properties/a/$id:", "must not have a fragment" },
	{ "{\"title\":1}", "#/title:", "must be a string" },
	{ "{\"examples\":{}}", "#/examples:", "must be an array" },
	{ "{\"type\":\"string\",\"type\":\"number\"}", "#:", "the same name twice" },
	{ "{\"type\":\n\n}", "#:", "not JSON, noticed in line 3" },
	{ "3", "#:", "must be a schema (an object, true or false), got number" },
};
/* clang-format on */

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		struct error err = { 0 };
		char place[128];
		if (compile(refused[i].schema, &err))
			fail_msg("%s: not refused", refused[i].schema);
		snprintf(place, sizeof place, "draft.json%s", refused[i].place);
		if (!strstr(err.message, place) || !strstr(err.message, refused[i].reason))
			fail_msg("%s: %s", refused[i].schema, err.message);
	}
}

static void test_decimals(void **state)
{
	/* Ascending; equal ones on one line. */
	static const char *const ladder[][4] = {
		{ "-1e400", "-10E399" },
		{ "-123456789012345678901234567890" },
		{ "-1", "-1.0", "-10e-1" },
		{ "-0.5", "-5e-1" },
		{ "0", "-0", "0.000", "0e99999999999999999999" },
		{ "1e-400", "0.1e-399" },
		{ "0.1", "0.10", "1e-1" },
		{ "0.10000000000000000000001" },
		{ "10.1", "10.10", "101e-1" },
		{ "9007199254740992", "9007199254740992.0" },
		{ "9007199254740993", "9.007199254740993e15" },
		{ "999999999999999999" },
		{ "1000000000000000000", "1e18" },
		{ "1000000000000000000.5" },
		{ "1e400", "0.01e402", "100e398" },
	};
	static const char *const integers[] = { "0",      "-1",  "1.0",    "1e3",
		                                "1.50e1", "0.0", "100e-2", "12345678901234567890.000" };
	static const char *const fractions[] = {
		"0.5", "1e-1", "1.50", "15e-1", "12345678901234567890.001", "1e-99999999999999999999"
	};
	const size_t steps = sizeof ladder / sizeof *ladder;

	(void)state;
	for (size_t i = 0; i < steps * 4; i++) {
		for (size_t j = 0; j < steps * 4; j++) {
			const char *x = ladder[i / 4][i % 4], *y = ladder[j / 4][j % 4];
			if (!x || !y)
				continue;
			struct decimal a = decimal_parse(slice_of(x)), b = decimal_parse(slice_of(y));
			int want = (i / 4 > j / 4) - (i / 4 < j / 4), got = decimal_compare(&a, &b);
			if ((got > 0) - (got < 0) != want)
				fail_msg("%s and %s: %d", x, y, got);
		}
	}
	for (size_t i = 0; i < sizeof integers / sizeof *integers; i++)
		assert_true(decimal_is_integer(slice_of(integers[i])));
	for (size_t i = 0; i < sizeof fractions / sizeof *fractions; i++)
		assert_false(decimal_is_integer(slice_of(fractions[i])));
}

static void test_many_violations(void **state)
{
	struct buffer text;
	struct violations v;

	(void)state;
	buffer_init(&text, &arena);
	buffer_append_char(&text, '[');
	for (int i = 0; i < 10000; i++)
		buffer_append(&text, i ? SLICE(",\"x\"") : SLICE("\"x\""));
	buffer_append(&text, SLICE("]\0"));
	assert_false(check("{\"items\":{\"type\":\"number\"}}", text.at, &v));
	assert_int_equal(v.count, VIOLATIONS_MAX);
	assert_int_equal(v.more, 10000 - VIOLATIONS_MAX);
	assert_true(slice_equal(v.at[15].path, SLICE("/properties/15")));
}

/* All that is wrong is told at once, and a long foreign name is cut in the path. */
static void test_several(void **state)
{
	struct violations v;
	char value[700];
	char name[401];

	(void)state;
	memset(name, 'n', 400);
	name[400] = '\0';
	snprintf(value, sizeof value, "{\"value\":-1,\"%s\":1}", name);
	assert_false(check("{\"required\":[\"order_id\",\"items\"],\"properties\":{\"value\":{\"minimum\":0}},"
	                   "\"additionalProperties\":false}",
	                   value, &v));
	assert_int_equal(v.count, 4);
	assert_true(slice_equal(v.at[0].path, SLICE("/properties/value")));
	assert_int_equal(v.at[1].path.len, sizeof "/properties/" - 1 + 128 + 3);
	assert_true(slice_equal(v.at[2].path, SLICE("/properties/order_id")));
	assert_true(slice_equal(v.at[3].path, SLICE("/properties/items")));
}

/* More required names than the bit mask holds. */
static void test_many_required(void **state)
{
	struct buffer schema, value;
	struct violations v;

	(void)state;
	buffer_init(&schema, &arena);
	buffer_init(&value, &arena);
	buffer_append(&schema, SLICE("{\"required\":["));
	buffer_append_char(&value, '{');
	for (int i = 0; i < 100; i++) {
		buffer_append_format(&schema, "%s\"n%d\"", i ? "," : "", i);
		if (i != 3 && i != 97)
			buffer_append_format(&value, "%s\"n%d\":1", i ? "," : "", i);
	}
	buffer_append(&schema, SLICE("]}\0"));
	buffer_append(&value, SLICE("}\0"));
	assert_false(check(schema.at, value.at, &v));
	assert_int_equal(v.count, 2);
	assert_true(slice_equal(v.at[0].path, SLICE("/properties/n3")));
	assert_true(slice_equal(v.at[1].path, SLICE("/properties/n97")));
}

static void test_name_table(void **state)
{
	struct slice names[500];
	struct name_table table;

	(void)state;
	for (size_t i = 0; i < 500; i++)
		names[i] = arena_print(&arena, "aaaaaaaa%zubbbbbbbb", i);
	assert_true(name_table_init(&table, names, 500, &arena));
	for (uint32_t i = 0; i < 500; i++)
		assert_int_equal(name_table_find(&table, names[i]), i);
	assert_int_equal(name_table_find(&table, SLICE("aaaaaaaa500bbbbbbbb")), NAME_TABLE_NONE);
	assert_int_equal(name_table_find(&table, SLICE("")), NAME_TABLE_NONE);
	assert_true(name_table_init(&table, names, 0, &arena));
	assert_int_equal(name_table_find(&table, SLICE("a")), NAME_TABLE_NONE);
}

/* A schema as deep as a chain of references may grow neither stack nor time. */
static void test_long_reference_chain(void **state)
{
	struct buffer schema;
	struct error err = { 0 };

	(void)state;
	buffer_init(&schema, &arena);
	buffer_append(&schema, SLICE("{\"$defs\":{\"d0\":{}"));
	for (int i = 1; i <= 20000; i++)
		buffer_append_format(&schema, ",\"d%d\":{\"$ref\":\"#/$defs/d%d\"}", i, i - 1);
	buffer_append(&schema, SLICE("},\"$ref\":\"#/$defs/d20000\"}\0"));
	assert_null(compile(schema.at, &err));
	assert_non_null(strstr(err.message, "through too many others"));
}

/* Combinations within combinations: 2^40 ways to fail, and an end all the same. */
static void test_branching(void **state)
{
	struct buffer schema;
	struct violations v;

	(void)state;
	buffer_init(&schema, &arena);
	buffer_append(&schema, SLICE("{\"$defs\":{\"d0\":false"));
	for (int i = 1; i <= 40; i++)
		buffer_append_format(&schema,
		                     ",\"d%d\":{\"anyOf\":[{\"$ref\":\"#/$defs/d%d\"},{\"$ref\":\"#/$defs/d%d\"}]}", i,
		                     i - 1, i - 1);
	buffer_append(&schema, SLICE("},\"not\":{\"$ref\":\"#/$defs/d40\"}}\0"));
	assert_false(check(schema.at, "1", &v));
	assert_int_equal(v.count, 1);
	assert_true(slice_equal(v.at[0].rule, SLICE("limit")));
}

/* A hundred thousand different elements, then the same with one more: not a matter of squares. */
static void test_many_unique(void **state)
{
	struct buffer text;
	struct violations v;

	(void)state;
	buffer_init(&text, &arena);
	for (int i = 0; i < 100000; i++)
		buffer_append_format(&text, "%c{\"a\":%d.0}", i ? ',' : '[', i);
	size_t len = text.len;
	buffer_append(&text, SLICE("]\0"));
	assert_true(check("{\"uniqueItems\":true}", text.at, &v));
	text.len = len;
	buffer_append(&text, SLICE(",{\"a\":7e0}]\0"));
	assert_false(check("{\"uniqueItems\":true}", text.at, &v));
	assert_true(slice_equal(v.at[0].path, SLICE("/properties/100000")));
}

/* More members than the marks on the stack have room for. */
static void test_many_unevaluated(void **state)
{
	struct buffer text;
	struct violations v;

	(void)state;
	buffer_init(&text, &arena);
	for (int i = 0; i < 1000; i++)
		buffer_append_format(&text, "%c\"%c%d\":1", i ? ',' : '{', i % 2 ? 'a' : 'b', i);
	buffer_append(&text, SLICE("}\0"));
	assert_false(
	        check("{\"anyOf\":[{\"patternProperties\":{\"^a\":true}},{\"patternProperties\":{\"^b.*[05]$\":true}},"
	              "{\"required\":[\"none\"],\"additionalProperties\":true}],\"unevaluatedProperties\":false}",
	              text.at, &v));
	assert_int_equal(v.count + v.more, 400);
	assert_true(slice_equal(v.at[0].path, SLICE("/properties/b2")));
}

/* The standard's rules: unknown keywords are ignored, formats are not asserted unless asked for. */
static void test_specification(void **state)
{
	struct schema_options options = { .path = SLICE("draft.json"), .specification = true };
	const struct slice text = SLICE("{\"frobnicate\":1,\"format\":\"ipv4\",\"$defs\":{\"x\":{\"type\":1}}}");
	struct error err = { 0 };
	struct json_doc doc;
	struct violations v;

	(void)state;
	for (int asserted = 0; asserted < 2; asserted++) {
		options.assert_format = asserted;
		const struct schema *schema = schema_compile_text(text, &options, &arena, &err);
		if (!schema)
			fail_msg("%s", err.message);
		scan("\"no address\"", &doc);
		violations_init(&v, &arena);
		assert_int_equal(schema_validate(schema, &doc, 0, SLICE(""), &v), !asserted);
	}
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
		cmocka_unit_test(test_verdicts),         cmocka_unit_test(test_refused),
		cmocka_unit_test(test_decimals),         cmocka_unit_test(test_many_violations),
		cmocka_unit_test(test_several),          cmocka_unit_test(test_many_required),
		cmocka_unit_test(test_name_table),       cmocka_unit_test(test_long_reference_chain),
		cmocka_unit_test(test_branching),        cmocka_unit_test(test_many_unique),
		cmocka_unit_test(test_many_unevaluated), cmocka_unit_test(test_specification),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
