#include "admin/person_request.h"

static bool read_text(const struct json_doc *doc, uint32_t node, struct arena *arena, struct slice *out)
{
	if (json_type_of(doc, node) != JSON_STRING)
		return false;
	*out = arena_copy(arena, json_string(doc, node, arena));
	return true;
}

static bool read_flag(const struct json_doc *doc, uint32_t node, bool *out)
{
	*out = json_type_of(doc, node) == JSON_TRUE;
	return *out || json_type_of(doc, node) == JSON_FALSE;
}

static bool read_member(const struct json_doc *doc, uint32_t key, struct arena *arena, struct person_request *out)
{
	if (json_string_equals(doc, key, SLICE("id")))
		return read_text(doc, key + 1, arena, &out->who.value);
	if (json_string_equals(doc, key, SLICE("name")))
		return read_text(doc, key + 1, arena, &out->who.name);
	if (json_string_equals(doc, key, SLICE("suppress")))
		return read_flag(doc, key + 1, &out->suppress);
	return json_string_equals(doc, key, SLICE("unsuppress")) && read_flag(doc, key + 1, &out->unsuppress);
}

bool person_request_read(struct slice body, struct arena *arena, struct person_request *out, struct error *err)
{
	static const struct json_options options = { .depth_max = 2, .nodes_max = 16 };
	struct json_doc doc = { 0 };
	size_t at;
	bool fit = body.len && json_scan(&doc, body, &options, arena, &at) == JSON_OK &&
	           json_type_of(&doc, 0) == JSON_OBJECT && !(doc.nodes[0].flags & JSON_FLAG_UNFIT);
	*out = (struct person_request) { 0 };
	for (uint32_t key = 1; fit && key < doc.nodes[0].next; key = doc.nodes[key + 1].next)
		fit = read_member(&doc, key, arena, out);
	if (arena->overflowed)
		return error_set(err, ERROR_MEMORY, "no memory for the body");
	if (!fit || (out->suppress && out->unsuppress))
		return error_set(
		        err, ERROR_USAGE,
		        "expected an object with id, and may be name (strings), suppress or unsuppress (true)");
	return person_check(&out->who, err);
}
