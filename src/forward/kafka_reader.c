/* Reading to the end is two questions. A read_committed consumer is told the last stable offset for the end: behind a
 * transaction that someone left open, newer records that are committed would stay unseen. So the end is asked for with
 * read_uncommitted, and the reading goes on, waiting, until it is past it. */
#include "forward/kafka_reader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "forward/kafka_conf.h"
#include "forward/sink.h"

#define ASK_MS 5000
#define READ_MS 15000 /* without progress */
#define POLL_MS 100
#define BEAT_MS 1000

struct run {
	struct sink *sink;
	struct kafka_reader_part *parts;
	size_t count, left;
	rd_kafka_topic_t **topics; /* one per part */
	rd_kafka_queue_t *queue;
	int64_t progress_ms, beat_ms;
};

static rd_kafka_t *make_consumer(const struct config *cfg, enum kafka_role role, struct error *err)
{
	char reason[256];
	rd_kafka_conf_t *conf = kafka_conf_create(cfg, role, err);
	if (!conf)
		return NULL;
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
	if (rk)
		return rk;
	rd_kafka_conf_destroy(conf);
	error_set(err, ERROR_KAFKA, "kafka: %s", reason);
	return NULL;
}

bool kafka_reader_ask_ends(const struct config *cfg, struct kafka_reader_part *parts, size_t count, struct error *err)
{
	rd_kafka_t *rk = make_consumer(cfg, KAFKA_UNCOMMITTED, err);
	if (!rk)
		return false;
	rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
	for (size_t i = 0; i < count && !code; i++) {
		code = rd_kafka_query_watermark_offsets(rk, parts[i].topic, parts[i].partition, &parts[i].low,
		                                        &parts[i].end, ASK_MS);
		if (code)
			error_set(err, ERROR_KAFKA, "the end of topic %s: %s", parts[i].topic, rd_kafka_err2str(code));
	}
	rd_kafka_destroy(rk);
	return !code;
}

static struct kafka_reader_part *part_of(struct run *run, const rd_kafka_message_t *message)
{
	const char *topic = rd_kafka_topic_name(message->rkt);
	for (size_t i = 0; i < run->count; i++)
		if (run->parts[i].partition == message->partition && strcmp(run->parts[i].topic, topic) == 0)
			return &run->parts[i];
	return NULL;
}

static bool is_served(struct run *run, struct error *err)
{
	int64_t now_ms = clock_monotonic_ms();
	if (run->sink && sink_gives_up(run->sink))
		return error_set(err, ERROR_UNAVAILABLE, "stopping");
	if (now_ms - run->beat_ms < BEAT_MS)
		return true;
	run->beat_ms = now_ms;
	for (size_t i = 0; i < run->count; i++)
		if (!run->parts[i].done)
			error_set(err, ERROR_KAFKA,
			          "topic %s partition %" PRId32 " is readable up to offset %" PRId64 " of %" PRId64
			          ": Kafka does not answer, or a transaction is open",
			          run->parts[i].topic, run->parts[i].partition, run->parts[i].next, run->parts[i].end);
	if (run->sink)
		sink_beat(run->sink, err->message);
	return now_ms - run->progress_ms < READ_MS;
}

static bool take_message(struct run *run, const rd_kafka_message_t *message, kafka_reader_fn take, void *context,
                         struct error *err)
{
	bool is_end = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
	struct kafka_reader_part *part = part_of(run, message);
	if (message->err && !is_end)
		return error_set(err, ERROR_KAFKA, "reading topic %s: %s", rd_kafka_topic_name(message->rkt),
		                 rd_kafka_message_errstr(message));
	if (!part)
		return true;
	if (!take(context, part, message, err))
		return false;
	part->next = message->offset + (is_end ? 0 : 1);
	run->progress_ms = clock_monotonic_ms();
	if (!part->done && is_end && message->offset >= part->end) {
		part->done = true;
		run->left--;
	}
	return true;
}

static bool start(struct run *run, rd_kafka_t *rk, struct error *err)
{
	for (size_t i = 0; i < run->count; i++) {
		struct kafka_reader_part *part = &run->parts[i];
		part->done = false;
		run->topics[i] = rd_kafka_topic_new(rk, part->topic, NULL);
		int64_t from = part->next ? part->next : RD_KAFKA_OFFSET_BEGINNING;
		if (!run->topics[i] || rd_kafka_consume_start_queue(run->topics[i], part->partition, from, run->queue))
			return error_set(err, ERROR_KAFKA, "reading topic %s: %s", part->topic,
			                 rd_kafka_err2str(rd_kafka_last_error()));
	}
	return true;
}

static void stop(struct run *run)
{
	for (size_t i = 0; i < run->count; i++) {
		if (!run->topics[i])
			continue;
		rd_kafka_consume_stop(run->topics[i], run->parts[i].partition);
		rd_kafka_topic_destroy(run->topics[i]);
	}
}

bool kafka_reader_run(const struct config *cfg, struct sink *sink, struct kafka_reader_part *parts, size_t count,
                      kafka_reader_fn take, void *context, struct error *err)
{
	struct run run = { .sink = sink, .parts = parts, .count = count, .left = count };
	rd_kafka_t *rk = make_consumer(cfg, KAFKA_COMMITTED, err);
	if (!rk)
		return false;
	run.topics = calloc(count ? count : 1, sizeof *run.topics);
	run.queue = rd_kafka_queue_new(rk);
	run.progress_ms = run.beat_ms = clock_monotonic_ms();
	bool done = run.topics ? start(&run, rk, err) : error_set(err, ERROR_MEMORY, "no memory to read topics");
	while (done && run.left) {
		rd_kafka_message_t *message = rd_kafka_consume_queue(run.queue, POLL_MS);
		if (message)
			done = take_message(&run, message, take, context, err);
		if (message)
			rd_kafka_message_destroy(message);
		done = done && is_served(&run, err);
	}
	if (run.topics)
		stop(&run);
	free(run.topics);
	rd_kafka_queue_destroy(run.queue);
	rd_kafka_destroy(rk);
	return done;
}
