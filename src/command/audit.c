/* `headgate audit [--topic NAMES]`: proves by the positions in Kafka that nothing is missing, twice or out of order. */
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/log.h"
#include "command/command.h"
#include "forward/kafka_audit.h"
#include "pipeline/snapshot.h"

#define NOT_SOUND 1

static bool print(const struct buffer *report, struct error *err)
{
	bool done = fwrite(report->at, 1, report->len, stdout) == report->len && fflush(stdout) == 0;
	return done ? true : error_set_errno(err, "standard output");
}

/* The topics that events of the catalog go to instead of the configured one. */
static void list_catalog_topics(const struct catalog *cat, struct buffer *out)
{
	for (size_t i = 0; i < catalog_schema_count(cat); i++) {
		struct slice topic = catalog_schema_at(cat, i)->topic;
		buffer_append(out, topic);
		if (topic.len)
			buffer_append_char(out, ',');
	}
	buffer_append_char(out, '\0');
}

static bool run(const struct snapshot *snap, const char *topics, bool *sound, struct error *err)
{
	struct buffer report, catalog_topics;
	buffer_init(&report, NULL);
	buffer_init(&catalog_topics, NULL);
	list_catalog_topics(snap->cat, &catalog_topics);
	const struct kafka_audit_options options = { .cfg = snap->cfg,
		                                     .catalog_topics = catalog_topics.at,
		                                     .topics = topics,
		                                     .data_dir = snap->cfg->data_dir.at };
	bool done = catalog_topics.failed ? error_set(err, ERROR_MEMORY, "out of memory")
	                                  : kafka_audit_run(&options, &report, sound, err) && print(&report, err);
	buffer_fini(&catalog_topics);
	buffer_fini(&report);
	return done;
}

int command_audit(const struct command_line *line)
{
	struct error err = { 0 };
	bool sound = false;
	struct config *cfg = config_load(&line->config, &err);
	struct snapshot *snap = cfg ? snapshot_load(cfg, &err) : NULL;
	if (!snap)
		return command_fail(&err);
	log_init(LOG_WARN, snap->cfg->log_format);
	if (!snap->cfg->kafka.count) {
		snapshot_release(&snap);
		return command_usage("no Kafka is configured: there is nothing to audit");
	}
	bool done = run(snap, line->audit.topics, &sound, &err);
	snapshot_release(&snap);
	if (!done)
		return command_fail(&err);
	return sound ? 0 : NOT_SOUND;
}
