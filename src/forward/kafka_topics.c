/* The cluster is asked for all topics, never for one by name: a broker with auto.create.topics.enable makes what it is
 * asked for, with its own defaults, before ours is created. */
#include "forward/kafka_topics.h"

#include <stdio.h>

#include "base/log.h"
#include "config/config.h"

#define METADATA_MS 2000
#define CREATE_MS 10000
#define TOPIC_NAME_MAX 249
#define BATCH_MAX 16

static bool is_there(const struct rd_kafka_metadata *metadata, struct slice name)
{
	for (int i = 0; i < metadata->topic_cnt; i++)
		if (slice_equal(slice_of(metadata->topics[i].topic), name))
			return true;
	return false;
}

/* A start reads it all: so it is compacted early, to a few records for each that counts. */
static void make_compact(rd_kafka_NewTopic_t *topic)
{
	static const char *const CONFIG[][2] = { { "cleanup.policy", "compact" },
		                                 { "segment.bytes", "16777216" },
		                                 { "segment.ms", "3600000" },
		                                 { "min.cleanable.dirty.ratio", "0.1" } };
	for (size_t i = 0; i < sizeof CONFIG / sizeof *CONFIG; i++)
		rd_kafka_NewTopic_set_config(topic, CONFIG[i][0], CONFIG[i][1]);
}

static rd_kafka_NewTopic_t *describe(const struct config *cfg, struct slice name)
{
	char text[TOPIC_NAME_MAX + 1], reason[256];
	bool is_checkpoints = slice_equal(name, cfg->topics.checkpoints);
	int partitions = is_checkpoints ? 1 : (int)cfg->topics.partitions;
	int replication = cfg->topics.replication ? (int)cfg->topics.replication : -1; /* -1: the broker's default */
	snprintf(text, sizeof text, "%.*s", SLICE_ARG(name));
	rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(text, partitions, replication, reason, sizeof reason);
	if (!topic)
		log_warn("topic_not_created", "topic=%s reason=%s", text, reason);
	else if (is_checkpoints)
		make_compact(topic);
	return topic;
}

static void report(rd_kafka_event_t *event)
{
	size_t count;
	if (!event || rd_kafka_event_error(event)) {
		log_warn("topics_not_created", "reason=%s", event ? rd_kafka_event_error_string(event) : "no answer");
		return;
	}
	const rd_kafka_topic_result_t **results =
	        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
	for (size_t i = 0; i < count; i++) {
		rd_kafka_resp_err_t code = rd_kafka_topic_result_error(results[i]);
		const char *name = rd_kafka_topic_result_name(results[i]);
		const char *reason = rd_kafka_topic_result_error_string(results[i]);
		if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
			log_info("topic_created", "topic=%s", name);
		else if (code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
			log_warn("topic_not_created", "topic=%s reason=%s", name,
			         reason ? reason : rd_kafka_err2str(code));
	}
}

static void create(rd_kafka_t *rk, rd_kafka_NewTopic_t **topics, size_t count)
{
	char reason[256];
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
	rd_kafka_AdminOptions_set_request_timeout(options, CREATE_MS, reason, sizeof reason);
	rd_kafka_AdminOptions_set_operation_timeout(options, CREATE_MS / 2, reason, sizeof reason);
	rd_kafka_CreateTopics(rk, topics, count, options, queue);
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, CREATE_MS + 1000);
	report(event);
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_AdminOptions_destroy(options);
	rd_kafka_queue_destroy(queue);
}

bool kafka_topics_ensure(rd_kafka_t *rk, const struct config *cfg, const struct slice *names, size_t count,
                         struct error *err)
{
	const struct rd_kafka_metadata *metadata;
	rd_kafka_NewTopic_t *missing[BATCH_MAX];
	size_t missing_count = 0;
	rd_kafka_resp_err_t code = rd_kafka_metadata(rk, 1, NULL, &metadata, METADATA_MS);
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
		return error_set(err, ERROR_KAFKA, "no broker answers: %s", rd_kafka_err2str(code));
	for (size_t i = 0; i < count && missing_count < BATCH_MAX; i++) {
		if (is_there(metadata, names[i]))
			continue;
		if (!cfg->topics.create)
			log_warn("topic_missing", "topic=%.*s topics.create=false", SLICE_ARG(names[i]));
		else if ((missing[missing_count] = describe(cfg, names[i])))
			missing_count++;
	}
	rd_kafka_metadata_destroy(metadata);
	if (missing_count) {
		create(rk, missing, missing_count);
		rd_kafka_NewTopic_destroy_array(missing, missing_count);
	}
	return true;
}

size_t kafka_topics_fixed(const struct config *cfg, struct slice names[6])
{
	const struct slice all[6] = { cfg->topics.events,  cfg->topics.rejected, cfg->topics.unverified,
		                      cfg->topics.consent, cfg->topics.erasures, cfg->topics.checkpoints };
	size_t count = 0;
	for (size_t i = 0; i < 6; i++)
		if (all[i].len && slice_find(all[i], '{') == all[i].len)
			names[count++] = all[i];
	return count;
}
