#include "forward/kafka_check.h"

#include "config/config.h"
#include "forward/kafka_conf.h"

bool kafka_check(const struct config *cfg, struct error *err)
{
	if (!cfg->kafka.count)
		return true;
	bool transactional = cfg->forward.mode == FORWARD_EXACTLY_ONCE;
	rd_kafka_conf_t *conf = kafka_conf_create(cfg, transactional ? KAFKA_TRANSACTIONAL : KAFKA_IDEMPOTENT, err);
	if (!conf)
		return false;
	rd_kafka_conf_destroy(conf);
	return true;
}
