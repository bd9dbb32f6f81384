#include "forward/kafka_sink.h"

#include <malloc.h>

#include "config/config.h"
#include "forward/kafka_at_least_once.h"
#include "forward/kafka_exactly_once.h"

struct sink *kafka_sink_create(const struct config *cfg, const char *data_dir, const char *log_id, struct error *err)
{
	/* A record's headers are a dozen small pieces, and those freed merge into large ones: at each of these merges glibc
	 * would walk what it keeps for quick reuse (malloc_consolidate), a tenth of a drain's processor time. */
	mallopt(M_MXFAST, 0);
	if (cfg->forward.mode == FORWARD_EXACTLY_ONCE)
		return kafka_exactly_once_create(cfg, data_dir, log_id, err);
	return kafka_at_least_once_create(cfg, data_dir, log_id, err);
}
