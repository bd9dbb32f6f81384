/* Envelope defaults. A member of the event that is null or "" counts as absent, so the default takes its place. An event
 * with a name twice stays as it came: it is refused, and which of the two would win is nobody's guess. */
#include "protocol/native_envelope.h"

bool native_envelope_is_fit(const struct json_doc *doc, uint32_t events)
{
	const struct json_node *nodes = doc->nodes;
	if (!(nodes[0].flags & JSON_FLAG_UNFIT))
		return true;
	for (uint32_t key = 1; key < nodes[0].next; key = nodes[key + 1].next) {
		if (nodes[key].flags & JSON_FLAG_UNFIT)
			return false;
		if (key + 1 != events && (nodes[key + 1].flags & JSON_FLAG_UNFIT))
			return false;
		/* the root's own duplicates: its flag tells only that there are some, here or in an event */
		for (uint32_t other = 1; other < key; other = nodes[other + 1].next)
			if (slice_equal(json_inner(doc, other), json_inner(doc, key)))
				return false;
	}
	return true;
}

bool native_envelope_has_defaults(const struct json_doc *doc)
{
	return doc->nodes[0].count > 1;
}

static bool is_absent(const struct json_doc *doc, uint32_t node)
{
	return !node || json_type_of(doc, node) == JSON_NULL ||
	       (json_type_of(doc, node) == JSON_STRING && doc->nodes[node].length == 2);
}

/* The value of the member of `object` that has the key's name, however either is escaped; 0 if there is none. */
static uint32_t same_member(const struct json_doc *doc, uint32_t object, uint32_t key, struct arena *arena)
{
	return json_get(doc, object, json_string(doc, key, arena));
}

static void put_pair(struct buffer *out, const struct json_doc *doc, uint32_t key, bool *first)
{
	if (!*first)
		buffer_append_char(out, ',');
	*first = false;
	buffer_append(out, json_raw(doc, key));
	buffer_append_char(out, ':');
	json_write_node(out, doc, key + 1);
}

static bool merges(const struct json_doc *doc, uint32_t key)
{
	return json_string_equals(doc, key, SLICE("context")) || json_string_equals(doc, key, SLICE("consent")) ||
	       json_string_equals(doc, key, SLICE("user"));
}

/* All members of object `a`, then those of `b` that a has not. */
static void put_union(struct buffer *out, const struct json_doc *doc, uint32_t a, uint32_t b)
{
	const struct json_node *nodes = doc->nodes;
	bool first = true;
	buffer_append_char(out, '{');
	for (uint32_t key = a + 1; key < nodes[a].next; key = nodes[key + 1].next)
		put_pair(out, doc, key, &first);
	for (uint32_t key = b + 1; key < nodes[b].next; key = nodes[key + 1].next)
		if (!same_member(doc, a, key, out->arena))
			put_pair(out, doc, key, &first);
	buffer_append_char(out, '}');
}

static void put_merged(struct buffer *out, const struct json_doc *doc, uint32_t event)
{
	const struct json_node *nodes = doc->nodes;
	bool first = true;
	buffer_append_char(out, '{');
	for (uint32_t key = event + 1; key < nodes[event].next; key = nodes[key + 1].next) {
		uint32_t fallback = same_member(doc, 0, key, out->arena);
		if (fallback && is_absent(doc, key + 1))
			continue;
		if (!fallback || !merges(doc, key) || nodes[fallback].type != JSON_OBJECT ||
		    nodes[key + 1].type != JSON_OBJECT) {
			put_pair(out, doc, key, &first);
			continue;
		}
		if (!first)
			buffer_append_char(out, ',');
		first = false;
		buffer_append(out, json_raw(doc, key));
		buffer_append_char(out, ':');
		put_union(out, doc, key + 1, fallback);
	}
	for (uint32_t key = 1; key < nodes[0].next; key = nodes[key + 1].next) {
		if (json_string_equals(doc, key, SLICE("events")))
			continue;
		if (is_absent(doc, same_member(doc, event, key, out->arena)))
			put_pair(out, doc, key, &first);
	}
	buffer_append_char(out, '}');
}

void native_envelope_merge(const struct json_doc *doc, struct protocol_decoded *out, struct arena *arena)
{
	static const struct json_options options = { .depth_max = 1,
		                                     .nodes_max = UINT32_MAX,
		                                     .depth_refused = UINT32_MAX };
	for (uint32_t i = 0; i < out->count; i++) {
		struct event *ev = &out->events[i];
		if (json_type_of(doc, ev->node) != JSON_OBJECT || (doc->nodes[ev->node].flags & JSON_FLAG_DUPLICATE))
			continue;
		struct buffer text;
		buffer_init(&text, arena);
		put_merged(&text, doc, ev->node);
		struct json_doc *merged = arena_zalloc(arena, sizeof *merged);
		size_t at;
		if (!merged || text.failed || json_scan(merged, buffer_slice(&text), &options, arena, &at) != JSON_OK)
			return;
		ev->doc = merged;
		ev->node = 0;
		ev->bytes = buffer_slice(&text);
	}
}
