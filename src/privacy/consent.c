/* Purposes are open names; the members with a meaning of their own (TCF, GPP, Google's strings, GPC …) are told apart
 * by name and checked for their type only. */
#include "privacy/consent.h"

#include "catalog/catalog.h"

#define PURPOSE_BYTES_MAX 32

enum statement_type { STATEMENT_TEXT, STATEMENT_FLAG, STATEMENT_ANY };

#define STATEMENT_NAME(text)           \
	{                              \
		text, sizeof(text) - 1 \
	}

static const struct {
	struct slice name;
	enum statement_type type;
} statements[] = {
	{ STATEMENT_NAME("tcf"), STATEMENT_TEXT },        { STATEMENT_NAME("gdpr"), STATEMENT_ANY },
	{ STATEMENT_NAME("gpp"), STATEMENT_TEXT },        { STATEMENT_NAME("gpp_sid"), STATEMENT_ANY },
	{ STATEMENT_NAME("us_privacy"), STATEMENT_TEXT }, { STATEMENT_NAME("gcs"), STATEMENT_TEXT },
	{ STATEMENT_NAME("gcd"), STATEMENT_TEXT },        { STATEMENT_NAME("gpc"), STATEMENT_FLAG },
	{ STATEMENT_NAME("dnt"), STATEMENT_FLAG },        { STATEMENT_NAME("time"), STATEMENT_ANY },
	{ STATEMENT_NAME("version"), STATEMENT_ANY },     { STATEMENT_NAME("method"), STATEMENT_TEXT },
};

static int statement_of(const struct json_doc *doc, uint32_t key)
{
	for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++)
		if (json_string_equals(doc, key, statements[i].name))
			return (int)i;
	return -1;
}

static bool is_purpose_name(struct slice name)
{
	if (name.len == 0 || name.len > PURPOSE_BYTES_MAX || name.at[0] < 'a' || name.at[0] > 'z')
		return false;
	for (size_t i = 1; i < name.len; i++) {
		char c = name.at[i];
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_')
			return false;
	}
	return true;
}

static bool read_state(const struct json_doc *doc, uint32_t node, enum consent_state *state)
{
	switch (json_type_of(doc, node)) {
	case JSON_TRUE:
		*state = CONSENT_GRANTED;
		return true;
	case JSON_FALSE:
		*state = CONSENT_DENIED;
		return true;
	case JSON_NULL:
		*state = CONSENT_UNKNOWN;
		return true;
	case JSON_STRING:
		break;
	default:
		return false;
	}
	if (json_string_equals(doc, node, SLICE("granted")))
		*state = CONSENT_GRANTED;
	else if (json_string_equals(doc, node, SLICE("denied")))
		*state = CONSENT_DENIED;
	else if (json_string_equals(doc, node, SLICE("unknown")))
		*state = CONSENT_UNKNOWN;
	else
		return false;
	return true;
}

static bool is_true(const struct json_doc *doc, uint32_t node)
{
	struct slice raw = json_raw(doc, node);
	return json_type_of(doc, node) == JSON_TRUE || slice_equal(raw, SLICE("1")) || slice_equal(raw, SLICE("\"1\""));
}

static void refuse(struct event *ev, struct arena *arena, struct slice name, const char *rule, const char *message)
{
	struct buffer path;
	buffer_init(&path, arena);
	buffer_append(&path, SLICE("/consent"));
	if (name.at)
		json_write_pointer_step(&path, name);
	event_refuse(ev, arena, REASON_MEMBER_WRONG, buffer_slice(&path), slice_of(rule), slice_of(message));
}

static void read_statement(struct event *ev, uint32_t key, int which, struct arena *arena)
{
	enum json_type type = json_type_of(ev->doc, key + 1);
	struct slice name = statements[which].name;
	if (type == JSON_NULL)
		return;
	if (statements[which].type == STATEMENT_TEXT && type != JSON_STRING)
		refuse(ev, arena, name, "type", "must be a string");
	else if (type == JSON_OBJECT || (type == JSON_ARRAY && !slice_equal(name, SLICE("gpp_sid"))))
		refuse(ev, arena, name, "type", "must be a string, a number or true or false");
	else if (slice_equal(name, SLICE("gpc")) && is_true(ev->doc, key + 1))
		ev->consent.gpc = true;
}

static void read_purpose(struct event *ev, uint32_t key, struct arena *arena)
{
	struct slice name = json_string(ev->doc, key, arena);
	struct event_purpose *purpose = &ev->consent.at[ev->consent.count];
	if (!is_purpose_name(name)) {
		refuse(ev, arena, name, "propertyNames",
		       "names of purposes are lower case letters, digits and underscores, 32 at most");
	} else if (!read_state(ev->doc, key + 1, &purpose->state)) {
		refuse(ev, arena, name, "enum", "must be \"granted\", \"denied\", \"unknown\", true or false");
	} else {
		purpose->purpose = name;
		purpose->basis = "event";
		ev->consent.count++;
	}
}

static void add_defaults(struct event *ev, const struct source *source)
{
	uint32_t stated = ev->consent.count;
	for (size_t d = 0; d < source->consent_defaults_count; d++) {
		const struct config_consent_default *fallback = &source->consent_defaults[d];
		uint32_t i = 0;
		while (i < stated && !slice_equal(ev->consent.at[i].purpose, fallback->purpose))
			i++;
		if (i < stated && ev->consent.at[i].state != CONSENT_UNKNOWN)
			continue;
		struct event_purpose *purpose = i < stated ? &ev->consent.at[i] : &ev->consent.at[ev->consent.count++];
		*purpose = (struct event_purpose) { fallback->purpose, fallback->state, "default" };
	}
}

enum consent_state consent_state_of(const struct event_consent *consent, struct slice purpose)
{
	for (uint32_t i = 0; i < consent->count; i++)
		if (slice_equal(consent->at[i].purpose, purpose))
			return consent->at[i].state;
	return CONSENT_UNKNOWN;
}

static bool allows_payload(const struct event *ev, const struct source *source)
{
	if (source->dead_letter_payload != PAYLOAD_CONSENTED)
		return source->dead_letter_payload == PAYLOAD_ALWAYS;
	for (size_t i = 0; ev->schema && i < ev->schema->purposes_count; i++)
		if (consent_state_of(&ev->consent, ev->schema->purposes[i]) == CONSENT_GRANTED)
			return true;
	return false;
}

static uint32_t errors_told(const struct event *ev)
{
	return ev->errors ? ev->errors->count + ev->errors->more : 0;
}

void consent_decide(struct event *ev, const struct source *source, const struct event_connection *connection,
                    struct arena *arena)
{
	uint32_t consent = ev->member[EVENT_MEMBER_CONSENT], told = errors_told(ev);
	if (consent && json_type_of(ev->doc, consent) != JSON_OBJECT) {
		refuse(ev, arena, SLICE_NONE, "type", "must be an object");
		consent = ev->member[EVENT_MEMBER_CONSENT] = 0;
	}
	const struct json_node *nodes = ev->doc->nodes;
	uint32_t members = 0;
	for (uint32_t key = consent + 1; consent && key < nodes[consent].next; key = nodes[key + 1].next)
		members++;
	ev->consent.at = arena_array(arena, members + source->consent_defaults_count, sizeof *ev->consent.at);
	if (!ev->consent.at)
		return;
	for (uint32_t key = consent + 1; consent && key < nodes[consent].next; key = nodes[key + 1].next) {
		int which = statement_of(ev->doc, key);
		if (which >= 0)
			read_statement(ev, key, which, arena);
		else
			read_purpose(ev, key, arena);
	}
	add_defaults(ev, source);
	/* a server's connection is the server's own, it says nothing of the person */
	ev->consent.gpc = ev->consent.gpc || (connection->gpc && source->kind != SOURCE_SERVER);
	/* a statement that cannot be read may be a refusal */
	ev->payload_allowed = source->dead_letter_payload == PAYLOAD_ALWAYS ||
	                      (errors_told(ev) == told && allows_payload(ev, source));
}
