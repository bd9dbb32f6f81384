#include "forward/kafka_check.h"

#include "config/config.h"
#include "forward/kafka_conf.h"

bool kafka_check(const struct config *cfg, struct error *err)
{
	if (!cfg->kafka.count)
		return true;
	if (cfg->forward.mode != FORWARD_AT_LEAST_ONCE)
		return error_set(err, ERROR_CONFIG, "forward.mode: this version forwards to Kafka at_least_once only");
	rd_kafka_conf_t *conf = kafka_conf_create(cfg, err);
	if (!conf)
		return false;
	rd_kafka_conf_destroy(conf);
	return true;
}
