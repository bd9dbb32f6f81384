/* Keywords of objects: properties, required, patternProperties and additionalProperties become one operation, so that a
 * member is looked up once. */
#include "catalog/keyword.h"

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

static bool take_patterns(struct compiler *c, const struct draft *draft, struct object_rule *object)
{
	const struct json_doc *doc = &draft->place.file->doc;
	struct place up = compiler_place_member(c, &draft->place, SLICE("patternProperties"), draft->patterns);
	struct pattern_property *patterns;

	if (!draft->patterns)
		return true;
	if (!keyword_expect(c, &up, JSON_OBJECT, "an object"))
		return false;
	patterns = compiler_alloc(c, count_children(draft, draft->patterns) / 2, sizeof *patterns);
	if (!patterns)
		return false;
	object->patterns = patterns;
	for (uint32_t key = up.node + 1; key < doc->nodes[up.node].next; key = doc->nodes[key + 1].next) {
		struct slice text = compiler_string(up.file, key);
		struct place place = compiler_place_member(c, &up, text, key + 1);
		struct pattern_property *to = &patterns[object->patterns_count++];
		struct error reason;
		to->pattern = pattern_compile(text, c->arena, &reason);
		if (!to->pattern)
			return compiler_refuse(c, &place, "%.300s", reason.message);
		to->sub = compiler_compile(c, &place);
		if (!to->sub)
			return false;
	}
	return true;
}

static bool check_types(struct compiler *c, const struct draft *draft)
{
	const struct json_doc *doc = &draft->place.file->doc;
	struct place properties = compiler_place_member(c, &draft->place, SLICE("properties"), draft->properties);
	struct place required = compiler_place_member(c, &draft->place, SLICE("required"), draft->required);
	size_t index = 0;

	if (draft->properties && !keyword_expect(c, &properties, JSON_OBJECT, "an object"))
		return false;
	if (!draft->required)
		return true;
	if (!keyword_expect(c, &required, JSON_ARRAY, "an array of names"))
		return false;
	for (uint32_t i = required.node + 1; i < doc->nodes[required.node].next; i = doc->nodes[i].next) {
		struct place place = compiler_place_element(c, &required, index++, i);
		if (!keyword_expect(c, &place, JSON_STRING, "a name"))
			return false;
	}
	return true;
}

static bool fill_object(struct compiler *c, struct draft *draft, struct object_rule *object)
{
	size_t required = count_children(draft, draft->required);
	size_t room = count_children(draft, draft->properties) / 2 + required + 1;
	struct members m = { 0 };

	m.names = compiler_alloc(c, room, sizeof *m.names);
	m.properties = compiler_alloc(c, room, sizeof *m.properties);
	m.rest = compiler_alloc(c, required, sizeof *m.rest);
	if (!m.names || !m.properties || !m.rest)
		return false;
	if (!take_properties(c, draft, &m) || !take_required(c, draft, &m, &object->required) ||
	    !take_patterns(c, draft, object))
		return false;
	object->properties = m.properties;
	object->required_rest = m.rest;
	object->required_rest_count = m.rest_count;
	return name_table_init(&object->names, m.names, m.count, c->arena) ||
	       error_set(c->err, ERROR_MEMORY, "no memory for schemas");
}

bool keyword_finish_object(struct compiler *c, struct draft *draft)
{
	static const struct keyword together = {
		.name = { "properties", 10 }, .class = OP_OBJECT, .run = validate_object, .kind = OP_MEMBERS
	};

	if (!draft->properties && !draft->required && !draft->additional && !draft->patterns)
		return true;
	struct object_rule *object = compiler_alloc(c, 1, sizeof *object);
	if (!object || !check_types(c, draft) || !fill_object(c, draft, object))
		return false;
	if (draft->additional) {
		struct place place =
		        compiler_place_member(c, &draft->place, SLICE("additionalProperties"), draft->additional);
		object->additional = compiler_compile(c, &place);
		if (!object->additional)
			return false;
	}
	keyword_add_op(draft, &together)->object = object;
	return true;
}

static bool read_names(struct compiler *c, const struct place *value, struct dependency *to)
{
	const struct json_doc *doc = &value->file->doc;
	struct slice *names = compiler_alloc(c, doc->nodes[value->node].next - value->node, sizeof *names);
	size_t index = 0;

	if (!names || !keyword_expect(c, value, JSON_ARRAY, "an array of names"))
		return false;
	for (uint32_t i = value->node + 1; i < doc->nodes[value->node].next; i = doc->nodes[i].next) {
		struct place place = compiler_place_element(c, value, index, i);
		if (!keyword_expect(c, &place, JSON_STRING, "a name"))
			return false;
		names[index++] = compiler_string(value->file, i);
	}
	to->required = names;
	to->required_count = index;
	return true;
}

enum dependency_form { FORM_NAMES = 1, FORM_SCHEMA = 2 };

static bool add_dependencies(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                             const struct place *value, unsigned forms)
{
	const struct json_doc *doc = &value->file->doc;
	struct dependency_list *list = compiler_alloc(c, 1, sizeof *list);
	struct dependency *at = compiler_alloc(c, doc->nodes[value->node].next - value->node, sizeof *at);

	if (!list || !at || !keyword_expect(c, value, JSON_OBJECT, "an object"))
		return false;
	list->at = at;
	for (uint32_t key = value->node + 1; key < doc->nodes[value->node].next; key = doc->nodes[key + 1].next) {
		struct dependency *to = &at[list->count++];
		to->name = compiler_string(value->file, key);
		struct place place = compiler_place_member(c, value, to->name, key + 1);
		if (forms == FORM_NAMES || ((forms & FORM_NAMES) && compiler_type(&place) == JSON_ARRAY)) {
			if (!read_names(c, &place, to))
				return false;
			continue;
		}
		to->sub = compiler_compile(c, &place);
		if (!to->sub)
			return false;
	}
	keyword_add_op(draft, keyword)->dependencies = list;
	return true;
}

bool keyword_dependent_required(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                                const struct place *value)
{
	return add_dependencies(c, draft, keyword, value, FORM_NAMES);
}

bool keyword_dependent_schemas(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                               const struct place *value)
{
	return add_dependencies(c, draft, keyword, value, FORM_SCHEMA);
}

bool keyword_dependencies(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                          const struct place *value)
{
	return add_dependencies(c, draft, keyword, value, FORM_NAMES | FORM_SCHEMA);
}
