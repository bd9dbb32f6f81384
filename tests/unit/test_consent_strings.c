/* The readers of consent strings one by one: bits, what each knows, and what none may take for a grant. Whole vectors come
 * from the IAB's own packages (tests/integration/consent_strings.test.mjs), outcomes stand in tests/consent/table.txt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/hash.h"
#include "privacy/bits.h"
#include "privacy/consent_cookie.h"
#include "privacy/consent_mode.h"
#include "privacy/gpp.h"
#include "privacy/resolve.h"
#include "privacy/tcf.h"
#include "privacy/us_privacy.h"

#define TCF_ALL "CQlH_MAQlH_MAAfABBENB4FgAP_gAAAAAAYgF5wAgAFALzAAAAAA.IAAA.YAAAAAAAAAAA"
#define ROUNDS 200000

static const struct hash_key key = { { 1, 2, 3 } };

static void sign(const void *keys, struct slice text, uint8_t tag[CONSENT_COOKIE_TAG_BYTES])
{
	struct hash128 hash = hash_keyed128(keys, text);
	memcpy(tag, &hash, sizeof hash);
}

static bool verify(const void *keys, struct slice text, const uint8_t tag[CONSENT_COOKIE_TAG_BYTES])
{
	struct hash128 hash = hash_keyed128(keys, text);
	return memcmp(tag, &hash, sizeof hash) == 0;
}

static const struct consent_signer signer = { &key, sign, verify };

static void test_bits(void **state)
{
	struct bits bits = { .text = SLICE("A_-9z") };
	(void)state;
	assert_int_equal(bits_read(&bits, 6), 0);
	assert_int_equal(bits_read(&bits, 1), 1);
	assert_int_equal(bits_read(&bits, 11), 0x7fe); /* 11111 111110 */
	bits_skip(&bits, 4);
	assert_int_equal(bits_read(&bits, 4), 0x7); /* 01 of the 9 (111101), 11 of the z (110011) */
	assert_int_equal(bits_read(&bits, 4), 0x3);
	assert_false(bits.failed);
	assert_int_equal(bits_read(&bits, 1), 0);
	assert_true(bits.failed);
	struct bits bad = { .text = SLICE("A+B") };
	assert_int_equal(bits_read(&bad, 18), 0);
	assert_true(bad.failed);
	assert_true(bits_is_text(SLICE("azAZ09-_")));
	assert_false(bits_is_text(SLICE("a=")));
}

static void test_tcf(void **state)
{
	struct tcf tcf;
	(void)state;
	assert_true(tcf_parse(SLICE(TCF_ALL), 0, &tcf));
	assert_int_equal(tcf.purposes, 0x7ff);
	assert_int_equal(tcf.updated_ms, 1780272000000); /* 2026-06-01 */
	assert_true(tcf.vendor_is_granted);
	assert_true(tcf_parse(SLICE(TCF_ALL), 755, &tcf) && tcf.vendor_is_granted);
	assert_true(tcf_parse(SLICE(TCF_ALL), 10, &tcf) && tcf.vendor_is_granted);
	assert_true(tcf_parse(SLICE(TCF_ALL), 11, &tcf) && !tcf.vendor_is_granted);
	assert_true(tcf_parse(SLICE(TCF_ALL), 65535, &tcf) && !tcf.vendor_is_granted);
	for (size_t len = 0; len < sizeof "CQlH_MAQlH_MAAfABBENB4FgAP_gAAAAAAYgF5wAgAFALzAAAAA" - 2; len++)
		assert_false(tcf_parse((struct slice) { TCF_ALL, len }, 0, &tcf));
}

static void test_gpp(void **state)
{
	struct gpp gpp;
	(void)state;
	assert_true(gpp_parse(SLICE("DBABLA~CAAQAAAAAABA.QA"), 0, &gpp));
	assert_true(gpp.is_opted_out);
	assert_true(gpp_parse(SLICE("DBABLA~CAAQAAAAAABA.QA"), 1u << 8, &gpp) && !gpp.is_opted_out);
	assert_true(gpp_parse(SLICE("DBABLA~CAAqAAAAAABA.YA"), 0, &gpp) && gpp.is_opted_out);
	/* the specification's example: sections 2 and 6 */
	assert_true(gpp_parse(SLICE("DBACNYA~CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA~1YNN"), 0, &gpp));
	assert_true(slice_equal(gpp.tcf, SLICE("CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA")));
	assert_false(gpp.is_opted_out);
	/* an opt-out stays one where what follows is broken; a TC string does not */
	assert_false(gpp_parse(SLICE("DBACNYA~CPXxRfA~1YYNN"), 0, &gpp));
	assert_false(gpp_parse(SLICE("DBABLA~CAAQAAAAAABA.!"), 0, &gpp));
	assert_true(gpp.is_opted_out);
	static const char *const broken[] = { "",
		                              "~",
		                              "D",
		                              "DB",
		                              "DBA",
		                              "DBABLA",
		                              "CBABLA~CAAQAAAAAABA",
		                              "DCABLA~CAAQAAAAAABA",
		                              "DBABLA~CAAQAAAAAABA~x",
		                              "DBABLA~DAAQAAAAAABA",
		                              "DBABLA~AAAQAAAAAABA",
		                              "DB__LA~CAAQ",
		                              "DBABAA~CAAQAAAAAABA",
		                              "DBABLA~CA QAAAAAABA" };
	for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
		if (gpp_parse(slice_of(broken[i]), 0, &gpp))
			fail_msg("%s", broken[i]);
}

static void test_us_privacy(void **state)
{
	bool is_opted_out;
	(void)state;
	assert_true(us_privacy_parse(SLICE("1YYN"), &is_opted_out) && is_opted_out);
	assert_true(us_privacy_parse(SLICE("1-N-"), &is_opted_out) && !is_opted_out);
	assert_false(us_privacy_parse(SLICE("1YY"), &is_opted_out));
	assert_false(us_privacy_parse(SLICE("1YYX"), &is_opted_out));
	assert_false(is_opted_out);
}

static void test_consent_mode(void **state)
{
	struct consent_mode mode, other;
	(void)state;
	assert_true(consent_mode_parse_gcd(SLICE("13r3r3r2r5l1"), &mode));
	for (size_t i = 0; i < GOOGLE_count; i++)
		assert_int_equal(mode.at[i], CONSENT_GRANTED);
	/* presumed by region: may deny, never grant; declared: the same */
	assert_true(consent_mode_parse_gcd(SLICE("13l2l3B3R1l1"), &mode));
	assert_int_equal(mode.at[GOOGLE_AD_STORAGE], CONSENT_UNKNOWN);
	assert_int_equal(mode.at[GOOGLE_ANALYTICS_STORAGE], CONSENT_DENIED);
	assert_int_equal(mode.at[GOOGLE_AD_USER_DATA], CONSENT_DENIED);
	assert_int_equal(mode.at[GOOGLE_AD_PERSONALIZATION], CONSENT_UNKNOWN);
	assert_true(consent_mode_parse_gcs(SLICE("G1-0"), &other));
	consent_mode_merge(&mode, &other);
	assert_int_equal(mode.at[GOOGLE_AD_STORAGE], CONSENT_UNKNOWN);
	assert_int_equal(mode.at[GOOGLE_ANALYTICS_STORAGE], CONSENT_DENIED);
	assert_false(consent_mode_parse_gcd(SLICE("13l2l3l3l1l"), &mode));
	assert_false(consent_mode_parse_gcs(SLICE("G112"), &mode));
	assert_int_equal(mode.at[GOOGLE_AD_STORAGE], CONSENT_UNKNOWN);
}

static void test_resolve(void **state)
{
	(void)state;
	const struct resolve_statement dated[] = { { CONSENT_GRANTED, BASIS_EVENT, 10 },
		                                   { CONSENT_DENIED, BASIS_COOKIE, 9 },
		                                   { CONSENT_UNKNOWN, BASIS_GCM, 0 } };
	assert_ptr_equal(resolve_statements(dated, 3), &dated[0]);
	const struct resolve_statement tie[] = { { CONSENT_GRANTED, BASIS_EVENT, 10 },
		                                 { CONSENT_DENIED, BASIS_TCF, 10 } };
	assert_ptr_equal(resolve_statements(tie, 2), &tie[1]);
	const struct resolve_statement undated[] = { { CONSENT_DENIED, BASIS_COOKIE, 1 },
		                                     { CONSENT_GRANTED, BASIS_EVENT, 10 },
		                                     { CONSENT_GRANTED, BASIS_GCM, 0 } };
	assert_ptr_equal(resolve_statements(undated, 3), &undated[0]);
	assert_null(resolve_statements(dated, 0));
	assert_null(resolve_statements(&dated[2], 1));
}

static void expect_purpose(const struct consent_cookie *cookie, const char *name, enum consent_state state,
                           int64_t time_ms)
{
	struct consent_cookie_purpose purpose = { .name = slice_of(name) };
	consent_cookie_find(cookie, &purpose);
	assert_int_equal(purpose.state, state);
	if (state != CONSENT_UNKNOWN)
		assert_int_equal(purpose.time_ms, time_ms);
}

static void test_cookie(void **state)
{
	struct arena arena;
	struct consent_cookie cookie;
	const struct consent_cookie_purpose purposes[] = { { SLICE("analytics"), CONSENT_GRANTED, 1795312860000 },
		                                           { SLICE("ads"), CONSENT_DENIED, 1795312000000 },
		                                           { SLICE("functional"), CONSENT_UNKNOWN, 0 } };
	(void)state;
	arena_init(&arena, 1 << 20);
	struct slice text = consent_cookie_format(1795312860000, purposes, 3, &signer, &arena);
	assert_true(text.len < 80);
	assert_true(slice_starts(text, SLICE("1.6b024cdc.analytics+.ads-~35c.")));
	assert_true(consent_cookie_parse(text, &signer, &cookie));
	expect_purpose(&cookie, "analytics", CONSENT_GRANTED, 1795312860000);
	expect_purpose(&cookie, "ads", CONSENT_DENIED, 1795312000000);
	expect_purpose(&cookie, "functional", CONSENT_UNKNOWN, 0);
	expect_purpose(&cookie, "analytic", CONSENT_UNKNOWN, 0);
	char *forged = malloc(text.len + 1);
	assert_non_null(forged);
	for (size_t at = 0; at < text.len; at++)
		for (int bit = 0; bit < 8; bit++) {
			memcpy(forged, text.at, text.len);
			forged[at] = (char)(forged[at] ^ 1 << bit);
			if (consent_cookie_parse((struct slice) { forged, text.len }, &signer, &cookie))
				fail_msg("%.*s for %.*s", (int)text.len, forged, SLICE_ARG(text));
		}
	for (size_t len = 0; len < text.len; len++)
		assert_false(consent_cookie_parse((struct slice) { text.at, len }, &signer, &cookie));
	free(forged);
	arena_fini(&arena);
}

/* Of any bytes, and of any bytes that look right. What cannot be read as a whole grants nothing. */
static void test_any_bytes(void **state)
{
	static const char alphabet[] = "ABCDabcd0123-_.~+1YN G";
	char bytes[300];
	uint32_t random = 1;
	struct tcf tcf;
	struct gpp gpp;
	struct consent_mode mode;
	struct consent_cookie cookie;
	bool is_opted_out;
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct slice text = { bytes, (random >> 8) % sizeof bytes };
		for (size_t i = 0; i < text.len; i++) {
			random = random * 1664525 + 1013904223;
			bytes[i] = round & 1 ? alphabet[(random >> 16) % (sizeof alphabet - 1)] : (char)(random >> 24);
		}
		random = random * 1664525 + 1013904223;
		if (round & 2)
			memcpy(bytes, TCF_ALL, text.len < 40 ? text.len : 40);
		(void)tcf_parse(text, random >> 16, &tcf);
		(void)gpp_parse(text, random, &gpp);
		(void)us_privacy_parse(text, &is_opted_out);
		(void)consent_mode_parse_gcs(text, &mode);
		(void)consent_mode_parse_gcd(text, &mode);
		assert_false(consent_cookie_parse(text, &signer, &cookie));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bits),       cmocka_unit_test(test_tcf),          cmocka_unit_test(test_gpp),
		cmocka_unit_test(test_us_privacy), cmocka_unit_test(test_consent_mode), cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_cookie),     cmocka_unit_test(test_any_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
