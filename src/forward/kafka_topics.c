/* The cluster is asked for all topics, never for one by name: a broker with auto.create.topics.enable makes what it is
 * asked for, with its own defaults, before ours is created. */
#include "forward/kafka_topics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "config/config.h"
#include "forward/kafka_describe.h"

#define METADATA_MS 2000
#define CREATE_MS 10000
#define TOPIC_NAME_MAX 249
#define BATCH_MAX 16
#define SAFE_REPLICATION 3 /* with that, one broker may be away and two still have each record */
#define SAFE_IN_SYNC 2

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
	if (topic && replication >= SAFE_REPLICATION)
		rd_kafka_NewTopic_set_config(topic, "min.insync.replicas", "2");
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
			log_warn("topic_missing", "topic=%.*s reason=topics.create is false", SLICE_ARG(names[i]));
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

/* ---- can they lose what they acknowledged? ---- */

static int replicas_of(const struct rd_kafka_metadata *metadata, const char *name)
{
	int least = 0;
	for (int i = 0; i < metadata->topic_cnt; i++) {
		const struct rd_kafka_metadata_topic *topic = &metadata->topics[i];
		for (int p = 0; strcmp(topic->topic, name) == 0 && p < topic->partition_cnt; p++)
			if (!least || topic->partitions[p].replica_cnt < least)
				least = topic->partitions[p].replica_cnt;
	}
	return least;
}

static void judge_topic(void *context, const char *topic, rd_kafka_resp_err_t code,
                        const rd_kafka_ConfigResource_t *settings)
{
	const struct rd_kafka_metadata *metadata = context;
	int replicas = replicas_of(metadata, topic);
	const char *in_sync = code ? NULL : kafka_describe_get(settings, "min.insync.replicas");
	if (replicas && in_sync && (replicas < SAFE_IN_SYNC || strtol(in_sync, NULL, 10) < SAFE_IN_SYNC))
		log_warn("topic_can_lose_events", "topic=%s replicas=%d min_insync_replicas=%s reason=%s", topic,
		         replicas, in_sync,
		         "one broker's copy counts as delivered; three replicas and min.insync.replicas=2 are safe");
}

void kafka_topics_review(rd_kafka_t *rk, const struct slice *names, size_t count)
{
	const struct rd_kafka_metadata *metadata;
	char text[BATCH_MAX][TOPIC_NAME_MAX + 1];
	const char *list[BATCH_MAX];
	struct error err;
	if (rd_kafka_metadata(rk, 1, NULL, &metadata, METADATA_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	for (size_t i = 0; i < count && i < BATCH_MAX; i++) {
		snprintf(text[i], sizeof text[i], "%.*s", SLICE_ARG(names[i]));
		list[i] = text[i];
	}
	/* a cluster of one broker is somebody's desk, and knows */
	if (metadata->broker_cnt > 1 && !kafka_describe_topics(rk, list, count, judge_topic, (void *)metadata, &err))
		log_info("topics_not_reviewed", "reason=%s", err.message);
	rd_kafka_metadata_destroy(metadata);
}

size_t kafka_topics_fixed(const struct config *cfg, struct slice names[KAFKA_TOPICS_FIXED_MAX])
{
	const struct slice all[KAFKA_TOPICS_FIXED_MAX] = { cfg->topics.events,     cfg->topics.rejected,
		                                           cfg->topics.unverified, cfg->topics.consent,
		                                           cfg->topics.erasures,   cfg->topics.checkpoints };
	size_t count = 0;
	for (size_t i = 0; i < KAFKA_TOPICS_FIXED_MAX; i++)
		if (all[i].len && slice_find(all[i], '{') == all[i].len)
			names[count++] = all[i];
	return count;
}
