/* The Kafka sink, exactly_once: a round is one transaction that ends in its checkpoints. Thread: the forwarder's, but for
 * status. */
#ifndef HEADGATE_FORWARD_KAFKA_EXACTLY_ONCE_H
#define HEADGATE_FORWARD_KAFKA_EXACTLY_ONCE_H

#include "base/error.h"
#include "forward/sink.h"

struct config;

/* As kafka_sink_create. */
struct sink *kafka_exactly_once_create(const struct config *cfg, const char *log_id, struct error *err);

#endif
