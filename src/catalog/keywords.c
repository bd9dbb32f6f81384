/* The table of keywords: which dialect and vocabulary each belongs to, which values it applies to, how it is compiled,
 * what runs. In the catalog, what nobody knows refuses the schema by name: a keyword that is silently ignored is a check
 * that somebody believes in. By the standard's own rules it is ignored. */
#include "catalog/keyword.h"

#include <assert.h>

struct schema_op *keyword_add_op(struct draft *draft, const struct keyword *keyword)
{
	assert(draft->count < DRAFT_OPS_MAX);
	struct schema_op *op = &draft->ops[draft->count];
	draft->classes[draft->count++] = (uint8_t)keyword->class;
	op->run = keyword->run;
	op->rule = keyword->name;
	op->kind = (uint8_t)keyword->kind;
	return op;
}

bool keyword_expect(struct compiler *c, const struct place *place, enum json_type type, const char *what)
{
	if (compiler_type(place) == type)
		return true;
	return compiler_refuse(c, place, "must be %s, got %s", what, json_type_name(compiler_type(place)));
}

/* Annotations: read, held to their type, and left to people and tools. */
bool keyword_any(struct compiler *c, struct draft *draft, const struct keyword *keyword, const struct place *value)
{
	(void)c, (void)draft, (void)keyword, (void)value;
	return true;
}

bool keyword_text(struct compiler *c, struct draft *draft, const struct keyword *keyword, const struct place *value)
{
	(void)draft, (void)keyword;
	return keyword_expect(c, value, JSON_STRING, "a string");
}

bool keyword_list(struct compiler *c, struct draft *draft, const struct keyword *keyword, const struct place *value)
{
	(void)draft, (void)keyword;
	return keyword_expect(c, value, JSON_ARRAY, "an array");
}

bool keyword_flag(struct compiler *c, struct draft *draft, const struct keyword *keyword, const struct place *value)
{
	if (compiler_type(value) != JSON_TRUE)
		return keyword_expect(c, value, JSON_FALSE, "true or false");
	if (keyword->run)
		keyword_add_op(draft, keyword);
	return true;
}

/* `$schema` speaks about a resource; where it stands was looked at when the file was read. */
bool keyword_root_text(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                       const struct place *value)
{
	if (draft->sub->resource->node != draft->place.node && !c->specification)
		return compiler_refuse(c, value, "%.*s belongs beside an $id or at the root", SLICE_ARG(keyword->name));
	return keyword_expect(c, value, JSON_STRING, "a string");
}

bool keyword_headgate(struct compiler *c, struct draft *draft, const struct keyword *keyword, const struct place *value)
{
	(void)keyword;
	if (draft->place.node != 0 || !slice_starts(value->file->path, SLICE("events/")))
		return compiler_refuse(c, value, "x-headgate belongs at the root of an event's schema");
	return keyword_expect(c, value, JSON_OBJECT, "an object");
}

static bool in_list(struct slice text, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (slice_equal(text, slice_of(list[i])))
			return true;
	return false;
}

bool keyword_pii(struct compiler *c, struct draft *draft, const struct keyword *keyword, const struct place *value)
{
	static const char *const kinds[] = { "email", "phone", "name", "address", "id", "ip", "free_text" };

	(void)keyword;
	if (!keyword_expect(c, value, JSON_STRING, "a string"))
		return false;
	draft->sub->pii_kind = compiler_string(value->file, value->node);
	draft->sub->pii = true;
	if (!in_list(draft->sub->pii_kind, kinds, sizeof kinds / sizeof *kinds))
		return compiler_refuse(c, value, "must be one of email, phone, name, address, id, ip, free_text");
	return true;
}

bool keyword_pii_action(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                        const struct place *value)
{
	static const char *const actions[] = { "keep", "drop", "mask", "hash" };

	(void)keyword;
	if (!keyword_expect(c, value, JSON_STRING, "a string"))
		return false;
	draft->sub->pii_action = compiler_string(value->file, value->node);
	if (!in_list(draft->sub->pii_action, actions, sizeof actions / sizeof *actions))
		return compiler_refuse(c, value, "must be one of keep, drop, mask, hash");
	return true;
}

bool keyword_object(struct compiler *c, struct draft *draft, const struct keyword *keyword, const struct place *value)
{
	(void)draft, (void)keyword;
	return keyword_expect(c, value, JSON_OBJECT, "an object");
}

/* Keywords that work together are compiled when all are known. */
bool keyword_note(struct compiler *c, struct draft *draft, const struct keyword *keyword, const struct place *value)
{
	(void)c;
	memcpy((char *)draft + keyword->note, &value->node, sizeof value->node);
	return true;
}

#define WORD(text)                    \
	{                             \
		text, sizeof text - 1 \
	}
/* clang-format off */
#define CHECK(name, dialects, vocabulary, class, compile, run, kind) \
	{ WORD(name), DIALECT_##dialects, VOCABULARY_##vocabulary, OP_##class, keyword_##compile, validate_##run, OP_##kind, 0 },
#define NOTE(name, dialects, vocabulary, member) \
	{ WORD(name), DIALECT_##dialects, VOCABULARY_##vocabulary, OP_ANY, keyword_note, NULL, OP_CHECK, offsetof(struct draft, member) },
#define READ(name, dialects, vocabulary, compile) \
	{ WORD(name), DIALECT_##dialects, VOCABULARY_##vocabulary, OP_ANY, keyword_##compile, NULL, OP_CHECK, 0 },
#define OURS(name, compile) { WORD(name), DIALECT_BOTH, 0, OP_ANY, keyword_##compile, NULL, OP_CHECK, 0 },

static const struct keyword keywords[] = {
	READ("type", BOTH, VALIDATION, type)
	NOTE("properties", BOTH, APPLICATOR, properties)
	NOTE("required", BOTH, VALIDATION, required)
	NOTE("additionalProperties", BOTH, APPLICATOR, additional)
	NOTE("patternProperties", BOTH, APPLICATOR, patterns)
	CHECK("propertyNames", BOTH, APPLICATOR, OBJECT, subschema, property_names, NAMES)
	CHECK("minProperties", BOTH, VALIDATION, OBJECT, size, min_properties, CHECK)
	CHECK("maxProperties", BOTH, VALIDATION, OBJECT, size, max_properties, CHECK)
	CHECK("dependentRequired", 2020, VALIDATION, OBJECT, dependent_required, dependencies, DEPENDENCIES)
	CHECK("dependentSchemas", 2020, APPLICATOR, OBJECT, dependent_schemas, dependencies, DEPENDENCIES)
	CHECK("dependencies", BOTH, APPLICATOR, OBJECT, dependencies, dependencies, DEPENDENCIES)
	NOTE("items", BOTH, APPLICATOR, items)
	NOTE("prefixItems", 2020, APPLICATOR, prefix)
	NOTE("additionalItems", 7, APPLICATOR, additional_items)
	NOTE("contains", BOTH, APPLICATOR, contains)
	NOTE("minContains", 2020, VALIDATION, min_contains)
	NOTE("maxContains", 2020, VALIDATION, max_contains)
	CHECK("minItems", BOTH, VALIDATION, ARRAY, size, min_items, CHECK)
	CHECK("maxItems", BOTH, VALIDATION, ARRAY, size, max_items, CHECK)
	CHECK("uniqueItems", BOTH, VALIDATION, ARRAY, flag, unique_items, CHECK)
	CHECK("minimum", BOTH, VALIDATION, NUMBER, number, minimum, CHECK)
	CHECK("maximum", BOTH, VALIDATION, NUMBER, number, maximum, CHECK)
	CHECK("exclusiveMinimum", BOTH, VALIDATION, NUMBER, number, exclusive_minimum, CHECK)
	CHECK("exclusiveMaximum", BOTH, VALIDATION, NUMBER, number, exclusive_maximum, CHECK)
	CHECK("multipleOf", BOTH, VALIDATION, NUMBER, multiple, multiple_of, CHECK)
	CHECK("minLength", BOTH, VALIDATION, STRING, size, min_length, CHECK)
	CHECK("maxLength", BOTH, VALIDATION, STRING, size, max_length, CHECK)
	CHECK("pattern", BOTH, VALIDATION, STRING, pattern, pattern, CHECK)
	CHECK("format", BOTH, FORMAT, STRING, format, format, CHECK)
	CHECK("enum", BOTH, VALIDATION, ANY, enum, values, CHECK)
	CHECK("const", BOTH, VALIDATION, ANY, const, values, CHECK)
	CHECK("allOf", BOTH, APPLICATOR, ANY, schemas, all_of, LIST)
	CHECK("anyOf", BOTH, APPLICATOR, ANY, schemas, any_of, LIST)
	CHECK("oneOf", BOTH, APPLICATOR, ANY, schemas, one_of, LIST)
	CHECK("not", BOTH, APPLICATOR, ANY, subschema, not, SUB)
	NOTE("if", BOTH, APPLICATOR, condition)
	NOTE("then", BOTH, APPLICATOR, then)
	NOTE("else", BOTH, APPLICATOR, otherwise)
	READ("unevaluatedItems", 2020, UNEVALUATED, unevaluated_items)
	READ("unevaluatedProperties", 2020, UNEVALUATED, unevaluated_properties)
	CHECK("$ref", BOTH, CORE, ANY, reference, reference, SUB)
	CHECK("$dynamicRef", 2020, CORE, ANY, dynamic_reference, dynamic_reference, DYNAMIC)
	READ("$defs", BOTH, CORE, definitions)
	READ("definitions", BOTH, CORE, definitions)
	READ("$schema", BOTH, CORE, root_text)
	READ("$id", BOTH, CORE, text)
	READ("$anchor", 2020, CORE, text)
	READ("$dynamicAnchor", 2020, CORE, text)
	READ("$vocabulary", 2020, CORE, object)
	READ("$comment", BOTH, CORE, text)
	READ("title", BOTH, META, text)
	READ("description", BOTH, META, text)
	READ("examples", BOTH, META, list)
	READ("default", BOTH, META, any)
	READ("deprecated", BOTH, META, flag)
	READ("readOnly", BOTH, META, flag)
	READ("writeOnly", BOTH, META, flag)
	READ("contentEncoding", BOTH, CONTENT, text)
	READ("contentMediaType", BOTH, CONTENT, text)
	READ("contentSchema", 2020, CONTENT, any)
	OURS("x-headgate", headgate)
	OURS("x-pii", pii)
	OURS("x-pii-action", pii_action)
};
/* clang-format on */

#define KEYWORDS (sizeof keywords / sizeof *keywords)

static bool refuse_keyword(struct compiler *c, struct slice name, const struct place *value)
{
	struct slice names[KEYWORDS];
	struct name_table table;

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

	return draft->sub->resource->draft7 && !slice_equal(name, SLICE("$ref")) && !slice_starts(name, SLICE("x-")) &&
	       json_get(&place->file->doc, place->node, SLICE("$ref")) != 0;
}

static const struct keyword *find_keyword(struct slice name)
{
	for (size_t i = 0; i < KEYWORDS; i++)
		if (slice_equal(keywords[i].name, name))
			return &keywords[i];
	return NULL;
}

bool keyword_compile(struct compiler *c, struct draft *draft, struct slice name, const struct place *value)
{
	const struct resource *resource = draft->sub->resource;
	const struct keyword *keyword = find_keyword(name);

	if (is_void(draft, name))
		return keyword || c->specification || refuse_keyword(c, name, value);
	if (keyword && keyword->vocabulary == 0 && c->specification)
		return true;
	if (keyword && keyword->vocabulary && !(resource->vocabularies & keyword->vocabulary))
		return true;
	if (keyword && (keyword->dialects & (resource->draft7 ? DIALECT_7 : DIALECT_2020)))
		return keyword->compile(c, draft, keyword, value);
	if (c->specification)
		return true;
	if (keyword)
		return compiler_refuse(c, value, "\"%.*s\" is a keyword of %s, this schema is %s", SLICE_ARG(name),
		                       resource->draft7 ? "2020-12" : "draft-07",
		                       resource->draft7 ? "draft-07" : "2020-12");
	if (slice_starts(name, SLICE("x-")) && !slice_starts(name, SLICE("x-pii")) &&
	    !slice_starts(name, SLICE("x-headgate")))
		return true;
	return refuse_keyword(c, name, value);
}

bool keyword_finish(struct compiler *c, struct draft *draft)
{
	if (draft->sub->pii_action.len && !draft->sub->pii)
		return compiler_refuse(c, &draft->place, "x-pii-action without x-pii");
	return keyword_finish_object(c, draft) && keyword_finish_array(c, draft) && keyword_finish_contains(c, draft) &&
	       keyword_finish_condition(c, draft);
}
