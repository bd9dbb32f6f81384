/* Ranges of the journal as operators write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "journal/range.h"

#define LOG "00112233445566778899aabbccddeeff"
#define OTHER "ff112233445566778899aabbccddeeff"

static void test_bounds(void **state)
{
	(void)state;
	struct journal_bound bound;
	assert_true(journal_bound_parse(SLICE(LOG "/3/1700000000/42"), &bound, NULL));
	assert_int_equal(bound.kind, JOURNAL_BOUND_POSITION);
	assert_string_equal(bound.log_id, LOG);
	assert_int_equal(bound.lane, 3);
	assert_int_equal(bound.position.epoch, 1700000000);
	assert_int_equal(bound.position.counter, 42);
	assert_true(journal_bound_parse(SLICE("2026-11-22T02:01:00.123Z"), &bound, NULL));
	assert_int_equal(bound.kind, JOURNAL_BOUND_TIME);
	assert_int_equal(bound.time_ms, 1795312860123);
	assert_true(journal_bound_parse(SLICE("1795312860123"), &bound, NULL));
	assert_int_equal(bound.time_ms, 1795312860123);
	static const char *const wrong[] = {
		"",         "17",          "1795312860", "-1",           "yesterday", LOG,
		LOG "/0/1", LOG "/64/1/1", LOG "/0/1/x", LOG "/0/1/1/1", "00/0/1/1",  "2026-13-01T00:00:00Z"
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct error err = { 0 };
		if (journal_bound_parse(slice_of(wrong[i]), &bound, &err))
			fail_msg("taken: %s", wrong[i]);
		assert_int_equal(err.code, ERROR_USAGE);
	}
}

static bool has(const char *from, const char *to, const char *log_id, uint32_t lane, struct journal_record record)
{
	struct journal_range range;
	struct error err = { 0 };
	if (!journal_range_parse(from, to, &range, &err))
		fail_msg("%s", err.message);
	return journal_range_has(&range, log_id, lane, &record);
}

static void test_positions(void **state)
{
	(void)state;
	struct journal_record at = { .type = JOURNAL_EVENT, .position = { 10, 5 } };
	assert_true(has(NULL, NULL, LOG, 0, at));
	assert_true(has(LOG "/0/10/5", LOG "/0/10/5", LOG, 0, at));
	assert_true(has(LOG "/0/9/900", NULL, LOG, 0, at));
	assert_false(has(LOG "/0/10/6", NULL, LOG, 0, at));
	assert_false(has(LOG "/0/11/1", NULL, LOG, 0, at));
	assert_true(has(NULL, LOG "/0/11/1", LOG, 0, at));
	assert_false(has(NULL, LOG "/0/10/4", LOG, 0, at));
	assert_false(has(LOG "/0/10/5", NULL, LOG, 1, at));
	assert_false(has(NULL, LOG "/0/10/5", OTHER, 0, at));
	struct journal_record gap = { .type = JOURNAL_GAP, .position = { 10, 5 }, .gap_count = 3 };
	assert_true(has(LOG "/0/10/7", NULL, LOG, 0, gap));
	assert_false(has(LOG "/0/10/8", NULL, LOG, 0, gap));
	assert_true(has(NULL, LOG "/0/10/5", LOG, 0, gap));
}

static void test_times(void **state)
{
	(void)state;
	struct journal_record at = { .type = JOURNAL_EVENT, .position = { 10, 5 }, .received_ms = 1795312860123 };
	assert_true(has("2026-11-22T02:01:00.123Z", "1795312860123", LOG, 7, at));
	assert_false(has("1795312860124", NULL, LOG, 7, at));
	assert_false(has(NULL, "2026-11-22T02:01:00.122Z", LOG, 7, at));
	assert_true(has("2026-11-22T02:00:00Z", LOG "/7/10/5", LOG, 7, at));
}

static void test_no_ranges(void **state)
{
	(void)state;
	struct journal_range range;
	static const char *const wrong[][2] = { { LOG "/0/1/1", LOG "/1/1/1" },
		                                { LOG "/0/1/1", OTHER "/0/1/1" },
		                                { LOG "/0/2/1", LOG "/0/1/9" },
		                                { "1795312860124", "1795312860123" },
		                                { "x", NULL },
		                                { NULL, "x" } };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(journal_range_parse(wrong[i][0], wrong[i][1], &range, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_positions),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_no_ranges),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
