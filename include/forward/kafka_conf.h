/* librdkafka's configuration: ours, then the user's kafka.* on top, less what the delivery promise rests on. */
#ifndef HEADGATE_FORWARD_KAFKA_CONF_H
#define HEADGATE_FORWARD_KAFKA_CONF_H

#include <librdkafka/rdkafka.h>

#include "base/error.h"

struct config;

/* To be given to rd_kafka_new, or rd_kafka_conf_destroy. NULL: a setting was refused (CONFIG, with its name). */
rd_kafka_conf_t *kafka_conf_create(const struct config *cfg, struct error *err);

#endif
