/* At least once, and in practice once unless the process dies: a round is open until every record of it is acknowledged
 * by all in-sync replicas; then the local checkpoint is replaced; then the journal may forget. What fails is sent again,
 * and only that, also through a new producer when librdkafka gave up on the old one. So a round is repeated as a whole
 * only by a process that died between the first report and the checkpoint.
 *
 * A report with an error is one of three:
 *   the record's own fault: the batch it was in is refused with it, so the refused ones are sent again in halves until
 *     the culprit stands alone; it goes to quarantine, a short dead letter tells of it, and the round goes on;
 *   fatal for the producer: a new one sends what was not acknowledged;
 *   anything else (no such topic, not authorised, no leader): the reason shows in /status, and after a pause the
 *     refused records are sent again. Nothing is skipped. */
#include "forward/kafka_at_least_once.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/metrics.h"
#include "config/config.h"
#include "forward/checkpoint.h"
#include "forward/kafka_poison.h"
#include "forward/kafka_producer.h"

#define PAUSE_MIN_MS 250
#define PAUSE_MAX_MS 5000
#define REFUSALS_MAX 3 /* alone */

struct kafka_sink {
	struct sink base;
	const struct config *cfg;
	struct checkpoint durable; /* what kafka.checkpoint says now */
	struct kafka_producer producer;
	struct kafka_entry *entries; /* of the round */
	struct kafka_entry **failed; /* room for as many */
	uint32_t count, capacity;
};

static struct kafka_sink *sink_of(struct sink *sink)
{
	return (struct kafka_sink *)(void *)sink;
}

/* ---- the checkpoint ---- */

static bool load(struct kafka_sink *ks, struct error *err)
{
	struct checkpoint loaded;
	if (!checkpoint_load(ks->cfg->data_dir.at, "kafka", "files", ks->durable.log_id, &loaded, err))
		return false;
	checkpoint_fini(&ks->durable);
	ks->durable = loaded;
	tally_load(&ks->base.tally, loaded.books);
	memcpy(ks->base.known, loaded.lanes, sizeof ks->base.known);
	return true;
}

/* Tried until it works: to fail the round here would send all of it twice. */
static bool save(struct kafka_sink *ks, const struct sink_position *lanes, uint32_t lane_count, struct error *err)
{
	char path[PATH_MAX];
	struct error reason;
	struct checkpoint next = ks->durable;
	tally_all_after(&ks->base.tally, next.books);
	checkpoint_set_lanes(&next, lanes, lane_count);
	snprintf(path, sizeof path, "%s/kafka.checkpoint", ks->cfg->data_dir.at);
	while (!checkpoint_write(path, &next, &reason)) {
		log_warn("checkpoint_failed", "reason=%s", reason.message);
		if (!kafka_producer_pause(&ks->producer, PAUSE_MAX_MS / 5, reason.message, err))
			return false;
	}
	ks->durable = next;
	return true;
}

/* ---- what was refused ---- */

static bool has_failed(const struct kafka_entry *entry)
{
	return entry->code != RD_KAFKA_RESP_ERR_NO_ERROR && !entry->poisoned;
}

/* Sends those of the list and waits for their reports. A producer that goes fatal over it is replaced. */
static bool attempt(struct kafka_sink *ks, struct kafka_entry **list, uint32_t count, struct error *err)
{
	for (uint32_t i = 0; i < count; i++)
		if (!kafka_producer_send(&ks->producer, list[i], err))
			return false;
	if (!kafka_producer_wait(&ks->producer, err))
		return false;
	return !kafka_producer_is_fatal(&ks->producer) || kafka_producer_rebuild(&ks->producer, err);
}

/* The dead letter is part of the round: it is sent until it is there, or refused itself. */
static bool bury(struct kafka_sink *ks, struct kafka_entry *entry, struct error *err)
{
	struct kafka_entry letter = { 0 };
	struct kafka_entry *list[] = { &letter };
	struct buffer bytes;
	buffer_init(&bytes, NULL);
	bool done = kafka_poison_bury(&ks->producer, entry, &bytes, &letter.record, err);
	while (done && (done = attempt(ks, list, 1, err)) && letter.code && !kafka_poison_is(letter.code))
		done = kafka_producer_pause(&ks->producer, PAUSE_MAX_MS, rd_kafka_err2str(letter.code), err);
	if (!done) /* nothing may touch the letter's bytes when they go */
		kafka_producer_close(&ks->producer);
	else if (letter.code)
		log_error("dead_letter_refused", "error=%s", rd_kafka_err2name(letter.code));
	buffer_fini(&bytes);
	if (!done)
		return false;
	entry->poisoned = true;
	if (!ks->base.replaying)
		tally_poison(&ks->base.tally, &entry->record);
	return true;
}

/* Moves what is still refused for its content to the front; returns how many. The order stays. */
static uint32_t keep_refused(struct kafka_entry **list, uint32_t count)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < count; i++)
		if (has_failed(list[i]) && kafka_poison_is(list[i]->code))
			list[kept++] = list[i];
	return kept;
}

/* Finds the culprits among records that were refused together: halves, down to one. Records that fail for another
 * reason on the way are left to settle. */
static bool isolate(struct kafka_sink *ks, struct kafka_entry **list, uint32_t count, struct error *err)
{
	if (count == 1) {
		while (++list[0]->refusals < REFUSALS_MAX) {
			if (!attempt(ks, list, 1, err))
				return false;
			if (!kafka_poison_is(list[0]->code))
				return true;
		}
		return bury(ks, list[0], err);
	}
	uint32_t half = count / 2;
	struct kafka_entry **parts[] = { list, list + half };
	uint32_t counts[] = { half, count - half };
	for (int i = 0; i < 2; i++) {
		if (!attempt(ks, parts[i], counts[i], err))
			return false;
		uint32_t refused = keep_refused(parts[i], counts[i]);
		if (refused && !isolate(ks, parts[i], refused, err))
			return false;
	}
	return true;
}

static uint32_t gather_failed(struct kafka_sink *ks, bool of_content)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < ks->count; i++)
		if (has_failed(&ks->entries[i]) && (!of_content || kafka_poison_is(ks->entries[i].code)))
			ks->failed[count++] = &ks->entries[i];
	return count;
}

/* The pause that a failure other than content asks for. */
static bool stall(struct kafka_sink *ks, uint32_t count, int pause_ms, struct error *err)
{
	const struct kafka_entry *first = ks->failed[0];
	char reason[256];
	snprintf(reason, sizeof reason, "%u records refused, the first to topic %.*s: %s", count,
	         SLICE_ARG(first->record.topic), rd_kafka_err2str(first->code));
	metrics_add(metrics_series1(METRIC_FORWARD_FAILURES, rd_kafka_err2name(first->code)), 1);
	log_warn("kafka_refused", "records=%u topic=%.*s error=%s", count, SLICE_ARG(first->record.topic),
	         rd_kafka_err2name(first->code));
	kafka_producer_doubt_topics(&ks->producer);
	return kafka_producer_pause(&ks->producer, pause_ms, reason, err);
}

/* Until every record of the round is acknowledged or buried. False: patience ended. */
static bool settle(struct kafka_sink *ks, struct error *err)
{
	int pause_ms = PAUSE_MIN_MS;
	if (!kafka_producer_wait(&ks->producer, err))
		return false;
	for (;;) {
		bool fatal = kafka_producer_is_fatal(&ks->producer);
		if (fatal && !kafka_producer_rebuild(&ks->producer, err))
			return false;
		uint32_t count = gather_failed(ks, true);
		if (count && !isolate(ks, ks->failed, count, err))
			return false;
		count = gather_failed(ks, false);
		if (count == 0)
			return true;
		if (!stall(ks, count, fatal ? PAUSE_MIN_MS : pause_ms, err) || !attempt(ks, ks->failed, count, err))
			return false;
		pause_ms = pause_ms * 2 < PAUSE_MAX_MS ? pause_ms * 2 : PAUSE_MAX_MS;
	}
}

/* ---- the sink's operations ---- */

static bool recover(struct sink *sink, struct sink_position *lanes, uint32_t lane_count, struct error *err)
{
	struct kafka_sink *ks = sink_of(sink);
	struct kafka_producer *producer = &ks->producer;
	if (sink_gives_up(sink))
		return error_set(err, ERROR_UNAVAILABLE, "stopping");
	bool dirty = producer->rk && (atomic_load(&producer->outstanding) || kafka_producer_is_fatal(producer));
	if (dirty ? !kafka_producer_rebuild(producer, err) : !kafka_producer_open(producer, err))
		return false;
	ks->count = 0;
	if (!kafka_producer_find_topics(producer, err) || !load(ks, err))
		return false;
	checkpoint_get_lanes(&ks->durable, lanes, lane_count);
	return true;
}

static bool begin(struct sink *sink, struct error *err)
{
	(void)err;
	sink_of(sink)->count = 0;
	return true;
}

static bool put(struct sink *sink, const struct journal_record *record, struct error *err)
{
	struct kafka_sink *ks = sink_of(sink);
	assert(ks->count < ks->capacity);
	struct kafka_entry *entry = &ks->entries[ks->count];
	entry->record = *record;
	entry->refusals = 0;
	entry->poisoned = false;
	if (!kafka_producer_send(&ks->producer, entry, err))
		return false;
	ks->count++;
	return true;
}

static bool commit(struct sink *sink, const struct sink_position *lanes, uint32_t lane_count, struct error *err)
{
	struct kafka_sink *ks = sink_of(sink);
	return settle(ks, err) && save(ks, lanes, lane_count, err);
}

static void drop(struct sink *sink)
{
	kafka_producer_close(&sink_of(sink)->producer);
}

static void idle(struct sink *sink)
{
	struct kafka_producer *producer = &sink_of(sink)->producer;
	if (producer->rk)
		rd_kafka_poll(producer->rk, 0);
}

static void status(struct sink *sink, struct buffer *json)
{
	struct kafka_producer *producer = &sink_of(sink)->producer;
	buffer_append_format(json, ",\"mode\":\"at_least_once\",\"in_flight\":%u,\"producer_rebuilds\":%u",
	                     atomic_load(&producer->outstanding), atomic_load(&producer->rebuilds));
}

static void close_sink(struct sink **sink, int deadline_ms)
{
	(void)deadline_ms;
	if (!*sink)
		return;
	struct kafka_sink *ks = sink_of(*sink);
	kafka_producer_close(&ks->producer);
	checkpoint_fini(&ks->durable);
	free(ks->entries);
	free(ks->failed);
	free(ks);
	*sink = NULL;
}

static const struct sink_ops OPS = {
	.name = "kafka",
	.recover = recover,
	.begin = begin,
	.put = put,
	.commit = commit,
	.drop = drop,
	.idle = idle,
	.status = status,
	.close = close_sink,
};

struct sink *kafka_at_least_once_create(const struct config *cfg, const char *log_id, struct error *err)
{
	struct kafka_sink *ks = calloc(1, sizeof *ks);
	if (!ks) {
		error_set(err, ERROR_MEMORY, "no memory for the Kafka sink");
		return NULL;
	}
	struct sink *sink = &ks->base;
	sink_init(sink, &OPS);
	checkpoint_init(&ks->durable, log_id);
	ks->cfg = cfg;
	ks->capacity = cfg->forward.batch_events;
	ks->entries = calloc(ks->capacity, sizeof *ks->entries); /* touched as rounds grow */
	ks->failed = calloc(ks->capacity, sizeof *ks->failed);
	kafka_producer_init(&ks->producer, cfg, sink, log_id, NULL);
	if (!ks->entries || !ks->failed)
		error_set(err, ERROR_MEMORY, "no memory for a round of %u records", ks->capacity);
	else if (kafka_producer_open(&ks->producer, err) && load(ks, err))
		return sink;
	close_sink(&sink, 0);
	return NULL;
}
