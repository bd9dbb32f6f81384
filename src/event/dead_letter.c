/* Dead letters: a refused event with the reasons, and with its payload only where consent allows that. Names that are
 * neither members of events nor known to the schema may be somebody's data, so they become `*` without the payload. */
#include "event/canonical.h"

#include <sodium.h>

#include "base/clock.h"

static bool is_index(struct slice step)
{
	uint64_t number;
	return slice_to_u64(step, &number);
}

static bool is_known_name(const struct event *ev, const struct event_origin *origin, struct slice step)
{
	static const char *const names[] = {
#define MEMBER(id, name) name,
#include "event/members.def"
#undef MEMBER
	};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (slice_equal(step, slice_of(names[i])))
			return true;
	return ev->schema && origin->knows_name && origin->knows_name(ev->schema, step);
}

void canonical_put_path(struct buffer *out, const struct event *ev, struct slice path,
                        const struct event_origin *withhold)
{
	if (!withhold) {
		json_write_string_safe(out, path);
		return;
	}
	buffer_append_char(out, '"');
	if (path.len)
		(void)slice_split(&path, '/'); /* what stands before the first slash: nothing */
	while (path.len) {
		struct slice step = slice_split(&path, '/');
		buffer_append_char(out, '/');
		/* known names and indexes hold nothing that JSON would escape */
		buffer_append(out, is_index(step) || is_known_name(ev, withhold, step) ? step : SLICE("*"));
	}
	buffer_append_char(out, '"');
}

void event_write_errors(const struct event *ev, const struct event_origin *withhold, struct buffer *out)
{
	PUT(out, "\"errors\":[");
	for (uint32_t i = 0; ev->errors && i < ev->errors->count; i++) {
		const struct violation *v = &ev->errors->at[i];
		if (i)
			buffer_append_char(out, ',');
		PUT(out, "{\"path\":");
		canonical_put_path(out, ev, v->path, withhold);
		PUT(out, ",\"rule\":");
		json_write_string(out, v->rule);
		PUT(out, ",\"message\":");
		json_write_string_safe(out, v->message);
		if (v->schema.len) {
			PUT(out, ",\"schema\":");
			json_write_string(out, v->schema);
		}
		buffer_append_char(out, '}');
	}
	PUT(out, "],\"more_errors\":");
	buffer_append_u64(out, ev->errors ? ev->errors->more : 0);
}

static void put_payload(struct buffer *out, const struct event *ev)
{
	/* what is too deep for us would be so for many a reader of the topic */
	bool is_json =
	        ev->doc && !(ev->doc->nodes[ev->node].flags & JSON_FLAG_BAD_UTF8) && ev->reason != REASON_TOO_DEEP;
	if (is_json) {
		PUT(out, ",\"payload\":");
		event_write_node(ev, ev->node, out);
		return;
	}
	struct buffer edited;
	buffer_init(&edited, NULL);
	if (ev->doc && ev->edit_count)
		event_write_node(ev, ev->node, &edited);
	struct slice bytes = edited.at ? buffer_slice(&edited) : ev->bytes;
	size_t len = sodium_base64_encoded_len(bytes.len, sodium_base64_VARIANT_ORIGINAL);
	PUT(out, ",\"payload_base64\":\"");
	if (edited.failed)
		out->failed = true; /* rather none than what was to be left out */
	char *to = buffer_reserve(out, len);
	if (to) {
		sodium_bin2base64(to, len, (const unsigned char *)bytes.at, bytes.len, sodium_base64_VARIANT_ORIGINAL);
		out->len += len - 1; /* less the NUL */
	}
	buffer_append_char(out, '"');
	buffer_fini(&edited);
}

/* What was said or is known; a purpose that the sender named stands only where the payload does. */
static void put_consent(struct buffer *out, const struct event *ev, bool with_payload)
{
	static const char *const states[] = { "unknown", "denied", "granted" };
	bool first = true;
	if (!ev->consent.count)
		return;
	PUT(out, ",\"consent\":{");
	for (uint32_t i = 0; i < ev->consent.count; i++) {
		const struct event_purpose *purpose = &ev->consent.at[i];
		if (purpose->is_configured ? purpose->basis == BASIS_NONE : !with_payload)
			continue;
		if (!first)
			buffer_append_char(out, ',');
		first = false;
		json_write_string(out, ev->consent.at[i].purpose);
		PUT(out, ":\"");
		buffer_append(out, slice_of(states[ev->consent.at[i].state]));
		buffer_append_char(out, '"');
	}
	buffer_append_char(out, '}');
}

void event_write_dead_letter(const struct event *ev, const struct event_origin *origin, size_t payload_max,
                             struct buffer *out)
{
	bool with_payload = ev->payload_allowed && ev->bytes.len && ev->bytes.len <= payload_max;
	char time[CLOCK_TEXT_BYTES];
	clock_format(ev->received_ms, time);
	PUT(out, "{\"format\":1,\"position\":\"");
	buffer_append(out, origin->position);
	PUT(out, "\",\"reason\":\"");
	buffer_append(out, slice_of(reject_reason_name(ev->reason)));
	PUT(out, "\",");
	event_write_errors(ev, with_payload ? NULL : origin, out);
	PUT(out, ",\"received_at\":\"");
	buffer_append(out, (struct slice) { time, sizeof time });
	PUT(out, "\",\"source\":");
	json_write_string(out, origin->source->name);
	PUT(out, ",\"protocol\":\"");
	buffer_append(out, slice_of(origin->protocol));
	PUT(out, "\",\"path\":");
	json_write_string_safe(out, origin->path);
	if (ev->name.len) {
		PUT(out, ",\"event\":");
		json_write_string(out, ev->name);
	}
	if (ev->event_id.len && ev->reason != REASON_SUPPRESSED) {
		PUT(out, ",\"event_id\":");
		json_write_string_safe(out, event_stored_id(ev));
	}
	PUT(out, ",\"size\":");
	buffer_append_u64(out, ev->bytes.len);
	if (with_payload)
		put_payload(out, ev);
	put_consent(out, ev, with_payload);
	buffer_append_char(out, '}');
}
