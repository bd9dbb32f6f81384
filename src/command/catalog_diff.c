/* `headgate catalog diff OLD NEW`: one line a change, `<pointer>: what (from to): breaks whom: PART`, and at the end what
 * must grow. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "catalog/catalog_state.h"
#include "command/catalog.h"
#include "tracking/numbering.h"

#define MEMORY_BYTES ((size_t)512 * 1024 * 1024)

/* A schema file with the folder that its references may read. */
struct side {
	struct arena arena;
	struct sources src;
	struct spot root;
	struct slice version; /* from its name; may be empty */
};

struct printing {
	const char *indent;
	size_t changes;
	enum version_part part;
	bool grave; /* breaks somebody */
};

static void print_change(void *context, const struct change *change)
{
	struct printing *p = context;
	enum change_class class = change_class(change->kind);
	enum version_part part = change_part(class);

	printf("%s%.*s: %s", p->indent, SLICE_ARG(change->pointer.len ? change->pointer : SLICE("/")),
	       change_text(change->kind));
	if (change->detail.len)
		printf(" (%.*s)", SLICE_ARG(change->detail));
	printf(": breaks %s: %s\n", change_class_text(class), version_part_text(part));
	p->changes++;
	p->grave |= class != BREAKS_NOTHING;
	p->part = part > p->part ? part : p->part;
}

/* events/<event>/<version>.json lies in a catalog, whose shared definitions it may use; any other file in its folder. */
static bool split_path(const char *path, struct arena *arena, struct slice *root, struct slice *name)
{
	struct slice full = arena_copy(arena, slice_of(path));
	size_t cut = full.len, slashes = 0, events = 0;

	for (size_t i = full.len; i-- > 0;) {
		if (full.at[i] != '/')
			continue;
		slashes++;
		if (slashes == 1)
			cut = i;
		if (slashes == 2 && i >= 7 && memcmp(full.at + i - 7, "/events", 7) == 0)
			events = i - 7;
	}
	if (!full.at || cut == full.len)
		return false;
	cut = events ? events : cut;
	*root = (struct slice) { full.at, cut ? cut : 1 };
	*name = (struct slice) { full.at + cut + 1, full.len - cut - 1 };
	return true;
}

static bool side_open(struct side *side, const char *path, struct error *err)
{
	char full[PATH_MAX];
	struct slice root, name;

	arena_init(&side->arena, MEMORY_BYTES);
	if (!realpath(path, full))
		return error_set_errno(err, "%s", path);
	if (!split_path(full, &side->arena, &root, &name))
		return error_set(err, ERROR_USAGE, "%s: not a schema file", path);
	sources_init(&side->src, root, &side->arena);
	const struct source_file *file = source_read(&side->src, name, err);
	side->root = (struct spot) { file, 0 };
	struct slice base = name;
	while (slice_find(base, '/') < base.len)
		(void)slice_split(&base, '/');
	if (slice_ends(base, SLICE(".json")))
		side->version = (struct slice) { base.at, base.len - 5 };
	return file != NULL;
}

/* The sentence at the end; 65 if the names of the files say otherwise. */
static int conclude(const struct printing *p, struct slice from, struct slice to)
{
	struct schema_version before, after;
	unsigned parts, more;

	if (!p->changes) {
		printf("no change\n");
		return 0;
	}
	printf("%s must grow\n", version_part_text(p->part));
	if (!catalog_parse_version(from, &before, &parts) || !catalog_parse_version(to, &after, &more) || parts != 3 ||
	    more != 3)
		return 0;
	int order = catalog_compare_versions(&before, &after);
	if (order > 0 || (order == 0 && !p->grave))
		return 0;
	if (order == 0)
		printf("%.*s was changed in place: what breaks somebody needs a version of its own\n", SLICE_ARG(to));
	else if (numbering_part(&before, &after) < p->part)
		printf("%.*s to %.*s is numbered against that\n", SLICE_ARG(from), SLICE_ARG(to));
	else
		return 0;
	return error_exit_code(ERROR_DATA);
}

static int diff_files(const char *from, const char *to)
{
	struct side a = { 0 }, b = { 0 };
	struct error err = { 0 };
	struct printing p = { .indent = "" };
	int code;

	if (side_open(&a, from, &err) && side_open(&b, to, &err)) {
		diff_schemas(&a.src, a.root, &b.src, b.root, print_change, &p);
		code = conclude(&p, a.version, b.version);
	} else {
		code = command_fail(&err);
	}
	arena_fini(&a.arena);
	arena_fini(&b.arena);
	return code;
}

struct catalogs {
	struct catalog *from, *to;
	struct sources from_src, to_src;
	struct arena arena;
	int code;
};

static struct spot root_of(struct sources *src, const struct event_schema *schema)
{
	struct error ignored;
	struct slice path = arena_print(src->arena, "events/%.*s.json", SLICE_ARG(schema->name));

	return (struct spot) { source_read(src, path, &ignored), 0 };
}

static void diff_versions(struct catalogs *c, struct sources *from_src, const struct event_schema *from,
                          const struct event_schema *to, bool in_place)
{
	struct printing p = { .indent = "  " };
	struct spot a = root_of(from_src, from), b = root_of(&c->to_src, to);

	if (!a.file || !b.file)
		return;
	printf("%.*s: ", SLICE_ARG(to->event));
	printf(in_place ? "%.*s changed in place\n" : "%.*s is new, after ", SLICE_ARG(to->version_text));
	if (!in_place)
		printf("%.*s\n", SLICE_ARG(from->version_text));
	diff_schemas(from_src, a, &c->to_src, b, print_change, &p);
	fputs("  ", stdout);
	int code = conclude(&p, from->version_text, to->version_text);
	c->code = code ? code : c->code;
}

struct counting {
	size_t changes;
};

static void count_change(void *context, const struct change *change)
{
	(void)change;
	((struct counting *)context)->changes++;
}

static void diff_event_version(struct catalogs *c, const struct event_schema *to, const struct event_schema *before)
{
	const struct event_schema *from;
	struct counting counting = { 0 };
	struct spot a, b;

	if (catalog_find(c->from, to->event, to->version_text, &from) == CATALOG_FOUND) {
		a = root_of(&c->from_src, from);
		b = root_of(&c->to_src, to);
		if (a.file && b.file)
			diff_schemas(&c->from_src, a, &c->to_src, b, count_change, &counting);
		if (counting.changes)
			diff_versions(c, &c->from_src, from, to, true);
	} else if (before) {
		diff_versions(c, &c->to_src, before, to, false);
	} else {
		printf("%.*s: %.*s is new: breaks nothing\n", SLICE_ARG(to->event), SLICE_ARG(to->version_text));
	}
}

static void diff_catalogs(struct catalogs *c)
{
	const struct event_schema *other;

	for (size_t i = 0; i < catalog_schema_count(c->from); i++) {
		const struct event_schema *schema = catalog_schema_at(c->from, i);
		if (catalog_find(c->to, schema->event, schema->version_text, &other) == CATALOG_FOUND)
			continue;
		printf("%.*s: %.*s is gone: breaks producers and consumers\n", SLICE_ARG(schema->event),
		       SLICE_ARG(schema->version_text));
		c->code = error_exit_code(ERROR_DATA);
	}
	for (size_t i = 0; i < catalog_schema_count(c->to); i++) {
		const struct event_schema *schema = catalog_schema_at(c->to, i);
		const struct event_schema *before = i ? catalog_schema_at(c->to, i - 1) : NULL;
		diff_event_version(c, schema, before && before->event_index == schema->event_index ? before : NULL);
	}
}

static int diff_folders(const char *from, const char *to)
{
	struct catalogs c = { .code = 0 };
	struct error err = { 0 };
	const struct catalog_options old = { .dir = slice_of(from), .base_uri = SLICE("urn:headgate:") };
	const struct catalog_options new = { .dir = slice_of(to), .base_uri = SLICE("urn:headgate:") };

	c.from = lint_load(&old, &err);
	c.to = c.from ? lint_load(&new, &err) : NULL;
	if (!c.to) {
		c.code = command_fail(&err);
	} else {
		arena_init(&c.arena, MEMORY_BYTES);
		sources_init(&c.from_src, old.dir, &c.arena);
		sources_init(&c.to_src, new.dir, &c.arena);
		diff_catalogs(&c);
		arena_fini(&c.arena);
	}
	catalog_destroy(&c.from);
	catalog_destroy(&c.to);
	return c.code;
}

int catalog_diff(const char *from, const char *to)
{
	struct stat a, b;
	struct error err = { 0 };

	if (stat(from, &a) != 0 || stat(to, &b) != 0) {
		error_set_errno(&err, "%s", stat(from, &a) != 0 ? from : to);
		return command_fail(&err);
	}
	if (S_ISDIR(a.st_mode) != S_ISDIR(b.st_mode))
		return command_usage("catalog diff takes two schema files or two catalog folders");
	int code = S_ISDIR(a.st_mode) ? diff_folders(from, to) : diff_files(from, to);
	return fflush(stdout) == 0 ? code : error_exit_code(ERROR_IO);
}
