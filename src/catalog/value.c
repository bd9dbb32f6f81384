/* Equality of JSON values: numbers by value, strings after unescaping, objects without order. Where one side is a value
 * of a schema its strings were unescaped at load, and those of documents are compared step by step, so that nothing is
 * allocated for it. */
#include "base/hash.h"
#include "catalog/program.h"
#include "json/text.h"

#include <pthread.h>

#define TABLE_WITHIN 128 /* slots of uniqueItems that need no memory */

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

/* Escapes are resolved step by step on both sides; a step may end in the middle of the other's. */
static bool equal_strings(const struct json_doc *doc, uint32_t a, uint32_t b)
{
	struct slice x = json_inner(doc, a), y = json_inner(doc, b), left = SLICE(""), right = SLICE("");
	struct text_step x_step, y_step;

	if (!((doc->nodes[a].flags | doc->nodes[b].flags) & JSON_FLAG_ESCAPED))
		return slice_equal(x, y);
	for (;;) {
		while (!left.len && text_next(&x, &x_step))
			left = x_step.bytes;
		while (!right.len && text_next(&y, &y_step))
			right = y_step.bytes;
		if (!left.len || !right.len)
			return left.len == right.len;
		size_t len = left.len < right.len ? left.len : right.len;
		if (memcmp(left.at, right.at, len) != 0)
			return false;
		left = (struct slice) { left.at + len, left.len - len };
		right = (struct slice) { right.at + len, right.len - len };
	}
}

static uint32_t find_same_name(const struct json_doc *doc, uint32_t object, uint32_t name)
{
	for (uint32_t key = object + 1; key < doc->nodes[object].next; key = doc->nodes[key + 1].next)
		if (equal_strings(doc, key, name))
			return key + 1;
	return 0;
}

static bool equal_children(const struct json_doc *doc, uint32_t a, uint32_t b)
{
	bool is_object = json_type_of(doc, a) == JSON_OBJECT;
	uint32_t a_end = doc->nodes[a].next, b_end = doc->nodes[b].next, x = a + 1, y = b + 1;

	if (is_object) {
		if (validate_count(doc, a) != validate_count(doc, b))
			return false;
		for (; x < a_end; x = doc->nodes[x + 1].next) {
			uint32_t other = find_same_name(doc, b, x);
			if (!other || !value_equal(doc, x + 1, other))
				return false;
		}
		return true;
	}
	for (; x < a_end && y < b_end; x = doc->nodes[x].next, y = doc->nodes[y].next)
		if (!value_equal(doc, x, y))
			return false;
	return x == a_end && y == b_end;
}

/* As deep as the document nests. */
bool value_equal(const struct json_doc *doc, uint32_t a, uint32_t b)
{
	enum json_type type = json_type_of(doc, a);

	if (type != json_type_of(doc, b))
		return false;
	if (type == JSON_STRING)
		return equal_strings(doc, a, b);
	if (type >= JSON_ARRAY)
		return equal_children(doc, a, b);
	if (type != JSON_NUMBER)
		return true;
	struct decimal x = decimal_parse(json_raw(doc, a)), y = decimal_parse(json_raw(doc, b));
	return decimal_compare(&x, &y) == 0;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * UINT64_C(0x9E3779B97F4A7C15);
	return hash ^ hash >> 29;
}

static uint64_t hash_string(const struct json_doc *doc, uint32_t node, uint64_t seed)
{
	struct slice rest = json_inner(doc, node);
	struct text_step step;
	uint64_t hash = mix(seed, JSON_STRING);

	while (text_next(&rest, &step))
		for (size_t i = 0; i < step.bytes.len; i++)
			hash = mix(hash, (unsigned char)step.bytes.at[i]);
	return hash;
}

/* Members count in any order, so theirs are added up. */
uint64_t value_hash(const struct json_doc *doc, uint32_t node, uint64_t seed)
{
	enum json_type type = json_type_of(doc, node);
	uint64_t hash = mix(seed, (uint64_t)type), sum = 0;

	if (type == JSON_STRING)
		return hash_string(doc, node, seed);
	if (type == JSON_NUMBER)
		return mix(hash, decimal_hash(json_raw(doc, node), seed));
	if (type == JSON_ARRAY)
		for (uint32_t i = node + 1; i < doc->nodes[node].next; i = doc->nodes[i].next)
			hash = mix(hash, value_hash(doc, i, seed));
	if (type == JSON_OBJECT)
		for (uint32_t key = node + 1; key < doc->nodes[node].next; key = doc->nodes[key + 1].next)
			sum += mix(hash_string(doc, key, seed), value_hash(doc, key + 1, seed));
	return mix(hash, sum);
}

static uint64_t unique_seed;

static void make_seed(void)
{
	hash_random(&unique_seed, sizeof unique_seed);
}

static uint64_t *take_table(struct run *run, size_t size)
{
	if (run->table_size < size) {
		run->table = arena_alloc(run->out->arena, size * sizeof(uint64_t));
		run->table_size = run->table ? size : 0;
	}
	if (!run->table)
		validate_abort(run, RUN_NO_MEMORY);
	return run->table;
}

/* A slot holds 32 bits of the hash and the node, 0 where it is free (node 0 is never an element). Seeded at random, so
 * that nobody can choose values that collide. */
void validate_unique_items(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const struct json_doc *doc = run->doc;
	size_t count = validate_count(doc, node), size = 8;
	uint64_t within[TABLE_WITHIN], *table = within;
	uint32_t index = 0;

	if (count < 2)
		return;
	pthread_once(&once, make_seed);
	while (size < count * 2)
		size *= 2;
	if (size > TABLE_WITHIN)
		table = take_table(run, size);
	if (!table)
		return;
	memset(table, 0, size * sizeof *table);
	for (uint32_t i = node + 1; i < doc->nodes[node].next; i = doc->nodes[i].next, index++) {
		uint64_t hash = value_hash(doc, i, unique_seed);
		size_t slot = hash & (size - 1);
		for (; table[slot]; slot = (slot + 1) & (size - 1)) {
			if (table[slot] >> 32 != hash >> 32 || !value_equal(doc, (uint32_t)table[slot], i))
				continue;
			struct frame frame = { at, 0, index, NULL };
			message_add(run, &frame, op->rule, "must not occur twice");
			return;
		}
		table[slot] = hash >> 32 << 32 | i;
	}
}
