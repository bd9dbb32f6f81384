/* Reading events, and the forms they leave in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/clock.h"
#include "event/headers.h"
#include "event/write.h"

#define NOW_MS 1795312860123LL /* 2026-11-22T00:01:00.123Z, checked below */

static struct arena arena;
static struct json_doc doc;
static struct event ev;
static const struct event_limits limits = { .event_bytes = 4096, .depth = 5, .id_bytes = 16, .event_id_bytes = 12 };

static bool read_event(const char *text)
{
	static const struct json_options options = { .depth_max = 5, .nodes_max = 10000 };
	size_t at;
	arena_reset(&arena);
	doc = (struct json_doc) { 0 };
	assert_int_equal(json_scan(&doc, slice_of(text), &options, &arena, &at), JSON_OK);
	ev = (struct event) { .doc = &doc, .bytes = slice_of(text), .received_ms = NOW_MS };
	return event_read(&ev, &limits, &arena);
}

static void assert_slice(struct slice found, const char *wanted)
{
	char *text = strndup(found.at ? found.at : "", found.len);
	assert_string_equal(text, wanted);
	free(text);
}

static void test_refusals_name_their_path(void **state)
{
	(void)state;
	static const struct {
		const char *text, *path, *rule;
		enum reject_reason reason;
	} cases[] = {
		{ "{}", "/event", "required", REASON_EVENT_MISSING },
		{ "{\"event\":null}", "/event", "required", REASON_EVENT_MISSING },
		{ "{\"event\":1}", "/event", "type", REASON_MEMBER_WRONG },
		{ "{\"event\":\"Page View\"}", "/event", "pattern", REASON_MEMBER_WRONG },
		{ "{\"event\":\"a\",\"evnt\":1}", "/evnt", "unknown_member", REASON_MEMBER_UNKNOWN },
		{ "{\"event\":\"a\",\"a/b~\":1}", "/a~1b~0", "unknown_member", REASON_MEMBER_UNKNOWN },
		{ "{\"event\":\"a\",\"event_id\":7}", "/event_id", "type", REASON_MEMBER_WRONG },
		{ "{\"event\":\"a\",\"event_id\":\"0123456789abc\"}", "/event_id", "maxLength", REASON_MEMBER_WRONG },
		{ "{\"event\":\"a\",\"event_id\":\"a\\nb\"}", "/event_id", "pattern", REASON_MEMBER_WRONG },
		{ "{\"event\":\"a\",\"user_id\":1.5}", "/user_id", "type", REASON_MEMBER_WRONG },
		{ "{\"event\":\"a\",\"user_id\":\"0123456789abcdefg\"}", "/user_id", "maxLength", REASON_MEMBER_WRONG },
		{ "{\"event\":\"a\",\"ids\":[]}", "/ids", "type", REASON_MEMBER_WRONG },
		{ "{\"event\":\"a\",\"ids\":{\"x y\":\"1\"}}", "/ids/x y", "propertyNames", REASON_MEMBER_WRONG },
		{ "{\"event\":\"a\",\"event_time\":1795312860}", "/event_time", "format", REASON_MEMBER_WRONG },
		{ "{\"event\":\"a\",\"event_time\":\"yesterday\"}", "/event_time", "format", REASON_MEMBER_WRONG },
		{ "{\"event\":\"a\",\"sent_at\":true}", "/sent_at", "type", REASON_MEMBER_WRONG },
		{ "{\"event\":\"a\",\"properties\":[]}", "/properties", "type", REASON_MEMBER_WRONG },
		{ "{\"event\":\"a\",\"test\":\"yes\"}", "/test", "type", REASON_MEMBER_WRONG },
		{ "[1]", "", "type", REASON_NOT_OBJECT },
		{ "{\"event\":\"a\",\"event\":\"b\"}", "", "duplicate_name", REASON_DUPLICATE_NAME },
		{ "{\"event\":\"a\\u0000\"}", "", "nul_escape", REASON_NUL_ESCAPE },
		{ "{\"event\":\"a\xff\"}", "", "utf8", REASON_BAD_UTF8 },
		{ "{\"event\":\"a\",\"properties\":{\"a\":[[[[]]]]}}", "", "too_deep", REASON_TOO_DEEP },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		read_event(cases[i].text);
		if (ev.reason != cases[i].reason || !ev.errors || !ev.errors->count)
			fail_msg("%s: reason %d", cases[i].text, ev.reason);
		assert_slice(ev.errors->at[0].path, cases[i].path);
		assert_slice(ev.errors->at[0].rule, cases[i].rule);
	}
}

static void test_all_that_is_wrong_is_told(void **state)
{
	(void)state;
	assert_true(read_event("{\"evnt\":\"a\",\"user_id\":{},\"test\":3}"));
	assert_int_equal(ev.errors->count, 4);
	assert_slice(ev.errors->at[0].message, "is not a member of events; did you mean \"event\"?");
}

static void test_depth_counts_from_the_event(void **state)
{
	(void)state;
	assert_true(read_event("{\"event\":\"a\",\"properties\":{\"a\":[[[]]]}}"));
	assert_int_equal(ev.reason, REASON_NONE);
}

static void test_ids(void **state)
{
	(void)state;
	assert_true(
	        read_event("{\"event\":\"a\",\"user_id\":12,\"anonymous_id\":\"undefined\",\"session_id\":\"\","
	                   "\"ids\":{\"user_id\":\"lost\",\"fbp\":\"fb.1\",\"ttp\":null,\"device_id\":\"GUEST\"}}"));
	assert_int_equal(ev.reason, REASON_NONE);
	assert_int_equal(ev.id_count, 2);
	assert_slice(event_id_find(&ev, SLICE("user_id")), "12");
	assert_slice(event_id_find(&ev, SLICE("fbp")), "fb.1");
	assert_null(event_id_find(&ev, SLICE("anonymous_id")).at);
	assert_int_equal(ev.warning_count, 2);
	assert_slice(ev.warnings[0].path, "/anonymous_id");
	assert_slice(ev.warnings[1].path, "/ids/device_id");
}

static void test_times(void **state)
{
	(void)state;
	char text[CLOCK_TEXT_BYTES];
	clock_format(NOW_MS, text);
	assert_memory_equal(text, "2026-11-22T02:01:00.123Z", CLOCK_TEXT_BYTES);
	/* within the tolerated skew: as it is */
	read_event("{\"event\":\"a\",\"event_time\":\"2026-11-22T02:00:30Z\",\"sent_at\":\"2026-11-22T02:00:31Z\"}");
	assert_int_equal(ev.event_ms, NOW_MS - 30123);
	assert_false(ev.time_corrected);
	/* the client's clock is an hour behind: corrected by what it showed when it sent */
	read_event("{\"event\":\"a\",\"event_time\":\"2026-11-22T01:00:50.123Z\",\"sent_at\":\"2026-11-22T01:01:00."
	           "123Z\"}");
	assert_int_equal(ev.event_ms, NOW_MS - 10000);
	assert_true(ev.time_corrected);
	/* the future becomes now */
	read_event("{\"event\":\"a\",\"event_time\":1795312870000}");
	assert_int_equal(ev.event_ms, NOW_MS);
	assert_true(ev.time_corrected);
	read_event("{\"event\":\"a\",\"event_time\":\"2026-11-20T02:00:30+09:00\"}");
	assert_true(ev.late);
	assert_false(ev.time_corrected);
}

static struct slice canonical(const char *text, enum source_kind kind)
{
	const struct source source = { .name = SLICE("web"), .kind = kind };
	const struct event_origin origin = {
		.source = &source, .protocol = "native", .path = SLICE("/v1/events"), .position = SLICE("L/0/1/2")
	};
	struct buffer out;
	buffer_init(&out, &arena);
	assert_true(read_event(text));
	if (kind != SOURCE_SERVER) {
		ev.ip = SLICE("192.0.2.7");
		ev.user_agent = SLICE("UA \"1\"\xff");
	}
	ev.event_id = SLICE("id-1");
	event_write_canonical(&ev, &origin, &out);
	return buffer_slice(&out);
}

static void test_canonical_keeps_bytes(void **state)
{
	(void)state;
	assert_slice(
	        canonical("{ \"event\":\"a\", \"user_id\": 5, \"sent_at\":1795312860000,\n"
	                  "\"properties\": {\"value\" : 10.10, \"big\":12345678901234567890, \"s\":\"\\u00e9 \\/\"} }",
	                  SOURCE_SERVER),
	        "{\"format\":1,\"position\":\"L/0/1/2\",\"event\":\"a\",\"event_id\":\"id-1\","
	        "\"event_time\":\"2026-11-22T02:01:00.123Z\",\"sent_at\":\"2026-11-22T02:01:00.000Z\","
	        "\"received_at\":\"2026-11-22T02:01:00.123Z\","
	        "\"source\":{\"name\":\"web\",\"kind\":\"server\",\"protocol\":\"native\"},\"ids\":{\"user_id\":\"5\"},"
	        "\"consent\":{\"basis\":{},\"applied\":\"kept\"},"
	        "\"properties\":{\"value\":10.10,\"big\":12345678901234567890,\"s\":\"\\u00e9 \\/\"}}");
}

static void test_connection_overrides_browser_context(void **state)
{
	(void)state;
	struct slice text = canonical("{\"event\":\"a\",\"event_time\":1795312870000,"
	                              "\"context\":{\"ip\":\"1.1.1.1\",\"page\":{\"url\":\"u\"},\"user_agent\":\"x\"}}",
	                              SOURCE_BROWSER);
	char *found = strndup(text.at, text.len);
	assert_non_null(strstr(found, "\"client_time\":\"2026-11-22T02:01:10.000Z\""));
	assert_non_null(strstr(found, "\"context\":{\"page\":{\"url\":\"u\"},\"ip\":\"192.0.2.7\",\"user_agent\":\"UA "
	                              "\\\"1\\\"\xef\xbf\xbd\"}"));
	assert_non_null(strstr(found, "\"properties\":{}}"));
	free(found);
}

static void test_dead_letter_withholds(void **state)
{
	(void)state;
	const struct source source = { .name = SLICE("web"), .kind = SOURCE_BROWSER };
	const struct event_origin origin = {
		.source = &source, .protocol = "native", .path = SLICE("/v1/events"), .position = SLICE("L/0/1/2")
	};
	struct buffer out;
	read_event("{\"event\":\"a\",\"jane@example.com\":1,\"test\":2}");
	buffer_init(&out, &arena);
	event_write_dead_letter(&ev, &origin, 4096, &out);
	char *without = strndup(out.at, out.len);
	assert_null(strstr(without, "jane"));
	assert_null(strstr(without, "payload"));
	assert_non_null(strstr(without, "\"path\":\"/*\""));
	assert_non_null(strstr(without, "\"path\":\"/test\""));
	free(without);
	ev.payload_allowed = true;
	out.len = 0;
	event_write_dead_letter(&ev, &origin, 4096, &out);
	char *with = strndup(out.at, out.len);
	assert_non_null(strstr(with, "\"path\":\"/jane@example.com\""));
	assert_non_null(strstr(with, "\"payload\":{\"event\":\"a\",\"jane@example.com\":1,\"test\":2}"));
	free(with);
	out.len = 0;
	event_write_dead_letter(&ev, &origin, 10, &out); /* what does not fit */
	assert_true(out.len > 0 && !memmem(out.at, out.len, "payload", 7));
}

static void test_headers_round_trip(void **state)
{
	(void)state;
	struct buffer out;
	struct slice name, value;
	arena_reset(&arena);
	buffer_init(&out, &arena);
	event_headers_put(&out, SLICE("ce_id"), SLICE("1"));
	event_headers_put(&out, SLICE("empty"), SLICE(""));
	struct slice rest = buffer_slice(&out);
	assert_true(event_headers_next(&rest, &name, &value));
	assert_slice(name, "ce_id");
	assert_slice(value, "1");
	assert_true(event_headers_next(&rest, &name, &value));
	assert_int_equal(value.len, 0);
	assert_false(event_headers_next(&rest, &name, &value));
	rest = (struct slice) { out.at, 5 }; /* cut */
	assert_false(event_headers_next(&rest, &name, &value));
}

static void test_key_takes_the_first_present(void **state)
{
	(void)state;
	const struct slice pointers[] = { SLICE("/ids/user_id"), SLICE("/properties/cart"), SLICE("/event_id") };
	read_event("{\"event\":\"a\",\"ids\":{\"user_id\":\"a\\u0062\"}}");
	ev.event_id = SLICE("e");
	assert_slice(event_key(&ev, pointers, 3, SLICE("{}"), &arena), "ab");
	read_event("{\"event\":\"a\"}");
	ev.event_id = SLICE("e");
	assert_slice(event_key(&ev, pointers, 3, SLICE("{\"properties\":{\"cart\":7}}"), &arena), "7");
	assert_slice(event_key(&ev, pointers, 3, SLICE("{\"properties\":{\"cart\":null}}"), &arena), "e");
}

static int set_up(void **state)
{
	(void)state;
	arena_init(&arena, 16 << 20);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

static uint32_t node_at(const char *pointer)
{
	return json_pointer_get(&doc, 0, slice_of(pointer));
}

static void assert_written(const char *wanted)
{
	struct buffer out;
	buffer_init(&out, &arena);
	event_write_node(&ev, ev.member[EVENT_MEMBER_PROPERTIES], &out);
	assert_slice(buffer_slice(&out), wanted);
}

/* What is not edited keeps its bytes; what is left out takes its name and one comma with it. */
static void test_edits(void **state)
{
	(void)state;
	read_event("{\"event\":\"a\",\"properties\":{\"a\": 1.0,\"b\":{\"c\":\"x\", \"d\":[1,{\"e\":2}]},\"f\":3}}");
	assert_written("{\"a\":1.0,\"b\":{\"c\":\"x\",\"d\":[1,{\"e\":2}]},\"f\":3}");
	event_edit(&ev, node_at("/properties/f"), SLICE_NONE, &arena);
	event_edit(&ev, node_at("/properties/b/d/1/e"), SLICE("\"y\""), &arena);
	assert_written("{\"a\":1.0,\"b\":{\"c\":\"x\",\"d\":[1,{\"e\":\"y\"}]}}");
	event_edit(&ev, node_at("/properties/b/c"), SLICE_NONE, &arena);
	event_edit(&ev, node_at("/properties/a"), SLICE_NONE, &arena);
	assert_written("{\"b\":{\"d\":[1,{\"e\":\"y\"}]}}");
	event_edit(&ev, node_at("/properties/b"), SLICE("null"), &arena);
	assert_written("{\"b\":null}");
	event_edit(&ev, node_at("/properties/b"), SLICE_NONE, &arena);
	assert_written("{}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals_name_their_path),
		cmocka_unit_test(test_all_that_is_wrong_is_told),
		cmocka_unit_test(test_depth_counts_from_the_event),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_canonical_keeps_bytes),
		cmocka_unit_test(test_connection_overrides_browser_context),
		cmocka_unit_test(test_dead_letter_withholds),
		cmocka_unit_test(test_edits),
		cmocka_unit_test(test_headers_round_trip),
		cmocka_unit_test(test_key_takes_the_first_present),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
