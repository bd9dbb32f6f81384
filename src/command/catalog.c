/* `headgate catalog lint|diff|…`. Exit codes: 0 nothing to say against it, 65 the schemas are wrong. */
#include "command/catalog.h"

#include <stdio.h>

#include "catalog/lint.h"
#include "pipeline/snapshot.h"

#define MEMORY_BYTES ((size_t)512 * 1024 * 1024)

struct tool {
	const char *name, *arguments;
	int least, most;
	int (*run)(const struct command_line *line);
};

static void print_finding(void *context, enum lint_level level, struct slice file, struct slice pointer,
                          struct slice reason)
{
	struct slice dir = *(const struct slice *)context;

	printf("%s ", level == LINT_ERROR ? "error" : "warning");
	if (file.at)
		printf("%.*s/%.*s#%.*s: ", SLICE_ARG(dir), SLICE_ARG(file), SLICE_ARG(pointer));
	printf("%.*s\n", SLICE_ARG(reason));
}

static int lint_folder(struct slice dir, struct slice base_uri)
{
	const struct catalog_options options = { .dir = dir, .base_uri = base_uri };
	struct arena arena;
	struct sources src;
	struct error err = { 0 };
	struct lint lint = { .src = &src, .report = print_finding, .context = &dir };
	int code;

	while (dir.len > 1 && dir.at[dir.len - 1] == '/')
		dir.len--;
	arena_init(&arena, MEMORY_BYTES);
	sources_init(&src, dir, &arena);
	if (!lint_check_folder(&lint, &options, &err)) {
		code = command_fail(&err);
	} else {
		printf("%zu %s, %zu %s\n", lint.errors, lint.errors == 1 ? "error" : "errors", lint.warnings,
		       lint.warnings == 1 ? "warning" : "warnings");
		code = lint.errors ? error_exit_code(ERROR_DATA) : 0;
	}
	arena_fini(&arena);
	return fflush(stdout) == 0 ? code : error_exit_code(ERROR_IO);
}

static int run_lint(const struct command_line *line)
{
	struct error err = { 0 };

	if (line->count == 1)
		return lint_folder(slice_of(line->arguments[0]), SLICE("urn:headgate:"));
	struct config *cfg = config_load(&line->config, &err);
	if (!cfg)
		return command_fail(&err);
	int code = lint_folder(cfg->catalog.dir, cfg->catalog.base_uri);
	config_destroy(&cfg);
	return code;
}

static int run_diff(const struct command_line *line)
{
	return catalog_diff(line->arguments[0], line->arguments[1]);
}

static const struct tool tools[] = {
	{ "lint", "[DIR]", 0, 1, run_lint },
	{ "diff", "OLD NEW", 2, 2, run_diff },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

int command_catalog(const struct command_line *line)
{
	struct command_line rest = *line;

	rest.arguments++;
	rest.count--;
	for (size_t i = 0; i < COUNT(tools); i++) {
		if (strcmp(tools[i].name, line->arguments[0]) != 0)
			continue;
		if (rest.count < tools[i].least || rest.count > tools[i].most)
			return command_usage("expected: headgate catalog %s %s", tools[i].name, tools[i].arguments);
		return tools[i].run(&rest);
	}
	return command_usage("unknown: catalog %s", line->arguments[0]);
}
