/* The clock that things expire by, against readings made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/expiry_clock.h"

#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define WALL INT64_C(1795312800000)
#define BOOT (5 * HOUR)

static void test_goes_with_the_wall_clock(void **state)
{
	(void)state;
	struct expiry_clock clock = { 0 };
	assert_int_equal(expiry_clock_step(&clock, WALL, BOOT), WALL);
	assert_int_equal(expiry_clock_step(&clock, WALL + 40 * DAY, BOOT + 40 * DAY), WALL + 40 * DAY); /* asleep */
	/* a clock that is pulled along for weeks */
	for (int64_t i = 0, wall_ms = WALL + 40 * DAY; i < 1000; i++) {
		wall_ms += HOUR + 30 * MINUTE;
		assert_int_equal(expiry_clock_step(&clock, wall_ms, BOOT + 40 * DAY + (i + 1) * HOUR), wall_ms);
	}
}

static void test_a_leap_is_believed_after_a_day(void **state)
{
	(void)state;
	struct expiry_clock clock = { 0 };
	(void)expiry_clock_step(&clock, WALL, BOOT);
	for (int64_t passed = 0; passed < DAY; passed += HOUR)
		assert_int_equal(expiry_clock_step(&clock, WALL + 40 * DAY + passed, BOOT + passed), WALL + passed);
	assert_int_equal(expiry_clock_step(&clock, WALL + 41 * DAY, BOOT + DAY), WALL + 41 * DAY);
	assert_int_equal(expiry_clock_step(&clock, WALL + 42 * DAY, BOOT + 2 * DAY), WALL + 42 * DAY);
	assert_int_equal(expiry_clock_step(&clock, WALL + 90 * DAY, BOOT + 3 * DAY), WALL + 43 * DAY); /* the next */
}

static void test_a_leap_taken_back_is_forgotten(void **state)
{
	(void)state;
	struct expiry_clock clock = { 0 };
	(void)expiry_clock_step(&clock, WALL, BOOT);
	assert_int_equal(expiry_clock_step(&clock, WALL + 40 * DAY, BOOT), WALL);
	assert_int_equal(expiry_clock_step(&clock, WALL + HOUR, BOOT + HOUR), WALL + HOUR);
	/* the doubt about the next one begins anew */
	assert_int_equal(expiry_clock_step(&clock, WALL + 41 * DAY, BOOT + DAY), WALL + DAY);
	assert_int_equal(expiry_clock_step(&clock, WALL + 41 * DAY + HOUR, BOOT + DAY + HOUR), WALL + DAY + HOUR);
}

static void test_a_clock_set_back_is_followed(void **state)
{
	(void)state;
	struct expiry_clock clock = { 0 };
	(void)expiry_clock_step(&clock, WALL, BOOT);
	assert_int_equal(expiry_clock_step(&clock, WALL - 40 * DAY, BOOT), WALL - 40 * DAY);
	assert_int_equal(expiry_clock_step(&clock, WALL - 40 * DAY + HOUR, BOOT + HOUR), WALL - 40 * DAY + HOUR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goes_with_the_wall_clock),
		cmocka_unit_test(test_a_leap_is_believed_after_a_day),
		cmocka_unit_test(test_a_leap_taken_back_is_forgotten),
		cmocka_unit_test(test_a_clock_set_back_is_followed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
