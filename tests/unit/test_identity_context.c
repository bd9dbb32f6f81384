/* What brought a visitor and with what: campaign, click ids, referrer class, device, robots. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/query.h"
#include "identity/bots.h"
#include "identity/device.h"
#include "identity/referrer.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct arena arena;
static struct name_set click_ids;

static int set_up(void **state)
{
	(void)state;
	static const struct slice names[] = { { "gclid", 5 }, { "fbclid", 6 }, { "NaPm", 4 }, { "n_*", 3 } };
	arena_init(&arena, 8 << 20);
	name_set_init(&click_ids, names, COUNT(names));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

static void assert_text(struct slice got, const char *expected)
{
	if (!slice_equal(got, slice_of(expected)))
		fail_msg("got \"%.*s\", expected \"%s\"", SLICE_ARG(got), expected);
}

static void test_query(void **state)
{
	(void)state;
	struct slice rest = query_of_url(SLICE("https://a/b?x=1&&y&z=a=b#f=2")), name, value;
	static const char *const names[] = { "x", "", "y", "z", "f" }, *const values[] = { "1", "", "", "a=b", "2" };
	for (size_t i = 0; i < COUNT(names); i++) {
		assert_true(query_next(&rest, &name, &value));
		assert_text(name, names[i]);
		assert_text(value, values[i]);
	}
	assert_false(query_next(&rest, &name, &value));
	assert_int_equal(query_of_url(SLICE("https://a/b")).len, 0);
}

static void test_campaign(void **state)
{
	(void)state;
	struct campaign found;
	campaign_read(
	        SLICE("https://a/?utm_source=naver+shop&utm_medium=cpc&utm_campaign=%EA%B0%80%EC%9D%84&utm_term=%B0%A1"
	              "&utm_content=%00&utm_source=second&utm_other=1&gclid=Cj0_%2F&GCLID=no&n_media=27758&n_media=2"
	              "&NaPm=ct%3Dx&utm_id="),
	        &click_ids, &arena, &found);
	assert_text(found.values[CAMPAIGN_SOURCE], "naver shop");
	assert_text(found.values[CAMPAIGN_MEDIUM], "cpc");
	assert_text(found.values[CAMPAIGN_NAME], "가을");
	assert_text(found.values[CAMPAIGN_TERM], "%B0%A1"); /* EUC-KR stays as it came */
	assert_text(found.values[CAMPAIGN_CONTENT], "%00");
	assert_int_equal(found.values[CAMPAIGN_ID].len, 0);
	assert_int_equal(found.member_count, 5);
	assert_int_equal(found.click_id_count, 3);
	assert_text(found.click_ids[0].value, "Cj0_%2F");
	assert_text(found.click_ids[1].name, "n_media");
	assert_text(found.click_ids[1].value, "27758");
	assert_text(found.click_ids[2].name, "NaPm");
	assert_true(found.is_paid);
	campaign_read(SLICE("https://a/?fbclid=x"), &click_ids, &arena, &found);
	assert_false(found.is_paid);
}

/* Ten thousand parameters: bounded in number and in time. */
static void test_many_parameters(void **state)
{
	(void)state;
	struct campaign found;
	struct buffer url;
	buffer_init(&url, NULL);
	buffer_append(&url, SLICE("https://a/?"));
	for (int i = 0; i < 10000; i++)
		buffer_append_format(&url, "n_%d=1&utm_source=%d&", i, i);
	campaign_read(buffer_slice(&url), &click_ids, &arena, &found);
	assert_int_equal(found.click_id_count, CAMPAIGN_CLICK_IDS_MAX);
	assert_text(found.values[CAMPAIGN_SOURCE], "0");
	assert_false(arena.overflowed);
	buffer_fini(&url);
}

static void test_cut(void **state)
{
	(void)state;
	struct campaign found;
	struct buffer url;
	buffer_init(&url, NULL);
	buffer_append(&url, SLICE("https://a/?utm_source=x"));
	for (int i = 0; i < 300; i++)
		buffer_append(&url, SLICE("%EA%B0%80"));
	campaign_read(buffer_slice(&url), &click_ids, &arena, &found);
	assert_int_equal(found.values[CAMPAIGN_SOURCE].len, 511); /* x and 170 characters, none of them cut in two */
	buffer_fini(&url);
}

static const struct {
	const char *page, *referrer, *class;
} visits[] = {
	{ "https://shop.example/", "", "direct" },
	{ "https://shop.example/", "https://www.google.com/", "search" },
	{ "https://shop.example/", "https://www.google.co.kr/search?q=x", "search" },
	{ "https://shop.example/", "https://google.evil.example.com/", "referral" },
	{ "https://shop.example/", "https://m.search.naver.com/search.naver?query=x", "search" },
	{ "https://shop.example/", "https://m.blog.naver.com/abc", "social" },
	{ "https://shop.example/", "https://mail.naver.com/", "email" },
	{ "https://shop.example/", "https://mail.google.com/mail", "email" },
	{ "https://shop.example/", "android-app://com.google.android.gm/", "email" },
	{ "https://shop.example/", "https://l.instagram.com/?u=x", "social" },
	{ "https://shop.example/", "https://T.CO/abc", "social" },
	{ "https://shop.example/", "https://other.example:8443/x", "referral" },
	{ "https://shop.example/", "https://mine.example/x", "partner" }, /* of the configuration */
	{ "https://www.shop.example/cart", "https://shop.example/p/1?x", "internal" },
	{ "https://m.shop.example/cart", "https://user@www.shop.example:443/", "internal" },
	{ "https://shop.example/?gclid=1", "https://www.google.com/", "paid" },
	{ "https://shop.example/?n_media=1", "https://search.naver.com/", "paid" },
	{ "https://shop.example/?fbclid=1", "https://m.facebook.com/", "social" },
	{ "https://shop.example/?utm_medium=CPC", "", "paid" },
	{ "https://shop.example/?utm_medium=email", "", "email" },
	{ "https://shop.example/?utm_source=qr", "", "referral" },
	{ "https://shop.example/?gclid=1", "https://shop.example/", "internal" },
	{ "not a url", "not a url", "direct" },
};

static void test_referrers(void **state)
{
	(void)state;
	static const struct config_pair own[] = { { { "Mine.example", 12 }, { "partner", 7 } } };
	struct referrer_table table;
	assert_true(referrer_table_init(&table, &(struct config_pairs) { own, 1 }, &arena));
	for (size_t i = 0; i < COUNT(visits); i++) {
		struct campaign campaign;
		campaign_read(slice_of(visits[i].page), &click_ids, &arena, &campaign);
		struct slice class =
		        referrer_class(&table, slice_of(visits[i].page), slice_of(visits[i].referrer), &campaign);
		if (!slice_equal(class, slice_of(visits[i].class)))
			fail_msg("%s from %s: %.*s", visits[i].page, visits[i].referrer, SLICE_ARG(class));
	}
}

static const struct {
	const char *agent, *class, *os, *browser;
	bool bot;
} agents[] = {
	{ "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 "
	  "Safari/537.36",
	  "desktop", "Windows", "Chrome", false },
	{ "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 "
	  "Safari/537.36 "
	  "Edg/130.0.0.0",
	  "desktop", "Windows", "Edge", false },
	{ "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Whale/3.28.266.11 "
	  "Safari/537.36",
	  "desktop", "Windows", "Whale", false },
	{ "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
	  "Version/17.5 "
	  "Mobile/15E148 Safari/604.1",
	  "phone", "iOS", "Safari", false },
	{ "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0 "
	  "Mobile/15E148 "
	  "Safari/604.1",
	  "tablet", "iPadOS", "Chrome", false },
	{ "Mozilla/5.0 (Linux; Android 14; SM-S921N) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 "
	  "Chrome/121.0.0.0 Mobile Safari/537.36",
	  "phone", "Android", "Samsung Internet", false },
	{ "Mozilla/5.0 (Linux; Android 13; SM-X700) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/121.0.0.0 "
	  "Safari/537.36",
	  "tablet", "Android", "Chrome", false },
	{ "Mozilla/5.0 (Linux; Android 14; SM-S921N; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 "
	  "Chrome/126.0 "
	  "Mobile Safari/537.36 KAKAOTALK 10.8.0",
	  "phone", "Android", "KakaoTalk", false },
	{ "Mozilla/5.0 (Macintosh; Intel Mac OS X 14.5; rv:127.0) Gecko/20100101 Firefox/127.0", "desktop", "macOS",
	  "Firefox", false },
	{ "Mozilla/5.0 (SMART-TV; LINUX; Tizen 7.0) AppleWebKit/537.36 (KHTML, like Gecko) 94.0/7.0 TV Safari/537.36",
	  "tv", "Tizen", "Safari", false },
	{ "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "", "", "", true },
	{ "Mozilla/5.0 (compatible; Yeti/1.1; +https://naver.me/spd)", "", "", "", true },
	{ "Livelapbot/0.2", "", "", "", true },
	{ "sentry/8.22.0 (https://sentry.io)", "", "", "", true },
	{ "\xff\xfe", "", "", "", false },
};

static void test_devices(void **state)
{
	(void)state;
	struct device_cache *cache = device_cache_create();
	assert_non_null(cache);
	for (size_t round = 0; round < 3; round++) {
		for (size_t i = 0; i < COUNT(agents); i++) {
			struct device device;
			device_look(round ? cache : NULL, slice_of(agents[i].agent), &device);
			assert_text(device.class, agents[i].class);
			assert_text(device.os, agents[i].os);
			assert_text(device.browser, agents[i].browser);
			if (device.bot != agents[i].bot)
				fail_msg("%s: bot %d", agents[i].agent, device.bot);
		}
	}
	char long_agent[8192];
	struct device device;
	memset(long_agent, 'M', sizeof long_agent);
	device_look(cache, (struct slice) { long_agent, sizeof long_agent }, &device);
	assert_int_equal(device.class.len, 0);
	device_look(cache, SLICE_NONE, &device);
	assert_false(device.bot);
	device_cache_destroy(&cache);
	assert_true(bots_count() > 1400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_query), cmocka_unit_test(test_campaign),  cmocka_unit_test(test_many_parameters),
		cmocka_unit_test(test_cut),   cmocka_unit_test(test_referrers), cmocka_unit_test(test_devices),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
