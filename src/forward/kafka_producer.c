/* Values are handed over without a copy: the journal's reader holds them until the round is committed, and a producer
 * is purged and destroyed before that can change. QUEUE_FULL means poll and offer again, so an outage fills librdkafka's
 * bounded queue once and then waits here, with the data in the journal.
 *
 * librdkafka 2.0.2 goes fatal in situations that are ordinary (a broker bounce plus a retriable error, its issue 3584):
 * then everything queued is reported as purged, the producer is destroyed, and those records are sent by a new one. */
#include "forward/kafka_producer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "config/config.h"
#include "forward/kafka_conf.h"
#include "forward/kafka_headers.h"
#include "forward/kafka_topics.h"

#define ENTRY_MAGIC 0x6b656e74u
#define POLL_MS 100
#define FLUSH_MS 100
#define BEAT_MS 1000
#define SILENCE_MS 3000 /* no report for that long is worth telling */
#define TOPIC_AGAIN_MS 5000
#define PURGE_MS 10000

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	struct kafka_producer *producer = opaque;
	struct kafka_entry *entry = message->_private;
	(void)rk;
	assert(entry && entry->magic == ENTRY_MAGIC);
	entry->code = message->err;
	producer->refused |= message->err != RD_KAFKA_RESP_ERR_NO_ERROR;
	atomic_fetch_sub_explicit(&producer->outstanding, 1, memory_order_relaxed);
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
	struct kafka_producer *producer = opaque;
	(void)rk;
	snprintf(producer->trouble, sizeof producer->trouble, "%s: %s", rd_kafka_err2name((rd_kafka_resp_err_t)code),
	         reason);
	log_warn("kafka_trouble", "error=%s reason=%s", rd_kafka_err2name((rd_kafka_resp_err_t)code), reason);
}

/* A request that is given up, because its connection broke or its time ran out, may have been carried out, or still be
 * on its way. librdkafka asks again; that the first one is settled, nobody says. Thread: any of librdkafka's. */
static rd_kafka_resp_err_t on_response(rd_kafka_t *rk, int socket, const char *broker, int32_t broker_id,
                                       int16_t api_key, int16_t version, int32_t correlation, size_t size,
                                       int64_t rtt_us, rd_kafka_resp_err_t code, void *opaque)
{
	enum { PRODUCE = 0, INIT_PRODUCER_ID = 22, ADD_PARTITIONS = 24, END_TXN = 26 };
	struct kafka_producer *producer = opaque;
	(void)rk, (void)socket, (void)broker, (void)broker_id, (void)version, (void)correlation, (void)size;
	(void)rtt_us;
	bool matters =
	        api_key == PRODUCE || api_key == INIT_PRODUCER_ID || api_key == ADD_PARTITIONS || api_key == END_TXN;
	if (matters && code != RD_KAFKA_RESP_ERR_NO_ERROR)
		atomic_store(&producer->unanswered, true);
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_new(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *opaque, char *reason,
                                  size_t reason_size)
{
	(void)conf, (void)reason, (void)reason_size;
	return rd_kafka_interceptor_add_on_response_received(rk, "headgate", on_response, opaque);
}

/* ---- life ---- */

void kafka_producer_init(struct kafka_producer *producer, const struct config *cfg, struct sink *sink,
                         const char *log_id, const char *transactional_id)
{
	memset(producer, 0, sizeof *producer);
	producer->cfg = cfg;
	producer->sink = sink;
	snprintf(producer->log_id, sizeof producer->log_id, "%s", log_id);
	snprintf(producer->transactional_id, sizeof producer->transactional_id, "%s",
	         transactional_id ? transactional_id : "");
	producer->rebuild_series = metrics_series0(METRIC_PRODUCER_REBUILDS);
}

static rd_kafka_conf_t *make_conf(struct kafka_producer *producer, struct error *err)
{
	char reason[256];
	bool transactional = producer->transactional_id[0] != '\0';
	rd_kafka_conf_t *conf =
	        kafka_conf_create(producer->cfg, transactional ? KAFKA_TRANSACTIONAL : KAFKA_IDEMPOTENT, err);
	if (!conf || !transactional)
		return conf;
	rd_kafka_conf_interceptor_add_on_new(conf, "headgate", on_new, producer);
	if (rd_kafka_conf_set(conf, "transactional.id", producer->transactional_id, reason, sizeof reason) ==
	    RD_KAFKA_CONF_OK)
		return conf;
	error_set(err, ERROR_CONFIG, "kafka: %s", reason);
	rd_kafka_conf_destroy(conf);
	return NULL;
}

bool kafka_producer_open(struct kafka_producer *producer, struct error *err)
{
	char reason[256];
	if (producer->rk)
		return true;
	rd_kafka_conf_t *conf = make_conf(producer, err);
	if (!conf)
		return false;
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	rd_kafka_conf_set_error_cb(conf, on_error);
	rd_kafka_conf_set_opaque(conf, producer);
	producer->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
	if (!producer->rk) {
		rd_kafka_conf_destroy(conf);
		return error_set(err, ERROR_CONFIG, "kafka: %s", reason);
	}
	producer->trouble[0] = '\0';
	producer->spent = producer->refused = producer->initialised = false;
	atomic_store(&producer->unanswered, false);
	return true;
}

static void forget_topics(struct kafka_producer *producer)
{
	for (size_t i = 0; i < producer->topic_count; i++) {
		rd_kafka_topic_destroy(producer->topics[i].handle);
		free(producer->topics[i].name);
	}
	free(producer->topics);
	producer->topics = NULL;
	producer->topic_count = producer->topic_capacity = producer->topic_last = 0;
}

void kafka_producer_close(struct kafka_producer *producer)
{
	if (!producer->rk)
		return;
	rd_kafka_purge(producer->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	rd_kafka_flush(producer->rk, PURGE_MS);
	forget_topics(producer);
	rd_kafka_destroy(producer->rk);
	producer->rk = NULL;
	atomic_store(&producer->outstanding, 0);
}

bool kafka_producer_rebuild(struct kafka_producer *producer, struct error *err)
{
	log_warn("kafka_producer_rebuilt", "trouble=%s", producer->trouble);
	kafka_producer_close(producer);
	metrics_add(producer->rebuild_series, 1);
	atomic_fetch_add(&producer->rebuilds, 1);
	return kafka_producer_open(producer, err);
}

bool kafka_producer_is_fatal(const struct kafka_producer *producer)
{
	char reason[8];
	return rd_kafka_fatal_error(producer->rk, reason, sizeof reason) != RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* ---- topics ---- */

static struct kafka_topic *add_topic(struct kafka_producer *producer, struct slice name)
{
	if (producer->topic_count == producer->topic_capacity) {
		size_t capacity = producer->topic_capacity ? producer->topic_capacity * 2 : 8;
		struct kafka_topic *topics = realloc(producer->topics, capacity * sizeof *topics);
		if (!topics)
			return NULL;
		producer->topics = topics;
		producer->topic_capacity = capacity;
	}
	char *text = strndup(name.at, name.len);
	rd_kafka_topic_t *handle = text ? rd_kafka_topic_new(producer->rk, text, NULL) : NULL;
	if (!handle) {
		free(text);
		return NULL;
	}
	struct kafka_topic *topic = &producer->topics[producer->topic_count++];
	*topic = (struct kafka_topic) { .name = text, .name_len = name.len, .handle = handle };
	return topic;
}

static bool has_name(const struct kafka_topic *topic, struct slice name)
{
	return slice_equal((struct slice) { topic->name, topic->name_len }, name);
}

static struct kafka_topic *find_topic(struct kafka_producer *producer, struct slice name)
{
	if (producer->topic_count && has_name(&producer->topics[producer->topic_last], name))
		return &producer->topics[producer->topic_last];
	struct kafka_topic *topic = NULL;
	for (size_t i = 0; !topic && i < producer->topic_count; i++)
		if (has_name(&producer->topics[i], name))
			topic = &producer->topics[i];
	if (!topic)
		topic = add_topic(producer, name);
	if (topic)
		producer->topic_last = (size_t)(topic - producer->topics);
	return topic;
}

/* A topic met for the first time is created before the first record to it, so that it gets our partitions. */
static void check_topic(struct kafka_producer *producer, struct kafka_topic *topic)
{
	struct error err;
	struct slice name = { topic->name, topic->name_len };
	if (topic->known || (topic->tried_ms && clock_monotonic_ms() - topic->tried_ms < TOPIC_AGAIN_MS))
		return;
	topic->known = kafka_topics_ensure(producer->rk, producer->cfg, &name, 1, &err);
	topic->tried_ms = clock_monotonic_ms();
}

bool kafka_producer_find_topics(struct kafka_producer *producer, struct error *err)
{
	struct slice names[KAFKA_TOPICS_FIXED_MAX];
	size_t count = kafka_topics_fixed(producer->cfg, names);
	rd_kafka_poll(producer->rk, 0);
	if (!kafka_topics_ensure(producer->rk, producer->cfg, names, count, err)) {
		rd_kafka_poll(producer->rk, 0);
		if (producer->trouble[0])
			error_set(err, ERROR_KAFKA, "no broker answers: %s", producer->trouble);
		return false;
	}
	if (!producer->reviewed)
		kafka_topics_review(producer->rk, names, count);
	producer->reviewed = true;
	return true;
}

void kafka_producer_doubt_topics(struct kafka_producer *producer)
{
	for (size_t i = 0; i < producer->topic_count; i++)
		producer->topics[i].known = false;
}

/* ---- sending ---- */

static rd_kafka_resp_err_t produce(struct kafka_producer *producer, const struct kafka_topic *topic,
                                   struct kafka_entry *entry)
{
	const struct journal_record *record = &entry->record;
	rd_kafka_headers_t *headers = entry->is_checkpoint
	                                      ? rd_kafka_headers_new(0)
	                                      : kafka_headers_make(record, producer->log_id, producer->sink->replaying);
	if (!headers)
		return RD_KAFKA_RESP_ERR__QUEUE_FULL; /* no memory now: offered again */
	rd_kafka_resp_err_t code =
	        rd_kafka_producev(producer->rk, RD_KAFKA_V_RKT(topic->handle),
	                          RD_KAFKA_V_PARTITION(entry->is_checkpoint ? 0 : RD_KAFKA_PARTITION_UA),
	                          RD_KAFKA_V_KEY(record->key.len ? record->key.at : NULL, record->key.len),
	                          RD_KAFKA_V_VALUE((void *)(uintptr_t)record->value.at, record->value.len),
	                          RD_KAFKA_V_TIMESTAMP(record->time_ms), RD_KAFKA_V_HEADERS(headers),
	                          RD_KAFKA_V_OPAQUE(entry), RD_KAFKA_V_END);
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
		rd_kafka_headers_destroy(headers);
	return code;
}

/* Serves callbacks; each second tells how it goes. False: patience ended. */
static bool serve(struct kafka_producer *producer, int poll_ms, const char *reason, struct error *err)
{
	rd_kafka_poll(producer->rk, poll_ms);
	int64_t now_ms = clock_monotonic_ms();
	uint32_t outstanding = atomic_load(&producer->outstanding);
	if (outstanding != producer->outstanding_seen || outstanding == 0) {
		producer->outstanding_seen = outstanding;
		producer->progress_ms = now_ms;
	}
	if (sink_gives_up(producer->sink))
		return error_set(err, ERROR_UNAVAILABLE, "stopped with %u records under way to Kafka", outstanding);
	if (now_ms - producer->beat_ms < BEAT_MS)
		return true;
	producer->beat_ms = now_ms;
	if (!reason && now_ms - producer->progress_ms > SILENCE_MS)
		reason = producer->trouble[0] ? producer->trouble : "Kafka does not answer";
	sink_beat(producer->sink, reason);
	return true;
}

/* A transaction that holds a refusal sends nothing more: its queue would stay full for ever. */
static bool is_stuck(const struct kafka_producer *producer)
{
	return producer->transactional_id[0] && (producer->refused || kafka_producer_is_fatal(producer));
}

bool kafka_producer_send(struct kafka_producer *producer, struct kafka_entry *entry, struct error *err)
{
	entry->magic = ENTRY_MAGIC;
	entry->code = RD_KAFKA_RESP_ERR_NO_ERROR;
	struct kafka_topic *topic = find_topic(producer, entry->record.topic);
	if (!topic)
		return error_set(err, ERROR_MEMORY, "no memory for topic %.*s", SLICE_ARG(entry->record.topic));
	check_topic(producer, topic);
	atomic_fetch_add_explicit(&producer->outstanding, 1, memory_order_relaxed);
	for (;;) {
		rd_kafka_resp_err_t code = produce(producer, topic, entry);
		if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
			return true;
		bool full = code == RD_KAFKA_RESP_ERR__QUEUE_FULL;
		if (full && is_stuck(producer)) {
			full = false;
			code = RD_KAFKA_RESP_ERR__STATE;
		} else if (full && serve(producer, POLL_MS, NULL, err)) {
			continue;
		}
		atomic_fetch_sub_explicit(&producer->outstanding, 1, memory_order_relaxed);
		entry->code = code;
		return !full;
	}
}

bool kafka_producer_wait(struct kafka_producer *producer, struct error *err)
{
	bool purged = false;
	producer->progress_ms = clock_monotonic_ms();
	while (atomic_load_explicit(&producer->outstanding, memory_order_relaxed)) {
		rd_kafka_flush(producer->rk, FLUSH_MS); /* nothing lingers */
		if (!serve(producer, 0, NULL, err))
			return false;
		if (!purged && kafka_producer_is_fatal(producer)) {
			rd_kafka_purge(producer->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
			purged = true;
		} else if (!purged && is_stuck(producer)) {
			rd_kafka_purge(producer->rk, RD_KAFKA_PURGE_F_QUEUE);
			purged = true;
		}
	}
	return true;
}

bool kafka_producer_pause(struct kafka_producer *producer, int pause_ms, const char *reason, struct error *err)
{
	int64_t until_ms = clock_monotonic_ms() + pause_ms;
	sink_beat(producer->sink, reason);
	while (clock_monotonic_ms() < until_ms)
		if (!serve(producer, POLL_MS / 2, reason, err))
			return false;
	return true;
}
