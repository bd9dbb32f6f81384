/* `headgate validate FILE|-`: the dry path over one event a line, without a daemon. Blank lines are passed over and not
 * counted. A line that is too long for an event is judged like any other: the pipeline says so. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/metrics.h"
#include "command/command.h"
#include "pipeline/pipeline.h"

#define JUDGE_MEMORY_BYTES (256u << 20)

struct validation {
	struct snapshot *snap;
	FILE *file;
	const char *name;
	uint32_t lines, refused;
};

/* One verdict for one line; false if it could not be written. */
static bool judge_line(struct validation *run, struct slice line, struct arena *arena, struct error *err)
{
	struct buffer out;
	arena_reset(arena);
	buffer_init(&out, arena);
	if (!pipeline_judge(run->snap, &run->snap->cfg->sources[0], line, run->lines++, arena, &out))
		run->refused++;
	buffer_append_char(&out, '\n');
	if (out.failed)
		return error_set(err, ERROR_MEMORY, "%s: line %u: out of memory", run->name, run->lines);
	if (fwrite(out.at, 1, out.len, stdout) != out.len)
		return error_set_errno(err, "standard output");
	return true;
}

static bool judge_all(struct validation *run, struct error *err)
{
	char *text = NULL;
	size_t capacity = 0;
	struct arena arena;
	bool ok = true;
	arena_init(&arena, JUDGE_MEMORY_BYTES);
	errno = 0;
	for (ssize_t len; ok && (len = getline(&text, &capacity, run->file)) >= 0;) {
		struct slice line = slice_trim((struct slice) { text, (size_t)len });
		if (line.len)
			ok = judge_line(run, line, &arena, err);
	}
	if (ok && ferror(run->file))
		ok = error_set_errno(err, "%s", run->name);
	if (ok && fflush(stdout) != 0)
		ok = error_set_errno(err, "standard output");
	arena_fini(&arena);
	free(text);
	return ok;
}

int command_validate(const struct command_line *line)
{
	struct error err = { 0 };
	struct validation run = { .name = line->arguments[0] };
	bool is_stdin = strcmp(run.name, "-") == 0;
	if (line->validate.schema)
		return command_validate_schema(line);
	if (line->validate.maps_count || line->validate.assert_format)
		return command_usage("--map and --assert-format go with --schema");
	metrics_register_thread();
	struct config *cfg = config_load(&line->config, &err);
	run.snap = cfg ? snapshot_load(cfg, &err) : NULL;
	if (!run.snap)
		return command_fail(&err);
	run.file = is_stdin ? stdin : fopen(run.name, "re");
	bool ok = run.file ? judge_all(&run, &err) : error_set_errno(&err, "%s", run.name);
	if (run.file && !is_stdin)
		fclose(run.file);
	snapshot_release(&run.snap);
	if (!ok)
		return command_fail(&err);
	return run.refused ? 1 : 0;
}
