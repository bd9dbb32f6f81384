/* The exactly_once sink against librdkafka's mock cluster: what a client sees of a broker that refuses, goes away, fences or
 * does not answer. That records arrive once cannot be shown here (the mock shows consumers what was aborted): it is shown
 * against a real broker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "forward/checkpoint.h"
#include "forward/kafka_checkpoint_topic.h"
#include "kafka_fixture.h"

#define LANE 3
#define EPOCH 9

enum { PRODUCE = 0, INIT_PRODUCER_ID = 22, ADD_PARTITIONS = 24, END_TXN = 26 };

struct world {
	struct kafka_fixture kafka;
	uint64_t foreign_epoch; /* this directory never wrote it */
	uint64_t next;          /* counter of the next record */
};

static char values[FIXTURE_RECORDS_MAX][64]; /* slices of a record are borrowed until the commit */

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof *world);
	fixture_init(&world->kafka, FORWARD_EXACTLY_ONCE);
	fixture_add_pair(&world->kafka, "socket.timeout.ms", "1000");
	fixture_add_pair(&world->kafka, "transaction.timeout.ms", "10000");
	world->next = 1;
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;
	fixture_fini(&world->kafka);
	free(world);
	return 0;
}

static bool knows_epoch(void *context, uint64_t epoch)
{
	const struct world *world = context;
	return epoch != world->foreign_epoch;
}

static void make_sink(struct world *world)
{
	fixture_make_sink(&world->kafka, world);
	world->kafka.sink->knows_epoch = knows_epoch;
}

static uint64_t recover(struct world *world)
{
	struct journal_position at = fixture_recover(&world->kafka, LANE);
	assert_true(at.epoch == EPOCH || at.counter == 0);
	return at.counter;
}

static uint64_t open_sink(struct world *world)
{
	make_sink(world);
	return recover(world);
}

static bool put(struct world *world, struct error *err)
{
	struct journal_record record = { .type = JOURNAL_EVENT,
		                         .time_ms = 1795312800123,
		                         .received_ms = 1795312800456,
		                         .lane = LANE,
		                         .position = { EPOCH, world->next },
		                         .topic = SLICE("headgate.events"),
		                         .key = SLICE("key") };
	char *value = values[world->next % FIXTURE_RECORDS_MAX];
	int len = snprintf(value, sizeof values[0], "{\"n\":%llu}", (unsigned long long)world->next);
	record.value = (struct slice) { value, (size_t)len };
	if (!world->kafka.sink->ops->put(world->kafka.sink, &record, err))
		return false;
	tally_add(&world->kafka.sink->tally, &record);
	world->next++;
	return true;
}

static bool round_of(struct world *world, int count, struct error *err)
{
	if (!world->kafka.sink->ops->begin(world->kafka.sink, err))
		return false;
	for (int i = 0; i < count; i++)
		if (!put(world, err))
			return false;
	struct sink_position lane = { LANE, { EPOCH, world->next - 1 } };
	if (!world->kafka.sink->ops->commit(world->kafka.sink, &lane, 1, err))
		return false;
	tally_commit(&world->kafka.sink->tally);
	return true;
}

/* Sends `count` records as the forwarder would: a round that fails is begun anew behind what Kafka has. */
static void deliver(struct world *world, int count)
{
	struct error err = { 0 };
	uint64_t last = world->next + (uint64_t)count - 1;
	int64_t began = clock_monotonic_ms();
	while (world->next <= last && !round_of(world, (int)(last + 1 - world->next), &err)) {
		if (clock_monotonic_ms() - began > FIXTURE_WAIT_MS)
			fail_msg("%s", err.message);
		world->next = recover(world) + 1;
	}
	assert_int_equal(world->next, last + 1);
}

static unsigned rebuilds(struct world *world)
{
	struct buffer json;
	unsigned count;
	buffer_init(&json, NULL);
	world->kafka.sink->ops->status(world->kafka.sink, &json);
	buffer_append_char(&json, '\0');
	const char *at = strstr(json.at, "\"producer_rebuilds\":");
	assert_non_null(at);
	assert_int_equal(sscanf(at, "\"producer_rebuilds\":%u", &count), 1);
	buffer_fini(&json);
	return count;
}

/* What a start on the same directory finds. */
static uint64_t reopen(struct world *world)
{
	world->kafka.sink->ops->close(&world->kafka.sink, 0);
	return open_sink(world);
}

static void test_rounds_are_remembered_by_kafka(void **state)
{
	struct world *world = *state;
	char path[128];
	assert_int_equal(open_sink(world), 0);
	deliver(world, 1000);
	deliver(world, 500);
	assert_int_equal(rebuilds(world), 0);
	world->kafka.sink->ops->close(&world->kafka.sink, 0);
	snprintf(path, sizeof path, "%s/kafka.checkpoint", world->kafka.dir);
	assert_int_equal(unlink(path), 0); /* a hint, no more */
	assert_int_equal(open_sink(world), 1500);
	assert_int_equal(world->kafka.sink->tally.total.delivered[TALLY_EVENTS], 1500);
}

static void test_a_hint_that_is_behind_does_not_count(void **state)
{
	struct world *world = *state;
	struct checkpoint old;
	struct error err = { 0 };
	char path[128];
	open_sink(world);
	deliver(world, 100);
	world->kafka.sink->ops->close(&world->kafka.sink, 0);
	checkpoint_init(&old, FIXTURE_LOG_ID);
	old.exactly_once = true;
	old.lanes[LANE] = (struct journal_position) { EPOCH, 40 };
	snprintf(path, sizeof path, "%s/kafka.checkpoint", world->kafka.dir);
	assert_true(checkpoint_write(path, &old, &err));
	assert_int_equal(open_sink(world), 100);
}

static void test_what_another_mode_delivered_becomes_the_checkpoint(void **state)
{
	struct world *world = *state;
	struct checkpoint other;
	struct error err = { 0 };
	char path[128];
	checkpoint_init(&other, FIXTURE_LOG_ID);
	other.lanes[LANE] = (struct journal_position) { EPOCH, 70 };
	other.books[LANE].delivered[TALLY_EVENTS] = 69;
	other.books[LANE].erased[TALLY_DEAD_LETTERS] = 1;
	snprintf(path, sizeof path, "%s/files.checkpoint", world->kafka.dir);
	assert_true(checkpoint_write(path, &other, &err));
	assert_int_equal(open_sink(world), 70);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(reopen(world), 70);
	assert_int_equal(world->kafka.sink->tally.total.delivered[TALLY_EVENTS], 69);
	assert_int_equal(world->kafka.sink->tally.total.erased[TALLY_DEAD_LETTERS], 1);
}

static void test_a_topic_without_the_checkpoint_that_was_there_halts(void **state)
{
	struct world *world = *state;
	struct checkpoint hint;
	struct error err = { 0 };
	struct sink_position lane = { .lane = LANE };
	char path[128];
	checkpoint_init(&hint, FIXTURE_LOG_ID);
	hint.exactly_once = true;
	hint.lanes[LANE] = (struct journal_position) { EPOCH, 40 };
	snprintf(path, sizeof path, "%s/kafka.checkpoint", world->kafka.dir);
	assert_true(checkpoint_write(path, &hint, &err));
	make_sink(world);
	for (int i = 0; i < 3; i++) {
		assert_false(world->kafka.sink->ops->recover(world->kafka.sink, &lane, 1, &err));
		assert_int_equal(err.code, ERROR_DATA);
		assert_non_null(strstr(err.message, "holds no checkpoint of lane 3"));
	}
	assert_int_equal(rebuilds(world), 0);
}

static void test_an_epoch_never_written_halts_before_anything_is_fenced(void **state)
{
	struct world *world = *state;
	struct error err = { 0 };
	struct sink_position lane = { .lane = LANE };
	open_sink(world);
	deliver(world, 10);
	struct sink *first = world->kafka.sink;
	world->foreign_epoch = EPOCH;
	make_sink(world); /* as if on a clone of the directory */
	for (int i = 0; i < 3; i++) {
		assert_false(world->kafka.sink->ops->recover(world->kafka.sink, &lane, 1, &err));
		assert_int_equal(err.code, ERROR_DATA);
		assert_non_null(strstr(err.message, "cloned or restored"));
	}
	world->kafka.sink->ops->close(&world->kafka.sink, 0);
	world->kafka.sink = first;
	world->foreign_epoch = 0;
	deliver(world, 10);
	assert_int_equal(rebuilds(world), 0); /* the first was left in peace */
}

static void test_the_operator_decides_after_a_loss(void **state)
{
	struct world *world = *state;
	struct checkpoint hint;
	struct error err = { 0 };
	struct sink_position lane = { .lane = LANE };
	char path[128];
	checkpoint_init(&hint, FIXTURE_LOG_ID);
	hint.exactly_once = true;
	hint.lanes[LANE] = (struct journal_position) { EPOCH, 40 };
	hint.books[LANE].delivered[TALLY_EVENTS] = 40;
	snprintf(path, sizeof path, "%s/kafka.checkpoint", world->kafka.dir);
	assert_true(checkpoint_write(path, &hint, &err));
	make_sink(world);
	assert_false(world->kafka.sink->ops->recover(world->kafka.sink, &lane, 1, &err));
	atomic_store(&world->kafka.sink->decided, true);
	assert_int_equal(recover(world), 40);
	assert_false(atomic_load(&world->kafka.sink->decided)); /* for this once */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(reopen(world), 40); /* Kafka has it now */
	assert_int_equal(world->kafka.sink->tally.total.delivered[TALLY_EVENTS], 40);
}

static void test_the_operator_decides_for_a_restored_directory(void **state)
{
	struct world *world = *state;
	struct error err = { 0 };
	struct sink_position lane = { .lane = LANE };
	open_sink(world);
	deliver(world, 10);
	world->kafka.sink->ops->close(&world->kafka.sink, 0);
	world->foreign_epoch = EPOCH;
	make_sink(world);
	world->kafka.sink->epoch = EPOCH - 1; /* the other one began later */
	atomic_store(&world->kafka.sink->decided, true);
	assert_false(world->kafka.sink->ops->recover(world->kafka.sink, &lane, 1, &err));
	assert_non_null(strstr(err.message, "start this one again"));
	world->kafka.sink->epoch = EPOCH + 1;
	int64_t began = clock_monotonic_ms();
	while (!world->kafka.sink->ops->recover(world->kafka.sink, &lane, 1, &err))
		if (clock_monotonic_ms() - began > FIXTURE_WAIT_MS)
			fail_msg("%s", err.message);
	assert_int_equal(lane.position.epoch, EPOCH + 1); /* what this start accepts goes out */
	assert_int_equal(lane.position.counter, 0);
	assert_int_equal(world->kafka.sink->tally.total.delivered[TALLY_EVENTS], 10);
}

static void test_a_replay_moves_neither_checkpoint_nor_books(void **state)
{
	struct world *world = *state;
	struct error err = { 0 };
	struct sink_position lane = { LANE, { EPOCH, 20 } };
	open_sink(world);
	deliver(world, 20);
	world->next = 5;
	world->kafka.sink->replaying = true;
	assert_true(world->kafka.sink->ops->begin(world->kafka.sink, &err));
	for (int i = 0; i < 10; i++) {
		struct tally before = world->kafka.sink->tally;
		assert_true(put(world, &err));
		world->kafka.sink->tally = before; /* the forwarder does not count it */
	}
	assert_true(world->kafka.sink->ops->commit(world->kafka.sink, &lane, 1, &err));
	world->kafka.sink->replaying = false;
	assert_int_equal(recover(world), 20);
	assert_int_equal(world->kafka.sink->tally.total.delivered[TALLY_EVENTS], 20);
	world->next = 21;
	deliver(world, 10);
	assert_int_equal(reopen(world), 30);
}

/* One injected failure, a round, and whether the producer had to go. */
static void survive(struct world *world, int16_t api, rd_kafka_resp_err_t code, bool rebuilt)
{
	unsigned before = rebuilds(world);
	rd_kafka_mock_push_request_errors(world->kafka.cluster, api, 1, code);
	deliver(world, 100);
	deliver(world, 10); /* a doubtful one is replaced before the next */
	if (rebuilt ? rebuilds(world) == before : rebuilds(world) != before)
		fail_msg("api %d error %s: %u rebuilds after %u", api, rd_kafka_err2name(code), rebuilds(world),
		         before);
	uint64_t last = world->next - 1;
	assert_int_equal(recover(world), last);
}

static void test_each_refusal_is_survived(void **state)
{
	struct world *world = *state;
	open_sink(world);
	survive(world, PRODUCE, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, false);
	survive(world, PRODUCE, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, false);
	survive(world, PRODUCE, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, false); /* aborted in good order */
	survive(world, PRODUCE, RD_KAFKA_RESP_ERR_INVALID_RECORD, false);
	survive(world, PRODUCE, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, true);
	survive(world, PRODUCE, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, true);
	survive(world, ADD_PARTITIONS, RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, false);
	survive(world, ADD_PARTITIONS, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, false);
	survive(world, ADD_PARTITIONS, RD_KAFKA_RESP_ERR_PRODUCER_FENCED, true);
	survive(world, END_TXN, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, false);
	survive(world, END_TXN, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, true);
	survive(world, END_TXN, RD_KAFKA_RESP_ERR_PRODUCER_FENCED, true);
	survive(world, END_TXN, RD_KAFKA_RESP_ERR_INVALID_TXN_STATE, true);
	assert_int_equal(world->kafka.sink->tally.total.poisoned[TALLY_EVENTS], 0);
	assert_int_equal(world->kafka.sink->tally.total.delivered[TALLY_EVENTS], world->next - 1);
}

/* The connection goes before the answer does: the same request is sent again and succeeds, but the producer is spent. */
static void test_a_lost_answer_spends_the_producer(void **state)
{
	struct world *world = *state;
	open_sink(world);
	deliver(world, 10);
	survive(world, PRODUCE, RD_KAFKA_RESP_ERR__TRANSPORT, true);
	survive(world, END_TXN, RD_KAFKA_RESP_ERR__TRANSPORT, true);
}

static void test_an_answer_that_is_late_spends_the_producer(void **state)
{
	struct world *world = *state;
	open_sink(world);
	deliver(world, 10);
	unsigned before = rebuilds(world);
	rd_kafka_mock_broker_push_request_error_rtts(world->kafka.cluster, 1, END_TXN, 1, RD_KAFKA_RESP_ERR_NO_ERROR,
	                                             2500);
	deliver(world, 10);
	deliver(world, 10);
	assert_true(rebuilds(world) > before);
	assert_int_equal(recover(world), 30);
}

static void test_an_outage_in_the_middle_of_a_round(void **state)
{
	struct world *world = *state;
	struct error err = { 0 };
	struct sink_position lane = { LANE, { EPOCH, 20 } };
	open_sink(world);
	deliver(world, 10);
	assert_true(world->kafka.sink->ops->begin(world->kafka.sink, &err));
	for (int i = 0; i < 10; i++)
		assert_true(put(world, &err));
	rd_kafka_mock_broker_set_down(world->kafka.cluster, 1);
	atomic_store(&world->kafka.sink->give_up_ms, clock_monotonic_ms() + 500); /* a stop ends the waiting */
	int64_t began = clock_monotonic_ms();
	assert_false(world->kafka.sink->ops->commit(world->kafka.sink, &lane, 1, &err));
	assert_true(clock_monotonic_ms() - began < 5000);
	atomic_store(&world->kafka.sink->give_up_ms, SINK_NEVER);
	assert_false(world->kafka.sink->ops->recover(world->kafka.sink, &lane, 1, &err));
	rd_kafka_mock_broker_set_up(world->kafka.cluster, 1);
	uint64_t has = recover(world);
	assert_int_equal(has, 10);
	world->next = has + 1;
	deliver(world, 20);
	assert_int_equal(reopen(world), 30);
	assert_int_equal(world->kafka.sink->tally.total.delivered[TALLY_EVENTS], 30);
}

static void test_no_broker_at_the_start(void **state)
{
	struct world *world = *state;
	struct error err = { 0 };
	struct sink_position lane = { .lane = LANE };
	rd_kafka_mock_broker_set_down(world->kafka.cluster, 1);
	make_sink(world);
	assert_false(world->kafka.sink->ops->recover(world->kafka.sink, &lane, 1, &err));
	assert_non_null(strstr(err.message, "no broker answers"));
	rd_kafka_mock_broker_set_up(world->kafka.cluster, 1);
	assert_int_equal(recover(world), 0);
	deliver(world, 10);
	assert_int_equal(rebuilds(world), 0);
}

/* More than librdkafka may queue: put waits for room, and the round is one transaction all the same. */
static void test_a_full_queue_is_waited_out(void **state)
{
	struct world *world = *state;
	world->kafka.cfg.forward.memory_bytes = 64 << 10;
	open_sink(world);
	deliver(world, 4000);
	assert_int_equal(rebuilds(world), 0);
	assert_int_equal(reopen(world), 4000);
}

static void test_every_id_ever_used_is_remembered(void **state)
{
	struct world *world = *state;
	char path[128], text[256] = "";
	open_sink(world);
	deliver(world, 5);
	world->kafka.cfg.forward.transactional_prefix = SLICE("shop");
	assert_int_equal(reopen(world), 5);
	assert_int_equal(reopen(world), 5);
	snprintf(path, sizeof path, "%s/kafka.transactional_ids", world->kafka.dir);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	assert_true(fread(text, 1, sizeof text - 1, file) > 0);
	fclose(file);
	assert_string_equal(text, "headgate-" FIXTURE_LOG_ID "\nshop-" FIXTURE_LOG_ID "\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rounds_are_remembered_by_kafka),
		TEST(test_a_hint_that_is_behind_does_not_count),
		TEST(test_what_another_mode_delivered_becomes_the_checkpoint),
		TEST(test_a_topic_without_the_checkpoint_that_was_there_halts),
		TEST(test_an_epoch_never_written_halts_before_anything_is_fenced),
		TEST(test_the_operator_decides_after_a_loss),
		TEST(test_the_operator_decides_for_a_restored_directory),
		TEST(test_a_replay_moves_neither_checkpoint_nor_books),
		TEST(test_each_refusal_is_survived),
		TEST(test_a_lost_answer_spends_the_producer),
		TEST(test_an_answer_that_is_late_spends_the_producer),
		TEST(test_an_outage_in_the_middle_of_a_round),
		TEST(test_no_broker_at_the_start),
		TEST(test_a_full_queue_is_waited_out),
		TEST(test_every_id_ever_used_is_remembered),
	};
	log_init(getenv("VERBOSE") ? LOG_DEBUG : LOG_ERROR, LOG_FORMAT_TEXT);
	metrics_register_thread();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
