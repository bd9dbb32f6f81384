/* The audit's books: what is missing, twice or out of order is told, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "forward/audit_ledger.h"

#define LOG "0123456789abcdef0123456789abcdef"

struct world {
	struct audit_ledger *ledger;
	struct audit_verdict verdict;
	struct buffer report;
	bool sound;
};

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof *world);
	world->ledger = audit_ledger_create();
	buffer_init(&world->report, NULL);
	*state = world;
	return audit_ledger_add_partition(world->ledger, 0, "events", 0, false) &&
	                       audit_ledger_add_partition(world->ledger, 1, "events", 1, false)
	               ? 0
	               : -1;
}

static int teardown(void **state)
{
	struct world *world = *state;
	audit_ledger_destroy(&world->ledger);
	buffer_fini(&world->report);
	free(world);
	return 0;
}

static struct audit_position at(uint32_t lane, uint64_t epoch, uint64_t counter)
{
	struct audit_position position = { LOG, lane, { epoch, counter } };
	return position;
}

static void meet(struct world *world, uint32_t partition, uint64_t epoch, uint64_t from, uint64_t to)
{
	for (uint64_t counter = from; counter <= to; counter++) {
		struct audit_position position = at(2, epoch, counter);
		assert_true(audit_ledger_add(world->ledger, partition, &position));
	}
}

static void checkpoint(struct world *world, uint64_t epoch, uint64_t counter)
{
	struct audit_position position = at(2, epoch, counter);
	assert_true(audit_ledger_set_checkpoint(world->ledger, &position));
}

static void judge(struct world *world)
{
	world->sound = audit_ledger_judge(world->ledger, &world->report, &world->verdict);
	buffer_append_char(&world->report, '\0');
}

static void assert_says(struct world *world, const char *text)
{
	if (!strstr(world->report.at, text))
		fail_msg("not said: %s\n%s", text, world->report.at);
}

static void test_positions(void **state)
{
	static const char *const WRONG[] = {
		"", LOG "/1/2", LOG "/1/2/0", LOG "/1/2/3/4", LOG "/64/2/3", LOG "/-1/2/3", "0123/1/2/3", LOG "//2/3"
	};
	struct audit_position position;
	(void)state;
	assert_true(audit_position_parse(SLICE(LOG "/63/18446744073709551615/7"), &position));
	assert_int_equal(position.lane, 63);
	assert_true(position.at.epoch == UINT64_MAX);
	assert_int_equal(position.at.counter, 7);
	for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++)
		if (audit_position_parse(slice_of(WRONG[i]), &position))
			fail_msg("accepted: %s", WRONG[i]);
}

static void test_all_there(void **state)
{
	struct world *world = *state;
	meet(world, 0, 7, 1, 50);
	meet(world, 1, 7, 51, 130);
	meet(world, 0, 9, 1, 3);
	checkpoint(world, 9, 3);
	judge(world);
	assert_true(world->sound);
	assert_int_equal(world->verdict.records, 133);
	assert_says(world, "log " LOG " lane 2 epoch 7: 130 records up to 130\n");
	assert_says(world, "lane 2 epoch 9: 3 records up to 3, checkpoint 3\n");
}

static void test_missing_within_and_at_the_end(void **state)
{
	struct world *world = *state;
	meet(world, 0, 7, 3, 62);
	meet(world, 0, 7, 67, 70);
	checkpoint(world, 7, 75);
	judge(world);
	assert_false(world->sound);
	assert_int_equal(world->verdict.missing, 2 + 4 + 5);
	assert_says(world, ", MISSING 1..2, MISSING 63..66, MISSING 71..75\n");
}

static void test_what_is_behind_the_checkpoint_is_under_way(void **state)
{
	struct world *world = *state;
	meet(world, 0, 7, 1, 10);
	meet(world, 0, 7, 14, 20);
	checkpoint(world, 7, 10);
	judge(world);
	assert_true(world->sound);
}

static void test_an_epoch_of_which_nothing_came(void **state)
{
	struct world *world = *state;
	checkpoint(world, 7, 4);
	judge(world);
	assert_int_equal(world->verdict.missing, 4);
	assert_says(world, "no record, checkpoint 4, MISSING 1..4\n");
}

static void test_twice_and_out_of_order(void **state)
{
	struct world *world = *state;
	meet(world, 0, 7, 1, 5);
	meet(world, 1, 7, 4, 4); /* also in another partition */
	meet(world, 1, 7, 9, 9);
	meet(world, 1, 7, 6, 8);
	meet(world, 1, 8, 1, 1);
	meet(world, 1, 7, 10, 10);
	judge(world);
	assert_false(world->sound);
	assert_int_equal(world->verdict.twice, 1);
	assert_int_equal(world->verdict.disorder, 4);
	assert_int_equal(world->verdict.missing, 0);
	assert_says(world, "twice: " LOG "/2/7/4 in topic events partition 1\n");
	assert_says(world, "out of order: " LOG "/2/7/6 in topic events partition 1\n");
	assert_says(world, "out of order: " LOG "/2/7/10 in topic events partition 1\n");
}

static void test_what_the_journal_explains(void **state)
{
	struct world *world = *state;
	struct audit_position first = at(2, 7, 11), second = at(2, 7, 15);
	meet(world, 0, 7, 1, 10);
	meet(world, 0, 7, 18, 20);
	checkpoint(world, 7, 20);
	assert_true(audit_ledger_explain(world->ledger, &first, 2, "burnt"));
	assert_true(audit_ledger_explain(world->ledger, &second, 3, "erased"));
	judge(world);
	assert_false(world->sound);
	assert_int_equal(world->verdict.explained, 5);
	assert_int_equal(world->verdict.missing, 2);
	assert_says(world, ", burnt 11..12, MISSING 13..14, erased 15..17\n");
}

static void test_what_retention_may_have_taken(void **state)
{
	struct world *world = *state;
	assert_true(audit_ledger_add_partition(world->ledger, 2, "events", 2, true));
	meet(world, 0, 7, 1, 10);
	meet(world, 2, 7, 21, 25);
	meet(world, 0, 7, 30, 40);
	meet(world, 2, 8, 1, 3);
	meet(world, 0, 6, 5, 6); /* partition 2 may have held anything of that */
	checkpoint(world, 8, 3);
	judge(world);
	assert_false(world->sound);
	assert_int_equal(world->verdict.retired, 4 + 10);
	assert_int_equal(world->verdict.missing, 4);
	assert_says(world, "epoch 6: 2 records up to 6, beyond retention 1..4\n");
	assert_says(world, ", beyond retention 11..20, MISSING 26..29\n");
}

static void test_lanes_and_logs_are_kept_apart(void **state)
{
	struct world *world = *state;
	struct audit_position other = at(2, 7, 1);
	memset(other.log_id, 'f', JOURNAL_LOG_ID_TEXT);
	meet(world, 0, 7, 1, 3);
	for (uint32_t lane = 3; lane < 40; lane++) {
		struct audit_position position = at(lane, 7, 1);
		assert_true(audit_ledger_add(world->ledger, 0, &position));
	}
	assert_true(audit_ledger_add(world->ledger, 0, &other));
	audit_ledger_add_replayed(world->ledger);
	audit_ledger_add_foreign(world->ledger);
	judge(world);
	assert_true(world->sound);
	assert_int_equal(world->verdict.records, 3 + 37 + 1);
	assert_int_equal(world->verdict.replayed, 1);
	assert_int_equal(world->verdict.foreign, 1);
}

/* Against a plain array, whatever the order in which epochs and counters come. */
static void test_random_holes(void **state)
{
	struct world *world = *state;
	enum { EPOCHS = 9, COUNTERS = 300 };
	static bool there[EPOCHS][COUNTERS + 1];
	uint64_t missing = 0;
	srand(7);
	for (int i = 0; i < EPOCHS * COUNTERS; i++) {
		int epoch = rand() % EPOCHS, counter = 1 + rand() % COUNTERS;
		if (there[epoch][counter])
			continue;
		there[epoch][counter] = true;
		struct audit_position position = at(2, (uint64_t)epoch + 1, (uint64_t)counter);
		assert_true(audit_ledger_add(world->ledger, 0, &position));
	}
	for (int epoch = 0; epoch < EPOCHS; epoch++) {
		int last = COUNTERS;
		while (!there[epoch][last])
			last--;
		for (int counter = 1; counter <= last; counter++)
			missing += !there[epoch][counter];
	}
	judge(world);
	assert_true(missing > 0);
	assert_int_equal(world->verdict.missing, missing);
	assert_int_equal(world->verdict.twice, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_positions),
		TEST(test_all_there),
		TEST(test_missing_within_and_at_the_end),
		TEST(test_what_is_behind_the_checkpoint_is_under_way),
		TEST(test_an_epoch_of_which_nothing_came),
		TEST(test_twice_and_out_of_order),
		TEST(test_what_the_journal_explains),
		TEST(test_what_retention_may_have_taken),
		TEST(test_lanes_and_logs_are_kept_apart),
		TEST(test_random_holes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
