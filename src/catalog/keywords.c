/* The table of keywords: which values each applies to, how it is compiled, what runs. What JSON Schema knows and this
 * compiler does not yet, and what nobody knows, refuses the schema by name: a keyword that is silently ignored is a
 * check that somebody believes in. */
#include "catalog/compiler.h"

#include <assert.h>

struct keyword;
typedef bool (*compile_fn)(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                           const struct place *value);

struct keyword {
	struct slice name;
	enum op_class class;
	compile_fn compile;
	schema_op_fn run;
};

static enum json_type type_at(const struct place *place)
{
	return json_type_of(&place->file->doc, place->node);
}

static struct schema_op *add_op(struct draft *draft, const struct keyword *keyword)
{
	assert(draft->count < DRAFT_OPS_MAX);
	struct schema_op *op = &draft->ops[draft->count];
	draft->classes[draft->count++] = (uint8_t)keyword->class;
	op->run = keyword->run;
	op->rule = keyword->name;
	return op;
}

static bool expect(struct compiler *c, const struct place *place, enum json_type type, const char *what)
{
	if (type_at(place) == type)
		return true;
	return compiler_refuse(c, place, "must be %s, got %s", what, json_type_name(type_at(place)));
}

/* Annotations: read, held to their type, and left to people and tools. */
static bool compile_any(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                        const struct place *value)
{
	(void)c, (void)draft, (void)keyword, (void)value;
	return true;
}

static bool compile_text(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                         const struct place *value)
{
	(void)draft, (void)keyword;
	return expect(c, value, JSON_STRING, "a string");
}

static bool compile_list(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                         const struct place *value)
{
	(void)draft, (void)keyword;
	return expect(c, value, JSON_ARRAY, "an array");
}

static bool compile_flag(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                         const struct place *value)
{
	(void)draft, (void)keyword;
	return type_at(value) == JSON_TRUE || expect(c, value, JSON_FALSE, "true or false");
}

/* `$id` and `$schema` speak about a whole file. */
static bool compile_root_text(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                              const struct place *value)
{
	if (draft->place.node != 0)
		return compiler_refuse(c, value, "%.*s within a schema is not supported yet", SLICE_ARG(keyword->name));
	return expect(c, value, JSON_STRING, "a string");
}

static bool compile_headgate(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                             const struct place *value)
{
	(void)keyword;
	if (draft->place.node != 0 || !slice_starts(value->file->path, SLICE("events/")))
		return compiler_refuse(c, value, "x-headgate belongs at the root of an event's schema");
	return expect(c, value, JSON_OBJECT, "an object");
}

static bool in_list(struct slice text, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (slice_equal(text, slice_of(list[i])))
			return true;
	return false;
}

static bool compile_pii(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                        const struct place *value)
{
	static const char *const kinds[] = { "email", "phone", "name", "address", "id", "ip", "free_text" };

	(void)keyword;
	if (!expect(c, value, JSON_STRING, "a string"))
		return false;
	draft->sub->pii_kind = compiler_string(value->file, value->node);
	draft->sub->pii = true;
	if (!in_list(draft->sub->pii_kind, kinds, sizeof kinds / sizeof *kinds))
		return compiler_refuse(c, value, "must be one of email, phone, name, address, id, ip, free_text");
	return true;
}

static bool compile_pii_action(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                               const struct place *value)
{
	static const char *const actions[] = { "keep", "drop", "mask", "hash" };

	(void)keyword;
	if (!expect(c, value, JSON_STRING, "a string"))
		return false;
	draft->sub->pii_action = compiler_string(value->file, value->node);
	if (!in_list(draft->sub->pii_action, actions, sizeof actions / sizeof *actions))
		return compiler_refuse(c, value, "must be one of keep, drop, mask, hash");
	return true;
}

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

	if (!expect(c, place, JSON_STRING, "a type's name"))
		return false;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (slice_equal(compiler_string(place->file, place->node), slice_of(names[i].name))) {
			*types |= names[i].bits;
			return true;
		}
	}
	return compiler_refuse(c, place, "must be one of null, boolean, number, integer, string, array, object");
}

static bool compile_type(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                         const struct place *value)
{
	const struct json_doc *doc = &value->file->doc;
	size_t index = 0;

	(void)keyword;
	draft->sub->types = 0;
	if (type_at(value) != JSON_ARRAY)
		return read_type(c, value, &draft->sub->types);
	for (uint32_t i = value->node + 1; i < doc->nodes[value->node].next; i = doc->nodes[i].next) {
		struct place place = compiler_place_element(c, value, index++, i);
		if (!read_type(c, &place, &draft->sub->types))
			return false;
	}
	return index > 0 || compiler_refuse(c, value, "names no type");
}

static bool compile_number(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                           const struct place *value)
{
	if (!expect(c, value, JSON_NUMBER, "a number"))
		return false;
	add_op(draft, keyword)->number = decimal_parse(json_raw(&value->file->doc, value->node));
	return true;
}

static bool compile_size(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                         const struct place *value)
{
	int64_t size;

	if (type_at(value) != JSON_NUMBER || !json_to_i64(&value->file->doc, value->node, &size) || size < 0)
		return compiler_refuse(c, value, "must be an integer of 0 or more");
	add_op(draft, keyword)->size = (uint64_t)size;
	return true;
}

static bool compile_pattern(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                            const struct place *value)
{
	struct error reason;

	if (!expect(c, value, JSON_STRING, "a string"))
		return false;
	const struct pattern *pattern = pattern_compile(compiler_string(value->file, value->node), c->arena, &reason);
	if (!pattern)
		return compiler_refuse(c, value, "%.300s", reason.message);
	add_op(draft, keyword)->pattern = pattern;
	return true;
}

static bool compile_format(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                           const struct place *value)
{
	if (!expect(c, value, JSON_STRING, "a string"))
		return false;
	struct slice name = compiler_string(value->file, value->node);
	const struct format *format = format_find(name);
	if (!format)
		return compiler_refuse(c, value,
		                       "format \"%.*s\" is not supported yet; supported are date-time, date, email, "
		                       "uri, uuid, ipv4, ipv6",
		                       SLICE_ARG(name));
	add_op(draft, keyword)->format = format;
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
	add_op(draft, keyword)->values = set;
	return fill_values(c, set);
}

static bool compile_enum(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                         const struct place *value)
{
	const struct json_doc *doc = &value->file->doc;
	uint32_t count = 0;

	if (!expect(c, value, JSON_ARRAY, "an array"))
		return false;
	for (uint32_t i = value->node + 1; i < doc->nodes[value->node].next; i = doc->nodes[i].next)
		count++;
	return add_values(c, draft, keyword, value, value->node + 1, count);
}

static bool compile_const(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                          const struct place *value)
{
	return add_values(c, draft, keyword, value, value->node, 1);
}

static bool compile_items(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                          const struct place *value)
{
	if (type_at(value) == JSON_ARRAY)
		return compiler_refuse(c, value, "items as an array is not supported yet");
	const struct subschema *sub = compiler_compile(c, value);
	if (sub)
		add_op(draft, keyword)->sub = sub;
	return sub != NULL;
}

static bool compile_definitions(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                                const struct place *value)
{
	const struct json_doc *doc = &value->file->doc;

	(void)draft, (void)keyword;
	if (!expect(c, value, JSON_OBJECT, "an object"))
		return false;
	for (uint32_t key = value->node + 1; key < doc->nodes[value->node].next; key = doc->nodes[key + 1].next) {
		struct place place = compiler_place_member(c, value, compiler_string(value->file, key), key + 1);
		if (!compiler_compile(c, &place))
			return false;
	}
	return true;
}

static bool compile_reference(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                              const struct place *value)
{
	if (!expect(c, value, JSON_STRING, "a string"))
		return false;
	const struct subschema *sub = reference_resolve(c, value);
	if (sub)
		add_op(draft, keyword)->sub = sub;
	return sub != NULL;
}

static bool compile_properties(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                               const struct place *value)
{
	(void)keyword;
	draft->properties = value->node;
	return expect(c, value, JSON_OBJECT, "an object");
}

static bool compile_required(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                             const struct place *value)
{
	const struct json_doc *doc = &value->file->doc;
	size_t index = 0;

	(void)keyword;
	draft->required = value->node;
	if (!expect(c, value, JSON_ARRAY, "an array of names"))
		return false;
	for (uint32_t i = value->node + 1; i < doc->nodes[value->node].next; i = doc->nodes[i].next) {
		struct place place = compiler_place_element(c, value, index++, i);
		if (!expect(c, &place, JSON_STRING, "a name"))
			return false;
	}
	return true;
}

static bool compile_additional(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                               const struct place *value)
{
	(void)c, (void)keyword;
	draft->additional = value->node;
	return true;
}

#define NAME(text)                    \
	{                             \
		text, sizeof text - 1 \
	}

static const struct keyword keywords[] = {
	{ NAME("type"), OP_ANY, compile_type, NULL },
	{ NAME("properties"), OP_OBJECT, compile_properties, NULL },
	{ NAME("required"), OP_OBJECT, compile_required, NULL },
	{ NAME("additionalProperties"), OP_OBJECT, compile_additional, NULL },
	{ NAME("items"), OP_ARRAY, compile_items, validate_items },
	{ NAME("minItems"), OP_ARRAY, compile_size, validate_min_items },
	{ NAME("maxItems"), OP_ARRAY, compile_size, validate_max_items },
	{ NAME("minimum"), OP_NUMBER, compile_number, validate_minimum },
	{ NAME("maximum"), OP_NUMBER, compile_number, validate_maximum },
	{ NAME("exclusiveMinimum"), OP_NUMBER, compile_number, validate_exclusive_minimum },
	{ NAME("exclusiveMaximum"), OP_NUMBER, compile_number, validate_exclusive_maximum },
	{ NAME("minLength"), OP_STRING, compile_size, validate_min_length },
	{ NAME("maxLength"), OP_STRING, compile_size, validate_max_length },
	{ NAME("pattern"), OP_STRING, compile_pattern, validate_pattern },
	{ NAME("format"), OP_STRING, compile_format, validate_format },
	{ NAME("enum"), OP_ANY, compile_enum, validate_values },
	{ NAME("const"), OP_ANY, compile_const, validate_values },
	{ NAME("$ref"), OP_ANY, compile_reference, validate_reference },
	{ NAME("$defs"), OP_ANY, compile_definitions, NULL },
	{ NAME("definitions"), OP_ANY, compile_definitions, NULL },
	{ NAME("$schema"), OP_ANY, compile_root_text, NULL },
	{ NAME("$id"), OP_ANY, compile_root_text, NULL },
	{ NAME("$comment"), OP_ANY, compile_text, NULL },
	{ NAME("title"), OP_ANY, compile_text, NULL },
	{ NAME("description"), OP_ANY, compile_text, NULL },
	{ NAME("examples"), OP_ANY, compile_list, NULL },
	{ NAME("default"), OP_ANY, compile_any, NULL },
	{ NAME("deprecated"), OP_ANY, compile_flag, NULL },
	{ NAME("readOnly"), OP_ANY, compile_flag, NULL },
	{ NAME("writeOnly"), OP_ANY, compile_flag, NULL },
	{ NAME("x-headgate"), OP_ANY, compile_headgate, NULL },
	{ NAME("x-pii"), OP_ANY, compile_pii, NULL },
	{ NAME("x-pii-action"), OP_ANY, compile_pii_action, NULL },
};

#define KEYWORDS (sizeof keywords / sizeof *keywords)

/* Keywords of 2020-12 and draft-07 that are to come. */
static const char *const to_come[] = {
	"allOf",
	"anyOf",
	"oneOf",
	"not",
	"if",
	"then",
	"else",
	"dependentSchemas",
	"dependentRequired",
	"dependencies",
	"prefixItems",
	"additionalItems",
	"contains",
	"minContains",
	"maxContains",
	"uniqueItems",
	"patternProperties",
	"propertyNames",
	"minProperties",
	"maxProperties",
	"multipleOf",
	"unevaluatedItems",
	"unevaluatedProperties",
	"contentEncoding",
	"contentMediaType",
	"contentSchema",
	"$anchor",
	"$dynamicRef",
	"$dynamicAnchor",
	"$vocabulary",
	"$recursiveRef",
	"$recursiveAnchor",
};

static bool refuse_keyword(struct compiler *c, struct slice name, const struct place *value)
{
	struct slice names[KEYWORDS];
	struct name_table table;

	if (in_list(name, to_come, sizeof to_come / sizeof *to_come))
		return compiler_refuse(c, value, "keyword \"%.*s\" is not supported yet", SLICE_ARG(name));
	for (size_t i = 0; i < KEYWORDS; i++)
		names[i] = keywords[i].name;
	table = (struct name_table) { .names = names, .count = (uint32_t)KEYWORDS };
	uint32_t guess = name_table_guess(&table, name);
	if (guess == NAME_TABLE_NONE)
		return compiler_refuse(c, value, "\"%.*s\" is not a keyword of JSON Schema (own notes begin with x-)",
		                       (int)(name.len > 64 ? 64 : name.len), name.at);
	return compiler_refuse(c, value, "\"%.*s\" is not a keyword of JSON Schema; did you mean \"%.*s\"?",
	                       SLICE_ARG(name), SLICE_ARG(names[guess]));
}

/* In draft-07 a `$ref` makes all that stands beside it void. */
static bool is_void(const struct draft *draft, struct slice name)
{
	const struct place *place = &draft->place;

	return place->file->draft7 && !slice_equal(name, SLICE("$ref")) && !slice_starts(name, SLICE("x-")) &&
	       json_get(&place->file->doc, place->node, SLICE("$ref")) != 0;
}

bool keyword_compile(struct compiler *c, struct draft *draft, struct slice name, const struct place *value)
{
	for (size_t i = 0; i < KEYWORDS; i++)
		if (slice_equal(keywords[i].name, name))
			return is_void(draft, name) || keywords[i].compile(c, draft, &keywords[i], value);
	if (slice_starts(name, SLICE("x-")) && !slice_starts(name, SLICE("x-pii")) &&
	    !slice_starts(name, SLICE("x-headgate")))
		return true;
	return refuse_keyword(c, name, value);
}

struct members {
	struct slice *names;
	struct property *properties;
	uint32_t *rest;
	size_t count, rest_count;
};

static bool take_properties(struct compiler *c, const struct draft *draft, struct members *m)
{
	const struct json_doc *doc = &draft->place.file->doc;
	struct place up = compiler_place_member(c, &draft->place, SLICE("properties"), draft->properties);

	if (!draft->properties)
		return true;
	for (uint32_t key = up.node + 1; key < doc->nodes[up.node].next; key = doc->nodes[key + 1].next) {
		struct slice name = compiler_string(up.file, key);
		struct place place = compiler_place_member(c, &up, name, key + 1);
		m->names[m->count] = name;
		m->properties[m->count].sub = compiler_compile(c, &place);
		if (!m->properties[m->count++].sub)
			return false;
	}
	return true;
}

/* `properties` names are found through the table made of them; further required names are few. */
static size_t find_name(const struct members *m, const struct name_table *known, struct slice name)
{
	uint32_t found = name_table_find(known, name);
	size_t i = known->count;

	if (found != NAME_TABLE_NONE)
		return found;
	while (i < m->count && !slice_equal(m->names[i], name))
		i++;
	return i;
}

static bool take_required(struct compiler *c, const struct draft *draft, struct members *m, uint64_t *required)
{
	const struct schema_file *file = draft->place.file;
	const struct json_doc *doc = &file->doc;
	uint64_t bit = 1;
	struct name_table known;

	if (!draft->required)
		return true;
	if (!name_table_init(&known, m->names, m->count, c->arena))
		return error_set(c->err, ERROR_MEMORY, "no memory for schemas");
	for (uint32_t i = draft->required + 1; i < doc->nodes[draft->required].next; i = doc->nodes[i].next) {
		struct slice name = compiler_string(file, i);
		size_t at = find_name(m, &known, name);
		if (m->properties[at].required_bit)
			continue;
		m->names[at] = name;
		m->count += at == m->count;
		if (bit) {
			m->properties[at].required_bit = bit;
			*required |= bit;
			bit <<= 1;
		} else {
			m->rest[m->rest_count++] = (uint32_t)at;
		}
	}
	return true;
}

static size_t count_children(const struct draft *draft, uint32_t node)
{
	const struct json_doc *doc = &draft->place.file->doc;
	size_t count = 0;

	for (uint32_t i = node + 1; node && i < doc->nodes[node].next; i = doc->nodes[i].next)
		count++;
	return count;
}

bool keyword_finish(struct compiler *c, struct draft *draft)
{
	static const struct keyword together = { NAME("properties"), OP_OBJECT, NULL, validate_object };
	size_t required = count_children(draft, draft->required);
	size_t room = count_children(draft, draft->properties) / 2 + required + 1;
	struct members m = { 0 };

	if (draft->sub->pii_action.len && !draft->sub->pii)
		return compiler_refuse(c, &draft->place, "x-pii-action without x-pii");
	if (!draft->properties && !draft->required && !draft->additional)
		return true;
	struct object_rule *object = compiler_alloc(c, 1, sizeof *object);
	m.names = compiler_alloc(c, room, sizeof *m.names);
	m.properties = compiler_alloc(c, room, sizeof *m.properties);
	m.rest = compiler_alloc(c, required, sizeof *m.rest);
	if (!object || !m.names || !m.properties || !m.rest)
		return false;
	if (!take_properties(c, draft, &m) || !take_required(c, draft, &m, &object->required))
		return false;
	object->properties = m.properties;
	object->required_rest = m.rest;
	object->required_rest_count = m.rest_count;
	if (!name_table_init(&object->names, m.names, m.count, c->arena))
		return error_set(c->err, ERROR_MEMORY, "no memory for schemas");
	if (draft->additional) {
		struct place place =
		        compiler_place_member(c, &draft->place, SLICE("additionalProperties"), draft->additional);
		object->additional = compiler_compile(c, &place);
		if (!object->additional)
			return false;
	}
	add_op(draft, &together)->object = object;
	return true;
}
