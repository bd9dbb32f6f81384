/* Where it happened, in the canonical event: the event's own members, those that were added to its objects, those that the
 * connection told. */
#include "event/canonical.h"

static const struct slice part_names[CONTEXT_PART_count] = {
	[CONTEXT_PART_PAGE] = { "page", 4 },           [CONTEXT_PART_CAMPAIGN] = { "campaign", 8 },
	[CONTEXT_PART_CLICK_IDS] = { "click_ids", 9 }, [CONTEXT_PART_CLIENT_HINTS] = { "client_hints", 12 },
	[CONTEXT_PART_DEVICE] = { "device", 6 },       [CONTEXT_PART_GEO] = { "geo", 3 },
};

static void put_comma(struct buffer *out, size_t begin)
{
	if (out->len > begin)
		buffer_append_char(out, ',');
}

/* Of browsers and apps the address and the user agent are the connection's; of servers those that they pass on. */
static bool is_overridden(const struct event *ev, uint32_t key)
{
	return json_string_equals(ev->doc, key, SLICE("ip")) || json_string_equals(ev->doc, key, SLICE("user_agent"));
}

/* The part that is to grow this member, or CONTEXT_PART_count. */
static int part_of(const struct event *ev, uint32_t key)
{
	for (int part = 0; part < CONTEXT_PART_count; part++)
		if (ev->context_parts[part].len && json_string_equals(ev->doc, key, part_names[part]))
			return part;
	return CONTEXT_PART_count;
}

/* An object, with members added at its end. */
static void put_grown(struct buffer *out, const struct event *ev, uint32_t node, struct slice added)
{
	size_t begin = out->len;
	event_write_node(ev, node, out);
	if (out->failed)
		return;
	bool is_empty = out->len - begin == 2;
	out->len--; /* the closing brace */
	if (!is_empty)
		buffer_append_char(out, ',');
	buffer_append(out, added);
	buffer_append_char(out, '}');
}

/* The event's own members; the bits of the parts that were written among them. */
static unsigned put_own(struct buffer *out, const struct event *ev, bool of_connection)
{
	uint32_t context = ev->member[EVENT_MEMBER_CONTEXT];
	const struct json_node *nodes = ev->doc->nodes;
	size_t begin = out->len;
	unsigned done = 0;
	for (uint32_t key = context + 1; key < nodes[context].next; key = nodes[key + 1].next) {
		const struct event_edit *edit = event_edit_find(ev, key + 1);
		if ((edit && !edit->text.at) || (of_connection && is_overridden(ev, key)))
			continue;
		int part = part_of(ev, key);
		put_comma(out, begin);
		buffer_append(out, json_raw(ev->doc, key));
		buffer_append_char(out, ':');
		if (part < CONTEXT_PART_count)
			done |= 1u << part;
		if (part < CONTEXT_PART_count && nodes[key + 1].type == JSON_OBJECT)
			put_grown(out, ev, key + 1, ev->context_parts[part]);
		else
			event_write_node(ev, key + 1, out);
	}
	return done;
}

static void put_parts(struct buffer *out, const struct event *ev, size_t begin, unsigned done)
{
	for (int part = 0; part < CONTEXT_PART_count; part++) {
		if (!ev->context_parts[part].len || (done & 1u << part))
			continue;
		put_comma(out, begin);
		buffer_append_char(out, '"');
		buffer_append(out, part_names[part]);
		PUT(out, "\":{");
		buffer_append(out, ev->context_parts[part]);
		buffer_append_char(out, '}');
	}
}

static void put_connection(struct buffer *out, const struct event *ev, size_t begin)
{
	if (ev->ip.len) {
		put_comma(out, begin);
		PUT(out, "\"ip\":\"");
		buffer_append(out, ev->ip);
		buffer_append_char(out, '"');
	}
	if (ev->user_agent.len) {
		put_comma(out, begin);
		PUT(out, "\"user_agent\":");
		json_write_string_safe(out, ev->user_agent);
	}
}

void canonical_put_context(struct buffer *out, const struct event *ev, const struct event_origin *origin)
{
	bool of_connection = origin->source->kind != SOURCE_SERVER;
	uint32_t context = ev->member[EVENT_MEMBER_CONTEXT];
	size_t before = out->len;
	PUT(out, ",\"context\":{");
	size_t begin = out->len;
	unsigned done = context ? put_own(out, ev, of_connection) : 0;
	put_parts(out, ev, begin, done);
	put_connection(out, ev, begin);
	if (ev->added_context.len) {
		put_comma(out, begin);
		buffer_append(out, ev->added_context);
	}
	if (out->len == begin && !of_connection && !context)
		out->len = before;
	else
		buffer_append_char(out, '}');
}
