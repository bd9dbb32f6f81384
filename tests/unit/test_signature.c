/* X-Headgate-Signature: form, time, tags. The tags below were computed by another implementation (node's crypto). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "config/config.h"
#include "http/signature.h"

#define TAG_A "cca8a920d02d1fccbebd7b3ec448433cbd04c48fed5df7ea31c24f3d091fd232"
#define TAG_B "9fa91c5c8ff0916ffe117cfb2c72bbe7b6c2592437c165e48fb1b5353a8db660"
#define TAG_BYTES "772db0ec5c2086ea0bc9ee69df56d753d58a088d38830dc57847f3a2469727a4"
#define TAG_EMPTY "9b9567f7a6e6e3243d8c5c66dde94f7df77b79d6edb3dee210c5778814cfaca0"
#define NO_TAG "0000000000000000000000000000000000000000000000000000000000000000"
#define BODY "{\"event\":\"login\"}"
#define T "t=1795651200"

static const struct slice secret_texts[] = { { "0123456789abcdef", 16 }, { "another-secret-of-32-bytes-xyz!!", 32 } };
static const struct slices both = { secret_texts, 2 }, first = { secret_texts, 1 };

static void test_form(void **state)
{
	static const struct {
		const char *header;
		enum refusal refusal;
	} rows[] = {
		{ "", REFUSAL_SIGNATURE_MISSING },
		{ "  ", REFUSAL_SIGNATURE_MISSING },
		{ T ",v1=" TAG_A, REFUSAL_NONE },
		{ " " T " , v1=" TAG_A " ", REFUSAL_NONE },
		{ "v1=" TAG_A "," T, REFUSAL_NONE },
		{ T ",v1=" TAG_A ",v1=" TAG_B, REFUSAL_NONE },
		{ T ",v0=abc,v1=" TAG_A ",v2=", REFUSAL_NONE },
		{ "t=0,v1=" TAG_A, REFUSAL_NONE },
		{ "t=999999999999,v1=" TAG_A, REFUSAL_NONE },
		{ T, REFUSAL_SIGNATURE_MALFORMED },
		{ "v1=" TAG_A, REFUSAL_SIGNATURE_MALFORMED },
		{ TAG_A, REFUSAL_SIGNATURE_MALFORMED },
		{ T "," T ",v1=" TAG_A, REFUSAL_SIGNATURE_MALFORMED },
		{ "t=,v1=" TAG_A, REFUSAL_SIGNATURE_MALFORMED },
		{ "t=-5,v1=" TAG_A, REFUSAL_SIGNATURE_MALFORMED },
		{ "t=+5,v1=" TAG_A, REFUSAL_SIGNATURE_MALFORMED },
		{ "t=1e9,v1=" TAG_A, REFUSAL_SIGNATURE_MALFORMED },
		{ "t=1795651200.5,v1=" TAG_A, REFUSAL_SIGNATURE_MALFORMED },
		{ "t=9999999999999,v1=" TAG_A, REFUSAL_SIGNATURE_MALFORMED },
		{ T ",v1=", REFUSAL_SIGNATURE_MALFORMED },
		{ T ",v1=" TAG_A "0", REFUSAL_SIGNATURE_MALFORMED },
		{ T ",v1=g" TAG_A, REFUSAL_SIGNATURE_MALFORMED },
		{ T ",v1=zca8a920d02d1fccbebd7b3ec448433cbd04c48fed5df7ea31c24f3d091fd232",
		  REFUSAL_SIGNATURE_MALFORMED },
		{ T ",,v1=" TAG_A, REFUSAL_SIGNATURE_MALFORMED },
		{ T ";v1=" TAG_A, REFUSAL_SIGNATURE_MALFORMED },
		{ "T=1795651200,V1=" TAG_A, REFUSAL_SIGNATURE_MALFORMED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct signature signature;
		enum refusal refusal = signature_parse(slice_of(rows[i].header), &signature);
		if (refusal != rows[i].refusal)
			fail_msg("\"%s\": %s", rows[i].header, refusal_code(refusal));
	}
}

static void test_tag_count(void **state)
{
	char header[16 + (SIGNATURE_TAGS_MAX + 1) * 70] = T;
	struct signature signature;
	size_t len = strlen(header);

	(void)state;
	for (int i = 0; i < SIGNATURE_TAGS_MAX; i++)
		len += (size_t)snprintf(header + len, sizeof header - len, ",v1=" NO_TAG);
	assert_int_equal(signature_parse(slice_of(header), &signature), REFUSAL_NONE);
	assert_int_equal(signature.tag_count, SIGNATURE_TAGS_MAX);
	snprintf(header + len, sizeof header - len, ",v1=" TAG_A);
	assert_int_equal(signature_parse(slice_of(header), &signature), REFUSAL_SIGNATURE_MALFORMED);
}

static void test_time(void **state)
{
	static const struct {
		int64_t apart_ms; /* of our clock from the signature's second */
		bool fits;
	} rows[] = {
		{ 0, true },       { 999, true },      { 300000, true },    { 300999, true },     { 301000, false },
		{ -300000, true }, { -300001, false }, { 86400000, false }, { -86400000, false },
	};
	struct signature signature;

	(void)state;
	assert_int_equal(signature_parse(SLICE(T ",v1=" TAG_A), &signature), REFUSAL_NONE);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		enum refusal refusal = signature_check_time(&signature, 1795651200000 + rows[i].apart_ms, 300000);
		if (refusal != (rows[i].fits ? REFUSAL_NONE : REFUSAL_SIGNATURE_TIME))
			fail_msg("%lld ms apart: %s", (long long)rows[i].apart_ms, refusal_code(refusal));
	}
}

static void test_body(void **state)
{
	static const struct {
		const char *header;
		const struct slices *secrets;
		struct slice body;
		bool fits;
	} rows[] = {
		{ T ",v1=" TAG_A, &first, { BODY, sizeof BODY - 1 }, true },
		{ T ",v1=" TAG_A, &both, { BODY, sizeof BODY - 1 }, true },
		{ T ",v1=" TAG_B, &both, { BODY, sizeof BODY - 1 }, true },
		{ T ",v1=" TAG_B, &first, { BODY, sizeof BODY - 1 }, false },
		{ T ",v1=" NO_TAG ",v1=" TAG_A, &first, { BODY, sizeof BODY - 1 }, true },
		{ T ",v1=" TAG_A ",v1=" NO_TAG, &both, { BODY, sizeof BODY - 1 }, true },
		{ T ",v1=CCA8A920D02D1FCCBEBD7B3EC448433CBD04C48FED5DF7EA31C24F3D091FD232",
		  &first,
		  { BODY, sizeof BODY - 1 },
		  true },
		{ T ",v1=" NO_TAG, &both, { BODY, sizeof BODY - 1 }, false },
		{ T ",v1=" TAG_A, &both, { BODY " ", sizeof BODY }, false },
		{ T ",v1=" TAG_A, &both, { BODY, sizeof BODY - 2 }, false },
		{ "t=1795651201,v1=" TAG_A, &both, { BODY, sizeof BODY - 1 }, false },
		{ "t=01795651200,v1=" TAG_A, &both, { BODY, sizeof BODY - 1 }, false },
		{ T ",v1=" TAG_BYTES, &both, { "\x1f\x8b\0\xff", 4 }, true },
		{ "t=0,v1=" TAG_EMPTY, &both, { NULL, 0 }, true },
		/* a dot moved from the body into the time is another text */
		{ T ",v1=" TAG_A, &both, { "." BODY, sizeof BODY }, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct signature signature;
		assert_int_equal(signature_parse(slice_of(rows[i].header), &signature), REFUSAL_NONE);
		enum refusal refusal = signature_check_body(&signature, rows[i].secrets, rows[i].body);
		if (refusal != (rows[i].fits ? REFUSAL_NONE : REFUSAL_SIGNATURE_WRONG))
			fail_msg("row %zu: %s", i, refusal_code(refusal));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_tag_count),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
