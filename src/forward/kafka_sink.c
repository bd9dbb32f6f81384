#include "forward/kafka_sink.h"

#include "config/config.h"
#include "forward/kafka_at_least_once.h"
#include "forward/kafka_exactly_once.h"

struct sink *kafka_sink_create(const struct config *cfg, const char *data_dir, const char *log_id, struct error *err)
{
	if (cfg->forward.mode == FORWARD_EXACTLY_ONCE)
		return kafka_exactly_once_create(cfg, data_dir, log_id, err);
	return kafka_at_least_once_create(cfg, data_dir, log_id, err);
}
