/* The Kafka sink, at_least_once: an idempotent producer with acks=all; a round is committed when every delivery report
 * is in and the local checkpoint `<data>/kafka.checkpoint` is written. Thread: the forwarder's, but for status. */
#ifndef HEADGATE_FORWARD_KAFKA_AT_LEAST_ONCE_H
#define HEADGATE_FORWARD_KAFKA_AT_LEAST_ONCE_H

#include "base/error.h"
#include "forward/sink.h"

struct config;

/* As kafka_sink_create. */
struct sink *kafka_at_least_once_create(const struct config *cfg, const char *log_id, struct error *err);

#endif
