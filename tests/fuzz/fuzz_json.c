/* Any bytes through the scanner. What is accepted must nest, lie inside the text, and come back from the writer as the
 * same document without white space. */
#include <stdint.h>
#include <stdlib.h>

#include "json/json.h"

#define MUST(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

static const struct json_options OPTIONS = { .depth_max = 32, .nodes_max = 1u << 20, .depth_refused = 0 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_children(const struct json_doc *doc, uint32_t parent)
{
	const struct json_node *node = &doc->nodes[parent];
	bool object = node->type == JSON_OBJECT;
	uint64_t end = node->offset + 1;
	uint32_t count = 0;
	for (uint32_t i = parent + 1; i != node->next; i = doc->nodes[i].next, count++) {
		const struct json_node *child = &doc->nodes[i];
		MUST(i < node->next && child->next > i && child->next <= node->next);
		MUST(child->offset >= end);
		end = (uint64_t)child->offset + child->length;
		MUST(end < (uint64_t)node->offset + node->length);
		MUST((child->flags & ~node->flags & (JSON_FLAG_UNFIT | JSON_FLAG_SPACED)) == 0);
		if (object && count % 2 == 0)
			MUST(child->type == JSON_STRING && child->next == i + 1);
	}
	if (object)
		MUST(count % 2 == 0);
	MUST((object ? count / 2 : count) == node->count || node->count == UINT16_MAX);
}

static void check_members(const struct json_doc *doc, uint32_t object, struct arena *arena)
{
	uint32_t tried = 0;
	for (uint32_t key = object + 1; key != doc->nodes[object].next && tried++ < 16;
	     key = doc->nodes[key + 1].next) {
		struct slice name = json_string(doc, key, arena);
		uint32_t found = json_get(doc, object, name);
		struct slice inner = json_inner(doc, key);
		if (slice_find(inner, '\\') < inner.len && doc->nodes[key].flags & JSON_FLAG_BAD_UTF8)
			continue;
		MUST(json_string_equals(doc, key, name));
		MUST(found == key + 1 || (doc->nodes[object].flags & JSON_FLAG_DUPLICATE && found && found < key));
		struct buffer pointer;
		buffer_init(&pointer, arena);
		json_write_pointer_step(&pointer, name);
		MUST(json_pointer_get(doc, object, buffer_slice(&pointer)) == found);
	}
}

static void check_node(const struct json_doc *doc, size_t len, uint32_t i, struct arena *arena)
{
	const struct json_node *node = &doc->nodes[i];
	struct slice raw = json_raw(doc, i);
	MUST(node->length > 0 && (uint64_t)node->offset + node->length <= len);
	int64_t integer;
	double number;
	switch (json_type_of(doc, i)) {
	case JSON_ARRAY:
	case JSON_OBJECT:
		MUST(raw.at[0] == (node->type == JSON_OBJECT ? '{' : '['));
		MUST(raw.at[raw.len - 1] == (node->type == JSON_OBJECT ? '}' : ']'));
		check_children(doc, i);
		if (node->type == JSON_OBJECT)
			check_members(doc, i, arena);
		break;
	case JSON_STRING:
		MUST(raw.len >= 2 && raw.at[0] == '"' && raw.at[raw.len - 1] == '"');
		MUST(json_string_points(doc, i) <= raw.len - 2);
		MUST(json_string_equals(doc, i, json_string(doc, i, arena)));
		break;
	case JSON_NUMBER:
		number = json_to_double(doc, i);
		if (json_to_i64(doc, i, &integer))
			MUST((double)integer == number);
		break;
	default:
		MUST(raw.len == (node->type == JSON_FALSE ? 5 : 4));
	}
}

static void check_rewritten(const struct json_doc *doc, struct arena *arena)
{
	struct buffer out;
	struct json_doc again = { 0 };
	size_t error_at;
	buffer_init(&out, arena);
	json_write_node(&out, doc, 0);
	MUST(!out.failed);
	MUST(json_scan(&again, buffer_slice(&out), &OPTIONS, arena, &error_at) == JSON_OK);
	MUST(again.count == doc->count);
	for (uint32_t i = 0; i < again.count; i++) {
		MUST(again.nodes[i].flags == (doc->nodes[i].flags & ~JSON_FLAG_SPACED));
		MUST(again.nodes[i].type == doc->nodes[i].type && again.nodes[i].next == doc->nodes[i].next);
		if (again.nodes[i].type < JSON_ARRAY)
			MUST(slice_equal(json_raw(&again, i), json_raw(doc, i)));
	}
}

static void check_string_writers(struct slice text, struct arena *arena)
{
	struct buffer out;
	struct json_doc doc = { 0 };
	size_t error_at;
	buffer_init(&out, arena);
	json_write_string(&out, text);
	MUST(json_scan(&doc, buffer_slice(&out), &OPTIONS, arena, &error_at) == JSON_OK);
	MUST(slice_equal(json_string(&doc, 0, arena), text));
	out.len = 0;
	json_write_string_safe(&out, text);
	MUST(json_scan(&doc, buffer_slice(&out), &OPTIONS, arena, &error_at) == JSON_OK);
	MUST(!(doc.nodes[0].flags & JSON_FLAG_BAD_UTF8));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static struct arena arena;
	struct slice text = { (const char *)bytes, len };
	struct json_doc doc = { 0 };
	size_t error_at;
	if (!arena.limit_bytes)
		arena_init(&arena, 256u << 20);
	arena_reset(&arena);
	enum json_result result = json_scan(&doc, text, &OPTIONS, &arena, &error_at);
	MUST(result != JSON_NO_MEMORY && error_at <= len);
	if (result == JSON_OK) {
		MUST(doc.nodes[0].next == doc.count);
		for (uint32_t i = 0; i < doc.count; i++)
			check_node(&doc, len, i, &arena);
		check_rewritten(&doc, &arena);
	}
	check_string_writers(text, &arena);
	return 0;
}
