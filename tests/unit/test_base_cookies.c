/* The request header Cookie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cookies.h"

/* NULL: no value. */
static void assert_found(const char *header, const char *value)
{
	struct slice found = cookies_find(slice_of(header), SLICE("hg_id"));
	if (!value) {
		if (found.at)
			fail_msg("%s: found %.*s", header, SLICE_ARG(found));
		return;
	}
	if (!found.at || !slice_equal(found, slice_of(value)))
		fail_msg("%s: %.*s instead of %s", header, SLICE_ARG(found), value);
}

static void cookies_are_found(void **state)
{
	(void)state;
	assert_found("hg_id=a", "a");
	assert_found("_ga=GA1.1.2; hg_id=a.b-c_d; x=y", "a.b-c_d");
	assert_found("a=b;hg_id=c", "c");
	assert_found("a=b ;\thg_id = c ;d", "c");
	assert_found("hg_id=\"quoted\"", "quoted");
	assert_found("hg_id=a=b,c", "a=b,c");
	assert_found("hg_id=", "");
	assert_found(";;hg_id=a;;", "a");
	assert_found("hg_id=first; hg_id=second", "first");
	assert_found("hg_idx=1; xhg_id=2; hg_id.x=3; hg_id=4", "4");
}

static void broken_cookies_are_absent(void **state)
{
	(void)state;
	assert_found("", NULL);
	assert_found("; ; ;", NULL);
	assert_found("=a", NULL);
	assert_found("hg_id", NULL);
	assert_found("hg_id2=a", NULL);
	assert_found("HG_ID=a", NULL);
	assert_found("a=\"; hg_id=b\"", NULL); /* a quote does not protect a semicolon */
	assert_found("hg_id=a b", NULL);
	assert_found("hg_id=a\x01", NULL);
	assert_found("hg_id=\xff", NULL);
	assert_found("hg_id=\"", NULL);
	assert_found("hg_id=a\\b", NULL);
	assert_found("\xff\xfe=\x80; hg_id=a", "a");
	assert_int_equal(cookies_find(SLICE_NONE, SLICE("hg_id")).len, 0);
	assert_int_equal(cookies_find((struct slice) { "a=\0; hg_id=b", 12 }, SLICE("hg_id")).len, 1);
	assert_null(cookies_find((struct slice) { "hg_id=a\0b", 9 }, SLICE("hg_id")).at);
}

static void all_of_a_name_are_told(void **state)
{
	struct slice rest = SLICE("n=1; o=2; n=\x01; n; n=3"), value;
	(void)state;
	assert_true(cookies_next(&rest, SLICE("n"), &value) && slice_equal(value, SLICE("1")));
	assert_true(cookies_next(&rest, SLICE("n"), &value) && !value.at);
	assert_true(cookies_next(&rest, SLICE("n"), &value) && !value.at);
	assert_true(cookies_next(&rest, SLICE("n"), &value) && slice_equal(value, SLICE("3")));
	assert_false(cookies_next(&rest, SLICE("n"), &value));
	assert_false(cookies_next(&rest, SLICE("n"), &value));
}

/* A header of 1 MiB that is nothing but separators, and one whose only cookie stands at its end. */
static void long_headers_are_read(void **state)
{
	const size_t len = 1 << 20;
	char *text = malloc(len);
	(void)state;
	assert_non_null(text);
	memset(text, ';', len);
	assert_null(cookies_find((struct slice) { text, len }, SLICE("hg_id")).at);
	memcpy(text + len - 7, "hg_id=z", 7);
	assert_true(slice_equal(cookies_find((struct slice) { text, len }, SLICE("hg_id")), SLICE("z")));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cookies_are_found),
		cmocka_unit_test(broken_cookies_are_absent),
		cmocka_unit_test(all_of_a_name_are_told),
		cmocka_unit_test(long_headers_are_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
