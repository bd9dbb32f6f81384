/* What the person allowed, in the canonical event: the outcome per purpose, what decided it, and the statements. */
#include "event/canonical.h"

#include "base/clock.h"

static bool is_purpose(const struct event *ev, const struct json_doc *doc, uint32_t key)
{
	for (uint32_t i = 0; i < ev->consent.count; i++)
		if (json_string_equals(doc, key, ev->consent.at[i].purpose))
			return true;
	return false;
}

static bool says_nothing(const struct json_node *value)
{
	return value->type == JSON_NULL || (value->type == JSON_STRING && value->length == 2);
}

/* As all times here, whatever it came as; one that nobody believed is not known. */
static void put_consent_time(struct buffer *out, const struct event *ev)
{
	char text[CLOCK_TEXT_BYTES];
	if (!ev->consent.time_ms)
		return;
	clock_format(ev->consent.time_ms, text);
	PUT(out, ",\"time\":\"");
	buffer_append(out, (struct slice) { text, sizeof text });
	buffer_append_char(out, '"');
}

/* The raw statements beside the purposes: TCF, GPP and Google strings, time, version, method. gpc is written apart. They
 * are much the same on all events of a person, as an id is, so they stay only where ids do. */
static void put_consent_statements(struct buffer *out, const struct event *ev)
{
	uint32_t consent = ev->member[EVENT_MEMBER_CONSENT];
	if (!consent || ev->consent.applied >= CONSENT_STRIPPED)
		return;
	const struct json_node *nodes = ev->doc->nodes;
	for (uint32_t key = consent + 1; key < nodes[consent].next; key = nodes[key + 1].next) {
		const struct event_edit *edit = event_edit_find(ev, key + 1);
		if (is_purpose(ev, ev->doc, key) || json_string_equals(ev->doc, key, SLICE("gpc")) ||
		    says_nothing(&nodes[key + 1]) || (edit && !edit->text.at))
			continue;
		if (json_string_equals(ev->doc, key, SLICE("time"))) {
			put_consent_time(out, ev);
			continue;
		}
		buffer_append_char(out, ',');
		buffer_append(out, json_raw(ev->doc, key));
		buffer_append_char(out, ':');
		event_write_node(ev, key + 1, out);
	}
}

void canonical_put_consent(struct buffer *out, const struct event *ev)
{
	static const struct slice states[] = { [CONSENT_UNKNOWN] = { "unknown", 7 },
		                               [CONSENT_DENIED] = { "denied", 6 },
		                               [CONSENT_GRANTED] = { "granted", 7 } };
	const struct event_consent *consent = &ev->consent;
	bool first = true;
	PUT(out, ",\"consent\":{");
	for (uint32_t i = 0; i < consent->count; i++) {
		if (!consent->at[i].is_configured && consent->applied >= CONSENT_STRIPPED)
			continue; /* the sender chose its name */
		json_write_string(out, consent->at[i].purpose);
		PUT(out, ":\"");
		buffer_append(out, states[consent->at[i].state]);
		PUT(out, "\",");
	}
	PUT(out, "\"basis\":{");
	for (uint32_t i = 0; i < consent->count; i++) {
		if (consent->at[i].basis == BASIS_NONE ||
		    (!consent->at[i].is_configured && consent->applied >= CONSENT_STRIPPED))
			continue;
		if (!first)
			buffer_append_char(out, ',');
		first = false;
		json_write_string(out, consent->at[i].purpose);
		PUT(out, ":\"");
		buffer_append(out, slice_of(consent_basis_name(consent->at[i].basis)));
		buffer_append_char(out, '"');
	}
	buffer_append_char(out, '}');
	if (consent->gpc)
		PUT(out, ",\"gpc\":true");
	put_consent_statements(out, ev);
	PUT(out, ",\"applied\":\"");
	buffer_append(out, slice_of(consent_applied_name(consent->applied)));
	PUT(out, "\"}");
}
