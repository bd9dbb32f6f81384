/* Slices, times, errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <errno.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/slice.h"

static void slices_compare(void **state)
{
	(void)state;
	assert_int_equal(slice_compare(SLICE("a"), SLICE("a")), 0);
	assert_true(slice_compare(SLICE("a"), SLICE("ab")) < 0);
	assert_true(slice_compare(SLICE("b"), SLICE("ab")) > 0);
	assert_true(slice_compare(SLICE("\xff"), SLICE("a")) > 0);
	assert_int_equal(slice_compare(SLICE_NONE, SLICE("")), 0);
	assert_true(slice_equal_nocase(SLICE("X-Write-KEY"), SLICE("x-wRITE-key")));
	assert_false(slice_equal_nocase(SLICE("a["), SLICE("a{")));
	assert_false(slice_equal_nocase(SLICE("a"), SLICE("ab")));
	assert_true(slice_starts(SLICE("abc"), SLICE("ab")));
	assert_false(slice_starts(SLICE("a"), SLICE("ab")));
	assert_true(slice_starts(SLICE_NONE, SLICE_NONE));
	assert_true(slice_ends(SLICE("abc"), SLICE("bc")));
	assert_false(slice_ends(SLICE("c"), SLICE("bc")));
}

static void slices_are_cut(void **state)
{
	struct slice rest = SLICE("a,,b");
	(void)state;
	assert_true(slice_equal(slice_split(&rest, ','), SLICE("a")));
	assert_true(slice_equal(slice_split(&rest, ','), SLICE("")));
	assert_true(slice_equal(slice_split(&rest, ','), SLICE("b")));
	assert_int_equal(rest.len, 0);
	assert_int_equal(slice_split(&rest, ',').len, 0);
	assert_true(slice_equal(slice_trim(SLICE(" \t a b\r\n")), SLICE("a b")));
	assert_int_equal(slice_trim(SLICE("  ")).len, 0);
	assert_int_equal(slice_find(SLICE("abc"), 'c'), 2);
	assert_int_equal(slice_find(SLICE("abc"), 'x'), 3);
}

static void slices_are_numbers(void **state)
{
	uint64_t value = 5;
	(void)state;
	assert_true(slice_to_u64(SLICE("18446744073709551615"), &value) && value == UINT64_MAX);
	assert_false(slice_to_u64(SLICE("18446744073709551616"), &value));
	assert_false(slice_to_u64(SLICE("99999999999999999999"), &value));
	assert_true(slice_to_u64(SLICE("007"), &value) && value == 7);
	assert_false(slice_to_u64(SLICE(""), &value));
	assert_false(slice_to_u64(SLICE("+1"), &value));
	assert_false(slice_to_u64(SLICE("1 "), &value));
}

static void digits_are_read(void **state)
{
	static const char digits[] = "0123456789abcdef", capitals[] = "0123456789ABCDEF";
	(void)state;
	for (int c = 0; c < 256; c++) {
		int value = -1;
		for (int i = 0; i < 16; i++)
			if (c == digits[i] || c == capitals[i])
				value = i;
		assert_int_equal(hex_value((char)c), value);
		assert_int_equal(hex_is_digit((char)c), value >= 0);
	}
}

/* RFC 4648 section 10, with the alphabet of section 5. */
static void base64_is_decoded(void **state)
{
	static const struct {
		const char *text, *bytes;
		size_t len;
		bool fits;
	} rows[] = {
		{ "", "", 0, true },
		{ "Zg", "f", 1, true },
		{ "Zm8", "fo", 2, true },
		{ "Zm9v", "foo", 3, true },
		{ "Zm9vYg", "foob", 4, true },
		{ "Zm9vYmFy", "foobar", 6, true },
		{ "-_8", "\xfb\xff", 2, true },
		{ "+/8", "", 2, false },
		{ "Zm8=", "", 2, false },
		{ "Zm8", "", 1, false },
		{ "Zm8", "", 3, false },
		{ "Z", "", 0, false },
		{ "Zh", "", 1, false }, /* bits left over */
		{ "Zm9", "", 2, false },
		{ "Z g", "", 2, false },
		{ "\xc1\xc1", "", 1, false },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint8_t to[8] = { 0 };
		bool fits = base64_url_decode(slice_of(rows[i].text), to, rows[i].len);
		if (fits != rows[i].fits || (fits && memcmp(to, rows[i].bytes, rows[i].len) != 0))
			fail_msg("\"%s\"", rows[i].text);
	}
}

static void times_are_parsed(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} CASES[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "1969-12-31T23:59:59.999Z", -1 },
		{ "2026-11-22T02:01:00.123Z", INT64_C(1795312860123) },
		{ "2026-11-22t11:01:00.1239999+09:00", INT64_C(1795312860123) },
		{ "2026-11-21T20:31:00.123-05:30", INT64_C(1795312860123) },
		{ "2000-02-29T00:00:00z", INT64_C(951782400000) },
		{ "2016-12-31T23:59:60Z", INT64_C(1483228799999) },
		{ "2017-01-01T08:59:60.5+09:00", INT64_C(1483228799999) },
		{ "0000-01-01T00:00:00Z", INT64_C(-62167219200000) },
		{ "9999-12-31T23:59:59.999Z", INT64_C(253402300799999) },
		{ "2026-11-22T02:01:00.5Z", INT64_C(1795312860500) },
	};
	(void)state;
	for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
		int64_t ms = 12345;
		if (!clock_parse(slice_of(CASES[i].text), &ms) || ms != CASES[i].ms)
			fail_msg("%s: %lld", CASES[i].text, (long long)ms);
	}
}

static void wrong_times_are_refused(void **state)
{
	static const char *const CASES[] = {
		"",
		"2026-11-22",
		"2026-11-22T02:01:00",
		"2026-11-22 02:01:00Z",
		"2026-11-22T02:01Z",
		"2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z",
		"2026-02-29T00:00:00Z",
		"1900-02-29T00:00:00Z",
		"2026-04-31T00:00:00Z",
		"2026-01-00T00:00:00Z",
		"2026-01-01T24:00:00Z",
		"2026-01-01T00:60:00Z",
		"2026-01-01T00:00:61Z",
		"2026-01-01T12:00:60Z",
		"2026-01-01T23:59:60+01:00",
		"2026-01-01T00:00:00.Z",
		"2026-01-01T00:00:00+24:00",
		"2026-01-01T00:00:00+01:60",
		"2026-01-01T00:00:00+0100",
		"2026-01-01T00:00:00ZZ",
		"2026-01-01T00:00:00Z ",
		"+026-01-01T00:00:00Z",
		"2026-1-01T00:00:00Z",
		"2026-01-01T00:00:00,5Z",
		"2026-01-01T00:00:00+1:00",
		"26-01-01T00:00:00Z",
	};
	int64_t ms;
	(void)state;
	for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
		if (clock_parse(slice_of(CASES[i]), &ms))
			fail_msg("accepted: %s", CASES[i]);
}

static void assert_formats(int64_t ms, const char *want)
{
	char text[CLOCK_TEXT_BYTES + 1] = { 0 };
	clock_format(ms, text);
	assert_string_equal(text, want);
}

static void times_are_formatted(void **state)
{
	(void)state;
	assert_formats(0, "1970-01-01T00:00:00.000Z");
	assert_formats(-1, "1969-12-31T23:59:59.999Z");
	assert_formats(INT64_C(1795312860123), "2026-11-22T02:01:00.123Z");
	assert_formats(INT64_MIN, "0000-01-01T00:00:00.000Z");
	assert_formats(INT64_MAX, "9999-12-31T23:59:59.999Z");
	/* There and back, in steps that meet every month, leap years and centuries. */
	for (int64_t ms = INT64_C(-62167219200000); ms <= INT64_C(253402300799999);
	     ms += INT64_C(86400000) * 29 + 12345677) {
		char text[CLOCK_TEXT_BYTES];
		int64_t back;
		clock_format(ms, text);
		assert_true(clock_parse((struct slice) { text, sizeof text }, &back));
		assert_true(back == ms);
	}
}

static void clocks_go(void **state)
{
	(void)state;
	assert_true(clock_wall_ms() > INT64_C(1577836800000));
	int64_t from = clock_monotonic_us();
	assert_true(clock_monotonic_us() >= from);
	assert_true(clock_monotonic_ms() - from / 1000 < 10000);
}

static void errors_gain_context(void **state)
{
	struct error err;
	char longer[1000];
	(void)state;
	assert_false(error_set(&err, ERROR_CONFIG, "key %s", "x"));
	assert_false(error_prepend(&err, "line %d", 7));
	assert_string_equal(err.message, "line 7: key x");
	assert_int_equal(err.code, ERROR_CONFIG);
	errno = ENOSPC;
	assert_false(error_set_errno(&err, "writing %s", "f"));
	assert_int_equal(err.code, ERROR_NO_SPACE);
	assert_string_equal(err.message, "writing f: No space left on device");
	errno = EACCES;
	error_set_errno(&err, "f");
	assert_int_equal(err.code, ERROR_DENIED);
	errno = ENOENT;
	error_set_errno(&err, "f");
	assert_int_equal(err.code, ERROR_NOT_FOUND);
	errno = EIO;
	error_set_errno(&err, "f");
	assert_int_equal(err.code, ERROR_IO);
	error_set(&err, ERROR_DATA, "%s again", err.message);
	assert_string_equal(err.message, "f: Input/output error again");
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	error_prepend(&err, "%s", longer);
	assert_int_equal(strlen(err.message), sizeof err.message - 1);
	error_set(&err, ERROR_DATA, "%.490s", longer);
	error_prepend(&err, "c");
	assert_int_equal(strlen(err.message), 493);
	error_prepend(&err, "cc");
	assert_int_equal(strlen(err.message), sizeof err.message - 1);
	assert_false(error_set(NULL, ERROR_DATA, "x"));
	assert_false(error_set_errno(NULL, "x"));
	assert_false(error_prepend(NULL, "x"));
	assert_string_equal(error_text(ERROR_NO_SPACE), "no space left");
	assert_int_equal(error_http_status(ERROR_NO_SPACE), 503);
	assert_true(error_retry_helps(ERROR_NO_SPACE));
	assert_int_equal(error_exit_code(ERROR_BUSY), 75);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slices_compare),
		cmocka_unit_test(slices_are_cut),
		cmocka_unit_test(slices_are_numbers),
		cmocka_unit_test(digits_are_read),
		cmocka_unit_test(base64_is_decoded),
		cmocka_unit_test(times_are_parsed),
		cmocka_unit_test(wrong_times_are_refused),
		cmocka_unit_test(times_are_formatted),
		cmocka_unit_test(clocks_go),
		cmocka_unit_test(errors_gain_context),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
