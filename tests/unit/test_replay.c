/* Replay: what the sink is given is what stands in the journal, as long as it may look at it; and no step lasts for ever. */
#include "forward/lanes.h"
#include "forward/replay.h"
#include "journal_fixture.h"

#define T0 INT64_C(1795312800000)
#define RECORDS 24000
#define VALUE_BYTES 1000
#define COMMIT_EVERY 100

struct world {
	struct fixture f;
	struct sink sink;
	struct lanes lanes;
	struct replay replay;
	struct journal_record round[RECORDS];
	uint32_t count;
	uint64_t first, last; /* counters of what came, in all */
	uint64_t commits;
};

static struct world *world_of(struct sink *sink)
{
	return (struct world *)(void *)((char *)sink - offsetof(struct world, sink));
}

static void make_value(char value[VALUE_BYTES], uint64_t counter)
{
	memset(value, 'a' + (int)(counter % 26), VALUE_BYTES);
	int len = snprintf(value, VALUE_BYTES, "{\"counter\":%" PRIu64 ",", counter);
	value[len] = '"';
}

static bool begin(struct sink *sink, struct error *err)
{
	(void)err;
	world_of(sink)->count = 0;
	return true;
}

static bool put(struct sink *sink, const struct journal_record *record, struct error *err)
{
	struct world *world = world_of(sink);
	(void)err;
	world->round[world->count++] = *record;
	return true;
}

/* Only now are the bytes looked at, as librdkafka may. */
static bool commit(struct sink *sink, const struct sink_position *lanes, uint32_t lane_count, struct error *err)
{
	struct world *world = world_of(sink);
	char expected[VALUE_BYTES];
	(void)lanes, (void)lane_count, (void)err;
	for (uint32_t i = 0; i < world->count; i++) {
		const struct journal_record *record = &world->round[i];
		if (!world->first)
			world->first = record->position.counter;
		else
			assert_int_equal(record->position.counter, world->last + 1);
		world->last = record->position.counter;
		make_value(expected, world->last);
		assert_int_equal(record->value.len, VALUE_BYTES);
		assert_memory_equal(record->value.at, expected, VALUE_BYTES);
	}
	world->commits++;
	return true;
}

static void drop(struct sink *sink)
{
	(void)sink;
}

static const struct sink_ops OPS = { .name = "kafka", .begin = begin, .put = put, .commit = commit, .drop = drop };

static void append(struct world *world, int64_t received_ms)
{
	struct journal_writer *writer = journal_writer_get(world->f.journal, 0);
	char *to = journal_writer_begin(writer, 5 + VALUE_BYTES);
	assert_non_null(to);
	struct journal_record record = { .type = JOURNAL_EVENT, .received_ms = received_ms };
	record.position = journal_writer_next(writer);
	memcpy(to, "topic", 5);
	record.topic = (struct slice) { to, 5 };
	record.key = record.headers = (struct slice) { to + 5, 0 };
	make_value(to + 5, record.position.counter);
	record.value = (struct slice) { to + 5, VALUE_BYTES };
	journal_writer_end(writer, &record);
	if (record.position.counter % COMMIT_EVERY == 0)
		assert_true(journal_writer_commit(writer, &world->f.err));
}

/* Record n was received n milliseconds after T0. */
static int setup(void **state)
{
	struct world *world = calloc(1, sizeof *world);
	if (!world)
		return -1;
	fixture_init(&world->f, NULL);
	world->f.options.file_bytes = 16 << 20;
	world->f.options.sync_on_commit = false;
	fixture_open(&world->f);
	for (int64_t i = 1; i <= RECORDS; i++)
		append(world, T0 + i);
	lanes_init(&world->lanes, world->f.journal);
	world->lanes.settled[0].position = (struct journal_position) { journal_epoch(world->f.journal), RECORDS };
	sink_init(&world->sink, &OPS);
	replay_init(&world->replay);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;
	replay_fini(&world->replay);
	fixture_fini(&world->f);
	free(world);
	return 0;
}

/* Returns the number of steps. */
static int run(struct world *world, int64_t from_ms, int64_t to_ms)
{
	bool failed = false;
	int steps = 1;
	world->replay.state = REPLAY_ASKED;
	world->replay.records = 0;
	world->first = world->last = world->commits = 0;
	world->replay.range = (struct journal_range) {
		.from = { .kind = JOURNAL_BOUND_TIME, .time_ms = T0 + from_ms },
		.to = { .kind = JOURNAL_BOUND_TIME, .time_ms = T0 + to_ms },
	};
	while (replay_step(&world->replay, &world->sink, &world->lanes, 10000, &failed))
		steps++;
	assert_false(failed);
	return steps;
}

static void test_bytes_stay_until_the_commit(void **state)
{
	struct world *world = *state;
	static const struct {
		int64_t from, to;
	} RANGES[] = { { 1, 450 }, { 1, 4500 }, { 700, 12000 }, { 11990, 12010 }, { 1, RECORDS } };
	for (size_t i = 0; i < sizeof RANGES / sizeof *RANGES; i++) {
		run(world, RANGES[i].from, RANGES[i].to);
		assert_int_equal(world->first, RANGES[i].from);
		assert_int_equal(world->last, RANGES[i].to);
		assert_int_equal(world->replay.records, RANGES[i].to - RANGES[i].from + 1);
	}
}

/* 24 MB are looked at for one record: in several steps, between which what comes in is forwarded. */
static void test_looking_has_bounds(void **state)
{
	struct world *world = *state;
	assert_in_range(run(world, RECORDS - 50, RECORDS - 50), 3, 20);
	assert_int_equal(world->replay.records, 1);
	assert_int_equal(world->commits, 1);
	run(world, RECORDS + 1, RECORDS + 2);
	assert_int_equal(world->replay.records + world->commits, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bytes_stay_until_the_commit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_looking_has_bounds, setup, teardown),
	};
	metrics_register_thread();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
