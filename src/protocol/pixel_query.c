/* The query becomes a tree of names, the tree a JSON text, and the text goes the way of every event. A container whose
 * names are exactly 0 … n-1, in any order, is an array. Conflicts (a=1&a.b=2, or the same key twice) refuse the event. */
#include "protocol/pixel_query.h"

#include "base/percent.h"

#define STEPS_MAX 16

struct branch {
	struct slice name;
	struct slice value;
	bool is_leaf;
	uint32_t count;
	struct branch *children, *last_child;
	struct branch *next;
};

struct typing {
	const struct schema *properties;     /* NULL: event not in the catalog */
	const struct schema *context, *user; /* NULL: the catalog has none */
	struct slice steps[STEPS_MAX];
	size_t depth;
};

static struct branch *branch_child(struct branch *parent, struct slice name, struct arena *arena)
{
	for (struct branch *child = parent->children; child; child = child->next)
		if (slice_equal(child->name, name))
			return child;
	struct branch *child = arena_zalloc(arena, sizeof *child);
	if (!child)
		return NULL;
	child->name = name;
	if (parent->last_child)
		parent->last_child->next = child;
	else
		parent->children = child;
	parent->last_child = child;
	parent->count++;
	return child;
}

static enum pixel_query_result branch_put(struct branch *root, struct slice key, struct slice value,
                                          struct arena *arena)
{
	struct branch *at = root;
	size_t depth = 0;
	for (struct slice rest = key;;) {
		bool is_last = slice_find(rest, '.') == rest.len;
		at = branch_child(at, slice_split(&rest, '.'), arena);
		if (!at)
			return PIXEL_QUERY_NO_MEMORY;
		if (at->is_leaf)
			return PIXEL_QUERY_CONFLICT;
		if (is_last)
			break;
		if (++depth == STEPS_MAX)
			return PIXEL_QUERY_TOO_DEEP;
	}
	if (at->children)
		return PIXEL_QUERY_CONFLICT;
	at->is_leaf = true;
	at->value = value;
	return PIXEL_QUERY_OK;
}

static struct slice branch_value(const struct branch *root, struct slice name)
{
	for (const struct branch *child = root->children; child; child = child->next)
		if (child->is_leaf && slice_equal(child->name, name))
			return child->value;
	return SLICE_NONE;
}

/* An array's elements by index; NULL: it is none. Names differ, so n of them below n are all of 0 … n-1. */
static const struct branch **find_elements(const struct branch *branch, struct arena *arena)
{
	uint64_t index;
	const struct branch **elements = NULL;
	for (const struct branch *child = branch->children; child; child = child->next) {
		if (!slice_to_u64(child->name, &index) || index >= branch->count ||
		    (child->name.len > 1 && child->name.at[0] == '0'))
			return NULL;
		if (!elements)
			elements = arena_array(arena, branch->count, sizeof *elements);
		if (!elements)
			return NULL;
		elements[index] = child;
	}
	return elements;
}

static bool is_digits(struct slice s)
{
	uint64_t number;
	return s.len > 0 && s.at[0] != '0' && slice_to_u64(s, &number);
}

/* A JSON number that is the whole text. */
static bool is_number(struct slice text, struct arena *arena, bool *is_integer)
{
	static const struct json_options options = { .depth_max = 1, .nodes_max = 4 };
	struct json_doc doc = { 0 };
	size_t at;
	if (!text.len || json_scan(&doc, text, &options, arena, &at) != JSON_OK || doc.nodes[0].type != JSON_NUMBER ||
	    doc.nodes[0].length != text.len)
		return false;
	*is_integer = doc.nodes[0].flags & JSON_FLAG_INTEGER;
	return true;
}

static enum schema_want wanted(const struct typing *typing)
{
	if (typing->depth == 1 && slice_equal(typing->steps[0], SLICE("test")))
		return SCHEMA_WANT_BOOLEAN;
	if (typing->depth == 2 && slice_equal(typing->steps[0], SLICE("consent")))
		return SCHEMA_WANT_BOOLEAN; /* purposes may be true or false there */
	const struct schema *schema = typing->depth < 2                                    ? NULL
	                              : slice_equal(typing->steps[0], SLICE("properties")) ? typing->properties
	                              : slice_equal(typing->steps[0], SLICE("context"))    ? typing->context
	                              : slice_equal(typing->steps[0], SLICE("user"))       ? typing->user
	                                                                                   : NULL;
	return schema ? schema_want_at(schema, typing->steps + 1, typing->depth - 1) : SCHEMA_WANT_STRING;
}

static void put_value(struct buffer *out, struct slice value, const struct typing *typing, struct arena *arena)
{
	enum schema_want want = wanted(typing);
	bool is_integer = false;
	bool is_time = typing->depth == 1 && (slice_equal(typing->steps[0], SLICE("event_time")) ||
	                                      slice_equal(typing->steps[0], SLICE("sent_at")));
	if (want == SCHEMA_WANT_BOOLEAN && (slice_equal(value, SLICE("true")) || slice_equal(value, SLICE("false"))))
		buffer_append(out, value);
	else if (is_time && is_digits(value))
		buffer_append(out, value);
	else if ((want == SCHEMA_WANT_NUMBER || want == SCHEMA_WANT_INTEGER) && is_number(value, arena, &is_integer))
		buffer_append(out, value);
	else
		json_write_string(out, value);
}

static void put_branch(struct buffer *out, const struct branch *branch, struct typing *typing, struct arena *arena);

static void put_child(struct buffer *out, const struct branch *child, struct typing *typing, struct arena *arena)
{
	typing->steps[typing->depth++] = child->name;
	put_branch(out, child, typing, arena);
	typing->depth--;
}

static void put_branch(struct buffer *out, const struct branch *branch, struct typing *typing, struct arena *arena)
{
	if (branch->is_leaf) {
		put_value(out, branch->value, typing, arena);
		return;
	}
	const struct branch **elements = typing->depth > 0 ? find_elements(branch, arena) : NULL;
	buffer_append_char(out, elements ? '[' : '{');
	for (uint32_t i = 0; elements && i < branch->count; i++) {
		if (i)
			buffer_append_char(out, ',');
		put_child(out, elements[i], typing, arena);
	}
	for (const struct branch *child = branch->children; !elements && child; child = child->next) {
		if (child != branch->children)
			buffer_append_char(out, ',');
		json_write_string(out, child->name);
		buffer_append_char(out, ':');
		put_child(out, child, typing, arena);
	}
	buffer_append_char(out, elements ? ']' : '}');
}

enum pixel_query_result pixel_query_to_json(struct slice query, uint32_t arguments_max, const struct catalog *cat,
                                            struct arena *arena, struct buffer *json, struct slice *data)
{
	struct branch root = { 0 };
	uint32_t count = 0;
	*data = SLICE_NONE;
	while (query.len) {
		struct slice pair = slice_split(&query, '&');
		if (!pair.len)
			continue;
		if (++count > arguments_max)
			return PIXEL_QUERY_TOO_MANY;
		struct slice name = percent_decode_text(slice_split(&pair, '='), true, arena);
		struct slice value = percent_decode_text(pair, true, arena);
		if (slice_equal(name, SLICE("key")))
			continue;
		if (slice_equal(name, SLICE("data"))) {
			*data = value;
			continue;
		}
		enum pixel_query_result result = branch_put(&root, name, value, arena);
		if (result != PIXEL_QUERY_OK)
			return result;
	}
	struct typing typing = { .context = catalog_context(cat), .user = catalog_user(cat) };
	const struct event_schema *schema = NULL;
	if (catalog_find(cat, branch_value(&root, SLICE("event")), branch_value(&root, SLICE("version")), &schema) ==
	    CATALOG_FOUND)
		typing.properties = schema->properties;
	put_branch(json, &root, &typing, arena);
	return json->failed || arena->overflowed ? PIXEL_QUERY_NO_MEMORY : PIXEL_QUERY_OK;
}
