/* An id is looked for where events have ids: in `ids`, in event_id and client_event_id; in a dead letter's payload, which
 * is somebody's event as it was sent and may have been refused for its shape, among its members, and at any depth where
 * the value is long enough to mean one person; in the value of a quarantined record. A value that stands elsewhere (a
 * coupon that happens to read like an id) is nobody's.
 *
 * Most of what is held is of others: a text that holds neither the value's bytes nor a backslash, behind which it might
 * hide, is not parsed. */
#include "holdings/person.h"

#include <sodium.h>
#include <stdlib.h>

#define ARENA_BYTES ((size_t)512 << 20)
#define NODES_MAX (1u << 22)
#define SHORT_BYTES 4    /* a value shorter than that is looked for between quotes only */
#define DISTINCT_BYTES 8 /* from here on it says the same in whatever place it stands */

static bool is_name(struct slice name)
{
	if (name.len == 0 || name.len > PERSON_NAME_BYTES)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.at[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
		      c == '-' || c == '.'))
			return false;
	}
	return true;
}

bool person_check(const struct person *who, struct error *err)
{
	if (who->name.len && !is_name(who->name))
		return error_set(err, ERROR_USAGE, "the name of an id is letters, digits, _ - and ., %d at most",
		                 PERSON_NAME_BYTES);
	if (who->value.len == 0 || who->value.len > PERSON_VALUE_BYTES)
		return error_set(err, ERROR_USAGE, "an id has 1 to %d bytes", PERSON_VALUE_BYTES);
	return true;
}

bool person_parse(struct slice text, struct person *out, struct error *err)
{
	size_t equals = slice_find(text, '=');
	struct slice name = { text.at, equals }, behind = SLICE_NONE;
	bool has_name = equals < text.len && (equals == 0 || is_name(name));
	if (equals < text.len)
		behind = (struct slice) { text.at + equals + 1, text.len - equals - 1 };
	/* "YWJjZA==" is base64; "user_id=" is a name whose value was forgotten */
	if (equals > 0 && slice_equal(behind, SLICE("=")))
		has_name = false;
	*out = (struct person) { has_name ? name : SLICE_NONE, has_name ? behind : text };
	return person_check(out, err);
}

void person_search_init(struct person_search *search, const struct person *who, bool with_erasures)
{
	memset(search, 0, sizeof *search);
	search->who = *who;
	search->with_erasures = with_erasures;
	arena_init(&search->arena, ARENA_BYTES);
}

void person_search_fini(struct person_search *search)
{
	arena_fini(&search->arena);
}

/* ---- bytes ---- */

static bool holds(struct slice bytes, struct slice value)
{
	return value.len && bytes.at && bytes.len >= value.len &&
	       memmem(bytes.at, bytes.len, value.at, value.len) != NULL;
}

/* As a JSON string in a text that is not read as JSON. */
static bool holds_quoted(struct slice bytes, struct slice value)
{
	struct buffer quoted;
	buffer_init(&quoted, NULL);
	json_write_string(&quoted, value);
	bool found = quoted.failed || holds(bytes, buffer_slice(&quoted));
	buffer_fini(&quoted);
	return found;
}

bool person_is_in(const struct person_search *search, struct slice bytes)
{
	struct slice value = search->who.value;
	return holds_quoted(bytes, value) || (value.len >= SHORT_BYTES && holds(bytes, value));
}

/* ---- JSON ---- */

static void note_name(struct person_search *search, struct slice name)
{
	for (uint32_t i = 0; i < search->name_count; i++)
		if (slice_equal(slice_of(search->names[i].text), name))
			return;
	if (search->name_count == PERSON_NAMES_MAX || !is_name(name))
		return;
	memcpy(search->names[search->name_count].text, name.at, name.len);
	search->names[search->name_count++].text[name.len] = '\0';
}

static bool is_value(const struct person_search *search, uint32_t node)
{
	const struct json_doc *doc = &search->doc;
	switch (json_type_of(doc, node)) {
	case JSON_STRING:
		return json_string_equals(doc, node, search->who.value);
	case JSON_NUMBER:
		return slice_equal(json_raw(doc, node), search->who.value);
	default:
		return false;
	}
}

/* A member that may be the id looked for; `name` is what it counts as. */
static bool is_id(struct person_search *search, struct slice name, uint32_t node)
{
	if (!node || (search->who.name.len && !slice_equal(search->who.name, name)) || !is_value(search, node))
		return false;
	note_name(search, name);
	return true;
}

static bool is_in_ids(struct person_search *search, uint32_t object)
{
	const struct json_doc *doc = &search->doc;
	if (!object || json_type_of(doc, object) != JSON_OBJECT)
		return false;
	for (uint32_t key = object + 1; key < doc->nodes[object].next; key = doc->nodes[key + 1].next)
		if (is_id(search, json_string(doc, key, &search->arena), key + 1))
			return true;
	return false;
}

/* Anywhere below: members of that name, or, where none was given, any value. Depth is bounded by the scan. */
static bool is_below(struct person_search *search, uint32_t node) /* NOLINT(misc-no-recursion) */
{
	const struct json_doc *doc = &search->doc;
	const struct json_node *nodes = doc->nodes;
	bool is_object = json_type_of(doc, node) == JSON_OBJECT;
	if (!is_object && json_type_of(doc, node) != JSON_ARRAY)
		return false;
	for (uint32_t child = node + 1; child < nodes[node].next;) {
		uint32_t value = is_object ? child + 1 : child;
		struct slice name = is_object ? json_string(doc, child, &search->arena) : SLICE_NONE;
		bool counts = !search->who.name.len || (is_object && slice_equal(search->who.name, name));
		if ((counts && is_value(search, value)) || is_below(search, value))
			return true;
		child = nodes[value].next;
	}
	return false;
}

static bool is_in_payload(struct person_search *search, uint32_t node)
{
	const struct json_doc *doc = &search->doc;
	if (!node)
		return false;
	bool is_object = json_type_of(doc, node) == JSON_OBJECT;
	for (uint32_t key = node + 1; is_object && key < doc->nodes[node].next; key = doc->nodes[key + 1].next)
		if (is_id(search, json_string(doc, key, &search->arena), key + 1))
			return true;
	return (is_object && is_in_ids(search, json_get(doc, node, SLICE("ids")))) ||
	       (search->who.value.len >= DISTINCT_BYTES && is_below(search, node));
}

static bool is_in_base64(struct person_search *search, uint32_t node)
{
	if (!node || json_type_of(&search->doc, node) != JSON_STRING)
		return false;
	struct slice text = json_string(&search->doc, node, &search->arena);
	char *bytes = arena_alloc(&search->arena, text.len + 1);
	size_t len = 0;
	return bytes &&
	       sodium_base642bin((unsigned char *)bytes, text.len + 1, text.at, text.len, NULL, &len, NULL,
	                         sodium_base64_VARIANT_ORIGINAL) == 0 &&
	       person_is_in(search, (struct slice) { bytes, len });
}

static bool is_in_record(struct person_search *search, uint32_t node)
{
	const struct json_doc *doc = &search->doc;
	uint32_t type = json_get(doc, node, SLICE("type"));
	if (!search->with_erasures && type && json_string_equals(doc, type, SLICE("erasure")))
		return false;
	return is_in_ids(search, json_get(doc, node, SLICE("ids"))) ||
	       is_id(search, SLICE("event_id"), json_get(doc, node, SLICE("event_id"))) ||
	       is_id(search, SLICE("event_id"), json_get(doc, node, SLICE("client_event_id"))) ||
	       is_in_payload(search, json_get(doc, node, SLICE("payload"))) ||
	       is_in_base64(search, json_get(doc, node, SLICE("payload_base64")));
}

bool person_matches(struct person_search *search, struct slice json)
{
	const struct json_options options = { .depth_max = UINT32_MAX, .nodes_max = NODES_MAX };
	bool may_hide =
	        memchr(json.at ? json.at : "", '\\', json.len) != NULL || holds(json, SLICE("\"payload_base64\""));
	size_t at;
	if (!may_hide && !holds(json, search->who.value))
		return false;
	arena_reset(&search->arena);
	search->arena.overflowed = false;
	search->doc = (struct json_doc) { 0 };
	search->is_object = false;
	enum json_result result = json_scan(&search->doc, json, &options, &search->arena, &at);
	if (result == JSON_NO_MEMORY || result == JSON_TOO_MANY)
		search->failed = true;
	if (result != JSON_OK)
		return person_is_in(search, json);
	search->is_object = json_type_of(&search->doc, 0) == JSON_OBJECT;
	if (!search->is_object)
		return false;
	uint32_t value = json_get(&search->doc, 0, SLICE("value")); /* a line of quarantine/kafka.ndjson */
	bool matches = is_in_record(search, 0) ||
	               (value && json_type_of(&search->doc, value) == JSON_OBJECT && is_in_record(search, value));
	if (search->arena.overflowed)
		search->failed = true;
	return matches;
}
