/* Keywords that check a single value: type, enum and const, bounds of numbers and lengths, patterns and formats. */
#include "catalog/keyword.h"

static bool read_type(struct compiler *c, const struct place *place, uint8_t *types)
{
	static const struct {
		const char *name;
		uint8_t bits;
	} names[] = {
		{ "null", TYPE_NULL },       { "boolean", TYPE_BOOLEAN }, { "number", TYPE_NUMBER | TYPE_INTEGER },
		{ "integer", TYPE_INTEGER }, { "string", TYPE_STRING },   { "array", TYPE_ARRAY },
		{ "object", TYPE_OBJECT },
	};

	if (!keyword_expect(c, place, JSON_STRING, "a type's name"))
		return false;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (slice_equal(compiler_string(place->file, place->node), slice_of(names[i].name))) {
			*types |= names[i].bits;
			return true;
		}
	}
	return compiler_refuse(c, place, "must be one of null, boolean, number, integer, string, array, object");
}

bool keyword_type(struct compiler *c, struct draft *draft, const struct keyword *keyword, const struct place *value)
{
	const struct json_doc *doc = &value->file->doc;
	size_t index = 0;

	(void)keyword;
	draft->sub->types = 0;
	if (compiler_type(value) != JSON_ARRAY)
		return read_type(c, value, &draft->sub->types);
	for (uint32_t i = value->node + 1; i < doc->nodes[value->node].next; i = doc->nodes[i].next) {
		struct place place = compiler_place_element(c, value, index++, i);
		if (!read_type(c, &place, &draft->sub->types))
			return false;
	}
	return index > 0 || compiler_refuse(c, value, "names no type");
}

bool keyword_multiple(struct compiler *c, struct draft *draft, const struct keyword *keyword, const struct place *value)
{
	if (!keyword_expect(c, value, JSON_NUMBER, "a number"))
		return false;
	struct slice raw = json_raw(&value->file->doc, value->node);
	if (raw.at[0] == '-' || decimal_is_zero(raw))
		return compiler_refuse(c, value, "must be above 0");
	if (!decimal_divides(raw, SLICE("0"), NULL))
		return compiler_refuse(c, value, "must have at most %d digits", DECIMAL_DIVISOR_DIGITS);
	keyword_add_op(draft, keyword)->number = decimal_parse(raw);
	return true;
}

bool keyword_number(struct compiler *c, struct draft *draft, const struct keyword *keyword, const struct place *value)
{
	if (!keyword_expect(c, value, JSON_NUMBER, "a number"))
		return false;
	keyword_add_op(draft, keyword)->number = decimal_parse(json_raw(&value->file->doc, value->node));
	return true;
}

bool keyword_read_size(struct compiler *c, const struct place *value, uint64_t *out)
{
	struct slice raw = json_raw(&value->file->doc, value->node);
	int64_t size;

	*out = UINT64_MAX;
	if (compiler_type(value) != JSON_NUMBER || raw.at[0] == '-' || !decimal_is_integer(raw))
		return compiler_type(value) == JSON_NUMBER && decimal_is_zero(raw)
		               ? (*out = 0, true)
		               : compiler_refuse(c, value, "must be an integer of 0 or more");
	if (json_to_i64(&value->file->doc, value->node, &size))
		*out = (uint64_t)size;
	return true;
}

bool keyword_size(struct compiler *c, struct draft *draft, const struct keyword *keyword, const struct place *value)
{
	uint64_t size;

	if (!keyword_read_size(c, value, &size))
		return false;
	keyword_add_op(draft, keyword)->size = size;
	return true;
}

bool keyword_pattern(struct compiler *c, struct draft *draft, const struct keyword *keyword, const struct place *value)
{
	struct error reason;

	if (!keyword_expect(c, value, JSON_STRING, "a string"))
		return false;
	const struct pattern *pattern = pattern_compile(compiler_string(value->file, value->node), c->arena, &reason);
	if (!pattern)
		return compiler_refuse(c, value, "%.300s", reason.message);
	keyword_add_op(draft, keyword)->pattern = pattern;
	return true;
}

bool keyword_format(struct compiler *c, struct draft *draft, const struct keyword *keyword, const struct place *value)
{
	if (!keyword_expect(c, value, JSON_STRING, "a string"))
		return false;
	struct slice name = compiler_string(value->file, value->node);
	const struct format *format = format_find(name);
	bool asserted = !c->specification || c->assert_format ||
	                (draft->sub->resource->vocabularies & VOCABULARY_FORMAT_ASSERTION);
	if (!format && !c->specification)
		return compiler_refuse(c, value, "format \"%.*s\" is not known; known are " FORMAT_NAMES,
		                       (int)(name.len > 64 ? 64 : name.len), name.at);
	if (format && asserted)
		keyword_add_op(draft, keyword)->format = format;
	return true;
}

static bool fill_values(struct compiler *c, struct value_set *set)
{
	struct slice *strings = compiler_alloc(c, set->count, sizeof *strings);
	size_t count = 0;

	if (!strings)
		return false;
	for (uint32_t i = 0; i < set->count; i++) {
		if (json_type_of(&set->file->doc, set->nodes[i]) == JSON_STRING)
			strings[count++] = compiler_string(set->file, set->nodes[i]);
		else
			set->has_others = true;
	}
	if (!name_table_init(&set->strings, strings, count, c->arena))
		return error_set(c->err, ERROR_MEMORY, "no memory for schemas");
	return true;
}

static bool add_values(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                       const struct place *value, uint32_t first, uint32_t count)
{
	struct value_set *set = compiler_alloc(c, 1, sizeof *set);
	uint32_t *nodes = compiler_alloc(c, count, sizeof *nodes);

	if (!set || !nodes)
		return false;
	for (uint32_t i = 0, node = first; i < count; i++, node = value->file->doc.nodes[node].next)
		nodes[i] = node;
	*set = (struct value_set) { .file = value->file, .nodes = nodes, .count = count };
	keyword_add_op(draft, keyword)->values = set;
	return fill_values(c, set);
}

bool keyword_enum(struct compiler *c, struct draft *draft, const struct keyword *keyword, const struct place *value)
{
	const struct json_doc *doc = &value->file->doc;
	uint32_t count = 0;

	if (!keyword_expect(c, value, JSON_ARRAY, "an array"))
		return false;
	for (uint32_t i = value->node + 1; i < doc->nodes[value->node].next; i = doc->nodes[i].next)
		count++;
	return add_values(c, draft, keyword, value, value->node + 1, count);
}

bool keyword_const(struct compiler *c, struct draft *draft, const struct keyword *keyword, const struct place *value)
{
	return add_values(c, draft, keyword, value, value->node, 1);
}
