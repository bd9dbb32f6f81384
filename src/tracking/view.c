/* A subschema as it holds: references and allOf resolved. Sets of schemas are small and walked in order; one that does
 * not fit is cut, and tools then tell less than there is, never something else. */
#include "tracking/source.h"

static void view_add(struct sources *src, struct view *view, struct spot at)
{
	struct spot target;

	for (size_t i = 0; i < view->count; i++)
		if (view->at[i].file == at.file && view->at[i].node == at.node)
			return;
	if (spot_type(at) == JSON_FALSE)
		view->never = true;
	if (view->count == VIEW_SPOTS || spot_type(at) != JSON_OBJECT)
		return;
	view->at[view->count++] = at;
	struct spot reference = spot_get(at, SLICE("$ref"));
	if (reference.node && source_follow(src, reference, &target))
		view_add(src, view, target);
	if (reference.node && at.file->draft7)
		return;
	reference = spot_get(at, SLICE("$dynamicRef"));
	if (reference.node && source_follow(src, reference, &target))
		view_add(src, view, target);
	struct spot all = spot_get(at, SLICE("allOf"));
	if (all.node)
		for (struct spot e = { 0 }; spot_next_element(all, &e);)
			view_add(src, view, e);
}

struct view source_view(struct sources *src, struct spot at)
{
	struct view view = { .count = 0 };

	view_add(src, &view, at);
	return view;
}

struct spot view_get(const struct view *view, struct slice keyword)
{
	struct spot value = { NULL, 0 };

	for (size_t i = 0; i < view->count; i++) {
		value = spot_get(view->at[i], keyword);
		if (value.node)
			return value;
	}
	return value;
}

struct view view_property(struct sources *src, const struct view *view, struct slice name)
{
	struct view out = { .count = 0 };

	for (size_t i = 0; i < view->count; i++) {
		struct spot all = spot_get(view->at[i], SLICE("properties"));
		struct spot one = all.node ? spot_get(all, name) : all;
		if (one.node)
			view_add(src, &out, one);
	}
	return out;
}

const struct slice *view_property_names(struct sources *src, const struct view *view, size_t *count)
{
	size_t room = 0, n = 0;

	*count = 0;
	for (size_t i = 0; i < view->count; i++) {
		struct spot all = spot_get(view->at[i], SLICE("properties"));
		room += all.node ? spot_count(all) : 0;
	}
	struct slice *names = room ? arena_array(src->arena, room, sizeof *names) : NULL;
	if (!names)
		return NULL;
	for (size_t i = 0; i < view->count; i++) {
		struct source_member m = { .key = 0 };
		struct spot all = spot_get(view->at[i], SLICE("properties"));
		while (all.node && spot_next_member(src, all, &m)) {
			size_t k = 0;
			while (k < n && !slice_equal(names[k], m.name))
				k++;
			if (k == n)
				names[n++] = m.name;
		}
	}
	*count = n;
	return names;
}

bool view_requires(const struct view *view, struct slice name)
{
	for (size_t i = 0; i < view->count; i++) {
		struct spot required = spot_get(view->at[i], SLICE("required"));
		for (struct spot e = { 0 }; required.node && spot_next_element(required, &e);)
			if (json_string_equals(&e.file->doc, e.node, name))
				return true;
	}
	return false;
}

bool view_is_closed(const struct view *view)
{
	static const char *const keywords[] = { "additionalProperties", "unevaluatedProperties" };

	for (size_t i = 0; i < view->count; i++)
		for (size_t k = 0; k < 2; k++) {
			struct spot rest = spot_get(view->at[i], slice_of(keywords[k]));
			if (rest.node && spot_type(rest) == JSON_FALSE)
				return true;
		}
	return false;
}

#define BIT(type) (1u << (type))
#define BOOLEAN_BIT BIT(JSON_TRUE)

static const struct {
	const char *name;
	unsigned bits;
} type_names[] = {
	{ "string", BIT(JSON_STRING) },
	{ "integer", TYPE_BIT_INTEGER },
	{ "number", BIT(JSON_NUMBER) | TYPE_BIT_INTEGER },
	{ "boolean", BOOLEAN_BIT },
	{ "object", BIT(JSON_OBJECT) },
	{ "array", BIT(JSON_ARRAY) },
	{ "null", BIT(JSON_NULL) },
};

#define TYPE_NAMES (sizeof type_names / sizeof *type_names)

static unsigned bits_of_name(struct spot at)
{
	for (size_t i = 0; i < TYPE_NAMES; i++)
		if (json_string_equals(&at.file->doc, at.node, slice_of(type_names[i].name)))
			return type_names[i].bits;
	return 0;
}

static unsigned bits_of_value(struct spot at)
{
	enum json_type type = spot_type(at);

	if (type == JSON_FALSE || type == JSON_TRUE)
		return BOOLEAN_BIT;
	if (type == JSON_NUMBER)
		return at.file->doc.nodes[at.node].flags & JSON_FLAG_INTEGER ? TYPE_BIT_INTEGER
		                                                             : BIT(JSON_NUMBER) | TYPE_BIT_INTEGER;
	return BIT(type);
}

static unsigned own_declared_types(struct spot at)
{
	unsigned some = 0;
	struct spot type = spot_get(at, SLICE("type"));

	if (!type.node)
		return TYPE_BITS_ANY;
	for (struct spot e = { 0 }; spot_next_element(type, &e);)
		some |= bits_of_name(e);
	return spot_type(type) == JSON_ARRAY ? some : bits_of_name(type);
}

unsigned view_declared_types(const struct view *view)
{
	unsigned bits = TYPE_BITS_ANY;

	for (size_t i = 0; i < view->count; i++)
		bits &= own_declared_types(view->at[i]);
	return bits;
}

static unsigned own_types(struct spot at)
{
	unsigned bits = own_declared_types(at), some = 0;
	struct spot values = spot_get(at, SLICE("enum"));
	struct spot value = spot_get(at, SLICE("const"));

	for (struct spot e = { 0 }; values.node && spot_next_element(values, &e);)
		some |= bits_of_value(e);
	if (values.node)
		bits &= some;
	if (value.node)
		bits &= bits_of_value(value);
	return bits;
}

unsigned view_types(const struct view *view)
{
	unsigned bits = TYPE_BITS_ANY;

	for (size_t i = 0; i < view->count; i++)
		bits &= own_types(view->at[i]);
	return bits;
}

struct slice source_types_text(struct arena *arena, unsigned types, const char *between)
{
	struct buffer text;
	bool any = false;

	if (types == TYPE_BITS_ANY)
		return SLICE("any");
	buffer_init(&text, arena);
	for (size_t i = 0; i < TYPE_NAMES; i++) {
		bool integer = type_names[i].bits == TYPE_BIT_INTEGER;
		if ((types & type_names[i].bits) != type_names[i].bits || (integer && (types & BIT(JSON_NUMBER))))
			continue;
		if (any)
			buffer_append(&text, slice_of(between));
		buffer_append(&text, slice_of(type_names[i].name));
		any = true;
	}
	return any ? buffer_slice(&text) : SLICE("nothing");
}

static const struct {
	const char *keyword;
	unsigned shapes;
	enum source_role role;
} applicators[] = {
	{ "properties", SOURCE_MAP, SOURCE_PROPERTY },
	{ "items", SOURCE_ONE | SOURCE_LIST, SOURCE_ITEM },
	{ "prefixItems", SOURCE_LIST, SOURCE_ITEM },
	{ "contains", SOURCE_ONE, SOURCE_ITEM },
	{ "additionalItems", SOURCE_ONE, SOURCE_REST },
	{ "unevaluatedItems", SOURCE_ONE, SOURCE_REST },
	{ "additionalProperties", SOURCE_ONE, SOURCE_REST },
	{ "unevaluatedProperties", SOURCE_ONE, SOURCE_REST },
	{ "patternProperties", SOURCE_MAP, SOURCE_REST },
	{ "propertyNames", SOURCE_ONE, SOURCE_REST },
	{ "$defs", SOURCE_MAP, SOURCE_DEFINITION },
	{ "definitions", SOURCE_MAP, SOURCE_DEFINITION },
	{ "allOf", SOURCE_LIST, SOURCE_SAME },
	{ "anyOf", SOURCE_LIST, SOURCE_SAME },
	{ "oneOf", SOURCE_LIST, SOURCE_SAME },
	{ "not", SOURCE_ONE, SOURCE_SAME },
	{ "if", SOURCE_ONE, SOURCE_SAME },
	{ "then", SOURCE_ONE, SOURCE_SAME },
	{ "else", SOURCE_ONE, SOURCE_SAME },
	{ "dependentSchemas", SOURCE_MAP, SOURCE_SAME },
	{ "dependencies", SOURCE_MAP, SOURCE_SAME },
	{ "contentSchema", SOURCE_ONE, SOURCE_REST },
};

unsigned source_keyword_shapes(struct slice keyword)
{
	for (size_t i = 0; i < sizeof applicators / sizeof *applicators; i++)
		if (slice_equal(keyword, slice_of(applicators[i].keyword)))
			return applicators[i].shapes;
	return 0;
}

static bool is_schema(struct spot at)
{
	enum json_type type = spot_type(at);

	return type == JSON_OBJECT || type == JSON_TRUE || type == JSON_FALSE;
}

static bool each_below(const struct sources *src, struct source_child child, struct spot value, unsigned shapes,
                       source_child_fn fn, void *context)
{
	struct source_member m = { .key = 0 };
	size_t index = 0;

	if ((shapes & SOURCE_ONE) && is_schema(value)) {
		child.at = value;
		return fn(context, &child);
	}
	if (shapes & SOURCE_LIST)
		for (struct spot e = { 0 }; spot_next_element(value, &e); index++) {
			child.step = arena_print(src->arena, "%zu", index);
			child.at = e;
			if (is_schema(e) && !fn(context, &child))
				return false;
		}
	while ((shapes & SOURCE_MAP) && spot_next_member(src, value, &m)) {
		child.step = m.name;
		child.at = m.value;
		if (is_schema(m.value) && !fn(context, &child))
			return false;
	}
	return true;
}

bool source_each_child(const struct sources *src, struct spot at, source_child_fn fn, void *context)
{
	for (size_t i = 0; i < sizeof applicators / sizeof *applicators; i++) {
		struct source_child child = { .keyword = slice_of(applicators[i].keyword),
			                      .role = applicators[i].role };
		struct spot value = spot_get(at, child.keyword);
		if (value.node && !each_below(src, child, value, applicators[i].shapes, fn, context))
			return false;
	}
	return true;
}

struct slice source_pointer(struct arena *arena, struct slice pointer, const struct source_child *child)
{
	struct buffer text;

	buffer_init(&text, arena);
	buffer_append(&text, pointer);
	json_write_pointer_step(&text, child->keyword);
	if (child->step.at)
		json_write_pointer_step(&text, child->step);
	return buffer_slice(&text);
}
