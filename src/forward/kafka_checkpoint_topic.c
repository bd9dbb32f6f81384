/* Only what is behind the last read is read again. A topic that became shorter than that was made anew: librdkafka goes to
 * its start, and what was read of the old one does not count. */
#include "forward/kafka_checkpoint_topic.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "forward/checkpoint.h"
#include "forward/kafka_describe.h"
#include "forward/kafka_reader.h"
#include "json/json.h"

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

struct policy {
	bool is_good;
	struct error *err;
};

static void judge_policy(void *context, const char *topic, rd_kafka_resp_err_t code,
                         const rd_kafka_ConfigResource_t *settings)
{
	struct policy *policy = context;
	const char *value = code ? NULL : kafka_describe_get(settings, "cleanup.policy");
	policy->is_good = value && strcmp(value, "compact") == 0;
	if (code)
		error_set(policy->err, ERROR_KAFKA, "describing topic %s: %s", topic, rd_kafka_err2str(code));
	else if (!value)
		error_set(policy->err, ERROR_KAFKA, "topic %s: the broker does not tell its cleanup.policy", topic);
	else if (!policy->is_good)
		error_set(policy->err, ERROR_CONFIG,
		          "topic %s has cleanup.policy=%s: it must be compact, or checkpoints would be lost", topic,
		          value);
}

bool kafka_checkpoint_topic_check(struct kafka_checkpoint_topic *topic, rd_kafka_t *rk, struct error *err)
{
	char name[TOPIC_NAME_BYTES];
	const char *const names[] = { name_of(topic, name) };
	struct policy policy = { false, err };
	error_set(err, ERROR_KAFKA, "describing topic %s: no answer about it", name);
	if (kafka_describe_topics(rk, names, 1, judge_policy, &policy, err))
		return policy.is_good;
	if (err->code != ERROR_UNAVAILABLE)
		return false;
	log_warn("checkpoint_topic_not_checked", "topic=%s reason=%s", name,
	         "the broker cannot describe topics; cleanup.policy must be compact");
	return true;
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
