/* `headgate validate --schema FILE [--map URI=DIR]... [--assert-format] DOCS`: any schema against any documents, one a
 * line, by the rules of JSON Schema, without configuration or catalog. What the schema refers to is read beside it, from
 * the folders mapped, or built in; never from the network. Blank lines are passed over and not counted. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin/draft.h"
#include "base/file.h"
#include "catalog/schema.h"
#include "command/command.h"

#define SCHEMA_MEMORY_BYTES ((size_t)1 << 30)
#define SCHEMA_BYTES ((size_t)64 << 20)
#define DOCUMENT_MEMORY_BYTES ((size_t)1 << 30)
#define DOCUMENT_DEPTH_MAX 512
#define DOCUMENT_NODES_MAX 20000000

struct judging {
	const struct schema *schema;
	const char *name;
	FILE *file;
	uint32_t lines, invalid;
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

/* One verdict for one line; false if it could not be written. */
static bool judge_line(struct judging *run, struct slice text, struct arena *arena, struct error *err)
{
	const struct json_options options = { .depth_max = DOCUMENT_DEPTH_MAX, .nodes_max = DOCUMENT_NODES_MAX };
	struct json_doc doc = { 0 };
	struct buffer out;
	size_t offset = 0;
	arena_reset(arena);
	buffer_init(&out, arena);
	enum json_result result = json_scan(&doc, text, &options, arena, &offset);
	bool valid = draft_judge_document(run->schema, result, &doc, 0, run->lines++, arena, &out);
	run->invalid += !valid;
	buffer_append_char(&out, '\n');
	if (out.failed || arena->overflowed)
		return error_set(err, ERROR_MEMORY, "%s: line %u: out of memory", run->name, run->lines);
	if (fwrite(out.at, 1, out.len, stdout) != out.len)
		return error_set_errno(err, "standard output");
	return true;
}

static bool judge_all(struct judging *run, struct error *err)
{
	char *text = NULL;
	size_t capacity = 0;
	struct arena arena;
	bool ok = true;
	arena_init(&arena, DOCUMENT_MEMORY_BYTES);
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
		ok = run.file ? judge_all(&run, &err) : error_set_errno(&err, "%s", run.name);
	}
	if (run.file && !is_stdin)
		fclose(run.file);
	arena_fini(&arena);
	if (!ok)
		return command_fail(&err);
	return run.invalid ? 1 : 0;
}
