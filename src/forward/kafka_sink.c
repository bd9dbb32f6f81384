#include "forward/kafka_sink.h"

#include <limits.h>
#include <malloc.h>

#include "config/config.h"
#include "forward/kafka_at_least_once.h"
#include "forward/kafka_exactly_once.h"

#define NAME_BYTES 64 /* of a file below the data directory */

struct sink *kafka_sink_create(const struct config *cfg, const char *log_id, struct error *err)
{
	/* A record's headers are a dozen small pieces, and those freed merge into large ones: at each of these merges glibc
	 * would walk what it keeps for quick reuse (malloc_consolidate), a tenth of a drain's processor time. */
	mallopt(M_MXFAST, 0);
	if (cfg->data_dir.len >= PATH_MAX - NAME_BYTES) {
		error_set(err, ERROR_CONFIG, "data_dir: path too long");
		return NULL;
	}
	if (cfg->forward.mode == FORWARD_EXACTLY_ONCE)
		return kafka_exactly_once_create(cfg, log_id, err);
	return kafka_at_least_once_create(cfg, log_id, err);
}
