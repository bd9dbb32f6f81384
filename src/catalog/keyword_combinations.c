/* Keywords that lead to other schemas: combinations, conditions, elements of arrays, references. */
#include "catalog/keyword.h"

/* The standard asks nothing of definitions that nothing refers to; the catalog does. */
bool keyword_definitions(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                         const struct place *value)
{
	const struct json_doc *doc = &value->file->doc;

	(void)draft, (void)keyword;
	if (!keyword_expect(c, value, JSON_OBJECT, "an object"))
		return false;
	if (c->specification)
		return true;
	for (uint32_t key = value->node + 1; key < doc->nodes[value->node].next; key = doc->nodes[key + 1].next) {
		struct place place = compiler_place_member(c, value, compiler_string(value->file, key), key + 1);
		if (!compiler_compile(c, &place))
			return false;
	}
	return true;
}

bool keyword_reference(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                       const struct place *value)
{
	const struct anchor *anchor;

	if (!keyword_expect(c, value, JSON_STRING, "a string"))
		return false;
	const struct subschema *sub = reference_resolve(c, value, &anchor);
	if (sub)
		keyword_add_op(draft, keyword)->sub = sub;
	return sub != NULL;
}

/* Where it leads to no dynamic anchor, it is a plain reference. */
bool keyword_dynamic_reference(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                               const struct place *value)
{
	static const struct keyword plain = {
		.name = { "$dynamicRef", 11 }, .class = OP_ANY, .run = validate_reference, .kind = OP_SUB
	};
	struct dynamic_reference *dynamic = compiler_alloc(c, 1, sizeof *dynamic);
	const struct anchor *anchor;

	if (!dynamic || !keyword_expect(c, value, JSON_STRING, "a string"))
		return false;
	const struct subschema *sub = reference_resolve(c, value, &anchor);
	if (!sub)
		return false;
	if (!anchor || !anchor->dynamic) {
		keyword_add_op(draft, &plain)->sub = sub;
		return true;
	}
	c->has_dynamic = true;
	*dynamic = (struct dynamic_reference) { anchor->name, sub, &c->files };
	keyword_add_op(draft, keyword)->dynamic = dynamic;
	return true;
}

bool keyword_subschema(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                       const struct place *value)
{
	const struct subschema *sub = compiler_compile(c, value);

	if (sub)
		keyword_add_op(draft, keyword)->sub = sub;
	return sub != NULL;
}

static bool read_list(struct compiler *c, const struct place *value, struct subschema_list *out)
{
	const struct json_doc *doc = &value->file->doc;
	const struct subschema **at;
	size_t count = 0;

	if (!keyword_expect(c, value, JSON_ARRAY, "an array of schemas"))
		return false;
	for (uint32_t i = value->node + 1; i < doc->nodes[value->node].next; i = doc->nodes[i].next)
		count++;
	at = compiler_alloc(c, count, sizeof(struct subschema *));
	if (!at)
		return false;
	*out = (struct subschema_list) { at, count };
	count = 0;
	for (uint32_t i = value->node + 1; i < doc->nodes[value->node].next; i = doc->nodes[i].next) {
		struct place place = compiler_place_element(c, value, count, i);
		at[count] = compiler_compile(c, &place);
		if (!at[count++])
			return false;
	}
	return true;
}

bool keyword_schemas(struct compiler *c, struct draft *draft, const struct keyword *keyword, const struct place *value)
{
	struct subschema_list *list = compiler_alloc(c, 1, sizeof *list);

	if (!list || !read_list(c, value, list))
		return false;
	if (!list->count)
		return compiler_refuse(c, value, "holds no schema");
	keyword_add_op(draft, keyword)->list = list;
	return true;
}

bool keyword_unevaluated_items(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                               const struct place *value)
{
	(void)keyword;
	draft->sub->unevaluated_items = compiler_compile(c, value);
	return draft->sub->unevaluated_items != NULL;
}

bool keyword_unevaluated_properties(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                                    const struct place *value)
{
	(void)keyword;
	draft->sub->unevaluated_properties = compiler_compile(c, value);
	return draft->sub->unevaluated_properties != NULL;
}

/* The schema at a noted keyword; NULL in *out if there is none. */
static bool compile_noted(struct compiler *c, struct draft *draft, struct slice name, uint32_t node,
                          const struct subschema **out)
{
	struct place place = compiler_place_member(c, &draft->place, name, node);

	*out = node ? compiler_compile(c, &place) : NULL;
	return !node || *out;
}

/* 2020-12: prefixItems, then items. Draft-07: items for all, or items as an array, then additionalItems. */
bool keyword_finish_array(struct compiler *c, struct draft *draft)
{
	static const struct keyword all = {
		.name = { "items", 5 }, .class = OP_ARRAY, .run = validate_items, .kind = OP_ITEMS
	};
	static const struct keyword tuple = {
		.name = { "items", 5 }, .class = OP_ARRAY, .run = validate_tuple, .kind = OP_TUPLE
	};
	bool draft7 = draft->sub->resource->draft7;
	struct place items = compiler_place_member(c, &draft->place, SLICE("items"), draft->items);
	bool items_is_list = draft7 && draft->items && compiler_type(&items) == JSON_ARRAY;
	struct place prefix =
	        items_is_list ? items : compiler_place_member(c, &draft->place, SLICE("prefixItems"), draft->prefix);
	struct slice rest_name = items_is_list ? SLICE("additionalItems") : SLICE("items");
	uint32_t rest_node = items_is_list ? draft->additional_items : draft->items;
	struct subschema_list list = { NULL, 0 };
	const struct subschema *rest;

	if (!compile_noted(c, draft, rest_name, rest_node, &rest))
		return false;
	if (!prefix.node) {
		if (rest)
			keyword_add_op(draft, &all)->sub = rest;
		return true;
	}
	struct array_rule *array = compiler_alloc(c, 1, sizeof *array);
	if (!array || !read_list(c, &prefix, &list))
		return false;
	*array = (struct array_rule) { list.at, list.count, rest };
	keyword_add_op(draft, &tuple)->array = array;
	return true;
}

bool keyword_finish_contains(struct compiler *c, struct draft *draft)
{
	static const struct keyword together = {
		.name = { "contains", 8 }, .class = OP_ARRAY, .run = validate_contains, .kind = OP_CONTAINS
	};
	struct place least = compiler_place_member(c, &draft->place, SLICE("minContains"), draft->min_contains);
	struct place most = compiler_place_member(c, &draft->place, SLICE("maxContains"), draft->max_contains);
	struct contains_rule *contains = compiler_alloc(c, 1, sizeof *contains);

	if (!contains)
		return false;
	*contains = (struct contains_rule) { NULL, 1, UINT64_MAX, !draft->sub->resource->draft7 };
	if (least.node && !keyword_read_size(c, &least, &contains->least))
		return false;
	if (most.node && !keyword_read_size(c, &most, &contains->most))
		return false;
	if (!compile_noted(c, draft, SLICE("contains"), draft->contains, &contains->sub))
		return false;
	if (contains->sub)
		keyword_add_op(draft, &together)->contains = contains;
	return true;
}

/* `then` and `else` without `if` ask nothing, but are schemas all the same. */
bool keyword_finish_condition(struct compiler *c, struct draft *draft)
{
	static const struct keyword together = {
		.name = { "if", 2 }, .class = OP_ANY, .run = validate_condition, .kind = OP_CONDITION
	};

	if (!draft->condition && !draft->then && !draft->otherwise)
		return true;
	struct conditional *conditional = compiler_alloc(c, 1, sizeof *conditional);
	if (!conditional || !compile_noted(c, draft, SLICE("if"), draft->condition, &conditional->condition) ||
	    !compile_noted(c, draft, SLICE("then"), draft->then, &conditional->then) ||
	    !compile_noted(c, draft, SLICE("else"), draft->otherwise, &conditional->otherwise))
		return false;
	if (conditional->condition)
		keyword_add_op(draft, &together)->conditional = conditional;
	return true;
}
