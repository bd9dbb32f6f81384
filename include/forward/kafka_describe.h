/* The settings of topics, as the cluster tells them (DescribeConfigs). Thread: the forwarder's. */
#ifndef HEADGATE_FORWARD_KAFKA_DESCRIBE_H
#define HEADGATE_FORWARD_KAFKA_DESCRIBE_H

#include <librdkafka/rdkafka.h>

#include "base/error.h"

/* One topic's answer: `code` says why there are no settings. */
typedef void (*kafka_describe_fn)(void *context, const char *topic, rd_kafka_resp_err_t code,
                                  const rd_kafka_ConfigResource_t *settings);

/* Asks for all of them at once; waits for some seconds. False, and nothing was called: no broker answers (KAFKA), or it is
 * too old to tell (UNAVAILABLE). */
MUST_CHECK bool kafka_describe_topics(rd_kafka_t *rk, const char *const *topics, size_t count, kafka_describe_fn fn,
                                      void *context, struct error *err);
/* NULL: not told. Valid within the call. */
const char *kafka_describe_get(const rd_kafka_ConfigResource_t *settings, const char *name);

#endif
