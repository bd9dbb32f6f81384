/* Reads a folder of schemas into a catalog: `common/<name>.json`, `events/<event>/<version>.json`, all compiled, all or
 * nothing. Hidden files are passed over (editors and mounted volumes leave them); anything else that does not belong
 * refuses the load, for a schema that is silently not loaded is found only when its events are missed. */
#include "base/file.h"
#include "base/hash.h"
#include "catalog/alias.h"
#include "catalog/catalog_state.h"
#include "catalog/compiler.h"
#include "catalog/declaration.h"
#include "catalog/schema.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#define CATALOG_BYTES ((size_t)512 * 1024 * 1024)
#define FOLDER_ENTRIES 10000

struct loader {
	struct catalog *cat;
	struct compiler compiler;
	const struct catalog_options *options;
	struct hash128 fingerprint;
	size_t schemas_room;
	struct slice *event_names;
	size_t events_count;
	struct error *err;
};

struct folder {
	struct slice *names; /* sorted */
	size_t count;
};

static int compare_names(const void *a, const void *b)
{
	return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

static bool read_entries(struct loader *l, DIR *dir, struct folder *out, const char *path)
{
	size_t room = 0;
	struct dirent *entry;

	for (errno = 0; (entry = readdir(dir)) != NULL; errno = 0) {
		if (entry->d_name[0] == '.')
			continue;
		if (out->count == FOLDER_ENTRIES)
			return error_set(l->err, ERROR_SCHEMA, "%s: more than %d entries", path, FOLDER_ENTRIES);
		if (out->count == room) {
			room = room ? room * 2 : 32;
			struct slice *names = compiler_alloc(&l->compiler, room, sizeof *names);
			if (!names)
				return false;
			if (out->count)
				memcpy(names, out->names, out->count * sizeof *names);
			out->names = names;
		}
		out->names[out->count] = arena_copy(&l->cat->arena, slice_of(entry->d_name));
		if (!out->names[out->count++].at)
			return error_set(l->err, ERROR_MEMORY, "no memory for schemas");
	}
	return errno == 0 || error_set_errno(l->err, "%s", path);
}

/* `below` is "" or "/events" and the like; a folder that is not there is empty. */
static bool list_folder(struct loader *l, struct slice below, struct folder *out)
{
	struct slice path = arena_print(&l->cat->arena, "%.*s%.*s", SLICE_ARG(l->options->dir), SLICE_ARG(below));

	*out = (struct folder) { 0 };
	if (!path.at)
		return error_set(l->err, ERROR_MEMORY, "no memory for schemas");
	DIR *dir = opendir(path.at);
	if (!dir)
		return (errno == ENOENT && below.len > 0) || error_set_errno(l->err, "%s", path.at);
	bool good = read_entries(l, dir, out, path.at);
	closedir(dir);
	if (good && out->count)
		qsort(out->names, out->count, sizeof *out->names, compare_names);
	return good;
}

static bool is_folder(struct loader *l, struct slice below)
{
	struct stat st;
	struct slice path = arena_print(&l->cat->arena, "%.*s%.*s", SLICE_ARG(l->options->dir), SLICE_ARG(below));

	return path.at && stat(path.at, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool refuse(struct loader *l, struct slice below, const char *reason)
{
	return error_set(l->err, ERROR_SCHEMA, "%.*s%.*s#: %s", SLICE_ARG(l->options->dir), SLICE_ARG(below), reason);
}

static struct schema_file *add_file(struct loader *l, struct slice below)
{
	static const struct hash_key key = { "headgate catalog" };
	struct slice path = { below.at + 1, below.len - 1 };
	struct schema_file *file = compiler_add_file(&l->compiler, path);

	if (!file)
		return NULL;
	const struct slice parts[] = { { (const char *)&l->fingerprint, sizeof l->fingerprint }, path, file->text };
	l->fingerprint = hash_keyed128_parts(&key, parts, sizeof parts / sizeof *parts);
	return file;
}

static bool load_common(struct loader *l)
{
	struct folder folder;

	if (!list_folder(l, SLICE("/common"), &folder))
		return false;
	struct schema_file **files = compiler_alloc(&l->compiler, folder.count, sizeof(struct schema_file *));
	if (!files)
		return false;
	/* All are read before the first is compiled: they may refer to each other by `$id`. */
	for (size_t i = 0; i < folder.count; i++) {
		struct slice below = arena_print(&l->cat->arena, "/common/%.*s", SLICE_ARG(folder.names[i]));
		if (!slice_ends(below, SLICE(".json")))
			return refuse(l, below, "not a .json file");
		files[i] = add_file(l, below);
		if (!files[i])
			return false;
	}
	for (size_t i = 0; i < folder.count; i++) {
		struct slice name = { folder.names[i].at, folder.names[i].len - 5 };
		struct schema *schema = compiler_compile_root(&l->compiler, files[i], name);
		if (!schema)
			return false;
		if (slice_equal(name, SLICE("user")))
			l->cat->user = schema;
		if (slice_equal(name, SLICE("context")))
			l->cat->context = schema;
	}
	return true;
}

static bool is_event_name(struct slice name)
{
	if (name.len == 0 || name.len > 64 || name.at[0] < 'a' || name.at[0] > 'z')
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.at[i];
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_')
			return false;
	}
	return true;
}

static struct event_schema *new_schema(struct loader *l)
{
	struct catalog *cat = l->cat;

	if (cat->schemas_count == l->schemas_room) {
		size_t room = l->schemas_room ? l->schemas_room * 2 : 32;
		struct event_schema *schemas = compiler_alloc(&l->compiler, room, sizeof *schemas);
		if (!schemas)
			return NULL;
		if (cat->schemas_count)
			memcpy(schemas, cat->schemas, cat->schemas_count * sizeof *schemas);
		cat->schemas = schemas;
		l->schemas_room = room;
	}
	return &cat->schemas[cat->schemas_count++];
}

static bool fill_schema(struct loader *l, struct schema_file *file, struct event_schema *schema)
{
	struct arena *arena = &l->cat->arena;
	const struct schema *program = compiler_compile_root(&l->compiler, file, schema->event);

	if (!program || !declaration_read(&l->compiler, file, schema))
		return false;
	schema->properties = program;
	schema->source_text = file->text;
	schema->name = arena_print(arena, "%.*s/%.*s", SLICE_ARG(schema->event), SLICE_ARG(schema->version_text));
	schema->dataschema = arena_print(arena, "%.*sevent:%.*s:%.*s", SLICE_ARG(l->options->base_uri),
	                                 SLICE_ARG(schema->event), SLICE_ARG(schema->version_text));
	if (!program_collect_pii(program, arena, &schema->pii, &schema->pii_count)) {
		const struct place root = { file, 0, SLICE("") };
		return compiler_refuse(&l->compiler, &root, "too many places marked x-pii");
	}
	return schema->dataschema.at || error_set(l->err, ERROR_MEMORY, "no memory for schemas");
}

static bool load_version(struct loader *l, struct slice event, struct slice folder, struct slice file_name)
{
	struct slice below = arena_print(&l->cat->arena, "%.*s/%.*s", SLICE_ARG(folder), SLICE_ARG(file_name));
	struct schema_version version;
	unsigned parts;
	struct slice text = { file_name.at, file_name.len >= 5 ? file_name.len - 5 : 0 };

	if (!slice_ends(file_name, SLICE(".json")) || !catalog_parse_version(text, &version, &parts) || parts != 3)
		return refuse(l, below, "the file's name must be MODEL-REVISION-ADDITION.json, as in 1-0-0.json");
	struct schema_file *file = add_file(l, below);
	struct event_schema *schema = file ? new_schema(l) : NULL;
	if (!schema)
		return false;
	schema->event = event;
	schema->event_index = (uint32_t)l->events_count;
	schema->version = version;
	schema->version_text = text;
	return fill_schema(l, file, schema);
}

static bool load_event(struct loader *l, struct slice event)
{
	struct slice below = arena_print(&l->cat->arena, "/events/%.*s", SLICE_ARG(event));
	struct folder folder;

	if (!is_event_name(event))
		return refuse(l, below, "an event's name must be [a-z][a-z0-9_]{0,63}");
	if (!is_folder(l, below))
		return refuse(l, below, "must be a folder with the event's versions");
	if (!list_folder(l, below, &folder))
		return false;
	if (folder.count == 0)
		return refuse(l, below, "holds no version");
	for (size_t i = 0; i < folder.count; i++)
		if (!load_version(l, event, below, folder.names[i]))
			return false;
	l->event_names[l->events_count++] = event;
	return true;
}

static bool load_events(struct loader *l)
{
	struct folder folder;

	if (!list_folder(l, SLICE("/events"), &folder))
		return false;
	if (folder.count == 0)
		return refuse(l, SLICE("/events"), "holds no event");
	l->event_names = compiler_alloc(&l->compiler, folder.count, sizeof *l->event_names);
	if (!l->event_names)
		return false;
	for (size_t i = 0; i < folder.count; i++)
		if (!load_event(l, folder.names[i]))
			return false;
	return true;
}

static int compare_schemas(const void *a, const void *b)
{
	const struct event_schema *x = a, *y = b;

	if (x->event_index != y->event_index)
		return x->event_index < y->event_index ? -1 : 1;
	return catalog_compare_versions(&x->version, &y->version);
}

/* The default model's newest version: of the model asked for by config, else of the lowest. */
static bool choose_default(struct loader *l, size_t index)
{
	const struct catalog_options *options = l->options;
	struct catalog_event *event = &l->cat->events[index];
	const struct event_schema *schemas = l->cat->schemas;
	uint32_t model = schemas[event->first].version.model;

	for (size_t i = 0; i < options->default_model_count; i++)
		if (slice_equal(options->default_model_events[i], l->event_names[index]))
			model = options->default_models[i];
	for (size_t i = event->first + event->count; i-- > event->first;) {
		if (schemas[i].version.model == model) {
			event->default_schema = i;
			return true;
		}
	}
	return error_set(l->err, ERROR_CONFIG, "catalog.default_model.%.*s: there is no version of model %u",
	                 SLICE_ARG(l->event_names[index]), model);
}

static bool index_events(struct loader *l)
{
	struct catalog *cat = l->cat;
	const struct catalog_options *options = l->options;

	qsort(cat->schemas, cat->schemas_count, sizeof *cat->schemas, compare_schemas);
	cat->events = compiler_alloc(&l->compiler, l->events_count, sizeof *cat->events);
	if (!cat->events)
		return false;
	for (size_t i = cat->schemas_count; i-- > 0;) {
		struct catalog_event *event = &cat->events[cat->schemas[i].event_index];
		event->first = i;
		event->count++;
	}
	if (!name_table_init(&cat->names, l->event_names, l->events_count, &cat->arena))
		return error_set(l->err, ERROR_MEMORY, "no memory for schemas");
	for (size_t i = 0; i < options->default_model_count; i++)
		if (name_table_find(&cat->names, options->default_model_events[i]) == NAME_TABLE_NONE)
			return error_set(l->err, ERROR_CONFIG, "catalog.default_model.%.*s: no such event in %.*s",
			                 SLICE_ARG(options->default_model_events[i]), SLICE_ARG(options->dir));
	for (size_t i = 0; i < l->events_count; i++)
		if (!choose_default(l, i))
			return false;
	return true;
}

/* A foreign name leads to one event: "Checkout Started" must not depend on which schema was read first. */
static bool check_foreign(struct loader *l, const struct event_schema *schema, struct slice name,
                          const struct slice *names, const uint32_t *events, size_t count)
{
	struct slice other = SLICE_NONE;
	uint32_t own = name_table_find(&l->cat->names, name);

	if (own != NAME_TABLE_NONE && own != schema->event_index)
		other = name;
	for (size_t i = 0; i < count; i++)
		if (slice_equal(names[i], name) && events[i] != schema->event_index)
			other = l->event_names[events[i]];
	return !other.len ||
	       error_set(l->err, ERROR_SCHEMA,
	                 "%.*s/events/%.*s.json#/x-headgate/aliases/event: \"%.*s\" is a name of %.*s",
	                 SLICE_ARG(l->options->dir), SLICE_ARG(schema->name), SLICE_ARG(name), SLICE_ARG(other));
}

static bool index_aliases(struct loader *l)
{
	struct catalog *cat = l->cat;
	size_t room = 0, count = 0;

	for (size_t i = 0; i < cat->schemas_count; i++)
		room += cat->schemas[i].alias_set ? cat->schemas[i].alias_set->events_count : 0;
	struct slice *names = compiler_alloc(&l->compiler, room, sizeof *names);
	uint32_t *events = compiler_alloc(&l->compiler, room, sizeof *events);
	if (!names || !events)
		return false;
	for (size_t i = 0; i < cat->schemas_count; i++) {
		const struct event_schema *schema = &cat->schemas[i];
		for (size_t n = 0; schema->alias_set && n < schema->alias_set->events_count; n++) {
			if (!check_foreign(l, schema, schema->alias_set->events[n], names, events, count))
				return false;
			names[count] = schema->alias_set->events[n];
			events[count++] = schema->event_index;
		}
	}
	cat->foreign_events = events;
	return name_table_init(&cat->foreign, names, count, &cat->arena) ||
	       error_set(l->err, ERROR_MEMORY, "no memory for schemas");
}

static bool check_top(struct loader *l)
{
	struct folder folder;

	if (!list_folder(l, SLICE(""), &folder))
		return false;
	for (size_t i = 0; i < folder.count; i++) {
		struct slice below = arena_print(&l->cat->arena, "/%.*s", SLICE_ARG(folder.names[i]));
		if (!slice_equal(below, SLICE("/events")) && !slice_equal(below, SLICE("/common")) &&
		    is_folder(l, below))
			return refuse(l, below, "unknown folder: schemas lie in events/ and common/");
	}
	return true;
}

static bool load_all(struct loader *l)
{
	if (!check_top(l) || !load_common(l) || !load_events(l) || !index_events(l) || !index_aliases(l))
		return false;
	l->cat->fingerprint = arena_print(&l->cat->arena, "%016llx%016llx", (unsigned long long)l->fingerprint.high,
	                                  (unsigned long long)l->fingerprint.low);
	if (l->cat->arena.overflowed)
		return error_set(l->err, ERROR_MEMORY, "no memory for schemas");
	return true;
}

struct catalog *catalog_load(const struct catalog_options *options, struct error *err)
{
	struct catalog *cat = calloc(1, sizeof *cat);
	struct loader l = { .cat = cat, .options = options, .err = err };

	if (!cat) {
		error_set(err, ERROR_MEMORY, "no memory for schemas");
		return NULL;
	}
	arena_init(&cat->arena, CATALOG_BYTES);
	l.compiler = (struct compiler) { .arena = &cat->arena, .root = options->dir, .err = err };
	if (!load_all(&l))
		catalog_destroy(&cat);
	return cat;
}

const struct schema *schema_compile_text(struct slice text, const struct schema_options *options, struct arena *arena,
                                         struct error *err)
{
	struct compiler *c = arena_zalloc(arena, sizeof *c);
	struct slice shown = arena_print(arena, "%.*s%s%.*s", SLICE_ARG(options->root), options->root.len ? "/" : "",
	                                 SLICE_ARG(options->path));
	struct slice uri =
	        options->uri.len ? options->uri : arena_print(arena, CATALOG_BASE "%.*s", SLICE_ARG(options->path));
	struct event_schema ignored = { 0 };

	if (!c || !shown.at || !uri.at) {
		error_set(err, ERROR_MEMORY, "no memory for schemas");
		return NULL;
	}
	*c = (struct compiler) { .arena = arena,
		                 .root = options->root,
		                 .maps = options->maps,
		                 .maps_count = options->maps_count,
		                 .specification = options->specification,
		                 .assert_format = options->assert_format,
		                 .draft7 = options->draft7,
		                 .err = err };
	struct schema_file *file = compiler_add_text(c, options->path, shown, uri, text);
	if (!file)
		return NULL;
	const struct schema *schema = compiler_compile_root(c, file, options->name);
	return schema && (c->specification || declaration_read(c, file, &ignored)) ? schema : NULL;
}
