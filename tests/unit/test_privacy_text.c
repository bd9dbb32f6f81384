/* Text as privacy sees it: numbers that no event may carry, e-mail addresses, URLs, the platforms' normal forms, IPs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "privacy/ip.h"
#include "privacy/normal_form.h"
#include "privacy/redact.h"
#include "privacy/url_scrub.h"

#define YEAR 2026
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void assert_text(struct slice got, const char *expected)
{
	if (!slice_equal(got, slice_of(expected)))
		fail_msg("got \"%.*s\", expected \"%s\"", SLICE_ARG(got), expected);
}

static const struct {
	const char *text, *expected;
} numbers[] = {
	{ "4111111111111111", "****************" },
	{ "card 4111-1111-1111-1111.", "card ****-****-****-****." },
	{ "4111 1111 1111 1111", "**** **** **** ****" },
	{ "n=4111%201111%201111%201111&x", "n=****%20****%20****%20****&x" },
	{ "q=%204111111111111111", "q=%20****************" },
	{ "3782 822463 10005", "**** ****** *****" },
	{ "5555555555554444,2223003122003222", "****************,****************" },
	{ "6011111111111117 3530111333300000", "**************** ****************" },
	{ "30569309025904", "**************" },
	{ "order 20261122 4111-1111-1111-1111", "order 20261122 ****-****-****-****" },
	/* not the check digit, not an issuer, not alone */
	{ "4111111111111112", NULL },
	{ "1234567812345670", NULL },
	{ "1795312860123", NULL },
	{ "EAIaIQobChMI4111111111111111", NULL },
	{ "4111111111111111a", NULL },
	{ "37.4111111111111111", NULL },
	{ "0190b6a2-4111-1111-1111-111111111111", NULL },
	{ "41111111-1111-1111-1111-111111111111", NULL },
	{ "4006381333931", NULL }, /* a barcode */
	{ "GA1.1.1234567890.1700000000", NULL },
	/* resident registration numbers: with a hyphen the form, without it the check digit */
	{ "900101-1234567", "******-*******" },
	{ "주민번호 990228-2345678 입니다", "주민번호 ******-******* 입니다" },
	{ "900101-1234568", "******-*******" },
	{ "9001011234568", "*************" },
	{ "9001011234567", NULL },
	{ "991301-1234567", NULL },
	{ "990132-1234567", NULL },
	{ "900101-9234567", NULL },
	{ "150101-3234567", "******-*******" },
	{ "300101-3234567", NULL }, /* not born yet */
	{ "261125-1000012", NULL }, /* an order of today, or somebody of 100 years */
	{ "20261125-0000012", NULL },
};

static void test_numbers(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(numbers); i++) {
		char text[128];
		struct redact_found found = { 0 };
		strcpy(text, numbers[i].text);
		bool any = redact_digits(text, strlen(text), YEAR, false, &found);
		const char *expected = numbers[i].expected ? numbers[i].expected : numbers[i].text;
		if (strcmp(text, expected) != 0 || any != (numbers[i].expected != NULL))
			fail_msg("%s: got %s, expected %s", numbers[i].text, text, expected);
	}
}

/* The first look over a whole event must let no number slip, wherever it lies. */
static void test_first_look(void **state)
{
	(void)state;
	char bytes[400];
	static const char *const forms[] = { "\"4111-1111-1111-1111\"", "\"9001011234568\"", "4111111111111111" };
	for (size_t f = 0; f < COUNT(forms); f++) {
		for (size_t place = 0; place < 300; place++) {
			size_t at = 0, begin;
			memset(bytes, 'x', sizeof bytes);
			memcpy(bytes + place, forms[f], strlen(forms[f]));
			struct slice s = { bytes, place + strlen(forms[f]) + 60 };
			assert_true(redact_next_digits(s, &at, &begin));
			assert_int_equal(begin, place + (forms[f][0] == '"'));
			assert_false(redact_next_digits(s, &at, &begin));
		}
	}
	size_t at = 0, begin;
	assert_false(redact_next_digits(SLICE("\"2026-11-22T02:01:00.123Z\",\"69000\",29500,2"), &at, &begin));
}

static void test_barcode_or_person(void **state)
{
	(void)state;
	struct redact_found found = { 0 };
	char made[20], text[20];
	for (int serial = 0; serial < 10000; serial++) {
		snprintf(made, sizeof made, "8801062%06d", serial);
		strcpy(text, made);
		if (!redact_digits(text, 13, YEAR, false, &found))
			continue;
		strcpy(text, made);
		if (!redact_digits(text, 13, YEAR, true, &found))
			return; /* a person's number anywhere, a barcode under the name of one */
	}
	fail_msg("no number passes both checks");
}

static const struct {
	const char *text, *expected;
} emails[] = {
	{ "mina@example.com", "*" },
	{ "?q=mina.kim%40example.co.kr&x=1", "?q=*&x=1" },
	{ "?u=https%3A%2F%2Fa.kr%2F%3Fe%3Dmina%2540example.com%26b", "?u=https%3A%2F%2Fa.kr%2F%3Fe%3D*%26b" },
	{ "from a@b.kr to c.d+e@f-g.com.", "from * to *." },
	{ "https://user:secret@shop.example/p", "https://*@shop.example/p" },
	{ "https://medium.com/@mina.kim/x", NULL },
	{ "/img/logo@2x.png", NULL },
	{ "lib@1.2.3", NULL },
	{ "@", NULL },
	{ "a@b", NULL },
	{ "100%40 off", NULL },
	{ "김민아@example.com", "*" },
};

static void test_emails(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(emails); i++) {
		char text[128];
		struct redact_found found = { 0 };
		strcpy(text, emails[i].text);
		size_t len = redact_emails(text, strlen(text), &found);
		assert_text((struct slice) { text, len }, emails[i].expected ? emails[i].expected : emails[i].text);
		assert_int_equal(found.count[REDACT_EMAIL] > 0, emails[i].expected != NULL);
	}
}

/* Work grows with the length, not with its square. */
static void test_many_signs(void **state)
{
	(void)state;
	size_t len = 1 << 20;
	char *text = malloc(len);
	struct redact_found found = { 0 };
	assert_non_null(text);
	memset(text, '@', len);
	assert_int_equal(redact_emails(text, len, &found), len);
	for (size_t i = 0; i < len; i++)
		text[i] = "a@b.cc "[i % 7];
	assert_true(redact_emails(text, len, &found) < len / 3);
	memset(text, '4', len);
	assert_false(redact_digits(text, len, YEAR, false, &found));
	for (size_t i = 0; i < len; i++)
		text[i] = "1234-"[i % 5];
	assert_false(redact_digits(text, len, YEAR, false, &found));
	free(text);
}

static const struct {
	const char *url, *stripped, *origin;
} urls[] = {
	{ "https://shop.example/p/1042?utm_source=x#top", "https://shop.example/p/*", "https://shop.example" },
	{ "https://shop.example:8443/u/mina@x.kr/orders/0190b6a2-7c1e-7b3a-9d4e-5f60718293a4/",
	  "https://shop.example:8443/u/*/orders/*/", "https://shop.example:8443" },
	{ "https://mina:pw@shop.example/a%40b.c/d;jsessionid=1", "https://shop.example/*/d", "https://shop.example" },
	{ "//shop.example?x", "//shop.example", "//shop.example" },
	{ "/orders/77/items", "/orders/*/items", "" },
	{ "/검색/a%B0%A1", "/검색/a%B0%A1", "" }, /* EUC-KR stays percent-encoded */
	{ "?email=a@b.c", "", "" },
	{ "android-app://com.google.android.gm/", "android-app://com.google.android.gm/",
	  "android-app://com.google.android.gm" },
	{ "https://a@b@host/x", "https://host/x", "https://host" },
	{ "", "", "" },
};

static void test_urls(void **state)
{
	(void)state;
	struct arena arena;
	arena_init(&arena, 1 << 20);
	for (size_t i = 0; i < COUNT(urls); i++) {
		struct buffer stripped, origin;
		buffer_init(&stripped, &arena);
		buffer_init(&origin, &arena);
		url_write_stripped(slice_of(urls[i].url), &stripped);
		url_write_origin(slice_of(urls[i].url), &origin);
		assert_text(buffer_slice(&stripped), urls[i].stripped);
		assert_text(buffer_slice(&origin), urls[i].origin);
	}
	arena_fini(&arena);
}

static void test_parameters(void **state)
{
	(void)state;
	struct arena arena;
	struct name_set names;
	static const struct slice click_ids[] = { { "gclid", 5 }, { "NaPm", 4 }, { "n_*", 3 } };
	static const struct {
		const char *url, *expected;
	} cases[] = {
		{ "https://a/?gclid=1", "https://a/" },
		{ "https://a/?gclid=1&x=2", "https://a/?x=2" },
		{ "https://a/?x=2&gclid=1&y=3#s", "https://a/?x=2&y=3#s" },
		{ "https://a/?x=2#gclid=1", "https://a/?x=2" },
		{ "https://a/?n_media=1&NaPm=ct%3D2&q=%B0%A1", "https://a/?q=%B0%A1" },
		{ "https://a/?napm=1&gclidx=2&xgclid=3&n=4", NULL },
		{ "https://a/p", NULL },
	};
	arena_init(&arena, 1 << 20);
	name_set_init(&names, click_ids, COUNT(click_ids));
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buffer out;
		buffer_init(&out, &arena);
		assert_int_equal(url_write_without(slice_of(cases[i].url), &names, &out), cases[i].expected != NULL);
		if (cases[i].expected)
			assert_text(buffer_slice(&out), cases[i].expected);
	}
	arena_fini(&arena);
}

static void assert_hash(struct slice text, const char *hex)
{
	unsigned char digest[crypto_hash_sha256_BYTES];
	char found[2 * sizeof digest + 1];
	crypto_hash_sha256(digest, (const unsigned char *)text.at, text.len);
	sodium_bin2hex(found, sizeof found, digest, sizeof digest);
	assert_memory_equal(found, hex, strlen(hex));
}

static void test_email_forms(void **state)
{
	(void)state;
	char to[NORMAL_FORM_BYTES], google[NORMAL_FORM_BYTES];
	static const char hex[] = "836f82db99121b3481011f16b49dfa5fbc714a0d1b1b9f784a1ebbbf5b39577f";
	static const char *const same[] = { "john.doe@example.com", " John.Doe@Example.COM\n", "JOHN.DOE@EXAMPLE.COM" };
	for (size_t i = 0; i < COUNT(same); i++)
		assert_hash(normal_email(slice_of(same[i]), to), hex);
	assert_text(normal_email_google(normal_email(SLICE("Mina.Kim+shop@Gmail.com"), to), google),
	            "minakim@gmail.com");
	assert_text(normal_email_google(normal_email(SLICE("m.k@googlemail.com"), to), google), "mk@googlemail.com");
	assert_text(normal_email_google(normal_email(SLICE("mina.kim+shop@naver.com"), to), google),
	            "mina.kim+shop@naver.com");
	static const char *const none[] = { "", "@", "a@", "@b.c", "a@b", "a b@c.de", "a@b@c.de", "a@b." };
	for (size_t i = 0; i < COUNT(none); i++)
		if (normal_email(slice_of(none[i]), to).at)
			fail_msg("%s passed", none[i]);
}

static void test_phone_forms(void **state)
{
	(void)state;
	char to[NORMAL_FORM_BYTES];
	static const char *const one[] = {
		"010-1234-5678", "+82 010 1234 5678",          "+82 10 1234 5678",  "+82 10-1234-5678",
		"01012345678",   "+82(0)10-1234-5678",         "0082-10-1234-5678", "821012345678",
		"10-1234-5678",  "０１０－１２３４－５６７８", "010.1234.5678"
	};
	for (size_t i = 0; i < COUNT(one); i++)
		assert_text(normal_phone(slice_of(one[i]), SLICE("KR"), to), "+821012345678");
	struct slice phone = normal_phone(SLICE("010-1234-5678"), SLICE("KR"), to);
	assert_hash(phone, "2efdd01f");
	assert_hash((struct slice) { phone.at + 1, phone.len - 1 }, "5d639079");
	assert_text(normal_phone(SLICE("02-123-4567"), SLICE("KR"), to), "+8221234567");
	assert_text(normal_phone(SLICE("(415) 555-2671"), SLICE("US"), to), "+14155552671");
	assert_text(normal_phone(SLICE("1-415-555-2671"), SLICE("US"), to), "+14155552671");
	assert_text(normal_phone(SLICE("+39 06 1234 5678"), SLICE("KR"), to), "+390612345678");
	assert_text(normal_phone(SLICE("090-1234-5678"), SLICE("JP"), to), "+819012345678");
	assert_text(normal_phone(SLICE("+999 123 4567 89"), SLICE("KR"), to), "+999123456789");
	static const char *const none[] = {
		"", "+", "call me", "12", "+1234567890123456", "010-1234-abcd", "1+2345678"
	};
	for (size_t i = 0; i < COUNT(none); i++)
		if (normal_phone(slice_of(none[i]), SLICE("KR"), to).at)
			fail_msg("%s passed", none[i]);
	assert_null(normal_phone(SLICE("010-1234-5678"), SLICE(""), to).at);
}

static void test_word_forms(void **state)
{
	(void)state;
	char to[NORMAL_FORM_BYTES];
	assert_text(normal_words(SLICE("  Mina\t KIM "), to), "mina kim");
	assert_text(normal_words(SLICE("김민아"), to), "김민아");
	assert_null(normal_words(SLICE(" \n"), to).at);
	assert_text(normal_compact(SLICE("New York"), to), "newyork");
	assert_text(normal_compact(SLICE("SW1A 1AA"), to), "sw1a1aa");
}

static void test_ip(void **state)
{
	(void)state;
	static const struct hash_key key = { { 1 } };
	char to[IP_TEXT_BYTES], again[IP_TEXT_BYTES];
	static const struct {
		const char *ip, *network;
	} cases[] = { { "203.0.113.77", "203.0.113.0" },
		      { "::ffff:203.0.113.77", "203.0.113.0" },
		      { "2001:db8:1:2:3:4:5:6", "2001:db8:1::" },
		      { "not one", "" },
		      { "", "" } };
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_text(ip_shorten(slice_of(cases[i].ip), IP_TRUNCATED, &key, to), cases[i].network);
	assert_text(ip_shorten(SLICE("203.0.113.77"), IP_FULL, &key, to), "203.0.113.77");
	assert_int_equal(ip_shorten(SLICE("203.0.113.77"), IP_NONE, &key, to).len, 0);
	struct slice hash = ip_shorten(SLICE("203.0.113.77"), IP_HASH, &key, to);
	assert_int_equal(hash.len, 32);
	assert_true(slice_equal(hash, ip_shorten(SLICE("::ffff:203.0.113.77"), IP_HASH, &key, again)));
	assert_false(slice_equal(hash, ip_shorten(SLICE("203.0.113.78"), IP_HASH, &key, again)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_first_look),
		cmocka_unit_test(test_barcode_or_person),
		cmocka_unit_test(test_emails),
		cmocka_unit_test(test_many_signs),
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_parameters),
		cmocka_unit_test(test_email_forms),
		cmocka_unit_test(test_phone_forms),
		cmocka_unit_test(test_word_forms),
		cmocka_unit_test(test_ip),
	};
	return sodium_init() < 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
