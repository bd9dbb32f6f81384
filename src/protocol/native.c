/* headgate's own protocol: one event, an array, an envelope with defaults, or NDJSON. One scan over the whole body gives
 * all events of it; only an envelope with defaults makes texts of its own. An event that is unfit (too deep, duplicate
 * names, NUL, bad UTF-8) is refused alone where its borders can be told. */
#include "protocol/protocol.h"

#include "protocol/native_answer.h"
#include "protocol/native_envelope.h"

/* Nothing of a body is refused for its depth or the number of its values alone: the event that is too deep is flagged, the
 * others are taken, and a value takes two bytes at least, so that the limit of the body bounds them. */
static struct json_options scan_options(const struct protocol_limits *limits, struct slice text)
{
	return (struct json_options) { .depth_max = limits->depth,
		                       .nodes_max = (uint32_t)(text.len / 2) + 2,
		                       .depth_refused = UINT32_MAX };
}

static enum protocol_result malformed(struct protocol_decoded *out, const char *problem, size_t at)
{
	out->problem = problem;
	out->problem_at = at;
	return PROTOCOL_MALFORMED;
}

static void set_event(struct event *ev, const struct json_doc *doc, uint32_t node, uint32_t index)
{
	ev->doc = doc;
	ev->node = node;
	ev->index = index;
	ev->bytes = json_raw(doc, node);
}

static enum protocol_result from_array(const struct json_doc *doc, uint32_t array, const struct protocol_limits *limits,
                                       struct arena *arena, struct protocol_decoded *out)
{
	uint32_t count = 0, index = 0;
	for (uint32_t i = array + 1; i < doc->nodes[array].next; i = doc->nodes[i].next)
		count++;
	if (count == 0)
		return PROTOCOL_NO_EVENTS;
	if (count > limits->events)
		return PROTOCOL_TOO_MANY;
	out->events = arena_array(arena, count, sizeof *out->events);
	if (!out->events)
		return PROTOCOL_NO_MEMORY;
	for (uint32_t i = array + 1; i < doc->nodes[array].next; i = doc->nodes[i].next, index++)
		set_event(&out->events[index], doc, i, index);
	out->count = count;
	return PROTOCOL_OK;
}

static enum protocol_result from_object(const struct json_doc *doc, const struct protocol_limits *limits,
                                        struct arena *arena, struct protocol_decoded *out)
{
	uint32_t events = json_get(doc, 0, SLICE("events"));
	if (!events) {
		out->events = arena_array(arena, 1, sizeof *out->events);
		if (!out->events)
			return PROTOCOL_NO_MEMORY;
		set_event(&out->events[0], doc, 0, 0);
		out->count = 1;
		return PROTOCOL_OK;
	}
	if (json_type_of(doc, events) != JSON_ARRAY)
		return malformed(out, "the envelope's member events must be an array", doc->nodes[events].offset);
	if (!native_envelope_is_fit(doc, events))
		return malformed(out,
		                 "the envelope holds a duplicate name, a NUL escape, bad UTF-8 or too deep a value",
		                 SIZE_MAX);
	enum protocol_result result = from_array(doc, events, limits, arena, out);
	if (result == PROTOCOL_OK && native_envelope_has_defaults(doc))
		native_envelope_merge(doc, out, arena);
	return arena->overflowed ? PROTOCOL_NO_MEMORY : result;
}

static enum protocol_result from_json(struct slice body, const struct protocol_limits *limits, struct arena *arena,
                                      struct protocol_decoded *out)
{
	struct json_options options = scan_options(limits, body);
	struct json_doc *doc = arena_zalloc(arena, sizeof *doc);
	size_t at = 0;
	if (!doc)
		return PROTOCOL_NO_MEMORY;
	enum json_result result = json_scan(doc, body, &options, arena, &at);
	if (result == JSON_NO_MEMORY)
		return PROTOCOL_NO_MEMORY;
	if (result != JSON_OK)
		return malformed(out, "the body is not well-formed JSON", at);
	if (json_type_of(doc, 0) == JSON_ARRAY)
		return from_array(doc, 0, limits, arena, out);
	if (json_type_of(doc, 0) == JSON_OBJECT)
		return from_object(doc, limits, arena, out);
	return malformed(out, "the body must be an event object, an array of events or an envelope", 0);
}

static bool line_next(struct slice *rest, struct slice *line)
{
	while (rest->len) {
		*line = slice_trim(slice_split(rest, '\n'));
		if (line->len)
			return true;
	}
	return false;
}

static void from_line(struct event *ev, struct slice line, const struct protocol_limits *limits, struct arena *arena)
{
	struct json_options options = scan_options(limits, line);
	struct json_doc *doc = arena_zalloc(arena, sizeof *doc);
	size_t at = 0;
	ev->bytes = line;
	if (!doc)
		return;
	enum json_result result = json_scan(doc, line, &options, arena, &at);
	if (result == JSON_OK) {
		set_event(ev, doc, 0, ev->index);
		return;
	}
	event_refuse(ev, arena, REASON_NOT_JSON, SLICE(""), SLICE("json"),
	             arena_print(arena, "the line is not well-formed JSON (byte %zu)", at));
}

static enum protocol_result from_ndjson(struct slice body, const struct protocol_limits *limits, struct arena *arena,
                                        struct protocol_decoded *out)
{
	struct slice rest = body, line;
	uint32_t count = 0;
	while (line_next(&rest, &line))
		count++;
	if (count == 0)
		return PROTOCOL_NO_EVENTS;
	if (count > limits->events)
		return PROTOCOL_TOO_MANY;
	out->events = arena_array(arena, count, sizeof *out->events);
	if (!out->events)
		return PROTOCOL_NO_MEMORY;
	rest = body;
	for (uint32_t i = 0; line_next(&rest, &line); i++) {
		out->events[i].index = i;
		from_line(&out->events[i], line, limits, arena);
	}
	out->count = count;
	return arena->overflowed ? PROTOCOL_NO_MEMORY : PROTOCOL_OK;
}

static enum protocol_result native_decode(const struct protocol_input *input, const struct protocol_limits *limits,
                                          const struct catalog *cat, struct arena *arena, struct protocol_decoded *out)
{
	(void)cat;
	if (slice_equal(input->content_type, SLICE("application/x-ndjson")))
		return from_ndjson(input->body, limits, arena, out);
	return from_json(input->body, limits, arena, out);
}

static const char *const native_content_types[] = { "application/json", "text/plain", "application/x-ndjson", "",
	                                            NULL };

const struct protocol protocol_native = {
	.name = "native",
	.key_places = KEY_IN_AUTHORIZATION | KEY_IN_HEADER | KEY_IN_QUERY,
	.content_types = native_content_types,
	.cors_headers = "Authorization, Content-Type, Content-Encoding, Idempotency-Key, X-Request-Id, X-Write-Key",
	.decode = native_decode,
	.answer = native_answer,
	.refuse = NULL,
};
