/* The canonical event: written in one pass into a buffer, by copying byte ranges of what came in. Members that are
 * absent are not written; the order is that of the contract, position first. */
#include "event/canonical.h"
#include "base/clock.h"

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

void canonical_put_member(struct buffer *out, struct slice name, const struct event *ev, enum event_member member)
{
	uint32_t node = ev->member[member];
	const struct event_edit *edit = node ? event_edit_find(ev, node) : NULL;
	if (!node || (edit && !edit->text.at))
		return;
	buffer_append(out, name);
	event_write_node(ev, node, out);
}

static bool is_numbers(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((text.at[i] < '0' || text.at[i] > '9') && text.at[i] != '-' && text.at[i] != '.')
			return false;
	return true;
}

/* Of an event that is kept although the catalog does not have it: what its sender says. Where the person refused, no
 * words of the sender's choice. */
static void put_version(struct buffer *out, const struct event *ev)
{
	uint32_t sent = ev->member[EVENT_MEMBER_VERSION];
	if (ev->version.len) {
		PUT(out, ",\"version\":\"");
		buffer_append(out, ev->version);
		buffer_append_char(out, '"');
	} else if (sent && (ev->consent.applied < CONSENT_STRIPPED || is_numbers(json_inner(ev->doc, sent)))) {
		canonical_put_member(out, SLICE(",\"version\":"), ev, EVENT_MEMBER_VERSION);
	}
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

static void put_source(struct buffer *out, const struct event *ev, const struct event_origin *origin)
{
	PUT(out, ",\"source\":{\"name\":");
	json_write_string(out, origin->source->name);
	PUT(out, ",\"kind\":\"");
	buffer_append(out, slice_of(source_kind_name(origin->source->kind)));
	PUT(out, "\",\"protocol\":\"");
	buffer_append(out, slice_of(origin->protocol));
	buffer_append_char(out, '"');
	if (ev->sdk.len) {
		PUT(out, ",\"sdk\":");
		json_write_string_safe(out, ev->sdk);
	}
	buffer_append_char(out, '}');
}

static void put_quality(struct buffer *out, const struct event *ev, const struct event_origin *origin)
{
	if (!ev->warning_count && !ev->repeat && !ev->late && !ev->unverified)
		return;
	/* of somebody who refused not even a name is told that may be theirs */
	const struct event_origin *withhold = ev->consent.applied >= CONSENT_STRIPPED ? origin : NULL;
	PUT(out, ",\"quality\":{");
	size_t begin = out->len;
	if (ev->warning_count) {
		PUT(out, "\"warnings\":[");
		for (uint32_t i = 0; i < ev->warning_count; i++) {
			if (i)
				buffer_append_char(out, ',');
			PUT(out, "{\"path\":");
			canonical_put_path(out, ev, ev->warnings[i].path, withhold);
			PUT(out, ",\"rule\":");
			json_write_string(out, ev->warnings[i].rule);
			buffer_append_char(out, '}');
		}
		buffer_append_char(out, ']');
	}
	if (ev->more_warnings) {
		PUT(out, ",\"more_warnings\":");
		buffer_append_u64(out, ev->more_warnings);
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

/* Of a person of whom nothing is left, nothing is said. */
static void put_user(struct buffer *out, const struct event *ev)
{
	size_t begin = out->len;
	canonical_put_member(out, SLICE(",\"user\":"), ev, EVENT_MEMBER_USER);
	bool is_empty = out->len == begin || (out->len - begin == sizeof ",\"user\":{}" - 1);
	if (is_empty)
		out->len = begin;
	if (!ev->user_hashed.len)
		return;
	if (is_empty)
		PUT(out, ",\"user\":{");
	else
		out->len--; /* the closing brace */
	buffer_append(out, is_empty ? SLICE("\"hashed\":") : SLICE(",\"hashed\":"));
	buffer_append(out, ev->user_hashed);
	buffer_append_char(out, '}');
}

void event_write_canonical(const struct event *ev, const struct event_origin *origin, struct buffer *out)
{
	PUT(out, "{\"format\":1,\"position\":\"");
	buffer_append(out, origin->position);
	PUT(out, "\",\"event\":\"");
	buffer_append(out, ev->name);
	buffer_append_char(out, '"');
	put_version(out, ev);
	PUT(out, ",\"event_id\":");
	json_write_string(out, event_stored_id(ev));
	if (ev->client_event_id.len && !ev->client_event_id_withheld) {
		PUT(out, ",\"client_event_id\":");
		json_write_string(out, ev->client_event_id);
	}
	put_times(out, ev);
	put_source(out, ev, origin);
	canonical_put_ids(out, ev);
	put_user(out, ev);
	canonical_put_consent(out, ev);
	canonical_put_context(out, ev, origin);
	put_quality(out, ev, origin);
	if (ev->member[EVENT_MEMBER_PROPERTIES])
		canonical_put_member(out, SLICE(",\"properties\":"), ev, EVENT_MEMBER_PROPERTIES);
	else
		PUT(out, ",\"properties\":{}");
	buffer_append_char(out, '}');
}
