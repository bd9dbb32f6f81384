/* `headgate validate FILE|-`: the dry path over one event a line, without a daemon. Blank lines are passed over and not
 * counted. A line that is too long for an event is judged like any other: the pipeline says so. */
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/metrics.h"
#include "command/command.h"
#include "command/judge_lines.h"
#include "pipeline/pipeline.h"

#define JUDGE_MEMORY_BYTES (256u << 20)

struct validation {
	struct snapshot *snap;
	const struct source *source;
	FILE *file;
	const char *name;
	uint32_t refused;
};

static void judge_line(void *context, struct slice line, uint32_t index, struct arena *arena, struct buffer *out)
{
	struct validation *run = context;
	if (!pipeline_judge(run->snap, run->source, line, index, arena, out))
		run->refused++;
}

static const struct source *find_source(const struct config *cfg, const char *name)
{
	for (size_t i = 0; i < cfg->sources_count; i++)
		if (!name || slice_equal(cfg->sources[i].name, slice_of(name)))
			return &cfg->sources[i];
	return NULL;
}

int command_validate(const struct command_line *line)
{
	struct error err = { 0 };
	struct validation run = { .name = line->arguments[0] };
	bool is_stdin = strcmp(run.name, "-") == 0;
	if (line->validate.schema && line->validate.source)
		return command_usage("--source goes with events, not with --schema");
	if (line->validate.schema)
		return command_validate_schema(line);
	if (line->validate.maps_count || line->validate.assert_format)
		return command_usage("--map and --assert-format go with --schema");
	metrics_register_thread();
	struct config *cfg = config_load(&line->config, &err);
	run.snap = cfg ? snapshot_load(cfg, &err) : NULL;
	if (!run.snap)
		return command_fail(&err);
	run.source = find_source(run.snap->cfg, line->validate.source);
	if (!run.source) {
		snapshot_release(&run.snap);
		return command_usage("no source is named %s", line->validate.source);
	}
	run.file = is_stdin ? stdin : fopen(run.name, "re");
	bool ok = run.file ? judge_lines(run.file, run.name, JUDGE_MEMORY_BYTES, judge_line, &run, &err)
	                   : error_set_errno(&err, "%s", run.name);
	if (run.file && !is_stdin)
		fclose(run.file);
	snapshot_release(&run.snap);
	if (!ok)
		return command_fail(&err);
	return run.refused ? 1 : 0;
}
