/* Decoders and answer writers of the public protocols, without HTTP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/pixel_query.h"
#include "protocol/protocol.h"

static struct arena arena;
static struct catalog *cat;
static const struct protocol_limits limits = {
	.event_bytes = 65536, .events = 3, .depth = 8, .event_id_bytes = 128, .id_bytes = 256, .query_arguments = 16
};

static int set_up(void **state)
{
	(void)state;
	struct error err;
	const struct catalog_options options = { .dir = SLICE("schemas"), .base_uri = SLICE("urn:headgate:") };
	arena_init(&arena, 16 << 20);
	cat = catalog_load(&options, &err);
	return cat ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	catalog_destroy(&cat);
	arena_fini(&arena);
	return 0;
}

static enum protocol_result decode(const char *type, const char *body, struct protocol_decoded *out)
{
	const struct protocol_input input = { .method = METHOD_POST,
		                              .content_type = slice_of(type),
		                              .body = slice_of(body) };
	arena_reset(&arena);
	memset(out, 0, sizeof *out);
	return protocol_native.decode(&input, &limits, cat, &arena, out);
}

static void assert_bytes(struct slice found, const char *wanted)
{
	char *text = strndup(found.at ? found.at : "", found.len);
	assert_string_equal(text, wanted);
	free(text);
}

static void test_bodies(void **state)
{
	(void)state;
	static const struct {
		const char *type, *body;
		enum protocol_result result;
		uint32_t count;
	} cases[] = {
		{ "application/json", "{\"event\":\"a\"}", PROTOCOL_OK, 1 },
		{ "text/plain", "[{\"event\":\"a\"},{\"event\":\"b\"}]", PROTOCOL_OK, 2 },
		{ "", "{\"events\":[{}]}", PROTOCOL_OK, 1 },
		{ "application/json", "[]", PROTOCOL_NO_EVENTS, 0 },
		{ "application/json", "{\"events\":[]}", PROTOCOL_NO_EVENTS, 0 },
		{ "application/json", "{\"events\":{}}", PROTOCOL_MALFORMED, 0 },
		{ "application/json", "[1,2,3,4]", PROTOCOL_TOO_MANY, 0 },
		{ "application/json", "\"text\"", PROTOCOL_MALFORMED, 0 },
		{ "application/json", "", PROTOCOL_MALFORMED, 0 },
		{ "application/json", "{\"event\":", PROTOCOL_MALFORMED, 0 },
		{ "application/json", "{\"events\":[{}],\"user\":{},\"user\":{}}", PROTOCOL_MALFORMED, 0 },
		{ "application/json", "{\"events\":[{}],\"user_id\":\"a\\u0000\"}", PROTOCOL_MALFORMED, 0 },
		{ "application/x-ndjson", "{\"event\":\"a\"}\n\n {\"event\":\"b\"}\r\n", PROTOCOL_OK, 2 },
		{ "application/x-ndjson", " \n\n", PROTOCOL_NO_EVENTS, 0 },
		{ "application/x-ndjson", "{}\n{}\n{}\n{}", PROTOCOL_TOO_MANY, 0 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct protocol_decoded out;
		if (decode(cases[i].type, cases[i].body, &out) != cases[i].result || out.count != cases[i].count)
			fail_msg("%s", cases[i].body);
	}
}

/* The most values that so many bytes can hold, beyond any fixed number. */
static void test_values_are_bounded_by_the_bytes_alone(void **state)
{
	enum { LEN = 4 << 20 };
	struct protocol_decoded out;
	size_t limit = arena.limit_bytes;
	char *body = malloc(LEN + 1);
	(void)state;
	memcpy(body, "[[", 2);
	for (size_t i = 2; i < LEN - 2; i += 2)
		memcpy(body + i, "1,", 2);
	strcpy(body + LEN - 3, "]]");
	arena.limit_bytes = (size_t)80 << 20; /* what a listener gives to the default inflated_bytes */
	assert_int_equal(decode("", body, &out), PROTOCOL_OK);
	assert_int_equal(out.count, 1);
	assert_int_equal(out.events[0].doc->count, LEN / 2);
	arena_fini(&arena);
	arena.limit_bytes = limit;
	free(body);
}

static void test_ndjson_refuses_the_bad_line_alone(void **state)
{
	(void)state;
	struct protocol_decoded out;
	assert_int_equal(decode("application/x-ndjson", "{\"event\":\"a\"}\n\n{nope\n{\"event\":\"c\"}", &out),
	                 PROTOCOL_OK);
	assert_int_equal(out.events[0].reason, REASON_NONE);
	assert_int_equal(out.events[1].reason, REASON_NOT_JSON);
	assert_int_equal(out.events[1].index, 1); /* blank lines do not count */
	assert_int_equal(out.events[2].reason, REASON_NONE);
}

static void test_unfit_event_leaves_its_neighbours(void **state)
{
	(void)state;
	struct protocol_decoded out;
	assert_int_equal(decode("application/json",
	                        "{\"events\":[{\"a\":1,\"a\":2},{\"event\":\"b\"}],\"user_id\":\"u\"}", &out),
	                 PROTOCOL_OK);
	assert_true(out.events[0].doc->nodes[out.events[0].node].flags & JSON_FLAG_DUPLICATE);
	assert_bytes(out.events[1].bytes, "{\"event\":\"b\",\"user_id\":\"u\"}");
}

static void test_envelope_defaults(void **state)
{
	(void)state;
	struct protocol_decoded out;
	assert_int_equal(decode("application/json",
	                        "{\"context\":{\"a\":1,\"b\":2},\"user_id\":\"d\",\"sent_at\":\"t\",\"events\":["
	                        "{\"event\":\"x\",\"context\":{\"b\":3},\"user_id\":\"\"},"
	                        "{\"event\":\"y\",\"context\":7,\"user_id\":\"own\"}]}",
	                        &out),
	                 PROTOCOL_OK);
	assert_bytes(out.events[0].bytes,
	             "{\"event\":\"x\",\"context\":{\"b\":3,\"a\":1},\"user_id\":\"d\",\"sent_at\":\"t\"}");
	assert_bytes(out.events[1].bytes, "{\"event\":\"y\",\"context\":7,\"user_id\":\"own\",\"sent_at\":\"t\"}");
}

static void test_numbers_and_strings_keep_their_bytes(void **state)
{
	(void)state;
	struct protocol_decoded out;
	assert_int_equal(
	        decode("application/json",
	               "{ \"events\" : [ {\"p\": [1.10, 9007199254740993, \"\\u00e9\\/\"]} ], \"test\": true }", &out),
	        PROTOCOL_OK);
	assert_bytes(out.events[0].bytes, "{\"p\":[1.10,9007199254740993,\"\\u00e9\\/\"],\"test\":true}");
}

static void pixel(const char *query, enum protocol_result result, const char *wanted)
{
	const struct protocol_input input = { .method = METHOD_GET, .query = slice_of(query) };
	struct protocol_decoded out = { 0 };
	arena_reset(&arena);
	assert_int_equal(protocol_pixel.decode(&input, &limits, cat, &arena, &out), result);
	if (wanted)
		assert_bytes(out.events[0].bytes, wanted);
}

static void test_pixel_query(void **state)
{
	(void)state;
	pixel("event=page_view&context.page.url=https%3A%2F%2Fa.b%2F%3Fq%3D1&key=dev", PROTOCOL_OK,
	      "{\"event\":\"page_view\",\"context\":{\"page\":{\"url\":\"https://a.b/?q=1\"}}}");
	/* numbers where the schema asks for them, strings where it does not */
	pixel("event=purchase&properties.order_id=17&properties.value=10.50&properties.items.0.product_id=5"
	      "&properties.items.0.quantity=2",
	      PROTOCOL_OK,
	      "{\"event\":\"purchase\",\"properties\":{\"order_id\":\"17\",\"value\":10.50,"
	      "\"items\":[{\"product_id\":\"5\",\"quantity\":2}]}}");
	/* what is no JSON number stays a string, for the schema to refuse */
	pixel("event=purchase&properties.value=010", PROTOCOL_OK,
	      "{\"event\":\"purchase\",\"properties\":{\"value\":\"010\"}}");
	pixel("event=a+b&test=true&event_time=1732241000000", PROTOCOL_OK,
	      "{\"event\":\"a b\",\"test\":true,\"event_time\":1732241000000}");
	pixel("event=x&user_id=%22%5C%0a%zz", PROTOCOL_OK, "{\"event\":\"x\",\"user_id\":\"\\\"\\\\\\n%zz\"}");
	pixel("", PROTOCOL_OK, "{}");
	pixel("a=1&a=2", PROTOCOL_MALFORMED, NULL);
	pixel("a=1&a.b=2", PROTOCOL_MALFORMED, NULL);
	pixel("a.b=2&a=1", PROTOCOL_MALFORMED, NULL);
	pixel("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q=1", PROTOCOL_MALFORMED, NULL);
	pixel("a=1&b=1&c=1&d=1&e=1&f=1&g=1&h=1&i=1&j=1&k=1&l=1&m=1&n=1&o=1&p=1&q=1", PROTOCOL_MALFORMED, NULL);
	pixel("x.1=a&x.0=b", PROTOCOL_OK, "{\"x\":[\"b\",\"a\"]}");
	pixel("x.2=c&x.0=a&x.1.0=b", PROTOCOL_OK, "{\"x\":[\"a\",[\"b\"],\"c\"]}");
	/* not all of 0 … n-1: an object */
	pixel("x.2=a&x.0=b", PROTOCOL_OK, "{\"x\":{\"2\":\"a\",\"0\":\"b\"}}");
	pixel("x.0=a&x.01=b", PROTOCOL_OK, "{\"x\":{\"0\":\"a\",\"01\":\"b\"}}");
}

static void test_pixel_data(void **state)
{
	(void)state;
	pixel("data=eyJldmVudCI6InBhZ2VfdmlldyJ9", PROTOCOL_OK, "{\"event\":\"page_view\"}");
	pixel("data=eyJldmVudCI6InBhZ2VfdmlldyJ9%3D%3D", PROTOCOL_OK, "{\"event\":\"page_view\"}");
	pixel("data=***", PROTOCOL_MALFORMED, NULL);
	pixel("data=e30K", PROTOCOL_OK, "{}");
	pixel("data=ew", PROTOCOL_MALFORMED, NULL);
}

static void answer(struct event *events, uint32_t count, struct protocol_answer *out)
{
	struct protocol_verdicts v = { .events = events, .count = count };
	for (uint32_t i = 0; i < count; i++)
		v.counts[events[i].verdict]++;
	arena_reset(&arena);
	protocol_native.answer(&v, &arena, out);
}

static void test_answer_statuses(void **state)
{
	(void)state;
	struct protocol_answer out;
	struct event events[2] = { { .verdict = VERDICT_ACCEPTED }, { .index = 1, .verdict = VERDICT_DUPLICATE } };
	answer(events, 1, &out);
	assert_int_equal(out.status, 200);
	assert_true(out.is_fixed);
	answer(events, 2, &out);
	assert_int_equal(out.status, 200);
	assert_false(out.is_fixed);
	assert_bytes(out.body,
	             "{\"received\":2,\"accepted\":1,\"duplicates\":1,\"rejected\":0,\"dropped\":0,\"retry\":0,"
	             "\"events\":[{\"index\":1,\"status\":\"duplicate\"}]}");
	events[1].verdict = VERDICT_REJECTED;
	answer(events, 2, &out);
	assert_int_equal(out.status, 207);
	events[0].verdict = VERDICT_REJECTED;
	answer(events, 2, &out);
	assert_int_equal(out.status, 400);
	events[0].verdict = VERDICT_RETRY;
	answer(events, 2, &out);
	assert_int_equal(out.status, 503);
	assert_true(out.retry_after);
}

static void test_answer_names_ids_the_server_gave(void **state)
{
	(void)state;
	struct protocol_answer out;
	struct event ev = { .verdict = VERDICT_ACCEPTED, .event_id = SLICE("x\"y"), .event_id_given = true };
	answer(&ev, 1, &out);
	assert_false(out.is_fixed);
	assert_bytes(out.body,
	             "{\"received\":1,\"accepted\":1,\"duplicates\":0,\"rejected\":0,\"dropped\":0,\"retry\":0,"
	             "\"events\":[{\"index\":0,\"event_id\":\"x\\\"y\",\"status\":\"accepted\"}]}");
}

static void test_routes(void **state)
{
	(void)state;
	assert_ptr_equal(protocol_route_find(SLICE("/v1/events"))->protocol, &protocol_native);
	assert_ptr_equal(protocol_route_find(SLICE("/v1/pixel.gif"))->protocol, &protocol_pixel);
	assert_true(protocol_route_find(SLICE("/v1/validate"))->dry);
	assert_null(protocol_route_find(SLICE("/v1/catalog/purchase/1-0-0"))->protocol);
	assert_null(protocol_route_find(SLICE("/v1/catalogue")));
	assert_null(protocol_route_find(SLICE("/v1/events/")));
	assert_null(protocol_route_find(SLICE("/")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_values_are_bounded_by_the_bytes_alone),
		cmocka_unit_test(test_ndjson_refuses_the_bad_line_alone),
		cmocka_unit_test(test_unfit_event_leaves_its_neighbours),
		cmocka_unit_test(test_envelope_defaults),
		cmocka_unit_test(test_numbers_and_strings_keep_their_bytes),
		cmocka_unit_test(test_pixel_query),
		cmocka_unit_test(test_pixel_data),
		cmocka_unit_test(test_answer_statuses),
		cmocka_unit_test(test_answer_names_ids_the_server_gave),
		cmocka_unit_test(test_routes),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
