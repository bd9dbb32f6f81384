/* Schemas are read with the event scanner, so that nothing is rounded or cut, and compiled subschema by subschema. A
 * subschema is entered in its file's table before its members are compiled: a reference to it finds it there, and what
 * references lead to is compiled afterwards, one by one, however long their chains are. Files stay in memory, for names, enum values and messages borrow from them. */
#include "catalog/compiler.h"

#include <stdarg.h>
#include <stdio.h>

#define DEPTH_MAX 128 /* of nested subschemas and of values in enum or const */
#define NODES_MAX 500000

bool compiler_refuse(struct compiler *c, const struct place *place, const char *format, ...)
{
	char reason[360];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason, sizeof reason, format, arguments);
	va_end(arguments);
	return error_set(c->err, ERROR_SCHEMA, "%.*s#%.*s: %s", SLICE_ARG(place->file->shown),
	                 SLICE_ARG(place->pointer), reason);
}

void *compiler_alloc(struct compiler *c, size_t count, size_t size)
{
	void *at = arena_array(c->arena, count ? count : 1, size);

	if (!at)
		error_set(c->err, ERROR_MEMORY, "no memory for schemas");
	return at;
}

static struct place place_below(struct compiler *c, const struct place *up, struct slice step, uint32_t node)
{
	struct buffer pointer;

	buffer_init(&pointer, c->arena);
	buffer_append(&pointer, up->pointer);
	json_write_pointer_step(&pointer, step);
	return (struct place) { up->file, node, buffer_slice(&pointer) };
}

struct place compiler_place_member(struct compiler *c, const struct place *up, struct slice name, uint32_t node)
{
	return place_below(c, up, name, node);
}

struct place compiler_place_element(struct compiler *c, const struct place *up, size_t index, uint32_t node)
{
	return place_below(c, up, arena_print(c->arena, "%zu", index), node);
}

struct slice compiler_string(const struct schema_file *file, uint32_t node)
{
	return file->texts ? file->texts[node] : json_inner(&file->doc, node);
}

/* If any string holds an escape, all are noted unescaped. */
static bool unescape_strings(struct compiler *c, struct schema_file *file)
{
	bool any = false;

	for (uint32_t i = 0; i < file->doc.count; i++)
		any |= (file->doc.nodes[i].flags & JSON_FLAG_ESCAPED) && file->doc.nodes[i].type == JSON_STRING;
	if (!any)
		return true;
	file->texts = compiler_alloc(c, file->doc.count, sizeof *file->texts);
	if (!file->texts)
		return false;
	for (uint32_t i = 0; i < file->doc.count; i++) {
		if (json_type_of(&file->doc, i) != JSON_STRING)
			continue;
		file->texts[i] = json_string(&file->doc, i, c->arena);
		if (!file->texts[i].at)
			return error_set(c->err, ERROR_MEMORY, "no memory for schemas");
	}
	return true;
}

static bool refuse_text(struct compiler *c, struct schema_file *file, enum json_result result, size_t offset)
{
	const struct place place = { file, 0, SLICE("") };
	unsigned long line = 1;

	if (result == JSON_NO_MEMORY)
		return error_set(c->err, ERROR_MEMORY, "no memory for schemas");
	if (result != JSON_MALFORMED)
		return compiler_refuse(c, &place, "too large, or nested too deep");
	for (size_t i = 0; i < offset && i < file->text.len; i++)
		line += file->text.at[i] == '\n';
	return compiler_refuse(c, &place, "not JSON, noticed in line %lu", line);
}

/* What no schema may hold. */
static bool check_file(struct compiler *c, struct schema_file *file)
{
	const struct place root = { file, 0, SLICE("") };
	unsigned flags = file->doc.nodes[0].flags;

	if (flags & JSON_FLAG_DUPLICATE)
		return compiler_refuse(c, &root, "an object holds the same name twice");
	if (flags & JSON_FLAG_BAD_UTF8)
		return compiler_refuse(c, &root, "not UTF-8");
	if (flags & JSON_FLAG_DEEP)
		return compiler_refuse(c, &root, "nested more than %d levels deep", DEPTH_MAX);
	return true;
}

struct schema_file *compiler_add_text(struct compiler *c, struct slice path, struct slice shown, struct slice uri,
                                      struct slice text)
{
	const struct json_options options = { .depth_max = DEPTH_MAX, .nodes_max = NODES_MAX };
	struct schema_file *file = compiler_alloc(c, 1, sizeof *file);
	size_t offset = 0;

	if (!file)
		return NULL;
	*file = (struct schema_file) { .path = path, .shown = shown, .uri = uri, .text = text };
	enum json_result result = json_scan(&file->doc, text, &options, c->arena, &offset);
	if (result != JSON_OK) {
		refuse_text(c, file, result, offset);
		return NULL;
	}
	if (!check_file(c, file) || !unescape_strings(c, file))
		return NULL;
	file->compiled = compiler_alloc(c, file->doc.count, sizeof(struct subschema *));
	if (!file->compiled || !resource_read_file(c, file))
		return NULL;
	file->next = (struct schema_file *)(uintptr_t)c->files;
	c->files = file;
	return file;
}

/* The path as a URI has it. */
static struct slice encode_path(struct compiler *c, struct slice path)
{
	struct buffer uri;

	buffer_init(&uri, c->arena);
	buffer_append(&uri, SLICE(CATALOG_BASE));
	for (size_t i = 0; i < path.len; i++) {
		unsigned char byte = (unsigned char)path.at[i];
		if (byte <= ' ' || byte >= 0x7F || byte == '%' || byte == '?' || byte == '#')
			buffer_append_format(&uri, "%%%02X", byte);
		else
			buffer_append_char(&uri, path.at[i]);
	}
	return uri.failed ? SLICE_NONE : buffer_slice(&uri);
}

struct schema_file *compiler_add_file(struct compiler *c, struct slice path)
{
	struct schema_file unread = { .path = path, .shown = path };
	const struct place at = { &unread, 0, SLICE("") };
	struct slice uri = encode_path(c, path);
	struct resource *resource = uri.at ? reference_load(c, &at, uri) : NULL;

	if (!uri.at)
		error_set(c->err, ERROR_MEMORY, "no memory for schemas");
	return resource ? resource->file : NULL;
}

static const struct subschema *compile_boolean(struct compiler *c, const struct place *place, struct subschema *sub)
{
	enum json_type type = json_type_of(&place->file->doc, place->node);

	if (type != JSON_TRUE && type != JSON_FALSE) {
		compiler_refuse(c, place, "must be a schema (an object, true or false), got %s", json_type_name(type));
		return NULL;
	}
	sub->never = type == JSON_FALSE;
	return sub;
}

/* Operations by class, in the order of the members within each. */
static bool sort_operations(struct compiler *c, struct draft *draft)
{
	struct schema_op *sorted = compiler_alloc(c, draft->count, sizeof *sorted);
	uint16_t n = 0;

	if (!sorted)
		return false;
	for (unsigned class = 0; class < OP_CLASS_count; class ++) {
		draft->sub->starts[class] = n;
		for (size_t i = 0; i < draft->count; i++)
			if (draft->classes[i] == class)
				sorted[n++] = draft->ops[i];
	}
	draft->sub->starts[OP_CLASS_count] = n;
	draft->sub->ops = sorted;
	return true;
}

static bool compile_members(struct compiler *c, struct draft *draft)
{
	const struct place *place = &draft->place;
	const struct json_doc *doc = &place->file->doc;
	uint32_t end = doc->nodes[place->node].next;

	for (uint32_t key = place->node + 1; key < end; key = doc->nodes[key + 1].next) {
		struct slice name = compiler_string(place->file, key);
		struct place value = compiler_place_member(c, place, name, key + 1);
		if (!keyword_compile(c, draft, name, &value))
			return false;
	}
	return keyword_finish(c, draft) && sort_operations(c, draft);
}

static const struct subschema *compile_object(struct compiler *c, const struct place *place, struct subschema *sub)
{
	struct draft draft = { .sub = sub, .place = *place };

	return compile_members(c, &draft) ? sub : NULL;
}

/* Enters the subschema in its file's table. */
static struct subschema *enter(struct compiler *c, const struct place *place)
{
	struct subschema *sub = place->file->compiled[place->node];

	if (sub)
		return sub;
	sub = compiler_alloc(c, 1, sizeof *sub);
	if (!sub)
		return NULL;
	sub->types = TYPE_ANY;
	sub->file = place->file;
	sub->pointer = place->pointer;
	sub->resource = resource_of(place->file, place->node);
	sub->entry = place->node != 0 && sub->resource->node == place->node;
	place->file->compiled[place->node] = sub;
	return sub;
}

const struct subschema *compiler_compile(struct compiler *c, const struct place *place)
{
	const struct subschema *result;
	struct subschema *sub = enter(c, place);

	if (!sub || sub->state != COMPILE_PENDING)
		return sub;
	if (c->depth >= DEPTH_MAX) {
		compiler_refuse(c, place, "more than %d schemas within each other", DEPTH_MAX);
		return NULL;
	}
	sub->state = COMPILE_OPEN;
	c->depth++;
	if (json_type_of(&place->file->doc, place->node) == JSON_OBJECT)
		result = compile_object(c, place, sub);
	else
		result = compile_boolean(c, place, sub);
	c->depth--;
	sub->state = COMPILE_DONE;
	sub->special = sub->never || sub->pii || sub->entry || sub->unevaluated_items || sub->unevaluated_properties;
	return result;
}

const struct subschema *compiler_compile_later(struct compiler *c, const struct place *place)
{
	struct subschema *sub = enter(c, place);

	if (!sub || sub->state != COMPILE_PENDING)
		return sub;
	struct pending *pending = compiler_alloc(c, 1, sizeof *pending);
	if (!pending)
		return NULL;
	*pending = (struct pending) { *place, c->pending };
	c->pending = pending;
	return sub;
}

static bool compile_pending(struct compiler *c)
{
	while (c->pending) {
		struct place place = c->pending->place;
		c->pending = c->pending->next;
		if (!compiler_compile(c, &place))
			return false;
	}
	return true;
}

/* A dynamic reference may lead to any dynamic anchor: those of all files are compiled. */
static bool compile_dynamic_anchors(struct compiler *c)
{
	for (const struct schema_file *file = c->files; file; file = file->next) {
		for (size_t i = 0; i < file->resources_count; i++) {
			struct resource *resource = file->resources[i];
			for (struct anchor *anchor = resource->anchors; anchor; anchor = anchor->next) {
				struct place place = { resource->file, anchor->node, resource->pointer };
				if (!anchor->dynamic || anchor->sub)
					continue;
				if (!compiler_compile_later(c, &place))
					return false;
				anchor->sub = resource->file->compiled[anchor->node];
			}
		}
	}
	return true;
}

static bool compile_all(struct compiler *c)
{
	do {
		if (!compile_pending(c) || (c->has_dynamic && !compile_dynamic_anchors(c)))
			return false;
	} while (c->pending);
	return true;
}

struct schema *compiler_compile_root(struct compiler *c, struct schema_file *file, struct slice name)
{
	const struct place root = { file, 0, SLICE("") };
	struct schema *schema = compiler_alloc(c, 1, sizeof *schema);

	if (!schema)
		return NULL;
	schema->root = compiler_compile(c, &root);
	schema->name = name;
	if (!schema->root || !compile_all(c))
		return NULL;
	const struct subschema *loop = program_find_loop(schema->root);
	if (loop) {
		const struct place at = { (struct schema_file *)(uintptr_t)loop->file, 0, loop->pointer };
		compiler_refuse(c, &at, "$ref leads back to itself, or through too many others");
		return NULL;
	}
	if (!program_collect_names(schema, c->arena) || c->arena->overflowed) {
		error_set(c->err, ERROR_MEMORY, "no memory for schemas");
		return NULL;
	}
	return schema;
}
