/* Where it happened, in the canonical event. */
#include "event/canonical.h"

static bool is_overridden(const struct event *ev, uint32_t key)
{
	return json_string_equals(ev->doc, key, SLICE("ip")) || json_string_equals(ev->doc, key, SLICE("user_agent"));
}

/* Of browsers and apps the address and the user agent are the connection's; of servers those that they pass on. */
void canonical_put_context(struct buffer *out, const struct event *ev, const struct event_origin *origin)
{
	uint32_t context = ev->member[EVENT_MEMBER_CONTEXT];
	if (origin->source->kind == SOURCE_SERVER) {
		canonical_put_member(out, SLICE(",\"context\":"), ev, EVENT_MEMBER_CONTEXT);
		return;
	}
	PUT(out, ",\"context\":{");
	size_t begin = out->len;
	if (context) {
		const struct json_node *nodes = ev->doc->nodes;
		for (uint32_t key = context + 1; key < nodes[context].next; key = nodes[key + 1].next) {
			if (is_overridden(ev, key))
				continue;
			if (out->len > begin)
				buffer_append_char(out, ',');
			buffer_append(out, json_raw(ev->doc, key));
			buffer_append_char(out, ':');
			event_write_node(ev, key + 1, out);
		}
	}
	if (origin->connection->ip.len) {
		if (out->len > begin)
			buffer_append_char(out, ',');
		PUT(out, "\"ip\":\"");
		buffer_append(out, origin->connection->ip);
		buffer_append_char(out, '"');
	}
	if (origin->connection->user_agent.len) {
		if (out->len > begin)
			buffer_append_char(out, ',');
		PUT(out, "\"user_agent\":");
		json_write_string_safe(out, origin->connection->user_agent);
	}
	buffer_append_char(out, '}');
}
