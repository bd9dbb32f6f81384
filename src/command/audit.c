/* `headgate audit [--topic NAMES]`: proves by the positions in Kafka that nothing is missing, twice or out of order. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/log.h"
#include "command/command.h"
#include "forward/kafka_audit.h"

#define NOT_SOUND 1

static bool print(const struct buffer *report, struct error *err)
{
	bool done = fwrite(report->at, 1, report->len, stdout) == report->len && fflush(stdout) == 0;
	return done ? true : error_set_errno(err, "standard output");
}

int command_audit(const struct command_line *line)
{
	struct error err = { 0 };
	struct buffer report;
	bool sound = false;
	struct config *cfg = config_load(&line->config, &err);
	if (!cfg)
		return command_fail(&err);
	log_init(LOG_WARN, cfg->log_format);
	if (!cfg->kafka.count) {
		config_destroy(&cfg);
		return command_usage("no Kafka is configured: there is nothing to audit");
	}
	struct kafka_audit_options options = { .cfg = cfg, .topics = line->audit.topics, .data_dir = cfg->data_dir.at };
	buffer_init(&report, NULL);
	bool done = kafka_audit_run(&options, &report, &sound, &err) && print(&report, &err);
	buffer_fini(&report);
	config_destroy(&cfg);
	if (!done)
		return command_fail(&err);
	return sound ? 0 : NOT_SOUND;
}
