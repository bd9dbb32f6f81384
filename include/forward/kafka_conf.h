/* librdkafka's configuration: ours, then the user's kafka.* on top, less what the delivery promise rests on. */
#ifndef HEADGATE_FORWARD_KAFKA_CONF_H
#define HEADGATE_FORWARD_KAFKA_CONF_H

#include <librdkafka/rdkafka.h>

#include "base/error.h"

struct config;

enum kafka_role {
	KAFKA_IDEMPOTENT,    /* producer */
	KAFKA_TRANSACTIONAL, /* producer; the caller sets transactional.id */
	KAFKA_COMMITTED,     /* consumer of what is committed, with PARTITION_EOF */
	KAFKA_UNCOMMITTED    /* consumer that also sees what is not */
};

/* To be given to rd_kafka_new, or rd_kafka_conf_destroy. NULL: a setting was refused (CONFIG, with its name). What
 * librdkafka logs goes to our log. */
rd_kafka_conf_t *kafka_conf_create(const struct config *cfg, enum kafka_role role, struct error *err);

#endif
