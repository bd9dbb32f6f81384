/* The canonical event: written in one pass into a buffer, by copying byte ranges of what came in. Members that are
 * absent are not written; the order is that of the contract, position first. */
#include "event/write.h"

#include "base/clock.h"

#define PUT(out, literal) buffer_append((out), SLICE(literal))

static void put_time(struct buffer *out, struct slice name, int64_t wall_ms)
{
	char *to = buffer_reserve(out, name.len + CLOCK_TEXT_BYTES + 1);
	if (!to)
		return;
	memcpy(to, name.at, name.len); /* name comes as ,"event_time":" */
	clock_format(wall_ms, to + name.len);
	to[name.len + CLOCK_TEXT_BYTES] = '"';
	out->len += name.len + CLOCK_TEXT_BYTES + 1;
}

static void put_member(struct buffer *out, struct slice name, const struct event *ev, enum event_member member)
{
	if (!ev->member[member])
		return;
	buffer_append(out, name);
	json_write_node(out, ev->doc, ev->member[member]);
}

static void put_times(struct buffer *out, const struct event *ev)
{
	put_time(out, SLICE(",\"event_time\":\""), ev->event_ms);
	if (ev->time_corrected)
		put_time(out, SLICE(",\"client_time\":\""), ev->client_ms);
	if (ev->has_sent_at)
		put_time(out, SLICE(",\"sent_at\":\""), ev->sent_ms);
	put_time(out, SLICE(",\"received_at\":\""), ev->received_ms);
	if (ev->test)
		PUT(out, ",\"test\":true");
}

static void put_source(struct buffer *out, const struct event_origin *origin)
{
	PUT(out, ",\"source\":{\"name\":");
	json_write_string(out, origin->source->name);
	PUT(out, ",\"kind\":\"");
	buffer_append(out, slice_of(source_kind_name(origin->source->kind)));
	PUT(out, "\",\"protocol\":\"");
	buffer_append(out, slice_of(origin->protocol));
	PUT(out, "\"}");
}

static void put_ids(struct buffer *out, const struct event *ev)
{
	if (!ev->id_count)
		return;
	PUT(out, ",\"ids\":{");
	for (uint32_t i = 0; i < ev->id_count; i++) {
		if (i)
			buffer_append_char(out, ',');
		json_write_string(out, ev->ids[i].name);
		buffer_append_char(out, ':');
		bool is_string = json_type_of(ev->doc, ev->ids[i].value) == JSON_STRING;
		if (!is_string)
			buffer_append_char(out, '"');
		buffer_append(out, json_raw(ev->doc, ev->ids[i].value));
		if (!is_string)
			buffer_append_char(out, '"');
	}
	buffer_append_char(out, '}');
}

static bool is_purpose(const struct event *ev, const struct json_doc *doc, uint32_t key)
{
	for (uint32_t i = 0; i < ev->consent.count; i++)
		if (json_string_equals(doc, key, ev->consent.at[i].purpose))
			return true;
	return false;
}

/* The raw statements beside the purposes: TCF, GPP and Google strings, time, version, method. gpc is written apart. */
static void put_consent_statements(struct buffer *out, const struct event *ev)
{
	uint32_t consent = ev->member[EVENT_MEMBER_CONSENT];
	if (!consent)
		return;
	const struct json_node *nodes = ev->doc->nodes;
	for (uint32_t key = consent + 1; key < nodes[consent].next; key = nodes[key + 1].next) {
		if (is_purpose(ev, ev->doc, key) || json_string_equals(ev->doc, key, SLICE("gpc")) ||
		    nodes[key + 1].type == JSON_NULL)
			continue;
		buffer_append_char(out, ',');
		buffer_append(out, json_raw(ev->doc, key));
		buffer_append_char(out, ':');
		json_write_node(out, ev->doc, key + 1);
	}
}

static void put_consent(struct buffer *out, const struct event *ev)
{
	static const struct slice states[] = { [CONSENT_UNKNOWN] = { "unknown", 7 },
		                               [CONSENT_DENIED] = { "denied", 6 },
		                               [CONSENT_GRANTED] = { "granted", 7 } };
	PUT(out, ",\"consent\":{");
	for (uint32_t i = 0; i < ev->consent.count; i++) {
		json_write_string(out, ev->consent.at[i].purpose);
		PUT(out, ":\"");
		buffer_append(out, states[ev->consent.at[i].state]);
		PUT(out, "\",");
	}
	PUT(out, "\"basis\":{");
	for (uint32_t i = 0; i < ev->consent.count; i++) {
		if (i)
			buffer_append_char(out, ',');
		json_write_string(out, ev->consent.at[i].purpose);
		PUT(out, ":\"");
		buffer_append(out, slice_of(ev->consent.at[i].basis));
		buffer_append_char(out, '"');
	}
	buffer_append_char(out, '}');
	if (ev->consent.gpc)
		PUT(out, ",\"gpc\":true");
	put_consent_statements(out, ev);
	PUT(out, ",\"applied\":\"kept\"}");
}

static bool is_overridden(const struct event *ev, uint32_t key)
{
	return json_string_equals(ev->doc, key, SLICE("ip")) || json_string_equals(ev->doc, key, SLICE("user_agent"));
}

/* Of browsers and apps the address and the user agent are the connection's; of servers those that they pass on. */
static void put_context(struct buffer *out, const struct event *ev, const struct event_origin *origin)
{
	uint32_t context = ev->member[EVENT_MEMBER_CONTEXT];
	if (origin->source->kind == SOURCE_SERVER) {
		put_member(out, SLICE(",\"context\":"), ev, EVENT_MEMBER_CONTEXT);
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
			json_write_node(out, ev->doc, key + 1);
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

static void put_quality(struct buffer *out, const struct event *ev)
{
	if (!ev->warning_count && !ev->repeat && !ev->late && !ev->unverified)
		return;
	PUT(out, ",\"quality\":{");
	size_t begin = out->len;
	if (ev->warning_count) {
		PUT(out, "\"warnings\":[");
		for (uint32_t i = 0; i < ev->warning_count; i++) {
			if (i)
				buffer_append_char(out, ',');
			PUT(out, "{\"path\":");
			json_write_string_safe(out, ev->warnings[i].path);
			PUT(out, ",\"rule\":");
			json_write_string(out, ev->warnings[i].rule);
			buffer_append_char(out, '}');
		}
		buffer_append_char(out, ']');
	}
	static const char *const flags[] = { "\"repeat\":true", "\"late\":true", "\"unverified\":true" };
	const bool set[] = { ev->repeat, ev->late, ev->unverified };
	for (size_t i = 0; i < 3; i++) {
		if (!set[i])
			continue;
		if (out->len > begin)
			buffer_append_char(out, ',');
		buffer_append(out, slice_of(flags[i]));
	}
	buffer_append_char(out, '}');
}

void event_write_canonical(const struct event *ev, const struct event_origin *origin, struct buffer *out)
{
	PUT(out, "{\"format\":1,\"position\":\"");
	buffer_append(out, origin->position);
	PUT(out, "\",\"event\":\"");
	buffer_append(out, ev->name);
	if (ev->version.len) {
		PUT(out, "\",\"version\":\"");
		buffer_append(out, ev->version);
	}
	PUT(out, "\",\"event_id\":");
	json_write_string(out, ev->event_id);
	if (ev->client_event_id.len) {
		PUT(out, ",\"client_event_id\":");
		json_write_string(out, ev->client_event_id);
	}
	put_times(out, ev);
	put_source(out, origin);
	put_ids(out, ev);
	put_member(out, SLICE(",\"user\":"), ev, EVENT_MEMBER_USER);
	put_consent(out, ev);
	put_context(out, ev, origin);
	put_quality(out, ev);
	if (ev->member[EVENT_MEMBER_PROPERTIES])
		put_member(out, SLICE(",\"properties\":"), ev, EVENT_MEMBER_PROPERTIES);
	else
		PUT(out, ",\"properties\":{}");
	buffer_append_char(out, '}');
}
