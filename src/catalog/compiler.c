/* Schemas are read with the event scanner, so that nothing is rounded or cut, and compiled subschema by subschema. A
 * subschema is entered in its file's table before its members are compiled: a reference back to it finds it there, and
 * recursive schemas need no second pass. Files stay in memory, for names, enum values and messages borrow from them. */
#include "catalog/compiler.h"

#include "base/file.h"

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
	return error_set(c->err, ERROR_SCHEMA, "%.*s%s%.*s#%.*s: %s", SLICE_ARG(c->root), c->root.len ? "/" : "",
	                 SLICE_ARG(place->file->path), SLICE_ARG(place->pointer), reason);
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

/* The dialect, and what no schema may hold. */
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
	uint32_t dialect = json_type_of(&file->doc, 0) == JSON_OBJECT ? json_get(&file->doc, 0, SLICE("$schema")) : 0;
	if (!dialect)
		return true;
	struct place place = compiler_place_member(c, &root, SLICE("$schema"), dialect);
	if (json_type_of(&file->doc, dialect) != JSON_STRING)
		return compiler_refuse(c, &place, "must be a string");
	struct slice uri = compiler_string(file, dialect);
	if (uri.len && uri.at[uri.len - 1] == '#')
		uri.len--;
	if (slice_equal(uri, SLICE("http://json-schema.org/draft-07/schema")))
		file->draft7 = true;
	else if (slice_equal(uri, SLICE("https://json-schema.org/draft/2020-12/schema")))
		file->draft7 = false;
	else
		return compiler_refuse(
		        c, &place,
		        "this dialect is not supported yet; use https://json-schema.org/draft/2020-12/schema or "
		        "http://json-schema.org/draft-07/schema#");
	return true;
}

struct schema_file *compiler_add_text(struct compiler *c, struct slice path, struct slice text)
{
	const struct json_options options = { .depth_max = DEPTH_MAX, .nodes_max = NODES_MAX };
	struct schema_file *file = compiler_alloc(c, 1, sizeof *file);
	size_t offset = 0;

	if (!file)
		return NULL;
	file->path = path;
	file->text = text;
	file->draft7 = c->draft7;
	enum json_result result = json_scan(&file->doc, text, &options, c->arena, &offset);
	if (result != JSON_OK) {
		refuse_text(c, file, result, offset);
		return NULL;
	}
	if (!check_file(c, file) || !unescape_strings(c, file))
		return NULL;
	file->compiled = compiler_alloc(c, file->doc.count, sizeof(struct subschema *));
	if (!file->compiled)
		return NULL;
	file->next = c->files;
	c->files = file;
	return file;
}

struct schema_file *compiler_add_file(struct compiler *c, struct slice path)
{
	struct slice text, full;

	for (struct schema_file *file = c->files; file; file = file->next)
		if (slice_equal(file->path, path))
			return file;
	full = arena_print(c->arena, "%.*s/%.*s", SLICE_ARG(c->root), SLICE_ARG(path));
	path = arena_copy(c->arena, path);
	if (!full.at || !path.at) {
		error_set(c->err, ERROR_MEMORY, "no memory for schemas");
		return NULL;
	}
	if (!file_read(c->arena, full.at, SCHEMA_FILE_BYTES, &text, c->err))
		return NULL;
	return compiler_add_text(c, path, text);
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

const struct subschema *compiler_compile(struct compiler *c, const struct place *place)
{
	struct subschema *known = place->file->compiled[place->node];
	const struct subschema *result;

	if (known)
		return known;
	if (c->depth >= DEPTH_MAX) {
		compiler_refuse(c, place, "more than %d schemas within each other", DEPTH_MAX);
		return NULL;
	}
	struct subschema *sub = compiler_alloc(c, 1, sizeof *sub);
	if (!sub)
		return NULL;
	sub->types = TYPE_ANY;
	sub->file = place->file;
	sub->pointer = place->pointer;
	place->file->compiled[place->node] = sub;
	c->depth++;
	if (json_type_of(&place->file->doc, place->node) == JSON_OBJECT)
		result = compile_object(c, place, sub);
	else
		result = compile_boolean(c, place, sub);
	c->depth--;
	return result;
}

struct schema *compiler_compile_root(struct compiler *c, struct schema_file *file, struct slice name)
{
	const struct place root = { file, 0, SLICE("") };
	struct schema *schema = compiler_alloc(c, 1, sizeof *schema);

	if (!schema)
		return NULL;
	schema->root = compiler_compile(c, &root);
	schema->name = name;
	if (!schema->root)
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
