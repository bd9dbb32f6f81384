#include "forward/kafka_describe.h"

#include <string.h>

#define ASK_MS 5000
#define TOPICS_MAX 16

const char *kafka_describe_get(const rd_kafka_ConfigResource_t *settings, const char *name)
{
	size_t count;
	const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(settings, &count);
	for (size_t i = 0; i < count; i++)
		if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) == 0)
			return rd_kafka_ConfigEntry_value(entries[i]);
	return NULL;
}

static bool hand_on(rd_kafka_event_t *event, kafka_describe_fn fn, void *context, struct error *err)
{
	size_t count;
	if (!event)
		return error_set(err, ERROR_KAFKA, "describing topics: no answer");
	rd_kafka_resp_err_t code = rd_kafka_event_error(event);
	if (code)
		return error_set(err, code == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE ? ERROR_UNAVAILABLE : ERROR_KAFKA,
		                 "describing topics: %s", rd_kafka_event_error_string(event));
	const rd_kafka_ConfigResource_t **answers =
	        rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &count);
	for (size_t i = 0; i < count; i++)
		fn(context, rd_kafka_ConfigResource_name(answers[i]), rd_kafka_ConfigResource_error(answers[i]),
		   answers[i]);
	return true;
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

bool kafka_describe_topics(rd_kafka_t *rk, const char *const *topics, size_t count, kafka_describe_fn fn, void *context,
                           struct error *err)
{
	char reason[256];
	rd_kafka_ConfigResource_t *asked[TOPICS_MAX];
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
	rd_kafka_AdminOptions_set_request_timeout(options, ASK_MS, reason, sizeof reason);
	count = count < TOPICS_MAX ? count : TOPICS_MAX;
	bool done = choose_broker(rk, options, err);
	if (done) {
		rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
		for (size_t i = 0; i < count; i++)
			asked[i] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topics[i]);
		rd_kafka_DescribeConfigs(rk, asked, count, options, queue);
		rd_kafka_event_t *event = rd_kafka_queue_poll(queue, ASK_MS + 1000);
		done = hand_on(event, fn, context, err);
		if (event)
			rd_kafka_event_destroy(event);
		rd_kafka_ConfigResource_destroy_array(asked, count);
		rd_kafka_queue_destroy(queue);
	}
	rd_kafka_AdminOptions_destroy(options);
	return done;
}
