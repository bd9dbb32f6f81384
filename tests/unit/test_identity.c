/* Cookies, visitors, visits: signatures, whom a cookie is for, what ends a visit, what is set when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "identity/cookies_write.h"
#include "identity/visitor.h"

#define MINUTE INT64_C(60000)
#define DAY (24 * 60 * MINUTE)
#define NOON (INT64_C(20780) * DAY + DAY / 2)
#define SECRET_A "0123456789abcdef0123456789abcdef"
#define SECRET_B "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF"

static const struct hash_key own_key = { { 1, 2, 3 } };

static bool load_keys(struct cookies_keys *keys, const char *text, const struct hash_key *own, struct error *err)
{
	char path[] = "/tmp/headgate-secret-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	bool loaded = cookies_keys_load(keys, own, slice_of(path), err);
	unlink(path);
	return loaded;
}

static void keys_sign(void **state)
{
	struct cookies_keys own, first, both, other;
	static const struct hash_key other_key = { { 9 } };
	struct error err = { 0 };
	uint8_t tag[COOKIES_TAG_BYTES], again[COOKIES_TAG_BYTES];
	(void)state;
	assert_true(cookies_keys_load(&own, &own_key, SLICE_NONE, &err));
	assert_true(load_keys(&first, SECRET_A "\n", &own_key, &err));
	assert_true(load_keys(&both, SECRET_B "\r\n\n" SECRET_A, &other_key, &err));
	assert_true(load_keys(&other, SECRET_B, &other_key, &err));
	cookies_keys_sign(&first, SLICE("text"), tag);
	assert_int_equal(cookies_keys_verify(&first, SLICE("text"), tag), 0);
	assert_int_equal(cookies_keys_verify(&both, SLICE("text"), tag), 1);
	assert_int_equal(cookies_keys_verify(&other, SLICE("text"), tag), -1);
	assert_int_equal(cookies_keys_verify(&first, SLICE("texT"), tag), -1);
	cookies_keys_sign(&first, SLICE("text"), again);
	assert_memory_equal(tag, again, sizeof tag);
	for (size_t i = 0; i < sizeof tag; i++) {
		tag[i] ^= 1;
		assert_int_equal(cookies_keys_verify(&first, SLICE("text"), tag), -1);
		tag[i] ^= 1;
	}
	/* what the installation signed before there was a file stays good */
	cookies_keys_sign(&own, SLICE("text"), tag);
	assert_int_equal(cookies_keys_verify(&first, SLICE("text"), tag), 1);
	assert_int_equal(cookies_keys_verify(&both, SLICE("text"), tag), -1);
}

/* What was verified lately is remembered: the same answer each time, for many more than there is room for. */
static void keys_remember(void **state)
{
	struct cookies_keys first, both;
	static const struct hash_key other_key = { { 9 } };
	struct error err = { 0 };
	(void)state;
	assert_true(load_keys(&first, SECRET_A, &other_key, &err));
	assert_true(load_keys(&both, SECRET_B "\n" SECRET_A, &other_key, &err));
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 3000; i++) {
			char text[16];
			uint8_t tag[COOKIES_TAG_BYTES];
			struct slice at = { text, (size_t)snprintf(text, sizeof text, "text %d", i) };
			cookies_keys_sign(&first, at, tag);
			for (int times = 0; times < 2; times++) {
				assert_int_equal(cookies_keys_verify(&both, at, tag), 1);
				assert_int_equal(cookies_keys_verify(&first, at, tag), 0);
			}
			tag[i % COOKIES_TAG_BYTES] ^= 0x80;
			assert_int_equal(cookies_keys_verify(&both, at, tag), -1);
		}
}

static void secrets_are_checked(void **state)
{
	struct cookies_keys keys;
	struct error err = { 0 };
	(void)state;
	assert_false(load_keys(&keys, "too short\n", &own_key, &err));
	assert_non_null(strstr(err.message, "shorter than 32"));
	assert_null(strstr(err.message, "too short"));
	assert_false(load_keys(&keys, " \n\n", &own_key, &err));
	assert_non_null(strstr(err.message, "holds no secret"));
	assert_true(load_keys(
	        &keys, SECRET_A "\n" SECRET_A "\n" SECRET_A "\n" SECRET_A "\n" SECRET_A "\n" SECRET_A "\n" SECRET_A,
	        &own_key, &err));
	assert_false(load_keys(&keys,
	                       SECRET_A "\n" SECRET_A "\n" SECRET_A "\n" SECRET_A "\n" SECRET_A "\n" SECRET_A
	                                "\n" SECRET_A "\n" SECRET_A,
	                       &own_key, &err));
	assert_non_null(strstr(err.message, "more than 7"));
	assert_false(cookies_keys_load(&keys, &own_key, SLICE("/nonexistent"), &err));
	assert_non_null(strstr(err.message, "cookies.secret_file"));
}

static void cookies_have_a_scope(void **state)
{
	static const struct slice domains[] = { { "shop.example", 12 },
		                                { "blog.shop.example", 17 },
		                                { "b.localhost", 11 } };
	const struct slices list = { domains, 3 };
	static const struct {
		const char *host, *domain;
		bool secure;
	} cases[] = {
		{ "shop.example", "shop.example", true },
		{ "www.Shop.example:8443", "shop.example", true },
		{ "a.b.shop.example.", "shop.example", true },
		{ "www.blog.shop.example", "blog.shop.example", true },
		{ "myshop.example", "", true },
		{ "shop.example.evil.example", "", true },
		{ "example", "", true },
		{ "203.0.113.1:80", "", true },
		{ "", "", true },
		{ "localhost", "", false },
		{ "localhost:8080", "", false },
		{ "a.b.localhost:8080", "b.localhost", false },
		{ "127.0.0.1:8080", "", false },
		{ "[::1]:8080", "", false },
		{ "[::1", "", true },
		{ "mylocalhost", "", true },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct cookies_scope scope = cookies_scope(slice_of(cases[i].host), false, &list, SOURCE_COOKIES_LAX);
		if (!slice_equal(scope.domain, slice_of(cases[i].domain)) || scope.secure != cases[i].secure)
			fail_msg("%s: domain %.*s, secure %d", cases[i].host, SLICE_ARG(scope.domain), scope.secure);
		assert_true(cookies_scope(slice_of(cases[i].host), true, &list, SOURCE_COOKIES_LAX).secure);
		assert_true(cookies_scope(slice_of(cases[i].host), false, &list, SOURCE_COOKIES_NONE).secure);
	}
}

static void cookies_are_written(void **state)
{
	struct arena arena;
	struct cookies_scope scope = { .domain = SLICE("shop.example"), .secure = true };
	(void)state;
	arena_init(&arena, 1 << 16);
	assert_string_equal(cookies_write(&scope, SLICE("n"), SLICE("v"), 60, &arena),
	                    "n=v; Path=/; Max-Age=60; Domain=shop.example; HttpOnly; Secure; SameSite=Lax");
	scope = (struct cookies_scope) { .secure = true, .partitioned = true };
	assert_string_equal(cookies_write(&scope, SLICE("n"), SLICE("v"), 60, &arena),
	                    "n=v; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=None; Partitioned");
	scope = (struct cookies_scope) { 0 };
	assert_string_equal(cookies_write(&scope, SLICE("n"), SLICE(""), 0, &arena),
	                    "n=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Lax");
	arena_fini(&arena);
}

/* Days of a place nine hours ahead of UTC. */
static int64_t seoul_day(int64_t wall_ms)
{
	return (wall_ms + 9 * 60 * MINUTE) / DAY;
}

static struct session session_at(int64_t wall_ms)
{
	struct session session = { .number = 3, .last_ms = wall_ms, .campaign = 7 };
	uuid_v7(wall_ms, session.id);
	return session;
}

static void visits_end(void **state)
{
	static const struct session_rules plain = { .timeout_ms = 1800000 },
	                                  midnight = { .timeout_ms = 1800000, .day_of = seoul_day },
	                                  campaign = { .timeout_ms = 1800000, .by_campaign = true };
	static const struct {
		const struct session_rules *rules;
		int64_t last_ms, later_ms;
		uint32_t campaign;
		enum session_step step;
	} cases[] = {
		{ &plain, NOON, 0, 0, SESSION_UNCHANGED },
		{ &plain, NOON, MINUTE - 1, 0, SESSION_UNCHANGED },
		{ &plain, NOON, MINUTE, 0, SESSION_NOTED },
		{ &plain, NOON, 30 * MINUTE, 0, SESSION_NOTED },
		{ &plain, NOON, 31 * MINUTE, 0, SESSION_NOTED },
		{ &plain, NOON, 31 * MINUTE + 1, 0, SESSION_BEGUN },
		{ &plain, NOON, 400 * DAY, 0, SESSION_BEGUN },
		/* clocks that are set back, or differ between instances */
		{ &plain, NOON, -1000, 0, SESSION_UNCHANGED },
		{ &plain, NOON, -2 * 60 * MINUTE, 0, SESSION_NOTED },
		{ &plain, NOON, -DAY - 1, 0, SESSION_BEGUN },
		{ &plain, 0, NOON, 0, SESSION_BEGUN },
		/* 15:00 UTC is midnight there */
		{ &midnight, NOON + 179 * MINUTE, 2 * MINUTE, 0, SESSION_BEGUN },
		{ &midnight, NOON + 180 * MINUTE, 2 * MINUTE, 0, SESSION_NOTED },
		{ &midnight, NOON + 180 * MINUTE, -2 * MINUTE, 0, SESSION_NOTED },
		{ &plain, NOON + 179 * MINUTE, 2 * MINUTE, 0, SESSION_NOTED },
		/* no campaign told is no other campaign */
		{ &campaign, NOON, MINUTE / 2, 7, SESSION_UNCHANGED },
		{ &campaign, NOON, MINUTE / 2, 0, SESSION_UNCHANGED },
		{ &campaign, NOON, MINUTE / 2, 8, SESSION_BEGUN },
		{ &campaign, NOON, 2 * MINUTE, 7, SESSION_NOTED },
		{ &plain, NOON, MINUTE / 2, 8, SESSION_UNCHANGED },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct session session = session_at(cases[i].last_ms), before = session;
		int64_t now_ms = cases[i].last_ms + cases[i].later_ms;
		enum session_step step = session_advance(&session, cases[i].rules, cases[i].campaign, now_ms);
		bool same_id = memcmp(session.id, before.id, sizeof session.id) == 0;
		if (step != cases[i].step || same_id != (step != SESSION_BEGUN))
			fail_msg("case %zu: step %d", i, (int)step);
		assert_int_equal(session.number, step == SESSION_BEGUN ? 4 : 3);
		assert_true(session.last_ms == (step == SESSION_UNCHANGED ? cases[i].last_ms : now_ms));
		assert_int_equal(session.campaign,
		                 cases[i].rules->by_campaign && cases[i].campaign ? cases[i].campaign : 7);
	}
}

static void campaigns_are_told_apart(void **state)
{
	static const struct slice click_ids[] = { { "gclid", 5 }, { "n_*", 3 } };
	const struct slices list = { click_ids, 2 };
	(void)state;
	uint32_t a = session_campaign(SLICE("https://shop.example/?utm_source=a&x=1"), &list);
	assert_int_not_equal(a, 0);
	assert_int_equal(session_campaign(SLICE("https://shop.example/other?y=2&utm_source=a#utm_source=c"), &list), a);
	assert_int_not_equal(session_campaign(SLICE("/?utm_source=b"), &list), a);
	assert_int_not_equal(session_campaign(SLICE("/?gclid=1"), &list), session_campaign(SLICE("/?gclid=2"), &list));
	assert_int_not_equal(session_campaign(SLICE("/?n_media=1"), &list), 0);
	static const char *const none[] = { "",
		                            "?",
		                            "/",
		                            "/?",
		                            "/?a=b",
		                            "/?utm_source",
		                            "/?utm_source=",
		                            "/#?utm_source=a",
		                            "/?x=utm_source=a",
		                            "/?=&&=",
		                            "/?gclid" };
	for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
		if (session_campaign(slice_of(none[i]), &list))
			fail_msg("%s names a campaign", none[i]);
}

static void days_are_local(void **state)
{
	(void)state;
	assert_false(clock_set_zone(SLICE("Nowhere/Atlantis")));
	assert_false(clock_set_zone(SLICE("../../etc/passwd")));
	assert_false(clock_set_zone(SLICE("/etc/passwd")));
	assert_true(clock_set_zone(SLICE("Asia/Seoul")));
	assert_int_equal(clock_local_day(NOON + 180 * MINUTE - 1), NOON / DAY);
	assert_int_equal(clock_local_day(NOON + 180 * MINUTE), NOON / DAY + 1);
	assert_true(clock_set_zone(SLICE("UTC")));
	assert_int_equal(clock_local_day(NOON + 180 * MINUTE), NOON / DAY);
	assert_int_equal(clock_local_day(-1), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_sign),
		cmocka_unit_test(keys_remember),
		cmocka_unit_test(secrets_are_checked),
		cmocka_unit_test(cookies_have_a_scope),
		cmocka_unit_test(cookies_are_written),
		cmocka_unit_test(visits_end),
		cmocka_unit_test(campaigns_are_told_apart),
		cmocka_unit_test(days_are_local),
	};
	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
