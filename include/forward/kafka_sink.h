/* The Kafka sink of the mode that the configuration asks for. */
#ifndef HEADGATE_FORWARD_KAFKA_SINK_H
#define HEADGATE_FORWARD_KAFKA_SINK_H

#include "base/error.h"
#include "forward/sink.h"

struct config;

/* Connects to nothing yet. A setting that librdkafka or we refuse is an error of code CONFIG; `cfg` must outlive the
 * sink. */
struct sink *kafka_sink_create(const struct config *cfg, const char *log_id, struct error *err);

#endif
