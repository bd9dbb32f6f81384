/* Topics: what is there, and creating what is missing. Thread: the forwarder's. */
#ifndef HEADGATE_FORWARD_KAFKA_TOPICS_H
#define HEADGATE_FORWARD_KAFKA_TOPICS_H

#include <librdkafka/rdkafka.h>

#include "base/error.h"
#include "base/slice.h"

#define KAFKA_TOPICS_FIXED_MAX 6

struct config;

/* Asks the cluster for its topics (false if it does not answer within a few seconds) and creates those of `names` that
 * are missing, if topics.create allows. One that cannot be created is logged with the reason, which is no failure here:
 * sending to it will fail and say so. */
MUST_CHECK bool kafka_topics_ensure(rd_kafka_t *rk, const struct config *cfg, const struct slice *names, size_t count,
                                    struct error *err);
/* Warns in the log of those, in a cluster of several brokers, of which an acknowledged record may be on one broker only
 * (https://kafka.apache.org/documentation/#brokerconfigs_min.insync.replicas). */
void kafka_topics_review(rd_kafka_t *rk, const struct slice *names, size_t count);
/* The fixed topics of the configuration. Returns how many. */
size_t kafka_topics_fixed(const struct config *cfg, struct slice names[KAFKA_TOPICS_FIXED_MAX]);

#endif
