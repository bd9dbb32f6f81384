/* References: "#/$defs/x" within a file, "../../common/money.json#/$defs/price" from file to file, "#name" to an anchor,
 * absolute URIs to what has them as `$id`, to the metaschemas that are built in, and to folders that the caller maps
 * them to. Nothing leads outside these folders, and nothing to the network. */
#include "base/file.h"
#include "catalog/compiler.h"
#include "catalog/metaschema.h"
#include "catalog/uri.h"

#include <unistd.h>

/* Without "." and ".." and NUL, so that it cannot leave the folder it is appended to. */
static bool is_plain_path(struct slice path)
{
	for (struct slice rest = path; rest.len;) {
		struct slice part = slice_split(&rest, '/');
		if (slice_equal(part, SLICE(".")) || slice_equal(part, SLICE("..")))
			return false;
	}
	return path.len > 0 && slice_find(path, '\0') == path.len;
}

static struct resource *read_file(struct compiler *c, struct slice dir, struct slice path, struct slice uri)
{
	struct slice text, full;
	bool is_root = slice_starts(uri, SLICE(CATALOG_BASE));
	bool slash = dir.len && dir.at[dir.len - 1] != '/' && path.at[0] != '/';

	full = arena_print(c->arena, "%.*s%s%.*s", SLICE_ARG(dir), slash ? "/" : "", SLICE_ARG(path));
	/* A schema is often named without the file's suffix. */
	if (full.at && !is_root && access(full.at, R_OK) != 0 && !slice_ends(full, SLICE(".json"))) {
		struct slice longer = arena_print(c->arena, "%.*s.json", SLICE_ARG(full));
		if (longer.at && access(longer.at, R_OK) == 0)
			full = longer;
	}
	path = is_root ? arena_copy(c->arena, path) : full;
	uri = arena_copy(c->arena, uri);
	if (!full.at || !path.at || !uri.at) {
		error_set(c->err, ERROR_MEMORY, "no memory for schemas");
		return NULL;
	}
	if (!file_read(c->arena, full.at, SCHEMA_FILE_BYTES, &text, c->err))
		return NULL;
	struct schema_file *file = compiler_add_text(c, path, full, uri, text);
	return file ? file->resources[0] : NULL;
}

static const struct schema_map *find_map(const struct compiler *c, struct slice uri)
{
	const struct schema_map *best = NULL;

	for (size_t i = 0; i < c->maps_count; i++)
		if (slice_starts(uri, c->maps[i].prefix) && (!best || c->maps[i].prefix.len > best->prefix.len))
			best = &c->maps[i];
	return best;
}

static struct resource *load_mapped(struct compiler *c, const struct place *at, const struct schema_map *map,
                                    struct slice uri)
{
	struct slice path = { uri.at + map->prefix.len, uri.len - map->prefix.len };
	bool is_root = slice_equal(map->prefix, SLICE(CATALOG_BASE));

	path = uri_decode(c->arena, path);
	if (!path.at) {
		compiler_refuse(c, at, "not a reference: wrong percent-encoding");
		return NULL;
	}
	if (!map->dir.len || !is_plain_path(path) || (is_root && !slice_ends(path, SLICE(".json")))) {
		compiler_refuse(c, at, "must lead to a .json file within the schemas' folder");
		return NULL;
	}
	return read_file(c, map->dir, path, uri);
}

struct resource *reference_load(struct compiler *c, const struct place *at, struct slice uri)
{
	const struct schema_map root = { SLICE(CATALOG_BASE), c->root };
	const struct schema_map *map;
	struct resource *known = resource_find(c, uri);
	struct slice text;

	if (known)
		return known;
	text = metaschema_find(uri);
	if (text.at) {
		uri = arena_copy(c->arena, uri);
		struct schema_file *file = uri.at ? compiler_add_text(c, uri, uri, uri, text) : NULL;
		return file ? file->resources[0] : NULL;
	}
	map = slice_starts(uri, root.prefix) ? &root : find_map(c, uri);
	if (map)
		return load_mapped(c, at, map, uri);
	compiler_refuse(c, at, "%s: %.*s; nothing is fetched from elsewhere",
	                c->specification ? "is not there and not mapped to a folder" : "must be relative to this file",
	                SLICE_ARG(uri));
	return NULL;
}

/* In a catalog, where a file has a URI of its own its references may still be meant as paths. */
static struct resource *find_resource(struct compiler *c, const struct place *at, struct slice reference,
                                      struct slice *fragment)
{
	const struct resource *here = resource_of(at->file, at->node);
	struct uri_result to = uri_resolve(c->arena, here->uri, reference);

	*fragment = to.fragment;
	if (!to.uri.at) {
		error_set(c->err, ERROR_MEMORY, "no memory for schemas");
		return NULL;
	}
	if (!c->specification && !uri_is_absolute(reference) && !resource_find(c, to.uri) &&
	    !slice_starts(to.uri, SLICE(CATALOG_BASE)) && slice_starts(at->file->uri, SLICE(CATALOG_BASE)))
		to = uri_resolve(c->arena, at->file->uri, reference);
	if (to.left_root && to.uri.at && slice_starts(to.uri, SLICE(CATALOG_BASE))) {
		compiler_refuse(c, at, "must lead to a .json file within the schemas' folder");
		return NULL;
	}
	return to.uri.at ? reference_load(c, at, to.uri) : NULL;
}

static bool find_target(struct compiler *c, const struct place *at, const struct resource *resource,
                        struct slice fragment, struct place *target, const struct anchor **anchor)
{
	*target = (struct place) { resource->file, resource->node, resource->pointer };
	if (!fragment.len)
		return true;
	if (fragment.at[0] != '/') {
		*anchor = resource_find_anchor(resource, fragment);
		if (!*anchor)
			return compiler_refuse(c, at, "leads nowhere: %.*s has no anchor %.*s",
			                       SLICE_ARG(resource->file->shown), SLICE_ARG(fragment));
		target->node = (*anchor)->node;
		target->pointer = arena_print(c->arena, "%.*s#%.*s", SLICE_ARG(resource->pointer), SLICE_ARG(fragment));
	} else {
		target->node = json_pointer_get(&resource->file->doc, resource->node, fragment);
		target->pointer = arena_print(c->arena, "%.*s%.*s", SLICE_ARG(resource->pointer), SLICE_ARG(fragment));
		if (!target->node)
			return compiler_refuse(c, at, "leads nowhere: %.*s has no %.*s",
			                       SLICE_ARG(resource->file->shown), SLICE_ARG(fragment));
	}
	return target->pointer.at || error_set(c->err, ERROR_MEMORY, "no memory for schemas");
}

const struct subschema *reference_resolve(struct compiler *c, const struct place *at, const struct anchor **anchor)
{
	struct slice fragment;
	struct place target;

	*anchor = NULL;
	c->err->message[0] = '\0';
	struct resource *resource = find_resource(c, at, compiler_string(at->file, at->node), &fragment);
	if (!resource) {
		struct slice here =
		        arena_print(c->arena, "%.*s#%.*s", SLICE_ARG(at->file->shown), SLICE_ARG(at->pointer));
		if (here.at && !strstr(c->err->message, here.at))
			error_prepend(c->err, "%.*s", SLICE_ARG(here));
		return NULL;
	}
	fragment = uri_decode(c->arena, fragment.at ? fragment : SLICE(""));
	if (!fragment.at) {
		compiler_refuse(c, at, "not a reference: wrong percent-encoding");
		return NULL;
	}
	if (!find_target(c, at, resource, fragment, &target, anchor))
		return NULL;
	return compiler_compile_later(c, &target);
}
