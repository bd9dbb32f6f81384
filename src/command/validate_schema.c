/* `headgate validate --schema FILE [--map URI=DIR]... [--assert-format] DOCS`: any schema against any documents, one a
 * line, by the rules of JSON Schema, without configuration or catalog. What the schema refers to is read beside it, from
 * the folders mapped, or built in; never from the network. Blank lines are passed over and not counted. */
#include <stdio.h>
#include <stdlib.h>

#include "admin/draft.h"
#include "base/file.h"
#include "catalog/schema.h"
#include "command/command.h"
#include "command/judge_lines.h"

#define SCHEMA_MEMORY_BYTES ((size_t)1 << 30)
#define SCHEMA_BYTES ((size_t)64 << 20)
#define DOCUMENT_MEMORY_BYTES ((size_t)1 << 30)
#define DOCUMENT_DEPTH_MAX 512
#define DOCUMENT_NODES_MAX 20000000

struct judging {
	const struct schema *schema;
	const char *name;
	FILE *file;
	uint32_t invalid;
};

/* "URI=DIR", cut at the last "=". */
static bool read_maps(const struct command_line *line, struct schema_map *maps, struct error *err)
{
	for (size_t i = 0; i < line->validate.maps_count; i++) {
		const char *text = line->validate.maps[i], *equals = strrchr(text, '=');
		if (!equals || equals == text || !equals[1])
			return error_set(err, ERROR_USAGE, "--map %s: expected URI-PREFIX=DIR", text);
		maps[i] = (struct schema_map) { { text, (size_t)(equals - text) }, slice_of(equals + 1) };
	}
	maps[line->validate.maps_count] = (struct schema_map) { SLICE("file:///"), SLICE("/") };
	return true;
}

/* The file's place as a URI, which its relative references start from. */
static struct slice file_uri(const char *path, struct arena *arena)
{
	char *full = realpath(path, NULL);
	struct buffer uri;
	buffer_init(&uri, arena);
	buffer_append(&uri, SLICE("file://"));
	for (const char *at = full ? full : "/"; *at; at++) {
		if (*at <= ' ' || *at == 127 || strchr("%?#", *at))
			buffer_append_format(&uri, "%%%02X", (unsigned char)*at);
		else
			buffer_append_char(&uri, *at);
	}
	free(full);
	return uri.failed ? SLICE_NONE : buffer_slice(&uri);
}

static const struct schema *compile(const struct command_line *line, struct arena *arena, struct error *err)
{
	struct schema_map maps[COMMAND_MAPS_MAX + 1];
	struct slice text;
	if (!read_maps(line, maps, err) || !file_read(arena, line->validate.schema, SCHEMA_BYTES, &text, err))
		return NULL;
	const struct schema_options options = { .path = slice_of(line->validate.schema),
		                                .uri = file_uri(line->validate.schema, arena),
		                                .name = SLICE("the document"),
		                                .specification = true,
		                                .assert_format = line->validate.assert_format,
		                                .maps = maps,
		                                .maps_count = line->validate.maps_count + 1 };
	return schema_compile_text(text, &options, arena, err);
}

static void judge_line(void *context, struct slice line, uint32_t index, struct arena *arena, struct buffer *out)
{
	const struct json_options options = { .depth_max = DOCUMENT_DEPTH_MAX, .nodes_max = DOCUMENT_NODES_MAX };
	struct judging *run = context;
	struct json_doc doc = { 0 };
	size_t offset = 0;
	enum json_result result = json_scan(&doc, line, &options, arena, &offset);
	run->invalid += !draft_judge_document(run->schema, result, &doc, 0, index, arena, out);
}

int command_validate_schema(const struct command_line *line)
{
	struct error err = { 0 };
	struct arena arena;
	struct judging run = { .name = line->arguments[0] };
	bool is_stdin = strcmp(run.name, "-") == 0, ok = false;
	arena_init(&arena, SCHEMA_MEMORY_BYTES);
	run.schema = compile(line, &arena, &err);
	if (run.schema) {
		run.file = is_stdin ? stdin : fopen(run.name, "re");
		ok = run.file ? judge_lines(run.file, run.name, DOCUMENT_MEMORY_BYTES, judge_line, &run, &err)
		              : error_set_errno(&err, "%s", run.name);
	}
	if (run.file && !is_stdin)
		fclose(run.file);
	arena_fini(&arena);
	if (!ok)
		return command_fail(&err);
	return run.invalid ? 1 : 0;
}
