/* Equality of JSON values: numbers by value, strings after unescaping, objects without order. One side is always a
 * value of a schema, whose strings were unescaped at load, so that nothing is allocated here. */
#include "catalog/program.h"

static struct slice schema_text(const struct schema_file *file, uint32_t node)
{
	return file->texts ? file->texts[node] : json_inner(&file->doc, node);
}

static bool equal(const struct schema_file *file, uint32_t want, const struct json_doc *doc, uint32_t node);

static bool equal_arrays(const struct schema_file *file, uint32_t want, const struct json_doc *doc, uint32_t node)
{
	uint32_t a = want + 1, b = node + 1;
	uint32_t a_end = file->doc.nodes[want].next, b_end = doc->nodes[node].next;

	for (; a < a_end && b < b_end; a = file->doc.nodes[a].next, b = doc->nodes[b].next)
		if (!equal(file, a, doc, b))
			return false;
	return a == a_end && b == b_end;
}

static uint32_t find_member(const struct json_doc *doc, uint32_t object, struct slice name)
{
	for (uint32_t key = object + 1; key < doc->nodes[object].next; key = doc->nodes[key + 1].next)
		if (json_string_equals(doc, key, name))
			return key + 1;
	return 0;
}

/* Neither side holds a name twice: both were refused before. */
static bool equal_objects(const struct schema_file *file, uint32_t want, const struct json_doc *doc, uint32_t node)
{
	uint32_t end = file->doc.nodes[want].next;

	if (file->doc.nodes[want].count != doc->nodes[node].count)
		return false;
	for (uint32_t key = want + 1; key < end; key = file->doc.nodes[key + 1].next) {
		uint32_t member = find_member(doc, node, schema_text(file, key));
		if (!member || !equal(file, key + 1, doc, member))
			return false;
	}
	return true;
}

/* Recursion goes as deep as the schema's value, which the compiler bounds. */
static bool equal(const struct schema_file *file, uint32_t want, const struct json_doc *doc, uint32_t node)
{
	struct decimal a, b;

	if (file->doc.nodes[want].type != doc->nodes[node].type)
		return false;
	switch (json_type_of(doc, node)) {
	case JSON_NULL:
	case JSON_FALSE:
	case JSON_TRUE:
		return true;
	case JSON_NUMBER:
		a = decimal_parse(json_raw(&file->doc, want));
		b = decimal_parse(json_raw(doc, node));
		return decimal_compare(&a, &b) == 0;
	case JSON_STRING:
		return json_string_equals(doc, node, schema_text(file, want));
	case JSON_ARRAY:
		return equal_arrays(file, want, doc, node);
	case JSON_OBJECT:
		return equal_objects(file, want, doc, node);
	}
	return false;
}

static bool holds_string(const struct value_set *set, const struct json_doc *doc, uint32_t node)
{
	if (!(doc->nodes[node].flags & JSON_FLAG_ESCAPED))
		return name_table_find(&set->strings, json_inner(doc, node)) != NAME_TABLE_NONE;
	for (uint32_t i = 0; i < set->strings.count; i++)
		if (json_string_equals(doc, node, set->strings.names[i]))
			return true;
	return false;
}

bool value_set_holds(const struct value_set *set, const struct json_doc *doc, uint32_t node)
{
	if (json_type_of(doc, node) == JSON_STRING)
		return holds_string(set, doc, node);
	if (!set->has_others)
		return false;
	for (uint32_t i = 0; i < set->count; i++)
		if (equal(set->file, set->nodes[i], doc, node))
			return true;
	return false;
}
