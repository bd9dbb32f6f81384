#include "holdings/retention.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/expiry_clock.h"
#include "config/config.h"
#include "forward/file_chores.h"
#include "holdings/quarantine.h"

#define EVERY_MS 60000

struct retention {
	int64_t next_ms;            /* monotonic */
	struct file_chores *chores; /* NULL: the files sink has its own */
};

/* What a process that died while it erased left behind; files.gz.tmp is the sink's own. */
static void remove_leftover(const char *data_dir)
{
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/files.erase.tmp", data_dir);
	(void)!unlink(path);
}

struct retention *retention_create(const struct config *cfg, struct error *err)
{
	struct retention *retention = calloc(1, sizeof *retention);
	if (!retention) {
		error_set(err, ERROR_MEMORY, "retention");
		return NULL;
	}
	remove_leftover(cfg->data_dir.at);
	/* with Kafka, what an earlier files sink left behind ages all the same; none of it is open */
	const struct file_chores_options options = { .data_dir = cfg->data_dir.at,
		                                     .retention_ms = cfg->files.retention_ms,
		                                     .dead_letter_topic = cfg->topics.rejected,
		                                     .dead_letter_retention_ms = cfg->files.dead_letter_retention_ms };
	if (cfg->kafka.count)
		retention->chores = file_chores_create(&options);
	if (retention->chores || !cfg->kafka.count)
		return retention;
	error_set(err, ERROR_MEMORY, "retention");
	free(retention);
	return NULL;
}

void retention_destroy(struct retention **retention)
{
	if (!*retention)
		return;
	file_chores_destroy(&(*retention)->chores);
	free(*retention);
	*retention = NULL;
}

void retention_run(struct retention *retention, const struct config *cfg, struct audit_log *audit)
{
	int64_t now_ms = clock_monotonic_ms(), wall_ms = expiry_clock_ms();
	if (now_ms < retention->next_ms)
		return;
	retention->next_ms = now_ms + EVERY_MS;
	if (cfg->quarantine.retention_ms)
		quarantine_prune(cfg->data_dir.at, wall_ms - (int64_t)cfg->quarantine.retention_ms, wall_ms);
	if (cfg->audit_log.retention_ms)
		audit_log_prune(audit, wall_ms - (int64_t)cfg->audit_log.retention_ms);
	if (retention->chores)
		(void)file_chores_run(retention->chores, wall_ms);
}
