/* Only what is behind the last read is read again. A topic that became shorter than that was made anew: librdkafka goes to
 * its start, and what was read of the old one does not count. */
#include "forward/kafka_checkpoint_topic.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "forward/checkpoint.h"
#include "forward/kafka_reader.h"
#include "json/json.h"

#define ASK_MS 5000
#define TOPIC_NAME_BYTES 250

void kafka_checkpoint_topic_init(struct kafka_checkpoint_topic *topic, const struct config *cfg, struct sink *sink,
                                 const char *log_id)
{
	memset(topic, 0, sizeof *topic);
	topic->cfg = cfg;
	topic->sink = sink;
	snprintf(topic->log_id, sizeof topic->log_id, "%s", log_id);
}

static const char *name_of(const struct kafka_checkpoint_topic *topic, char to[TOPIC_NAME_BYTES])
{
	snprintf(to, TOPIC_NAME_BYTES, "%.*s", SLICE_ARG(topic->cfg->topics.checkpoints));
	return to;
}

/* ---- compacted? ---- */

static bool judge_policy(const char *name, const rd_kafka_ConfigResource_t *resource, struct error *err)
{
	size_t count;
	const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), "cleanup.policy") != 0)
			continue;
		const char *value = rd_kafka_ConfigEntry_value(entries[i]);
		if (value && strcmp(value, "compact") == 0)
			return true;
		return error_set(err, ERROR_CONFIG,
		                 "topic %s has cleanup.policy=%s: it must be compact, or checkpoints would be lost",
		                 name, value ? value : "(unknown)");
	}
	return error_set(err, ERROR_KAFKA, "topic %s: the broker does not tell its cleanup.policy", name);
}

static bool judge_answer(const char *name, rd_kafka_event_t *event, struct error *err)
{
	size_t count;
	rd_kafka_resp_err_t code = rd_kafka_event_error(event);
	if (code == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE) {
		log_warn("checkpoint_topic_not_checked", "topic=%s reason=%s", name,
		         "the broker cannot describe topics; cleanup.policy must be compact");
		return true;
	}
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
		return error_set(err, ERROR_KAFKA, "describing topic %s: %s", name, rd_kafka_event_error_string(event));
	const rd_kafka_ConfigResource_t **resources =
	        rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &count);
	code = count == 1 ? rd_kafka_ConfigResource_error(resources[0]) : RD_KAFKA_RESP_ERR_UNKNOWN;
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
		return error_set(err, ERROR_KAFKA, "describing topic %s: %s", name, rd_kafka_err2str(code));
	return judge_policy(name, resources[0], err);
}

/* Any broker can tell; the controller, which librdkafka would ask, may be away. */
static bool choose_broker(rd_kafka_t *rk, rd_kafka_AdminOptions_t *options, struct error *err)
{
	const struct rd_kafka_metadata *metadata;
	char reason[256];
	rd_kafka_resp_err_t code = rd_kafka_metadata(rk, 0, NULL, &metadata, ASK_MS);
	if (code)
		return error_set(err, ERROR_KAFKA, "no broker answers: %s", rd_kafka_err2str(code));
	if (metadata->broker_cnt > 0)
		rd_kafka_AdminOptions_set_broker(options, metadata->brokers[0].id, reason, sizeof reason);
	rd_kafka_metadata_destroy(metadata);
	return true;
}

bool kafka_checkpoint_topic_check(struct kafka_checkpoint_topic *topic, rd_kafka_t *rk, struct error *err)
{
	char name[TOPIC_NAME_BYTES], reason[256];
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
	rd_kafka_AdminOptions_set_request_timeout(options, ASK_MS, reason, sizeof reason);
	if (!choose_broker(rk, options, err)) {
		rd_kafka_AdminOptions_destroy(options);
		return false;
	}
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_ConfigResource_t *resource =
	        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name_of(topic, name));
	rd_kafka_DescribeConfigs(rk, &resource, 1, options, queue);
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, ASK_MS + 1000);
	bool done = event ? judge_answer(name, event, err)
	                  : error_set(err, ERROR_KAFKA, "describing topic %s: no answer", name);
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_ConfigResource_destroy(resource);
	rd_kafka_AdminOptions_destroy(options);
	rd_kafka_queue_destroy(queue);
	return done;
}

/* ---- one record ---- */

/* The books: events and dead letters. */
static const struct {
	const char *name;
	size_t offset;
} PAIRS[] = {
	{ "delivered", offsetof(struct tally_books, delivered) },
	{ "poisoned", offsetof(struct tally_books, poisoned) },
	{ "erased", offsetof(struct tally_books, erased) },
	{ "quarantined", offsetof(struct tally_books, quarantined) },
	{ "lost_behind", offsetof(struct tally_books, lost_behind) },
};

static uint64_t *pair_of(struct tally_books *books, size_t offset)
{
	return (uint64_t *)(void *)((char *)books + offset);
}

static bool get_number(const struct json_doc *doc, uint32_t node, uint64_t *out)
{
	int64_t value;
	if (!node || !json_to_i64(doc, node, &value) || value < 0)
		return false;
	*out = (uint64_t)value;
	return true;
}

static bool get_pair(const struct json_doc *doc, struct slice name, uint64_t out[TALLY_KINDS])
{
	uint32_t node = json_get(doc, 0, name);
	if (!node || json_type_of(doc, node) != JSON_ARRAY || doc->nodes[node].count != TALLY_KINDS)
		return false;
	uint32_t first = node + 1;
	return get_number(doc, first, &out[0]) && get_number(doc, doc->nodes[first].next, &out[1]);
}

static bool parse(struct slice value, struct journal_position *at, struct tally_books *books)
{
	static const struct json_options OPTIONS = { .depth_max = 4, .nodes_max = 256 };
	struct arena arena;
	struct json_doc doc = { 0 };
	size_t offset;
	arena_init(&arena, 1 << 16);
	bool done = json_scan(&doc, value, &OPTIONS, &arena, &offset) == JSON_OK &&
	            json_type_of(&doc, 0) == JSON_OBJECT &&
	            get_number(&doc, json_get(&doc, 0, SLICE("epoch")), &at->epoch) &&
	            get_number(&doc, json_get(&doc, 0, SLICE("counter")), &at->counter);
	for (size_t i = 0; done && i < sizeof PAIRS / sizeof *PAIRS; i++)
		done = get_pair(&doc, slice_of(PAIRS[i].name), pair_of(books, PAIRS[i].offset));
	arena_fini(&arena);
	return done;
}

bool kafka_checkpoint_parse(const rd_kafka_message_t *message, struct kafka_checkpoint *out)
{
	struct slice key = { message->key, message->key_len };
	uint64_t lane;
	*out = (struct kafka_checkpoint) { 0 };
	struct slice log_id = key.len ? slice_split(&key, '/') : SLICE_NONE;
	if (log_id.len != JOURNAL_LOG_ID_TEXT || !slice_to_u64(key, &lane) || lane >= JOURNAL_LANES_MAX)
		return false;
	memcpy(out->log_id, log_id.at, log_id.len);
	out->lane = (uint32_t)lane;
	out->is_set = message->payload != NULL;
	out->is_sound =
	        !out->is_set || parse((struct slice) { message->payload, message->len }, &out->position, &out->books);
	return true;
}

/* ---- reading on ---- */

/* A record without a value takes the lane's checkpoint back: how an operator tells that it shall not count. */
static bool take(void *context, struct kafka_reader_part *part, const rd_kafka_message_t *message, struct error *err)
{
	struct kafka_checkpoint_topic *topic = context;
	struct kafka_checkpoint one;
	if (message->offset < part->next) {
		log_warn("checkpoint_topic_anew", "offset=%" PRId64 " read_before=%" PRId64, message->offset,
		         part->next);
		kafka_checkpoint_topic_init(topic, topic->cfg, topic->sink, topic->log_id);
	}
	if (message->err || !kafka_checkpoint_parse(message, &one) || strcmp(one.log_id, topic->log_id) != 0)
		return true;
	if (!one.is_sound)
		return error_set(err, ERROR_DATA,
		                 "the checkpoint of lane %" PRIu32 " at offset %" PRId64 " cannot be read", one.lane,
		                 message->offset);
	if (!one.is_set) {
		topic->found[one.lane] = false;
		topic->lanes[one.lane] = (struct journal_position) { 0 };
	} else if (!topic->found[one.lane] || checkpoint_compare(one.position, topic->lanes[one.lane]) > 0) {
		kafka_checkpoint_topic_set(topic, one.lane, one.position, &one.books);
	}
	return true;
}

static bool read_on(struct kafka_checkpoint_topic *topic, bool past_end, struct error *err)
{
	char name[TOPIC_NAME_BYTES];
	struct kafka_reader_part part = { .topic = name_of(topic, name), .next = topic->next };
	if (past_end && !kafka_reader_ask_ends(topic->cfg, &part, 1, err))
		return false;
	bool done = kafka_reader_run(topic->cfg, topic->sink, &part, 1, take, topic, err);
	topic->next = part.next;
	return done;
}

bool kafka_checkpoint_topic_peek(struct kafka_checkpoint_topic *topic, struct error *err)
{
	return read_on(topic, false, err);
}

bool kafka_checkpoint_topic_read(struct kafka_checkpoint_topic *topic, struct error *err)
{
	return read_on(topic, true, err);
}

/* ---- writing ---- */

void kafka_checkpoint_record_make(struct kafka_checkpoint_record *record, const struct kafka_checkpoint_topic *topic,
                                  uint32_t lane, struct journal_position position, const struct tally_books *books)
{
	int key_len = snprintf(record->key, sizeof record->key, "%s/%" PRIu32, topic->log_id, lane);
	struct tally_books copy = *books;
	int len =
	        snprintf(record->value, sizeof record->value,
	                 "{\"format\":1,\"epoch\":%" PRIu64 ",\"counter\":%" PRIu64, position.epoch, position.counter);
	for (size_t i = 0; i < sizeof PAIRS / sizeof *PAIRS; i++) {
		const uint64_t *pair = pair_of(&copy, PAIRS[i].offset);
		len += snprintf(record->value + len, sizeof record->value - (size_t)len,
		                ",\"%s\":[%" PRIu64 ",%" PRIu64 "]", PAIRS[i].name, pair[0], pair[1]);
	}
	record->value[len++] = '}'; /* at most 396 bytes */
	record->entry = (struct kafka_entry) { .is_checkpoint = true };
	record->entry.record = (struct journal_record) {
		.time_ms = clock_wall_ms(),
		.topic = topic->cfg->topics.checkpoints,
		.key = { record->key, (size_t)key_len },
		.value = { record->value, (size_t)len },
		.lane = lane,
		.position = position,
	};
}

void kafka_checkpoint_topic_set(struct kafka_checkpoint_topic *topic, uint32_t lane, struct journal_position position,
                                const struct tally_books *books)
{
	topic->found[lane] = true;
	topic->lanes[lane] = position;
	topic->books[lane] = *books;
}
