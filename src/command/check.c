/* `headgate check`: does what a start does before it opens anything. */
#include <stdio.h>

#include "command/command.h"
#include "command/service.h"
#include "forward/kafka_check.h"
#include "identity/cookies_keys.h"
#include "pipeline/snapshot.h"

static void print_address(const char *name, struct config_address address)
{
	bool six = slice_find(address.host, ':') < address.host.len;
	printf("%-9s %s%.*s%s:%u\n", name, six ? "[" : "", SLICE_ARG(address.host), six ? "]" : "", address.port);
}

static void print_sources(const struct config *cfg)
{
	for (size_t i = 0; i < cfg->sources_count; i++) {
		const struct source *source = &cfg->sources[i];
		printf("%-9s %.*s (%s, %zu %s)\n", "source", SLICE_ARG(source->name), source_kind_name(source->kind),
		       source->keys.count, source->keys.count == 1 ? "key" : "keys");
	}
}

static void print_sink(const struct config *cfg)
{
	struct slice servers = SLICE_NONE;
	for (size_t i = 0; i < cfg->kafka.count; i++)
		if (slice_equal(cfg->kafka.at[i].name, SLICE("bootstrap.servers")))
			servers = cfg->kafka.at[i].value;
	if (cfg->kafka.count)
		printf("%-9s kafka %.*s\n", "sink", SLICE_ARG(servers));
	else
		printf("%-9s files below %.*s/events\n", "sink", SLICE_ARG(cfg->data_dir));
}

static bool check_identity(const struct config *cfg, struct error *err)
{
	static const struct hash_key any;
	struct cookies_keys keys;
	return service_set_zone(cfg, err) && cookies_keys_load(&keys, &any, cfg->cookies.secret_file, err);
}

int command_check(const struct command_line *line)
{
	struct error err = { 0 };
	struct config *cfg = config_load(&line->config, &err);
	struct snapshot *snap = cfg ? snapshot_load(cfg, &err) : NULL;
	if (!snap)
		return command_fail(&err);
	cfg = snap->cfg;
	if (!kafka_check(cfg, &err) || !check_identity(cfg, &err)) {
		snapshot_release(&snap);
		return command_fail(&err);
	}
	printf("%-9s %.*s\n", "config", SLICE_ARG(cfg->file.at ? cfg->file : SLICE("built in")));
	printf("%-9s %.*s (%s)\n", "data", SLICE_ARG(cfg->data_dir), durability_name(cfg->durability));
	print_address("listen", cfg->listen);
	print_address("admin", cfg->admin.listen);
	print_sink(cfg);
	print_sources(cfg);
	printf("%-9s %.*s (%zu events, %zu schemas)\nOK\n", "catalog", SLICE_ARG(cfg->catalog.dir),
	       catalog_event_count(snap->cat), catalog_schema_count(snap->cat));
	snapshot_release(&snap);
	return fflush(stdout) == 0 ? 0 : error_exit_code(ERROR_IO);
}
