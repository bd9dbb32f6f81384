/* The lanes as the forwarder reads them: merged by the time of receipt; what was looked at and not handed out counts for
 * nothing yet. */
#include "forward/lanes.h"
#include "journal_fixture.h"

#include "base/clock.h"

#define LANES 3
#define T0 INT64_C(1700000000000)

struct world {
	struct fixture f;
	struct lanes lanes;
};

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof *world);
	fixture_init(&world->f, NULL);
	world->f.options.lanes = LANES;
	fixture_open(&world->f);
	lanes_init(&world->lanes, world->f.journal);
	*state = world;
	return lanes_open(&world->lanes, &world->f.err) ? 0 : -1;
}

static int teardown(void **state)
{
	struct world *world = *state;
	lanes_close(&world->lanes);
	fixture_fini(&world->f);
	free(world);
	return 0;
}

static void append(struct world *world, uint32_t lane, int64_t received_ms)
{
	struct journal_writer *writer = journal_writer_get(world->f.journal, lane);
	char *to = journal_writer_begin(writer, 8);
	assert_non_null(to);
	memcpy(to, "topic{}\n", 8);
	struct journal_record record = { .type = JOURNAL_EVENT, .received_ms = T0 + received_ms };
	record.topic = (struct slice) { to, 5 };
	record.key = record.headers = (struct slice) { to + 5, 0 };
	record.value = (struct slice) { to + 5, 3 };
	journal_writer_end(writer, &record);
	assert_true(journal_writer_commit(writer, &world->f.err));
}

static void expect(struct world *world, uint32_t lane, int64_t received_ms)
{
	struct journal_record record;
	assert_int_equal(lanes_next(&world->lanes, &record, &world->f.err), JOURNAL_READ_RECORD);
	assert_int_equal(record.lane, lane);
	assert_int_equal(record.received_ms, T0 + received_ms);
	assert_memory_equal(record.value.at, "{}\n", 3);
}

static void expect_end(struct world *world)
{
	struct journal_record record;
	assert_int_equal(lanes_next(&world->lanes, &record, &world->f.err), JOURNAL_READ_END);
}

static void test_merged_by_time_of_receipt(void **state)
{
	struct world *world = *state;
	append(world, 2, 10);
	append(world, 2, 40);
	append(world, 0, 20);
	append(world, 0, 50);
	append(world, 1, 30);
	expect(world, 2, 10);
	expect(world, 0, 20);
	append(world, 1, 35); /* while others wait */
	expect(world, 1, 30);
	expect(world, 1, 35);
	expect(world, 2, 40);
	expect(world, 0, 50);
	expect_end(world);
	append(world, 1, 5); /* late, and alone */
	expect(world, 1, 5);
	expect_end(world);
}

static void test_order_within_a_lane_is_the_journals(void **state)
{
	struct world *world = *state;
	append(world, 0, 100);
	append(world, 0, 90); /* the clock was set back */
	append(world, 1, 95);
	expect(world, 1, 95);
	expect(world, 0, 100);
	expect(world, 0, 90);
	expect_end(world);
}

/* Else the lane that has it would wait until the clock is there again, or until no other lane has anything. */
static void test_what_seems_to_come_from_the_future_is_not_kept_back(void **state)
{
	struct world *world = *state;
	int64_t future_ms = clock_wall_ms() - T0 + 86400000;
	append(world, 0, 10);
	append(world, 1, future_ms);
	append(world, 1, 20);
	append(world, 0, 30);
	expect(world, 1, future_ms);
	expect(world, 0, 10);
	expect(world, 1, 20);
	expect(world, 0, 30);
	expect_end(world);
}

/* What was read ahead of another lane's record is neither settled nor in the books, and is there after a start over. */
static void test_what_is_not_handed_out_is_not_settled(void **state)
{
	struct world *world = *state;
	static struct tally tally;
	struct tally_books books[JOURNAL_LANES_MAX] = { 0 };
	metrics_register_thread();
	tally_init(&tally);
	tally_load(&tally, books);
	append(world, 0, 10);
	append(world, 1, 20);
	append(world, 2, 30);
	struct journal_record record;
	assert_int_equal(lanes_next(&world->lanes, &record, &world->f.err), JOURNAL_READ_RECORD);
	tally_add(&tally, &record);
	lanes_reconcile(&world->lanes, &tally, true);
	tally_commit(&tally);
	lanes_settle(&world->lanes);
	assert_int_equal(tally.total.delivered[TALLY_EVENTS], 1);
	assert_int_equal(tally.total.quarantined[TALLY_EVENTS], 0);
	assert_int_equal(tally.total.lost_behind[TALLY_EVENTS], 0);
	assert_int_equal(world->lanes.settled[0].position.counter, 1);
	assert_int_equal(world->lanes.settled[1].position.counter, 0);
	expect(world, 1, 20); /* its bytes are still there */
	memcpy(world->lanes.read, world->lanes.settled, sizeof world->lanes.read);
	assert_true(lanes_open(&world->lanes, &world->f.err));
	expect(world, 1, 20);
	expect(world, 2, 30);
	expect_end(world);
}

/* Long backlogs over several files, released as rounds end. */
static void test_backlogs_of_unequal_length(void **state)
{
	struct world *world = *state;
	enum { COUNT = 3000 };
	for (int i = 0; i < COUNT; i++)
		append(world, i % 5 ? 0 : i % 10 ? 1 : 2, i);
	for (int i = 0; i < COUNT; i++) {
		expect(world, i % 5 ? 0 : i % 10 ? 1 : 2, i);
		if (i % 100 == 0)
			lanes_settle(&world->lanes);
	}
	expect_end(world);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_merged_by_time_of_receipt),
		TEST(test_order_within_a_lane_is_the_journals),
		TEST(test_what_seems_to_come_from_the_future_is_not_kept_back),
		TEST(test_what_is_not_handed_out_is_not_settled),
		TEST(test_backlogs_of_unequal_length),
	};
	metrics_register_thread();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
