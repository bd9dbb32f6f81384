/* What can be said of the Kafka settings without a broker. */
#ifndef HEADGATE_FORWARD_KAFKA_CHECK_H
#define HEADGATE_FORWARD_KAFKA_CHECK_H

#include "base/error.h"

struct config;

/* True also where no Kafka is configured; else false with the setting that librdkafka or the delivery promise refuses. */
MUST_CHECK bool kafka_check(const struct config *cfg, struct error *err);

#endif
