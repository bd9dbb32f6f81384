/* What goes out of an event: by what consent decided, by the rules for personal data, and by what no event may carry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/metrics.h"
#include "base/uuid.h"
#include "event/write.h"
#include "pipeline/snapshot.h"
#include "privacy/shape.h"

#define NOW_MS 1795312860123
#define EMAIL "836f82db99121b3481011f16b49dfa5fbc714a0d1b1b9f784a1ebbbf5b39577f"

static struct arena arena;
static struct snapshot *snap;
static struct event ev;
static const struct hash_key key = { { 7 } };
static const struct event_connection connection = { .ip = { "203.0.113.77", 12 },
	                                            .user_agent = { "Mozilla/5.0 X", 13 } };

/* For the daily id. */
static int64_t day_ms = NOW_MS;
static enum consent_state undecided = CONSENT_GRANTED;
static bool has_gpc;

static struct snapshot *load(const char *privacy)
{
	struct error err;
	char path[] = "/tmp/headgate-shape-XXXXXX", text[1024], schemas[4096];
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_non_null(realpath("schemas", schemas));
	int len =
	        snprintf(text, sizeof text,
	                 "{\"catalog\":{\"dir\":\"%s\"},%s\"sources\":{"
	                 "\"web\":{\"keys\":[\"w\"],\"kind\":\"browser\"},"
	                 "\"server\":{\"keys\":[\"s\"],\"kind\":\"server\",\"consent_defaults\":{\"ads\":\"denied\"}},"
	                 "\"short\":{\"keys\":[\"t\"],\"kind\":\"browser\",\"ip\":\"hash\",\"daily_id\":true}}}",
	                 schemas, privacy);
	assert_int_equal(write(fd, text, (size_t)len), len);
	close(fd);
	char *environment[] = { NULL };
	const struct config_options options = { .file = path, .environment = environment };
	struct config *cfg = config_load(&options, &err);
	unlink(path);
	if (!cfg)
		fail_msg("%s", err.message);
	struct snapshot *loaded = snapshot_load(cfg, &err);
	if (!loaded)
		fail_msg("%s", err.message);
	return loaded;
}

static int set_up(void **state)
{
	(void)state;
	snap = load("");
	arena_init(&arena, 8 << 20);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	snapshot_release(&snap);
	arena_fini(&arena);
	return 0;
}

/* The event as it is written after privacy, with the consent given. */
static const char *shaped(const char *text, const char *source_name, enum consent_applied applied, enum verdict verdict)
{
	static const struct json_options options = { .depth_max = 32, .nodes_max = 1 << 20 };
	static const struct event_limits limits = {
		.event_bytes = 65536, .depth = 32, .id_bytes = 256, .event_id_bytes = 128
	};
	static struct event_purpose purposes[] = {
		{ .purpose = { "analytics", 9 }, .state = CONSENT_GRANTED, .is_configured = true },
		{ .purpose = { "ads", 3 }, .state = CONSENT_GRANTED, .is_configured = true },
	};
	const struct source *source = NULL;
	for (size_t i = 0; i < snap->cfg->sources_count; i++)
		if (slice_equal(snap->cfg->sources[i].name, slice_of(source_name)))
			source = &snap->cfg->sources[i];
	struct json_doc *doc = arena_zalloc(&arena, sizeof *doc);
	size_t at;
	struct buffer out;
	assert_int_equal(json_scan(doc, slice_of(text), &options, &arena, &at), JSON_OK);
	ev = (struct event) { .doc = doc, .received_ms = day_ms, .bytes = slice_of(text), .verdict = verdict };
	(void)event_read(&ev, &limits, &arena);
	(void)catalog_find(snap->cat, ev.name, SLICE_NONE, &ev.schema);
	if (!ev.event_id.len)
		ev.event_id = SLICE("0190b6a2-7c1e-7b3a-9d4e-5f60718293a4");
	ev.consent =
	        (struct event_consent) { .at = purposes, .count = applied == CONSENT_KEPT ? 2 : 1, .applied = applied };
	purposes[0].state = purposes[0].stated = undecided;
	ev.consent.gpc = has_gpc;
	ev.consent.time_ms = 1795312800000; /* 2026-11-22T02:00:00Z, which the texts say where they say any */
	ev.consent.is_update = slice_equal(ev.name, SLICE("consent_update"));
	ev.payload_allowed = true;
	const struct shape_facts facts = { .cfg = snap->cfg,
		                           .source = source,
		                           .connection = &connection,
		                           .rules = snap->shape_rules,
		                           .hash_key = &key,
		                           .arena = &arena,
		                           .agent_family = SLICE("Chrome") };
	privacy_shape(&facts, &ev);
	const struct event_origin origin = {
		.source = source, .protocol = "native", .path = SLICE("/v1/events"), .position = SLICE("L/0/1/2")
	};
	buffer_init(&out, &arena);
	if (verdict == VERDICT_REJECTED)
		event_write_dead_letter(&ev, &origin, 65536, &out);
	else
		event_write_canonical(&ev, &origin, &out);
	struct json_doc again = { 0 };
	if (json_scan(&again, buffer_slice(&out), &options, &arena, &at) != JSON_OK)
		fail_msg("not JSON: %.*s", SLICE_ARG(buffer_slice(&out)));
	return arena_copy(&arena, buffer_slice(&out)).at;
}

static void assert_holds(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("%s\nlacks %s", text, part);
}

static void assert_lacks(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("%s\nholds %s", text, part);
}

static const char PERSONAL[] =
        "{\"event\":\"page_view\",\"event_id\":\"own-id-1\",\"anonymous_id\":\"anon-77\",\"user_id\":\"u-1048576\","
        "\"session_id\":\"sess-9\",\"ids\":{\"fbp\":\"fb.1.2.3\",\"group_id\":\"g1\"},"
        "\"user\":{\"email\":\"John.Doe@example.com\",\"phone\":\"010-1234-5678\",\"name\":\"Mina\",\"traits\":{"
        "\"level\":\"gold\"}},"
        "\"consent\":{\"analytics\":\"denied\",\"tcf\":\"CPXX\",\"version\":\"7\"},"
        "\"context\":{\"page\":{\"url\":\"https://shop.example/u/77/p?gclid=Cj0&n_media=5&x=1#f\","
        "\"referrer\":\"https://blog.example/post/9?fbclid=zz\",\"title\":\"Hi Mina\",\"search\":\"?gclid=Cj0\"},"
        "\"click_ids\":{\"gclid\":\"Cj0\"},\"ip\":\"198.51.100.7\",\"user_agent\":\"Own/1\",\"locale\":\"ko-KR\","
        "\"library\":{\"visitor\":\"v-5\"}},"
        "\"properties\":{\"name\":\"home\",\"n_items\":3,\"fbclid\":\"zz\",\"who\":\"u-1048576\","
        "\"link\":\"https://shop.example/p/1042?utm_source=x\"}}";

static void test_stripped(void **state)
{
	(void)state;
	const char *text = shaped(PERSONAL, "web", CONSENT_STRIPPED, VERDICT_PENDING);
	static const char *const gone[] = { "own-id-1", "anon-77",  "u-1048576", "sess-9",  "fb.1.2.3",
		                            "\"ids\"",  "\"user\"", "Mina",      "CPXX",    "gclid",
		                            "203.0",    "198.51",   "Own/1",     "Mozilla", "v-5",
		                            "fbclid",   "?",        "post/9",    "u/77",    "client_event_id" };
	for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++)
		assert_lacks(text, gone[i]);
	assert_holds(text, "\"url\":\"https://shop.example/u/*/p\"");
	assert_holds(text, "\"referrer\":\"https://blog.example\"");
	assert_holds(text, "\"user_agent\":\"Chrome\"");
	assert_holds(text, "\"locale\":\"ko-KR\"");
	assert_holds(text, "\"properties\":{\"name\":\"home\",\"n_items\":3,\"link\":\"https://shop.example/p/*\"}");
	assert_true(slice_equal(ev.event_id, SLICE("own-id-1"))); /* what the answer tells */
	assert_true(uuid_is_valid(ev.written_event_id));
	assert_int_equal(ev.written_event_id.at[14], '8');
	struct slice first = arena_copy(&arena, ev.written_event_id);
	(void)shaped(PERSONAL, "web", CONSENT_STRIPPED, VERDICT_PENDING);
	assert_true(slice_equal(first, ev.written_event_id)); /* copies stay recognisable */
}

static void test_reduced(void **state)
{
	(void)state;
	const char *text = shaped(PERSONAL, "web", CONSENT_REDUCED, VERDICT_PENDING);
	static const char *const gone[] = { "fb.1.2.3", "gclid",        "fbclid",  "n_media",
		                            "hashed",   "203.0.113.77", "010-1234" };
	for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++)
		assert_lacks(text, gone[i]);
	assert_holds(text, "\"event_id\":\"own-id-1\"");
	assert_holds(text, "\"ids\":{\"anonymous_id\":\"anon-77\",\"user_id\":\"u-1048576\",\"session_id\":\"sess-9\","
	                   "\"group_id\":\"g1\"}");
	assert_holds(text, "\"user\":{\"traits\":{\"level\":\"gold\"}}");
	assert_holds(text, "\"url\":\"https://shop.example/u/77/p?x=1#f\"");
	assert_holds(text, "\"referrer\":\"https://blog.example/post/9\"");
	assert_holds(text, "\"ip\":\"203.0.113.0\",\"user_agent\":\"Mozilla/5.0 X\"");
	assert_holds(text, "\"tcf\":\"CPXX\"");
	assert_holds(text, "\"n_items\":3");
	assert_holds(text, "\"visitor\":\"v-5\"");
}

static void test_kept(void **state)
{
	(void)state;
	const char *text = shaped(PERSONAL, "web", CONSENT_KEPT, VERDICT_PENDING);
	assert_holds(text, "\"ip\":\"203.0.113.77\"");
	assert_holds(text, "gclid=Cj0&n_media=5&x=1#f");
	assert_holds(text, "\"fbp\":\"fb.1.2.3\"");
	assert_holds(text, "\"user\":{\"traits\":{\"level\":\"gold\"},\"hashed\":{\"email\":\"" EMAIL
	                   "\",\"email_google\":\"");
	assert_holds(text, "\"phone_e164\":\"2efdd01f");
	assert_holds(text, "\"phone_digits\":\"5d639079");
	assert_lacks(text, "John");
	assert_lacks(text, "\"Mina\"");
	text = shaped(PERSONAL, "short", CONSENT_KEPT, VERDICT_PENDING);
	assert_lacks(text, "203.0");
	assert_holds(text, "\"ip\":\"");
}

static void test_server_address(void **state)
{
	(void)state;
	const char *text = shaped(PERSONAL, "server", CONSENT_REDUCED, VERDICT_PENDING);
	assert_holds(text, "\"ip\":\"198.51.100.0\",\"user_agent\":\"Own/1\"");
	text = shaped(PERSONAL, "server", CONSENT_STRIPPED, VERDICT_PENDING);
	assert_lacks(text, "\"ip\"");
	assert_holds(text, "\"user_agent\":\"Chrome\"");
	text = shaped(PERSONAL, "server", CONSENT_KEPT, VERDICT_PENDING);
	assert_holds(text, "\"ip\":\"198.51.100.7\"");
}

static void test_necessary(void **state)
{
	(void)state;
	const char *text =
	        shaped("{\"event\":\"consent_update\",\"anonymous_id\":\"anon-77\","
	               "\"consent\":{\"ads\":\"denied\",\"time\":\"2026-11-22T02:00:00Z\",\"version\":\"7\"},"
	               "\"context\":{\"page\":{\"url\":\"https://shop.example/u/77\"},\"locale\":\"ko\"},"
	               "\"properties\":{\"action\":\"withdrawn\"}}",
	               "web", CONSENT_KEPT, VERDICT_PENDING);
	assert_holds(text, "\"anonymous_id\":\"anon-77\"");
	assert_holds(text, "\"time\":\"2026-11-22T02:00:00.000Z\",\"version\":\"7\"");
	assert_holds(text, "\"context\":{\"locale\":\"ko\"}");
	assert_holds(text, "\"action\":\"withdrawn\"");
}

static void test_numbers_go_everywhere(void **state)
{
	(void)state;
	const char *text =
	        shaped("{\"event\":\"page_view\",\"event_id\":\"4111111111111111\",\"user_id\":\"900101-1234567\","
	               "\"context\":{\"page\":{\"url\":\"https://a.kr/?c=4111-1111-1111-1111&e=mina%40a.kr\"}},"
	               "\"user\":{\"traits\":{\"note\":\"mina@a.kr 9001011234568\"}},"
	               "\"properties\":{\"search_term\":\"mina@a.kr\",\"4111 1111 1111 1111\":1,\"n\":4111111111111111,"
	               "\"esc\":\"\\u0034111111111111111 a\\u0040b.kr \\n\",\"gtin\":\"4006381333931\","
	               "\"url\":\"\\n\\u002fx?m=a%40b.kr\"}}",
	               "web", CONSENT_KEPT, VERDICT_PENDING);
	assert_lacks(text, "4111");
	assert_lacks(text, "1111-");
	assert_lacks(text, "900101");
	assert_lacks(text, "mina");
	assert_lacks(text, "0040");
	assert_lacks(text, "%40");
	assert_holds(text, "\"url\":\"https://a.kr/?c=****-****-****-****&e=*\"");
	assert_holds(text, "\"user_id\":\"******-*******\"");
	assert_holds(text, "\"search_term\":\"*\",\"n\":\"****************\"");
	assert_holds(text, "\"gtin\":\"4006381333931\"");
	assert_true(uuid_is_valid(ev.written_event_id));
	const struct slice labels[] = { SLICE("web"), SLICE("card") }, emails[] = { SLICE("web"), SLICE("email") };
	assert_true(metrics_get(metrics_series(METRIC_PII_FOUND, labels)) >= 4);
	assert_true(metrics_get(metrics_series(METRIC_PII_FOUND, emails)) >= 4);
}

static void test_refused(void **state)
{
	(void)state;
	const char *text = shaped(PERSONAL, "web", CONSENT_STRIPPED, VERDICT_REJECTED);
	static const char *const gone[] = {
		"own-id-1", "anon-77", "u-1048576", "sess-9", "John", "CPXX", "gclid", "v-5"
	};
	for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++)
		assert_lacks(text, gone[i]);
	assert_holds(text, "\"payload\":{\"event\":\"page_view\"");
	text = shaped(PERSONAL, "web", CONSENT_REDUCED, VERDICT_REJECTED);
	assert_lacks(text, "John");
	assert_lacks(text, "fb.1.2.3");
	assert_holds(text,
	             "\"payload\":{\"event\":\"page_view\",\"event_id\":\"own-id-1\",\"anonymous_id\":\"anon-77\"");
	text = shaped("{\"event\":\"page_view\",\"mina@a.kr\":1,\"properties\":{}}", "web", CONSENT_KEPT,
	              VERDICT_REJECTED);
	assert_holds(text, "\"path\":\"/*\"");
	assert_lacks(shaped("{\"event\":\"page_view\",\"user\":\"010-1234-5678\",\"mail\":\"mina@a.kr\"}", "web",
	                    CONSENT_KEPT, VERDICT_REJECTED),
	             "mina");
	assert_lacks(
	        shaped("{\"event\":\"page_view\",\"user\":\"010-1234-5678\"}", "web", CONSENT_KEPT, VERDICT_REJECTED),
	        "1234");
	assert_lacks(text, "\"path\":\"/mina");
}

static struct slice daily_id(enum consent_state state, bool gpc, int64_t received_ms, const char *source_name)
{
	static const char text[] = "{\"event\":\"page_view\",\"anonymous_id\":\"a\"}";
	day_ms = received_ms;
	undecided = state;
	has_gpc = gpc;
	(void)shaped(text, source_name, CONSENT_STRIPPED, VERDICT_PENDING);
	day_ms = NOW_MS;
	undecided = CONSENT_GRANTED;
	has_gpc = false;
	return event_id_find(&ev, SLICE("daily_id"));
}

static void test_daily_id(void **state)
{
	(void)state;
	struct slice first = daily_id(CONSENT_UNKNOWN, false, NOW_MS, "short");
	assert_int_equal(first.len, 32);
	assert_int_equal(ev.id_count, 1);
	assert_true(slice_equal(first, daily_id(CONSENT_UNKNOWN, false, NOW_MS + 60000, "short")));
	assert_int_equal(daily_id(CONSENT_DENIED, false, NOW_MS, "short").len, 0);
	assert_int_equal(daily_id(CONSENT_UNKNOWN, true, NOW_MS, "short").len, 0);
	assert_int_equal(daily_id(CONSENT_UNKNOWN, false, NOW_MS, "web").len, 0); /* which did not ask for it */
	assert_false(slice_equal(first, daily_id(CONSENT_UNKNOWN, false, NOW_MS + 24 * 3600 * 1000LL, "short")));
}

static void test_configured_actions(void **state)
{
	(void)state;
	snapshot_release(&snap);
	snap = load(
	        "\"privacy\":{\"pii\":{\"email\":\"keep\",\"phone\":\"mask\",\"name\":\"mask\",\"address\":\"hash\"},"
	        "\"hash\":\"hmac\"},");
	const char *text = shaped("{\"event\":\"lead\",\"user\":{\"email\":\"a.b@c.kr\",\"phone\":\"010-1234-5678\","
	                          "\"name\":\"김민아\",\"address\":{\"city\":\"New York\",\"country\":\"KR\"}},"
	                          "\"properties\":{\"message\":\"write to x@y.kr\"}}",
	                          "web", CONSENT_KEPT, VERDICT_PENDING);
	assert_holds(text, "\"email\":\"a.b@c.kr\",\"phone\":\"***5678\",\"name\":\"김***\",\"hashed\":{\"pepper\":");
	assert_holds(text, "\"city_hmac\":\"");
	assert_lacks(text, "New York");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stripped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_reduced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_server_address, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_necessary, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_numbers_go_everywhere, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_daily_id, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_configured_actions, set_up, tear_down),
	};
	metrics_register_thread();
	return sodium_init() < 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
