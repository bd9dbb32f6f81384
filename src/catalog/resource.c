/* A file is walked once, along the keywords that hold schemas, for what makes a place known by name: `$id`, `$anchor`,
 * `$dynamicAnchor`, and for the dialect that `$schema` names. What stands in enum, const, examples or unknown keywords
 * is data: an "$id" there names nothing. */
#include "catalog/compiler.h"
#include "catalog/metaschema.h"
#include "catalog/uri.h"

#define METASCHEMA_DEPTH 8 /* metaschemas of metaschemas */

struct uri_entry {
	struct slice uri;
	struct resource *resource;
	struct uri_entry *next;
};

struct resource_walk {
	struct compiler *c;
	struct schema_file *file;
	size_t room;
};

enum shape { SHAPE_SCHEMA = 1, SHAPE_LIST = 2, SHAPE_MAP = 4 };

static unsigned bucket_of(struct slice uri)
{
	return uri.at ? name_table_hash(0, uri) % URI_BUCKETS : 0;
}

struct resource *resource_find(const struct compiler *c, struct slice uri)
{
	for (const struct uri_entry *entry = c->uris[bucket_of(uri)]; entry; entry = entry->next)
		if (slice_equal(entry->uri, uri))
			return entry->resource;
	return NULL;
}

bool resource_register(struct compiler *c, struct resource *resource, struct slice uri, const struct place *at)
{
	struct resource *known = resource_find(c, uri);
	struct uri_entry **bucket = &c->uris[bucket_of(uri)];

	if (known == resource)
		return true;
	if (known)
		return compiler_refuse(c, at, "duplicate $id: %.*s#%.*s is known as %.*s already",
		                       SLICE_ARG(known->file->shown), SLICE_ARG(known->pointer), SLICE_ARG(uri));
	struct uri_entry *entry = compiler_alloc(c, 1, sizeof *entry);
	if (!entry)
		return false;
	*entry = (struct uri_entry) { uri, resource, *bucket };
	*bucket = entry;
	return true;
}

struct resource *resource_of(const struct schema_file *file, uint32_t node)
{
	size_t low = 0, high = file->resources_count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (file->resources[middle]->node <= node)
			low = middle;
		else
			high = middle;
	}
	struct resource *resource = file->resources[low];
	while (resource->parent && node >= resource->end)
		resource = resource->parent;
	return resource;
}

struct anchor *resource_find_anchor(const struct resource *resource, struct slice name)
{
	for (struct anchor *anchor = resource->anchors; anchor; anchor = anchor->next)
		if (slice_equal(anchor->name, name))
			return anchor;
	return NULL;
}

static struct resource *add_resource(struct resource_walk *walk, const struct place *place, struct resource *parent)
{
	struct compiler *c = walk->c;
	struct schema_file *file = walk->file;
	struct resource *resource = compiler_alloc(c, 1, sizeof *resource);

	if (file->resources_count == walk->room) {
		size_t room = walk->room ? walk->room * 2 : 4;
		struct resource **resources = compiler_alloc(c, room, sizeof(struct resource *));
		if (!resources)
			return NULL;
		if (file->resources_count)
			memcpy(resources, file->resources, file->resources_count * sizeof(struct resource *));
		file->resources = resources;
		walk->room = room;
	}
	if (!resource)
		return NULL;
	*resource = (struct resource) { .file = file,
		                        .pointer = place->pointer,
		                        .node = place->node,
		                        .end = file->doc.nodes[place->node].next,
		                        .parent = parent,
		                        .uri = parent ? parent->uri : file->uri,
		                        .draft7 = parent ? parent->draft7 : c->draft7,
		                        .vocabularies = parent ? parent->vocabularies : VOCABULARY_ALL };
	file->resources[file->resources_count++] = resource;
	return resource;
}

/* What a metaschema's `$vocabulary` asks for. */
static bool read_vocabularies(struct compiler *c, const struct resource *meta, const struct place *at, unsigned *out)
{
	static const struct {
		struct slice name;
		unsigned bits;
	} known[] = {
		{ { "core", 4 }, VOCABULARY_CORE },
		{ { "applicator", 10 }, VOCABULARY_APPLICATOR },
		{ { "unevaluated", 11 }, VOCABULARY_UNEVALUATED },
		{ { "validation", 10 }, VOCABULARY_VALIDATION },
		{ { "meta-data", 9 }, VOCABULARY_META },
		{ { "format-annotation", 17 }, VOCABULARY_FORMAT },
		{ { "format-assertion", 16 }, VOCABULARY_FORMAT | VOCABULARY_FORMAT_ASSERTION },
		{ { "content", 7 }, VOCABULARY_CONTENT },
	};
	const struct slice prefix = SLICE("https://json-schema.org/draft/2020-12/vocab/");
	const struct schema_file *file = meta->file;
	uint32_t node = json_get(&file->doc, meta->node, SLICE("$vocabulary"));

	*out = meta->vocabularies;
	if (!node || json_type_of(&file->doc, node) != JSON_OBJECT || meta->draft7)
		return true;
	*out = VOCABULARY_CORE;
	for (uint32_t key = node + 1; key < file->doc.nodes[node].next; key = file->doc.nodes[key + 1].next) {
		struct slice uri = compiler_string(file, key);
		unsigned bits = 0;
		if (slice_starts(uri, prefix))
			for (size_t i = 0; i < sizeof known / sizeof *known; i++)
				if (slice_ends(uri, known[i].name) && uri.len == prefix.len + known[i].name.len)
					bits = known[i].bits;
		if (!bits && json_type_of(&file->doc, key + 1) == JSON_TRUE)
			return compiler_refuse(c, at, "asks for the vocabulary %.*s, which is not known here",
			                       SLICE_ARG(uri));
		*out |= bits;
	}
	return true;
}

static bool read_dialect(struct resource_walk *walk, const struct place *place, struct resource *resource)
{
	struct compiler *c = walk->c;
	struct schema_file *file = walk->file;
	uint32_t node = json_get(&file->doc, place->node, SLICE("$schema"));

	if (!node)
		return true;
	struct place at = compiler_place_member(c, place, SLICE("$schema"), node);
	if (json_type_of(&file->doc, node) != JSON_STRING)
		return compiler_refuse(c, &at, "must be a string");
	struct slice uri = compiler_string(file, node);
	if (uri.len && uri.at[uri.len - 1] == '#')
		uri.len--;
	resource->draft7 = slice_equal(uri, SLICE(METASCHEMA_DRAFT7));
	resource->vocabularies = VOCABULARY_ALL;
	if (resource->draft7 || slice_equal(uri, SLICE(METASCHEMA_2020_12)))
		return true;
	struct error ignored, *err = c->err;
	struct resource *meta = NULL;
	c->err = &ignored;
	if (uri_is_absolute(uri) && c->loading < METASCHEMA_DEPTH)
		meta = reference_load(c, &at, uri);
	c->err = err;
	if (!meta)
		return compiler_refuse(
		        c, &at, "this dialect is not supported; use " METASCHEMA_2020_12 " or " METASCHEMA_DRAFT7 "#");
	resource->draft7 = meta->draft7;
	return read_vocabularies(c, meta, &at, &resource->vocabularies);
}

static bool add_anchor(struct compiler *c, struct resource *resource, const struct place *at, struct slice name,
                       uint32_t node, bool dynamic)
{
	if (resource_find_anchor(resource, name))
		return compiler_refuse(c, at, "duplicate anchor %.*s", SLICE_ARG(name));
	for (size_t i = 0; i < name.len; i++) {
		char ch = name.at[i];
		bool is_letter = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch == '_';
		if (!is_letter && (i == 0 || (!(ch >= '0' && ch <= '9') && ch != '-' && ch != '.' && ch != ':')))
			return compiler_refuse(c, at, "must be a letter or _, then letters, digits, - _ and .");
	}
	struct anchor *anchor = compiler_alloc(c, 1, sizeof *anchor);
	if (!name.len)
		return compiler_refuse(c, at, "must not be empty");
	if (!anchor)
		return false;
	*anchor = (struct anchor) { .name = name, .node = node, .dynamic = dynamic, .next = resource->anchors };
	resource->anchors = anchor;
	return true;
}

/* `$id`, which in draft-07 may also be an anchor ("#name"). */
static bool read_id(struct resource_walk *walk, const struct place *place, struct resource **resource)
{
	struct compiler *c = walk->c;
	struct schema_file *file = walk->file;
	uint32_t node = json_get(&file->doc, place->node, SLICE("$id"));
	bool is_root = place->node == 0;

	if (!node || json_type_of(&file->doc, node) != JSON_STRING)
		return true;
	struct place at = compiler_place_member(c, place, SLICE("$id"), node);
	struct slice id = compiler_string(file, node);
	struct uri_result to = uri_resolve(c->arena, (*resource)->uri, id);
	if (!to.uri.at)
		return compiler_refuse(c, &at, "not a URI, or no memory");
	bool is_anchor = (*resource)->draft7 && to.fragment.len > 0;
	if (to.fragment.len && !is_anchor)
		return compiler_refuse(c, &at, "must not have a fragment; use $anchor");
	if (id.len && id.at[0] != '#') {
		if (!is_root && !(*resource = add_resource(walk, place, *resource)))
			return false;
		(*resource)->uri = to.uri;
		if (!is_root && !read_dialect(walk, place, *resource))
			return false;
		if (!resource_register(c, *resource, to.uri, &at))
			return false;
	}
	return !is_anchor || to.fragment.at[0] == '/' || add_anchor(c, *resource, &at, to.fragment, place->node, false);
}

static bool read_anchors(struct resource_walk *walk, const struct place *place, struct resource *resource)
{
	static const struct slice names[] = { { "$anchor", 7 }, { "$dynamicAnchor", 14 } };

	for (unsigned i = 0; i < 2; i++) {
		uint32_t node = json_get(&walk->file->doc, place->node, names[i]);
		if (!node || json_type_of(&walk->file->doc, node) != JSON_STRING)
			continue;
		struct place at = compiler_place_member(walk->c, place, names[i], node);
		if (!add_anchor(walk->c, resource, &at, compiler_string(walk->file, node), place->node, i == 1))
			return false;
	}
	return true;
}

static unsigned shape_of(struct slice name)
{
	static const struct {
		struct slice name;
		unsigned shape;
	} shapes[] = {
#define S(text, shape) { { text, sizeof text - 1 }, shape }
		S("properties", SHAPE_MAP),
		S("items", SHAPE_SCHEMA | SHAPE_LIST),
		S("$defs", SHAPE_MAP),
		S("definitions", SHAPE_MAP),
		S("additionalProperties", SHAPE_SCHEMA),
		S("patternProperties", SHAPE_MAP),
		S("propertyNames", SHAPE_SCHEMA),
		S("dependentSchemas", SHAPE_MAP),
		S("dependencies", SHAPE_MAP),
		S("prefixItems", SHAPE_LIST),
		S("additionalItems", SHAPE_SCHEMA),
		S("contains", SHAPE_SCHEMA),
		S("allOf", SHAPE_LIST),
		S("anyOf", SHAPE_LIST),
		S("oneOf", SHAPE_LIST),
		S("not", SHAPE_SCHEMA),
		S("if", SHAPE_SCHEMA),
		S("then", SHAPE_SCHEMA),
		S("else", SHAPE_SCHEMA),
		S("unevaluatedItems", SHAPE_SCHEMA),
		S("unevaluatedProperties", SHAPE_SCHEMA),
		S("contentSchema", SHAPE_SCHEMA),
#undef S
	};

	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
		if (slice_equal(shapes[i].name, name))
			return shapes[i].shape;
	return 0;
}

static bool walk_schema(struct resource_walk *walk, const struct place *place, struct resource *resource);

static bool walk_value(struct resource_walk *walk, const struct place *at, unsigned shape, struct resource *resource)
{
	const struct json_doc *doc = &walk->file->doc;
	uint32_t end = doc->nodes[at->node].next;
	enum json_type type = json_type_of(doc, at->node);
	size_t index = 0;

	if (type == JSON_OBJECT && (shape & SHAPE_SCHEMA))
		return walk_schema(walk, at, resource);
	if (type == JSON_ARRAY && (shape & SHAPE_LIST)) {
		for (uint32_t i = at->node + 1; i < end; i = doc->nodes[i].next, index++) {
			struct place place = compiler_place_element(walk->c, at, index, i);
			if (!walk_schema(walk, &place, resource))
				return false;
		}
	}
	if (type == JSON_OBJECT && (shape & SHAPE_MAP)) {
		for (uint32_t key = at->node + 1; key < end; key = doc->nodes[key + 1].next) {
			struct place place =
			        compiler_place_member(walk->c, at, compiler_string(walk->file, key), key + 1);
			if (!walk_schema(walk, &place, resource))
				return false;
		}
	}
	return true;
}

/* As deep as the file nests. In draft-07 a `$ref` makes the `$id` beside it void. */
static bool walk_schema(struct resource_walk *walk, const struct place *place, struct resource *resource)
{
	const struct json_doc *doc = &walk->file->doc;

	if (json_type_of(doc, place->node) != JSON_OBJECT)
		return true;
	if (place->node == 0 && !read_dialect(walk, place, resource))
		return false;
	if (!resource->draft7 || !json_get(doc, place->node, SLICE("$ref")))
		if (!read_id(walk, place, &resource))
			return false;
	if (!resource->draft7 && !read_anchors(walk, place, resource))
		return false;
	for (uint32_t key = place->node + 1; key < doc->nodes[place->node].next; key = doc->nodes[key + 1].next) {
		struct slice name = compiler_string(walk->file, key);
		unsigned shape = shape_of(name);
		if (!shape || json_type_of(doc, key + 1) < JSON_ARRAY)
			continue;
		struct place value = compiler_place_member(walk->c, place, name, key + 1);
		if (!walk_value(walk, &value, shape, resource))
			return false;
	}
	return true;
}

bool resource_read_file(struct compiler *c, struct schema_file *file)
{
	const struct place root = { file, 0, SLICE("") };
	struct resource_walk walk = { c, file, 0 };
	struct resource *resource = add_resource(&walk, &root, NULL);

	if (!resource || !resource_register(c, resource, file->uri, &root))
		return false;
	c->loading++;
	bool good = walk_schema(&walk, &root, resource);
	c->loading--;
	return good;
}
