/* What goes beside an event's value into its record: headers and key. */
#include "event/write.h"

#include "base/clock.h"
#include "event/headers.h"

static void put_source_uri(struct buffer *out, const struct event_origin *origin)
{
	char uri[300];
	struct slice name = origin->source->name;
	size_t len = sizeof "/headgate/" - 1;
	memcpy(uri, "/headgate/", len);
	if (name.len > sizeof uri - len)
		name.len = sizeof uri - len;
	memcpy(uri + len, name.at, name.len);
	event_headers_put(out, SLICE("ce_source"), (struct slice) { uri, len + name.len });
}

void event_write_headers(const struct event *ev, const struct event_origin *origin, struct buffer *out)
{
	char time[CLOCK_TEXT_BYTES];
	clock_format(ev->event_ms, time);
	event_headers_put(out, SLICE("ce_id"), event_stored_id(ev));
	put_source_uri(out, origin);
	event_headers_put(out, SLICE("ce_type"), ev->name);
	event_headers_put(out, SLICE("ce_time"), (struct slice) { time, sizeof time });
	if (ev->dataschema.len)
		event_headers_put(out, SLICE("ce_dataschema"), ev->dataschema);
}

/* Text of a scalar, unescaped; none for null, "", objects and arrays. */
static struct slice scalar_text(const struct json_doc *doc, uint32_t node, struct arena *arena)
{
	switch (json_type_of(doc, node)) {
	case JSON_STRING:
		return json_string(doc, node, arena);
	case JSON_NUMBER:
	case JSON_TRUE:
	case JSON_FALSE:
		return json_raw(doc, node);
	default:
		return SLICE_NONE;
	}
}

static struct slice key_in_ids(const struct event *ev, struct slice name, struct arena *arena)
{
	for (uint32_t i = 0; i < ev->id_count; i++)
		if (slice_equal(ev->ids[i].name, name))
			return ev->ids[i].value ? scalar_text(ev->doc, ev->ids[i].value, arena) : ev->ids[i].text;
	return SLICE_NONE;
}

/* Cold: pointers other than the usual ones are followed in the canonical text itself. */
static struct slice key_in_canonical(struct slice canonical, struct slice pointer, struct arena *arena)
{
	static const struct json_options options = { .depth_max = 64, .nodes_max = 1 << 20 };
	struct json_doc doc = { 0 };
	size_t at;
	if (json_scan(&doc, canonical, &options, arena, &at) != JSON_OK)
		return SLICE_NONE;
	uint32_t node = json_pointer_get(&doc, 0, pointer);
	return node ? scalar_text(&doc, node, arena) : SLICE_NONE;
}

struct slice event_key(const struct event *ev, const struct slice *pointers, size_t count, struct slice canonical,
                       struct arena *arena)
{
	for (size_t i = 0; i < count; i++) {
		struct slice pointer = pointers[i], key;
		if (slice_equal(pointer, SLICE("/event_id")))
			key = event_stored_id(ev);
		else if (slice_starts(pointer, SLICE("/ids/")))
			key = key_in_ids(ev, (struct slice) { pointer.at + 5, pointer.len - 5 }, arena);
		else
			key = key_in_canonical(canonical, pointer, arena);
		if (key.len)
			return key;
	}
	return SLICE_NONE;
}
