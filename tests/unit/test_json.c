/* The scanner's nodes and flags, look-up, values, writer. What JSON is, test_json_suite asks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "json/json.h"

static struct arena arena;
static struct json_doc doc;
static size_t error_at;
static const struct json_options OPTIONS = { .depth_max = 32, .nodes_max = 1000000 };

static enum json_result scan_with(struct slice text, struct json_options options)
{
	arena_reset(&arena);
	doc = (struct json_doc) { 0 };
	return json_scan(&doc, text, &options, &arena, &error_at);
}

static enum json_result scan(const char *text)
{
	return scan_with(slice_of(text), OPTIONS);
}

/* Flags of the root that rise. */
static unsigned flags_of(const char *text)
{
	if (scan(text) != JSON_OK)
		fail_msg("%s: refused at %zu", text, error_at);
	return doc.nodes[0].flags & (JSON_FLAG_UNFIT | JSON_FLAG_SPACED);
}

static uint32_t at(const char *pointer)
{
	return json_pointer_get(&doc, 0, slice_of(pointer));
}

static void assert_text(struct slice got, const char *want)
{
	if (!slice_equal(got, slice_of(want)))
		fail_msg("got '%.*s', want '%s'", SLICE_ARG(got), want);
}

static int set_up(void **state)
{
	(void)state;
	arena_init(&arena, 256u << 20);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

static void nodes_lie_as_the_header_says(void **state)
{
	(void)state;
	assert_int_equal(scan("{\"a\":[1,{}],\"b\":\"x\"}"), JSON_OK);
	static const struct json_node WANT[] = {
		{ 0, 20, 7, JSON_OBJECT, 0, 2 }, { 1, 3, 2, JSON_STRING, 0, 0 },
		{ 5, 6, 5, JSON_ARRAY, 0, 2 },   { 6, 1, 4, JSON_NUMBER, JSON_FLAG_INTEGER, 0 },
		{ 8, 2, 5, JSON_OBJECT, 0, 0 },  { 12, 3, 6, JSON_STRING, 0, 0 },
		{ 16, 3, 7, JSON_STRING, 0, 0 },
	};
	assert_int_equal(doc.count, 7);
	for (size_t i = 0; i < 7; i++) {
		assert_int_equal(doc.nodes[i].offset, WANT[i].offset);
		assert_int_equal(doc.nodes[i].length, WANT[i].length);
		assert_int_equal(doc.nodes[i].next, WANT[i].next);
		assert_int_equal(doc.nodes[i].type, WANT[i].type);
		assert_int_equal(doc.nodes[i].flags, WANT[i].flags);
		assert_int_equal(doc.nodes[i].count, WANT[i].count);
	}
}

static void malformed_where(void **state)
{
	static const struct {
		const char *text;
		size_t at;
	} CASES[] = {
		{ "", 0 },
		{ "  ", 2 },
		{ "{", 1 },
		{ "[1,]", 3 },
		{ "{\"a\":1,}", 7 },
		{ "{\"a\" 1}", 5 },
		{ "01", 1 },
		{ "[-]", 2 },
		{ "1.", 2 },
		{ "1e+", 3 },
		{ "tru", 0 },
		{ "\"a", 2 },
		{ "\"\\x\"", 2 },
		{ "\"\\u00g0\"", 5 },
		{ "\"a\tb\"", 2 },
		{ "1 2", 2 },
		{ "[1}", 2 },
		{ "{\"a\":1]", 6 },
		{ "\xef\xbb\xbf{}", 0 },
		{ "{1:2}", 1 },
		{ "[1]]", 3 },
		{ "\"\\", 2 },
		{ "{\"a\":", 5 },
		{ "\v1", 0 },
		{ "[1 2]", 3 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
		if (scan(CASES[i].text) != JSON_MALFORMED)
			fail_msg("accepted: %s", CASES[i].text);
		if (error_at != CASES[i].at)
			fail_msg("%s: noticed at %zu", CASES[i].text, error_at);
		assert_int_equal(doc.count, 0);
	}
	assert_int_equal(scan_with((struct slice) { "\"a\0b\"", 5 }, OPTIONS), JSON_MALFORMED);
}

/* Each special byte at each place of a string up to 40 bytes, so that both the wide and the narrow loop meet it. */
static void special_bytes_at_every_place(void **state)
{
	static const struct {
		const char *special;
		enum json_result result;
		unsigned flags;
	} CASES[] = {
		{ "\x1f", JSON_MALFORMED, 0 },
		{ "\x7f", JSON_OK, 0 },
		{ "\\n", JSON_OK, JSON_FLAG_ESCAPED },
		{ "\\u0000", JSON_OK, JSON_FLAG_ESCAPED | JSON_FLAG_NUL },
		{ "\\u000", JSON_MALFORMED, 0 },
		{ "\xff", JSON_OK, JSON_FLAG_BAD_UTF8 },
		{ "\xc3\xa9", JSON_OK, 0 },
		{ "\xea\xb0\x80", JSON_OK, 0 },
		{ "\xf0\x9f\x98\x80", JSON_OK, 0 },
		{ "\xc1\xbf", JSON_OK, JSON_FLAG_BAD_UTF8 },
		{ "\xe0\x9f\xbf", JSON_OK, JSON_FLAG_BAD_UTF8 },
		{ "\xed\xa0\x80", JSON_OK, JSON_FLAG_BAD_UTF8 },
		{ "\xf0\x8f\xbf\xbf", JSON_OK, JSON_FLAG_BAD_UTF8 },
		{ "\xf4\x90\x80\x80", JSON_OK, JSON_FLAG_BAD_UTF8 },
		{ "\xf0\x9f\x98", JSON_OK, JSON_FLAG_BAD_UTF8 },
		{ "\xe2\x82", JSON_OK, JSON_FLAG_BAD_UTF8 },
		{ "\xc2", JSON_OK, JSON_FLAG_BAD_UTF8 },
	};
	char text[128];
	(void)state;
	for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
		for (int before = 0; before < 40; before++)
			for (int after = 0; after < 20; after += 19) {
				int len = snprintf(text, sizeof text, "\"%.*s%s%.*s\"", before,
				                   "----------------------------------------", CASES[i].special, after,
				                   "-------------------");
				char *copy = malloc((size_t)len);
				memcpy(copy, text, (size_t)len);
				enum json_result result = scan_with((struct slice) { copy, (size_t)len }, OPTIONS);
				bool good = result == CASES[i].result &&
				            (result != JSON_OK || doc.nodes[0].flags == CASES[i].flags);
				free(copy);
				if (!good)
					fail_msg("case %zu, %d before, %d after", i, before, after);
			}
}

static void flags_rise_to_the_root(void **state)
{
	(void)state;
	assert_int_equal(flags_of("[1,{\"a\":[\"x\\u0000\"]}]"), JSON_FLAG_NUL);
	assert_int_equal(doc.nodes[2].flags, JSON_FLAG_NUL);
	assert_int_equal(doc.nodes[1].flags, JSON_FLAG_INTEGER);
	assert_int_equal(flags_of("{\"a\":[1, 2],\"b\":[3]}"), JSON_FLAG_SPACED);
	assert_int_equal(doc.nodes[at("/a")].flags, JSON_FLAG_SPACED);
	assert_int_equal(doc.nodes[at("/b")].flags, 0);
	assert_int_equal(flags_of(" \n[1]\t"), 0);
	assert_int_equal(flags_of("[ ]"), JSON_FLAG_SPACED);
	assert_int_equal(flags_of("{\"a\" :1}"), JSON_FLAG_SPACED);
	assert_int_equal(flags_of("[{\"a\xff\":1}]"), JSON_FLAG_BAD_UTF8);
	assert_int_equal(flags_of("[\"\\ud800\"]"), 0);
}

static void duplicate_names(void **state)
{
	(void)state;
	assert_int_equal(flags_of("{\"a\":1,\"b\":2,\"a\":3}"), JSON_FLAG_DUPLICATE);
	assert_int_equal(flags_of("{\"a\":{\"a\":1},\"b\":{\"a\":1}}"), 0);
	assert_int_equal(flags_of("[{\"x\":{\"a\":[1,2,{}],\"a\":1}}]"), JSON_FLAG_DUPLICATE);
	assert_int_equal(flags_of("{\"a\":1,\"\\u0061\":2}"), JSON_FLAG_DUPLICATE);
	assert_int_equal(flags_of("{\"\\u0061\":1,\"a\":2}"), JSON_FLAG_DUPLICATE);
	assert_int_equal(flags_of("{\"\\u0061\":1,\"\\u0062\":2}"), 0);
	assert_int_equal(flags_of("{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}"), JSON_FLAG_DUPLICATE);
	assert_int_equal(flags_of("{\"\":1,\"\":2}"), JSON_FLAG_DUPLICATE);
	assert_int_equal(flags_of("{\"A\":1,\"a\":2}"), 0);
	assert_int_equal(flags_of("{\"axb\":1,\"ayb\":2,\"azb\":3}"), 0);
}

/* An object of `members` names of one length; name `same` (if any) is that of member 0. */
static char *large_object(int members, int same, bool escaped)
{
	size_t size = (size_t)members * 32 + 8;
	char *text = malloc(size);
	size_t len = 0;
	for (int i = 0; i < members; i++)
		len += (size_t)snprintf(text + len, size - len, "%c\"%s%07d\":{\"v\":[%d]}", i ? ',' : '{',
		                        escaped && i == same ? "\\u006e" : "n", i == same ? 0 : i, i);
	snprintf(text + len, size - len, "}");
	return text;
}

static void duplicate_names_at_every_size(void **state)
{
	(void)state;
	for (int members = 2; members < 700; members += members < 40 ? 1 : 97)
		for (int escaped = 0; escaped < 2; escaped++) {
			char *with = large_object(members, members - 1, escaped),
			     *without = large_object(members, 0, escaped);
			assert_int_equal(flags_of(with), JSON_FLAG_DUPLICATE);
			assert_int_equal(flags_of(without), 0);
			assert_int_equal(doc.nodes[0].count, members);
			free(with);
			free(without);
		}
}

static void a_hundred_thousand_members(void **state)
{
	(void)state;
	char *text = large_object(100000, -1, false);
	assert_int_equal(flags_of(text), 0);
	assert_int_equal(doc.nodes[0].count, 65535);
	assert_int_equal(doc.count, 500001);
	assert_text(json_raw(&doc, at("/n0099999/v/0")), "99999");
	free(text);
	text = large_object(100000, 99999, false);
	assert_int_equal(flags_of(text), JSON_FLAG_DUPLICATE);
	free(text);
}

static enum json_result nested(size_t depth, struct json_options options)
{
	char text[2048];
	memset(text, '[', depth);
	memset(text + depth, ']', depth);
	return scan_with((struct slice) { text, depth * 2 }, options);
}

static void depth(void **state)
{
	struct json_options options = { .depth_max = 32, .nodes_max = 1000 };
	(void)state;
	assert_int_equal(nested(32, options), JSON_OK);
	assert_int_equal(doc.nodes[0].flags, 0);
	assert_int_equal(nested(33, options), JSON_OK);
	assert_int_equal(doc.nodes[0].flags, JSON_FLAG_DEEP);
	assert_int_equal(doc.nodes[32].flags, JSON_FLAG_DEEP);
	assert_int_equal(nested(512, options), JSON_OK);
	assert_int_equal(nested(513, options), JSON_TOO_DEEP);
	assert_int_equal(error_at, 512);
	options.depth_refused = 600;
	assert_int_equal(nested(600, options), JSON_OK);
	assert_int_equal(nested(601, options), JSON_TOO_DEEP);
	options.depth_refused = 0;
	/* Only the member that is too deep is flagged, so that it can be refused alone. */
	options.depth_max = 2;
	assert_int_equal(scan_with(SLICE("[[1],[[2]],[3]]"), options), JSON_OK);
	assert_int_equal(doc.nodes[at("/0")].flags, 0);
	assert_int_equal(doc.nodes[at("/1")].flags, JSON_FLAG_DEEP);
	assert_int_equal(doc.nodes[at("/2")].flags, 0);
	assert_int_equal(doc.nodes[0].flags, JSON_FLAG_DEEP);
}

static void limits(void **state)
{
	(void)state;
	assert_int_equal(scan_with(SLICE("[1,2,3]"), (struct json_options) { .depth_max = 8, .nodes_max = 4 }),
	                 JSON_OK);
	assert_int_equal(scan_with(SLICE("[1,2,3]"), (struct json_options) { .depth_max = 8, .nodes_max = 3 }),
	                 JSON_TOO_MANY);
	assert_int_equal(scan_with(SLICE("{\"a\":1}"), (struct json_options) { .depth_max = 8, .nodes_max = 2 }),
	                 JSON_TOO_MANY);
	assert_int_equal(scan_with(SLICE("1"), (struct json_options) { .depth_max = 8, .nodes_max = 0 }),
	                 JSON_TOO_MANY);
	struct arena small;
	arena_init(&small, 20000);
	char *text = large_object(1000, -1, false);
	doc = (struct json_doc) { 0 };
	assert_int_equal(json_scan(&doc, slice_of(text), &OPTIONS, &small, &error_at), JSON_NO_MEMORY);
	assert_true(small.overflowed);
	free(text);
	arena_fini(&small);
}

static void a_doc_is_reused(void **state)
{
	(void)state;
	assert_int_equal(scan("[1,2,3]"), JSON_OK);
	struct json_node *nodes = doc.nodes;
	assert_int_equal(json_scan(&doc, SLICE("{\"a\":\"b\"}"), &OPTIONS, &arena, &error_at), JSON_OK);
	assert_ptr_equal(nodes, doc.nodes);
	assert_int_equal(doc.count, 3);
}

static void members(void **state)
{
	(void)state;
	assert_int_equal(scan("{\"a\":[9],\"b\":{\"a\":2},\"\":3,\"\\u0061b\":4,\"a\":5}"), JSON_OK);
	assert_text(json_raw(&doc, json_get(&doc, 0, SLICE("a"))), "[9]");
	assert_text(json_raw(&doc, json_get(&doc, json_get(&doc, 0, SLICE("b")), SLICE("a"))), "2");
	assert_text(json_raw(&doc, json_get(&doc, 0, SLICE("ab"))), "4");
	assert_text(json_raw(&doc, json_get(&doc, 0, SLICE_NONE)), "3");
	assert_int_equal(json_get(&doc, 0, SLICE("c")), 0);
	assert_int_equal(json_get(&doc, 0, SLICE("A")), 0);
	assert_int_equal(json_get(&doc, 2, SLICE("a")), 0);
}

/* The document and the pointers of RFC 6901 section 5, and what leads nowhere. */
static void pointers(void **state)
{
	static const char *const CASES[][2] = {
		{ "/foo", "[\"bar\",\"baz\"]" },
		{ "/foo/0", "\"bar\"" },
		{ "/", "0" },
		{ "/a~1b", "1" },
		{ "/c%d", "2" },
		{ "/e^f", "3" },
		{ "/g|h", "4" },
		{ "/i\\j", "5" },
		{ "/k\"l", "6" },
		{ "/ ", "7" },
		{ "/m~0n", "8" },
		{ "/~01", "9" },
	};
	static const char *const NOWHERE[] = {
		"foo",      "/foo/2", "/foo/-", "/foo/00", "/foo/01", "/foo/1e0", "/foo/",
		"/foo/0/x", "/bar",   "/a~b",   "/m~2n",   "/m~",     "//",       "/foo/18446744073709551616"
	};
	(void)state;
	assert_int_equal(scan("{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,\"g|h\":4,\"i\\\\j\":5,"
	                      "\"k\\\"l\":6,\" \":7,\"m~n\":8,\"~1\":9}"),
	                 JSON_OK);
	assert_int_equal(at(""), 0);
	for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
		assert_text(json_raw(&doc, at(CASES[i][0])), CASES[i][1]);
	for (size_t i = 0; i < sizeof NOWHERE / sizeof NOWHERE[0]; i++)
		if (at(NOWHERE[i]) != 0)
			fail_msg("%s leads somewhere", NOWHERE[i]);
}

static void strings(void **state)
{
	static const struct {
		const char *text, *plain;
		size_t points;
	} CASES[] = {
		{ "\"\"", "", 0 },
		{ "\"abc\"", "abc", 3 },
		{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8 },
		{ "\"\\u00e9\\u20AC\\uac00\"", "\xc3\xa9\xe2\x82\xac\xea\xb0\x80", 3 },
		{ "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80", 1 },
		{ "\"\xf0\x9f\x98\x80x\"", "\xf0\x9f\x98\x80x", 2 },
		{ "\"\\ud83d\"", "\xef\xbf\xbd", 1 },
		{ "\"\\ude00\\ud83d\"", "\xef\xbf\xbd\xef\xbf\xbd", 2 },
		{ "\"\\ud83d\\ud83d\\ude00\"", "\xef\xbf\xbd\xf0\x9f\x98\x80", 2 },
		{ "\"\\ud83d\\u0041\"",
		  "\xef\xbf\xbd"
		  "A",
		  2 },
		{ "\"a\\u0062c\"", "abc", 3 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
		assert_int_equal(scan(CASES[i].text), JSON_OK);
		assert_text(json_string(&doc, 0, &arena), CASES[i].plain);
		assert_true(json_string_equals(&doc, 0, slice_of(CASES[i].plain)));
		assert_false(json_string_equals(&doc, 0, SLICE("abcd")));
		assert_false(json_string_equals(&doc, 0, SLICE("ab")));
		assert_int_equal(json_string_points(&doc, 0), CASES[i].points);
	}
	assert_int_equal(scan("\"a\\u0000b\""), JSON_OK);
	assert_true(slice_equal(json_string(&doc, 0, &arena), (struct slice) { "a\0b", 3 }));
	assert_int_equal(scan("1"), JSON_OK);
	assert_false(json_string_equals(&doc, 0, SLICE("1")));
}

static void integers(void **state)
{
	static const struct {
		const char *text;
		bool fits;
		int64_t value;
	} CASES[] = {
		{ "0", true, 0 },
		{ "-0", true, 0 },
		{ "0.000", true, 0 },
		{ "0e999999999999999999999", true, 0 },
		{ "1.0", true, 1 },
		{ "1e3", true, 1000 },
		{ "1.5e1", true, 15 },
		{ "-120.00e-1", true, -12 },
		{ "1000E-3", true, 1 },
		{ "0.0001e4", true, 1 },
		{ "9007199254740993", true, INT64_C(9007199254740993) },
		{ "9223372036854775807", true, INT64_MAX },
		{ "-9223372036854775808", true, INT64_MIN },
		{ "9223372036854775808", false, 0 },
		{ "-9223372036854775809", false, 0 },
		{ "9999999999999999999", false, 0 },
		{ "99999999999999999999", false, 0 },
		{ "1.5", false, 0 },
		{ "15e-1", false, 0 },
		{ "1e19", false, 0 },
		{ "1e-1", false, 0 },
		{ "1e99999999999999999999999", false, 0 },
		{ "1e-99999999999999999999999", false, 0 },
		{ "\"1\"", false, 0 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
		int64_t value = 0;
		assert_int_equal(scan(CASES[i].text), JSON_OK);
		if (json_to_i64(&doc, 0, &value) != CASES[i].fits || value != CASES[i].value)
			fail_msg("%s: got %lld", CASES[i].text, (long long)value);
	}
	assert_int_equal(scan("[1,1.0,1e0]"), JSON_OK);
	assert_int_equal(doc.nodes[1].flags, JSON_FLAG_INTEGER);
	assert_int_equal(doc.nodes[2].flags, 0);
	assert_int_equal(doc.nodes[3].flags, 0);
}

static void doubles(void **state)
{
	static const char *const CASES[] = {
		"0",
		"1",
		"-1.5",
		"0.1",
		"11636.36",
		"1e22",
		"1e23",
		"123456789012345e-22",
		"5e-324",
		"2e308",
		"1e-400",
		"0.000001",
		"1e-7",
		"3.14159265358979323846264338327950288",
		"9007199254740993",
		"2.2250738585072011e-308",
		"0e5",
		"-0.0",
		"100000000000000000000000",
		"0.30000000000000004",
	};
	char text[64];
	(void)state;
	for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
		double want = strtod(CASES[i], NULL);
		snprintf(text, sizeof text, "[%s]", CASES[i]);
		assert_int_equal(scan(text), JSON_OK);
		double inside = json_to_double(&doc, 1);
		assert_int_equal(scan_with(slice_of(CASES[i]), OPTIONS), JSON_OK);
		double alone = json_to_double(&doc, 0);
		if (memcmp(&inside, &want, sizeof want) != 0 || memcmp(&alone, &want, sizeof want) != 0)
			fail_msg("%s: got %.17g and %.17g", CASES[i], inside, alone);
	}
	assert_int_equal(scan("[true,null]"), JSON_OK);
	assert_string_equal(json_type_name(json_type_of(&doc, 1)), "boolean");
	assert_string_equal(json_type_name(json_type_of(&doc, 2)), "null");
}

static void white_space_is_left_out(void **state)
{
	static const char *const CASES[][2] = {
		{ "{\"a\":1}", "{\"a\":1}" },
		{ " { \"a\" : [ 1 ,\t2,\r\n{ } ] , \"b c\" : \" x \\\" \" } ",
		  "{\"a\":[1,2,{}],\"b c\":\" x \\\" \"}" },
		{ "[[ ],[1.50],{\"a\":{\"b\" :true}}]", "[[],[1.50],{\"a\":{\"b\":true}}]" },
		{ " \"a b\" ", "\"a b\"" },
	};
	struct buffer out;
	(void)state;
	for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
		buffer_init(&out, NULL);
		assert_int_equal(scan(CASES[i][0]), JSON_OK);
		json_write_node(&out, &doc, 0);
		assert_text(buffer_slice(&out), CASES[i][1]);
		buffer_fini(&out);
	}
	buffer_init(&out, &arena);
	assert_int_equal(scan("{\"a\": {\"b\": [1, 2]} ,\"c\":3}"), JSON_OK);
	json_write_node(&out, &doc, at("/a/b"));
	json_write_node(&out, &doc, at("/c"));
	assert_text(buffer_slice(&out), "[1,2]3");
}

static void strings_are_escaped(void **state)
{
	struct buffer out;
	(void)state;
	buffer_init(&out, NULL);
	json_write_string(&out, (struct slice) { "a\"\\/\b\f\n\r\t\x01\x1f\x7f\0<\xff\xe2\x80\xa8", 18 });
	assert_text(buffer_slice(&out), "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\\u0000<\xff\xe2\x80\xa8\"");
	out.len = 0;
	json_write_string(&out, SLICE_NONE);
	assert_text(buffer_slice(&out), "\"\"");
	out.len = 0;
	json_write_string_safe(&out, SLICE("</a>\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa\xff\xc3\xa9\n"));
	assert_text(buffer_slice(&out), "\"\\u003c/a>\\u2028\\u2029\xe2\x80\xaa\xef\xbf\xbd\xc3\xa9\\n\"");
	out.len = 0;
	json_write_pointer_step(&out, SLICE("a/b"));
	json_write_pointer_step(&out, SLICE("~x"));
	assert_text(buffer_slice(&out), "/a~1b/~0x");
	buffer_fini(&out);
}

/* Every string of one byte, and every pair of a byte with a quote, comes back. */
static void written_strings_come_back(void **state)
{
	struct buffer out;
	(void)state;
	buffer_init(&out, NULL);
	for (int c = 0; c < 128; c++) {
		char plain[2] = { (char)c, '"' };
		out.len = 0;
		json_write_string(&out, (struct slice) { plain, 2 });
		assert_int_equal(scan_with(buffer_slice(&out), OPTIONS), JSON_OK);
		assert_true(slice_equal(json_string(&doc, 0, &arena), (struct slice) { plain, 2 }));
	}
	buffer_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_lie_as_the_header_says),
		cmocka_unit_test(malformed_where),
		cmocka_unit_test(special_bytes_at_every_place),
		cmocka_unit_test(flags_rise_to_the_root),
		cmocka_unit_test(duplicate_names),
		cmocka_unit_test(duplicate_names_at_every_size),
		cmocka_unit_test(a_hundred_thousand_members),
		cmocka_unit_test(depth),
		cmocka_unit_test(limits),
		cmocka_unit_test(a_doc_is_reused),
		cmocka_unit_test(members),
		cmocka_unit_test(pointers),
		cmocka_unit_test(strings),
		cmocka_unit_test(integers),
		cmocka_unit_test(doubles),
		cmocka_unit_test(white_space_is_left_out),
		cmocka_unit_test(strings_are_escaped),
		cmocka_unit_test(written_strings_come_back),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
