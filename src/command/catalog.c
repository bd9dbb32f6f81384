/* `headgate catalog lint|diff|…`. Exit codes: 0 nothing to say against it, 65 the schemas are wrong. */
#include "command/catalog.h"

#include <assert.h>
#include <stdio.h>

#include "pipeline/snapshot.h"
#include "tracking/docs.h"
#include "tracking/lint.h"

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

typedef bool (*write_fn)(struct docs *docs, struct error *err);

/* `write`, or, where `name` ("purchase", "purchase/1-0-0") is given, the canonical schema of that version. */
static bool write_docs(const struct command_line *line, const struct catalog *cat, struct slice dir, write_fn write,
                       const char *name, struct error *err)
{
	struct docs docs = { .cat = cat };
	struct arena arena;
	struct buffer text;
	const struct event_schema *schema = NULL;
	bool ok = false;

	arena_init(&arena, MEMORY_BYTES);
	sources_init(&docs.src, dir, &arena);
	buffer_init(&text, NULL);
	docs.out = &text;
	struct slice version = slice_of(name), event = slice_split(&version, '/');
	assert(write || name);
	if (!name)
		ok = write(&docs, err);
	else if (catalog_find(cat, event, version.at ? version : SLICE_NONE, &schema) != CATALOG_FOUND)
		error_set(err, ERROR_NOT_FOUND, "%s: the catalog has no such event or version", name);
	else
		ok = docs_write_canonical(&docs, schema, err);
	ok = ok && command_put_out(line, buffer_slice(&text), err);
	buffer_fini(&text);
	arena_fini(&arena);
	return ok;
}

static int run_docs(const struct command_line *line, write_fn write, const char *name)
{
	struct error err = { 0 };
	struct config *cfg = config_load(&line->config, &err);
	struct snapshot *snap = cfg ? snapshot_load(cfg, &err) : NULL;
	bool ok = snap && write_docs(line, snap->cat, snap->cfg->catalog.dir, write, name, &err);

	snapshot_release(&snap);
	return ok ? 0 : command_fail(&err);
}

static bool is_format(const struct command_line *line, const char *name, bool is_default)
{
	return line->catalog.format ? strcmp(line->catalog.format, name) == 0 : is_default;
}

static int run_pages(const struct command_line *line)
{
	if (is_format(line, "html", true))
		return run_docs(line, docs_write_html, NULL);
	if (is_format(line, "markdown", false))
		return run_docs(line, docs_write_markdown, NULL);
	return command_usage("--format of docs is html or markdown");
}

static int run_types(const struct command_line *line)
{
	if (is_format(line, "typescript", true))
		return run_docs(line, docs_write_typescript, NULL);
	if (is_format(line, "plan", false))
		return run_docs(line, docs_write_plan, NULL);
	return command_usage("--format of types is typescript or plan");
}

static int run_schema(const struct command_line *line)
{
	if (line->catalog.format)
		return command_usage("catalog schema has one format");
	return run_docs(line, NULL, line->arguments[0]);
}

static const struct tool tools[] = {
	{ "lint", "[DIR]", 0, 1, run_lint },
	{ "diff", "OLD NEW", 2, 2, run_diff },
	{ "docs", "[--format html|markdown] [--out FILE]", 0, 0, run_pages },
	{ "types", "[--format typescript|plan] [--out FILE]", 0, 0, run_types },
	{ "schema", "EVENT[/VERSION] [--out FILE]", 1, 1, run_schema },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

int command_catalog(const struct command_line *line)
{
	struct command_line rest = *line;

	rest.arguments++;
	rest.count--;
	if ((line->catalog.format || line->catalog.out) &&
	    (strcmp(line->arguments[0], "lint") == 0 || strcmp(line->arguments[0], "diff") == 0))
		return command_usage("catalog %s has neither --format nor --out", line->arguments[0]);
	for (size_t i = 0; i < COUNT(tools); i++) {
		if (strcmp(tools[i].name, line->arguments[0]) != 0)
			continue;
		if (rest.count < tools[i].least || rest.count > tools[i].most)
			return command_usage("expected: headgate catalog %s %s", tools[i].name, tools[i].arguments);
		return tools[i].run(&rest);
	}
	return command_usage("unknown: catalog %s", line->arguments[0]);
}
