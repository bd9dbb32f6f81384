/* A whole catalog: every file compiled by itself, so that one that fails does not hide what is wrong with the others;
 * then the versions in their order; then the catalog as it would be loaded. */
#include "tracking/lint.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "catalog/catalog_state.h"
#include "catalog/schema.h"
#include "tracking/numbering.h"

#define MEMORY_BYTES ((size_t)512 * 1024 * 1024)

struct folder {
	struct slice *names; /* sorted */
	size_t count;
};

static int compare_names(const void *a, const void *b)
{
	return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

/* A folder that is not there is empty; hidden entries are passed over, as by the loader. */
static bool list(struct sources *src, const char *below, struct folder *out, struct error *err)
{
	struct slice path = arena_print(src->arena, "%.*s/%s", SLICE_ARG(src->root), below);
	struct dirent *entry;
	size_t room = 0;
	DIR *dir = path.at ? opendir(path.at) : NULL;

	*out = (struct folder) { 0 };
	if (!dir)
		return errno == ENOENT || errno == ENOTDIR || error_set_errno(err, "%s", path.at ? path.at : below);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		if (out->count == room) {
			room = room ? room * 2 : 32;
			struct slice *names = arena_array(src->arena, room, sizeof *names);
			if (!names)
				break;
			if (out->count)
				memcpy(names, out->names, out->count * sizeof *names);
			out->names = names;
		}
		out->names[out->count++] = arena_copy(src->arena, slice_of(entry->d_name));
	}
	closedir(dir);
	if (src->arena->overflowed)
		return error_set(err, ERROR_MEMORY, "no memory to look at the schemas");
	if (out->count)
		qsort(out->names, out->count, sizeof *out->names, compare_names);
	return true;
}

/* "<root>/<path>#<pointer>: reason" without the first part, which the report begins with. */
static void report_error(struct lint *lint, const char *message)
{
	struct slice reason = slice_of(message), root = lint->src->root, file = SLICE_NONE, pointer = SLICE_NONE;
	struct slice rest = reason;

	if (root.len && slice_starts(rest, root) && rest.len > root.len && rest.at[root.len] == '/') {
		rest = (struct slice) { rest.at + root.len + 1, rest.len - root.len - 1 };
		file = (struct slice) { rest.at, slice_find(rest, '#') };
		size_t end = file.len;
		while (end + 1 < rest.len && !(rest.at[end] == ':' && rest.at[end + 1] == ' '))
			end++;
		if (file.len < rest.len && end + 2 <= rest.len) {
			pointer = (struct slice) { rest.at + file.len + 1, end - file.len - 1 };
			reason = (struct slice) { rest.at + end + 2, rest.len - end - 2 };
		}
	}
	lint->errors++;
	lint->report(lint->context, LINT_ERROR, pointer.at ? file : SLICE_NONE, pointer, reason);
}

static bool compiles(struct lint *lint, const struct source_file *file)
{
	const struct schema_options options = { .root = lint->src->root, .path = file->path, .name = SLICE("schema") };
	struct arena arena;
	struct error err = { 0 };

	arena_init(&arena, MEMORY_BYTES);
	bool good = schema_compile_text(file->text, &options, &arena, &err) != NULL;
	arena_fini(&arena);
	if (!good)
		report_error(lint, err.message);
	return good;
}

static void check_one(struct lint *lint, struct slice path, struct slice event, bool compiled)
{
	struct error err = { 0 };
	struct source_file *file = source_read(lint->src, path, &err);

	if (!file) {
		report_error(lint, err.message);
		return;
	}
	if (!compiled && !compiles(lint, file))
		return;
	size_t before = lint->errors;
	lint_check_graph(lint, (struct spot) { file, 0 }, SLICE(""));
	lint_check_file(lint, file, event);
	if (lint->errors == before)
		lint_check_examples(lint, file);
}

static bool check_common(struct lint *lint, bool compiled, struct error *err)
{
	struct folder folder;

	if (!list(lint->src, "common", &folder, err))
		return false;
	for (size_t i = 0; i < folder.count; i++)
		if (slice_ends(folder.names[i], SLICE(".json")))
			check_one(lint, arena_print(lint->src->arena, "common/%.*s", SLICE_ARG(folder.names[i])),
			          SLICE_NONE, compiled);
	return true;
}

static bool check_event(struct lint *lint, struct slice event, struct error *err)
{
	struct folder folder;
	struct slice below = arena_print(lint->src->arena, "events/%.*s", SLICE_ARG(event));

	if (!below.at || !list(lint->src, below.at, &folder, err))
		return false;
	for (size_t i = 0; i < folder.count; i++)
		if (slice_ends(folder.names[i], SLICE(".json")))
			check_one(lint,
			          arena_print(lint->src->arena, "%.*s/%.*s", SLICE_ARG(below),
			                      SLICE_ARG(folder.names[i])),
			          event, false);
	return true;
}

struct acceptance {
	const struct catalog_options *options;
	struct error *err;
	bool refused;
};

static void keep_first(void *context, enum lint_level level, struct slice file, struct slice pointer,
                       struct slice reason)
{
	struct acceptance *a = context;

	if (level != LINT_ERROR || a->refused)
		return;
	a->refused = true;
	if (file.at)
		error_set(a->err, ERROR_SCHEMA, "%.*s/%.*s#%.*s: %.*s", SLICE_ARG(a->options->dir), SLICE_ARG(file),
		          SLICE_ARG(pointer), SLICE_ARG(reason));
	else
		error_set(a->err, ERROR_SCHEMA, "%.*s", SLICE_ARG(reason));
}

static bool check_loaded(struct lint *lint, const struct catalog *cat, struct acceptance *a)
{
	if (!check_common(lint, true, a->err))
		return false;
	for (size_t i = 0; i < cat->schemas_count && !a->refused; i++) {
		const struct event_schema *schema = &cat->schemas[i];
		struct slice path = arena_print(lint->src->arena, "events/%.*s.json", SLICE_ARG(schema->name));
		if (!source_add(lint->src, path, schema->source_text, a->err))
			return false;
		check_one(lint, path, schema->event, true);
		if (i > 0 && cat->schemas[i - 1].event_index == schema->event_index)
			numbering_check(lint, &cat->schemas[i - 1], schema);
	}
	return !a->refused;
}

static bool accept_loaded(const struct catalog *cat, const struct catalog_options *options, struct error *err)
{
	struct arena arena;
	struct sources src;
	struct acceptance a = { .options = options, .err = err };
	struct lint lint = { .src = &src, .report = keep_first, .context = &a };

	arena_init(&arena, MEMORY_BYTES);
	sources_init(&src, options->dir, &arena);
	bool good = check_loaded(&lint, cat, &a);
	if (good && arena.overflowed)
		good = error_set(err, ERROR_MEMORY, "no memory to look at the schemas");
	arena_fini(&arena);
	return good;
}

struct catalog *lint_load(const struct catalog_options *options, struct error *err)
{
	struct catalog *cat = catalog_load(options, err);

	if (cat && !accept_loaded(cat, options, err))
		catalog_destroy(&cat);
	return cat;
}

bool lint_check_folder(struct lint *lint, const struct catalog_options *options, struct error *err)
{
	struct folder events;

	struct stat st;
	struct slice root = arena_copy(lint->src->arena, options->dir);

	if (!root.at || stat(root.at, &st) != 0)
		return error_set_errno(err, "%.*s", SLICE_ARG(options->dir));
	if (!check_common(lint, false, err) || !list(lint->src, "events", &events, err))
		return false;
	for (size_t i = 0; i < events.count; i++)
		if (!check_event(lint, events.names[i], err))
			return false;
	if (lint->errors)
		return true;
	struct error refused = { 0 };
	struct catalog *cat = lint_load(options, &refused);
	if (!cat)
		report_error(lint, refused.message);
	catalog_destroy(&cat);
	return true;
}
