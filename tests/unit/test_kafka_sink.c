/* The Kafka sink against librdkafka's mock cluster, which lives in this process: delivery, outage, refusals, poison. What
 * arrived is read back by a consumer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/metrics.h"
#include "event/headers.h"
#include "kafka_fixture.h"

#define PRODUCE 0 /* ApiKey */

struct world {
	struct kafka_fixture kafka;
	int beats_with_reason;
	void (*on_beat)(struct world *world);
	int seen[FIXTURE_RECORDS_MAX]; /* by the number in the value */
	int letters;
	char headers_of_7[256];
	int64_t time_of_7;
};

static char values[FIXTURE_RECORDS_MAX][64]; /* slices of a record are borrowed until the commit */
static char headers[FIXTURE_RECORDS_MAX][128];

static void beat(void *context, const char *reason)
{
	struct world *world = context;
	if (reason)
		world->beats_with_reason++;
	if (world->on_beat)
		world->on_beat(world);
}

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof *world);
	fixture_init(&world->kafka, FORWARD_AT_LEAST_ONCE);
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

static struct journal_position open_sink(struct world *world)
{
	fixture_make_sink(&world->kafka, world);
	world->kafka.sink->beat = beat;
	return fixture_recover(&world->kafka, 3);
}

static bool put(struct world *world, int number, const char *topic, size_t padding)
{
	static char big[2 << 20];
	struct error err = { 0 };
	struct buffer bytes;
	struct journal_record record = { .type = JOURNAL_EVENT,
		                         .time_ms = 1795312800123,
		                         .received_ms = 1795312800456,
		                         .lane = 3,
		                         .position = { 9, (uint64_t)number + 1 } };
	buffer_init(&bytes, NULL);
	event_headers_put(&bytes, SLICE("ce_id"), SLICE("an-id"));
	assert_in_range(bytes.len, 1, sizeof headers[number]);
	memcpy(headers[number], bytes.at, bytes.len);
	record.topic = slice_of(topic);
	record.key = SLICE("key");
	record.headers = (struct slice) { headers[number], bytes.len };
	buffer_fini(&bytes);
	char *value = padding ? big : values[number];
	size_t size = padding ? sizeof big : sizeof values[number];
	size_t len = (size_t)snprintf(value, size, "{\"n\":%d,\"p\":\"%0*d\"}", number, (int)padding, 0);
	record.value = (struct slice) { value, len };
	bool done = world->kafka.sink->ops->put(world->kafka.sink, &record, &err);
	if (done)
		tally_add(&world->kafka.sink->tally, &record);
	return done;
}

static bool commit(struct world *world, uint64_t counter)
{
	struct error err = { 0 };
	struct sink_position lane = { 3, { 9, counter } };
	if (!world->kafka.sink->ops->commit(world->kafka.sink, &lane, 1, &err))
		return false;
	tally_commit(&world->kafka.sink->tally);
	return true;
}

static void round_of(struct world *world, int from, int to)
{
	struct error err = { 0 };
	assert_true(world->kafka.sink->ops->begin(world->kafka.sink, &err));
	for (int n = from; n < to; n++)
		assert_true(put(world, n, "headgate.events", 0));
}

static void look_at(struct world *world, const rd_kafka_message_t *message)
{
	int n;
	rd_kafka_timestamp_type_t type;
	rd_kafka_headers_t *list;
	if (strncmp(message->payload, "{\"format\"", 9) == 0) {
		world->letters++;
		return;
	}
	assert_int_equal(sscanf(message->payload, "{\"n\":%d,", &n), 1);
	assert_in_range(n, 0, FIXTURE_RECORDS_MAX - 1);
	world->seen[n]++;
	if (n != 7)
		return;
	world->time_of_7 = rd_kafka_message_timestamp(message, &type);
	const void *value;
	const char *name;
	size_t size, at = 0;
	assert_int_equal(rd_kafka_message_headers(message, &list), 0);
	for (size_t i = 0; rd_kafka_header_get_all(list, i, &name, &value, &size) == 0; i++)
		at += (size_t)snprintf(world->headers_of_7 + at, sizeof world->headers_of_7 - at, "%s=%.*s;", name,
		                       (int)size, (const char *)value);
	assert_int_equal(message->key_len, 3);
}

/* Reads every partition to its end. */
static void consume(struct world *world)
{
	char reason[256];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_conf_set(conf, "group.id", "test", reason, sizeof reason);
	rd_kafka_conf_set(conf, "enable.partition.eof", "true", reason, sizeof reason);
	rd_kafka_t *rk = fixture_client(RD_KAFKA_CONSUMER, conf, world->kafka.bootstrap);
	rd_kafka_poll_set_consumer(rk);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(3);
	rd_kafka_topic_partition_list_add(list, "headgate.events", 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
	rd_kafka_topic_partition_list_add(list, "headgate.events", 1)->offset = RD_KAFKA_OFFSET_BEGINNING;
	rd_kafka_topic_partition_list_add(list, "headgate.rejected", 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
	rd_kafka_assign(rk, list);
	int64_t began = clock_monotonic_ms();
	for (int ends = 0; ends < 3;) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, 200);
		assert_true(clock_monotonic_ms() - began < FIXTURE_WAIT_MS);
		if (message && message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
			ends++;
		else if (message && !message->err)
			look_at(world, message);
		if (message)
			rd_kafka_message_destroy(message);
	}
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_consumer_close(rk);
	rd_kafka_destroy(rk);
}

static void assert_all_seen(struct world *world, int count, int most)
{
	for (int n = 0; n < count; n++)
		assert_in_range(world->seen[n], 1, most);
}

static void test_a_round_arrives_and_is_remembered(void **state)
{
	struct world *world = *state;
	assert_int_equal(open_sink(world).counter, 0);
	round_of(world, 0, 1000);
	assert_true(commit(world, 1000));
	round_of(world, 1000, 1500);
	assert_true(commit(world, 1500));
	assert_int_equal(world->kafka.sink->tally.total.delivered[TALLY_EVENTS], 1500);
	world->kafka.sink->ops->close(&world->kafka.sink, 0);
	struct journal_position at = open_sink(world);
	assert_int_equal(at.epoch, 9);
	assert_int_equal(at.counter, 1500);
	assert_int_equal(world->kafka.sink->tally.total.delivered[TALLY_EVENTS], 1500);
	consume(world);
	assert_all_seen(world, 1500, 1);
	assert_string_equal(world->headers_of_7,
	                    "ce_specversion=1.0;ce_id=an-id;ce_partitionkey=key;content-type=application/json;"
	                    "headgate-position=0123456789abcdef0123456789abcdef/3/9/8;");
	assert_int_equal(world->time_of_7, 1795312800123);
}

static void broker_up_at_second_beat(struct world *world)
{
	if (world->beats_with_reason == 2)
		rd_kafka_mock_broker_set_up(world->kafka.cluster, 1);
}

static void test_an_outage_is_waited_out(void **state)
{
	struct world *world = *state;
	open_sink(world);
	round_of(world, 0, 100);
	assert_true(commit(world, 100));
	rd_kafka_mock_broker_set_down(world->kafka.cluster, 1);
	round_of(world, 100, 600);
	world->on_beat = broker_up_at_second_beat;
	assert_true(commit(world, 600)); /* comes back only because the broker does */
	assert_true(world->beats_with_reason >= 2);
	consume(world);
	assert_all_seen(world, 600, 1);
}

static void test_a_stop_ends_the_waiting(void **state)
{
	struct world *world = *state;
	open_sink(world);
	rd_kafka_mock_broker_set_down(world->kafka.cluster, 1);
	round_of(world, 0, 100);
	atomic_store(&world->kafka.sink->give_up_ms, clock_monotonic_ms() + 300);
	int64_t began = clock_monotonic_ms();
	assert_false(commit(world, 100));
	assert_true(clock_monotonic_ms() - began < 5000);
	world->kafka.sink->ops->close(&world->kafka.sink, 0);
	rd_kafka_mock_broker_set_up(world->kafka.cluster, 1);
	assert_int_equal(open_sink(world).counter, 0); /* nothing counted */
}

static void test_no_broker_at_start_is_no_failure_of_the_start(void **state)
{
	struct world *world = *state;
	struct error err = { 0 };
	struct sink_position lane = { 0 };
	rd_kafka_mock_broker_set_down(world->kafka.cluster, 1);
	fixture_make_sink(&world->kafka, world);
	assert_false(world->kafka.sink->ops->recover(world->kafka.sink, &lane, 1, &err));
	assert_non_null(strstr(err.message, "no broker answers"));
	rd_kafka_mock_broker_set_up(world->kafka.cluster, 1);
}

static void test_retriable_and_fatal_errors_lose_nothing(void **state)
{
	struct world *world = *state;
	open_sink(world);
	rd_kafka_mock_push_request_errors(world->kafka.cluster, PRODUCE, 3, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
	                                  RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS);
	round_of(world, 0, 500);
	assert_true(commit(world, 500));
	rd_kafka_mock_push_request_errors(world->kafka.cluster, PRODUCE, 2,
	                                  RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
	                                  RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
	round_of(world, 500, 1000);
	assert_true(commit(world, 1000));
	consume(world);
	assert_all_seen(world, 1000, 3);
}

static void test_no_authorisation_stalls_and_goes_on(void **state)
{
	struct world *world = *state;
	open_sink(world);
	rd_kafka_mock_push_request_errors(world->kafka.cluster, PRODUCE, 2,
	                                  RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
	                                  RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
	round_of(world, 0, 50);
	assert_true(commit(world, 50));
	assert_true(world->beats_with_reason >= 1);
	assert_int_equal(world->kafka.sink->tally.total.poisoned[TALLY_EVENTS], 0);
	consume(world);
	assert_all_seen(world, 50, 2);
}

static void test_a_record_too_large_is_poison(void **state)
{
	struct world *world = *state;
	struct error err = { 0 };
	struct arena arena;
	struct slice text;
	char path[128];
	open_sink(world);
	round_of(world, 0, 20);
	assert_true(put(world, 20, "headgate.events", 1500000)); /* over message.max.bytes */
	for (int n = 21; n < 30; n++)
		assert_true(put(world, n, "headgate.events", 0));
	assert_true(commit(world, 30));
	assert_int_equal(world->kafka.sink->tally.total.poisoned[TALLY_EVENTS], 1);
	assert_int_equal(world->kafka.sink->tally.total.delivered[TALLY_EVENTS], 29);
	consume(world);
	assert_int_equal(world->seen[20], 0);
	world->seen[20] = 1;
	assert_all_seen(world, 30, 1);
	assert_int_equal(world->letters, 1);
	snprintf(path, sizeof path, "%s/quarantine/kafka.ndjson", world->kafka.dir);
	arena_init(&arena, 4 << 20);
	assert_true(file_read(&arena, path, 3 << 20, &text, &err));
	assert_true(slice_starts(text, SLICE("{\"position\":\"0123456789abcdef0123456789abcdef/3/9/"
	                                     "21\",\"topic\":\"headgate.events\",\"key\":\"key\"")));
	assert_true(slice_ends(text, SLICE("0\"}}\n")));
	arena_fini(&arena);
}

static void test_one_bad_record_does_not_take_its_batch_along(void **state)
{
	struct world *world = *state;
	open_sink(world);
	rd_kafka_mock_push_request_errors(world->kafka.cluster, PRODUCE, 2, RD_KAFKA_RESP_ERR_INVALID_RECORD,
	                                  RD_KAFKA_RESP_ERR_INVALID_RECORD);
	round_of(world, 0, 200); /* refused as a whole, then in halves: none is poison by itself */
	assert_true(commit(world, 200));
	assert_int_equal(world->kafka.sink->tally.total.poisoned[TALLY_EVENTS], 0);
	assert_int_equal(world->kafka.sink->tally.total.delivered[TALLY_EVENTS], 200);
	consume(world);
	assert_all_seen(world, 200, 1);
}

static void refuse(struct world *world, const char *name, const char *value, const char *expected)
{
	struct error err = { 0 };
	fixture_add_pair(&world->kafka, name, value);
	assert_null(kafka_sink_create(&world->kafka.cfg, FIXTURE_LOG_ID, &err));
	assert_int_equal(err.code, ERROR_CONFIG);
	assert_non_null(strstr(err.message, expected));
	world->kafka.cfg.kafka.count--;
}

static void test_settings_that_break_the_promise_are_refused(void **state)
{
	struct world *world = *state;
	refuse(world, "message.timeout.ms", "1000", "kafka.message.timeout.ms");
	refuse(world, "enable.idempotence", "false", "kafka.enable.idempotence");
	refuse(world, "no.such.setting", "1", "kafka.no.such.setting");
	refuse(world, "linger.ms", "soon", "kafka.linger.ms");
	world->kafka.cfg.kafka.count = 0;
	refuse(world, "linger.ms", "5", "kafka.bootstrap.servers");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_round_arrives_and_is_remembered),
		TEST(test_an_outage_is_waited_out),
		TEST(test_a_stop_ends_the_waiting),
		TEST(test_no_broker_at_start_is_no_failure_of_the_start),
		TEST(test_retriable_and_fatal_errors_lose_nothing),
		TEST(test_no_authorisation_stalls_and_goes_on),
		TEST(test_a_record_too_large_is_poison),
		TEST(test_one_bad_record_does_not_take_its_batch_along),
		TEST(test_settings_that_break_the_promise_are_refused),
	};
	log_init(getenv("VERBOSE") ? LOG_DEBUG : LOG_ERROR, LOG_FORMAT_TEXT);
	metrics_register_thread();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
