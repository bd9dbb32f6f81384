#include "forward/kafka_sink.h"

struct sink *kafka_sink_create(const struct config *cfg, const char *data_dir, const char *log_id, struct error *err)
{
	(void)cfg;
	(void)data_dir;
	(void)log_id;
	error_set(err, ERROR_CONFIG, "kafka: not in this version");
	return NULL;
}
