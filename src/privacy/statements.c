/* Purposes are open names; the members with a meaning of their own (TCF, GPP, Google's strings, GPC …) are told apart
 * by name and checked for their type only: what is in the strings is ignored where it cannot be read. */
#include "privacy/statements.h"

#include "base/clock.h"

#define PURPOSE_BYTES_MAX 32
#define FIRST_CONSENT_MS 1514764800000LL /* 2018-01-01 */
#define AHEAD_MAX_MS (24 * 3600 * 1000LL)
#define SECTIONS_MAX 31

enum statement_type { STATEMENT_TEXT, STATEMENT_FLAG, STATEMENT_ANY };

#define STATEMENT_NAME(text)           \
	{                              \
		text, sizeof(text) - 1 \
	}

enum statement {
	STATEMENT_TCF,
	STATEMENT_GDPR,
	STATEMENT_GPP,
	STATEMENT_GPP_SID,
	STATEMENT_US_PRIVACY,
	STATEMENT_GCS,
	STATEMENT_GCD,
	STATEMENT_GPC,
	STATEMENT_DNT,
	STATEMENT_TIME,
	STATEMENT_VERSION,
	STATEMENT_METHOD,
	STATEMENT_count
};

static const struct {
	struct slice name;
	enum statement_type type;
} statements[STATEMENT_count] = {
	[STATEMENT_TCF] = { STATEMENT_NAME("tcf"), STATEMENT_TEXT },
	[STATEMENT_GDPR] = { STATEMENT_NAME("gdpr"), STATEMENT_ANY },
	[STATEMENT_GPP] = { STATEMENT_NAME("gpp"), STATEMENT_TEXT },
	[STATEMENT_GPP_SID] = { STATEMENT_NAME("gpp_sid"), STATEMENT_ANY },
	[STATEMENT_US_PRIVACY] = { STATEMENT_NAME("us_privacy"), STATEMENT_TEXT },
	[STATEMENT_GCS] = { STATEMENT_NAME("gcs"), STATEMENT_TEXT },
	[STATEMENT_GCD] = { STATEMENT_NAME("gcd"), STATEMENT_TEXT },
	[STATEMENT_GPC] = { STATEMENT_NAME("gpc"), STATEMENT_FLAG },
	[STATEMENT_DNT] = { STATEMENT_NAME("dnt"), STATEMENT_FLAG },
	[STATEMENT_TIME] = { STATEMENT_NAME("time"), STATEMENT_ANY },
	[STATEMENT_VERSION] = { STATEMENT_NAME("version"), STATEMENT_ANY },
	[STATEMENT_METHOD] = { STATEMENT_NAME("method"), STATEMENT_TEXT },
};

static enum statement statement_of(const struct json_doc *doc, uint32_t key)
{
	for (int i = 0; i < STATEMENT_count; i++)
		if (json_string_equals(doc, key, statements[i].name))
			return (enum statement)i;
	return STATEMENT_count;
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

bool statements_read_state(const struct json_doc *doc, uint32_t node, enum consent_state *state)
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

bool statements_is_sane_time(int64_t time_ms, int64_t now_ms)
{
	return time_ms >= FIRST_CONSENT_MS && time_ms <= now_ms + AHEAD_MAX_MS;
}

static bool is_one(const struct json_doc *doc, uint32_t node)
{
	struct slice raw = json_raw(doc, node);
	return json_type_of(doc, node) == JSON_TRUE || slice_equal(raw, SLICE("1")) || slice_equal(raw, SLICE("\"1\""));
}

static bool is_zero(const struct json_doc *doc, uint32_t node)
{
	struct slice raw = json_raw(doc, node);
	return json_type_of(doc, node) == JSON_FALSE || slice_equal(raw, SLICE("0")) ||
	       slice_equal(raw, SLICE("\"0\""));
}

/* A list of numbers, one number, or a text of numbers with separators between them. -1 and 0 stand for "not known". */
static void read_sections(const struct json_doc *doc, uint32_t node, struct statements *out)
{
	uint32_t number = 0;
	bool in_number = false, is_negative = false;
	struct slice raw = json_raw(doc, node);
	for (size_t i = 0; i <= raw.len; i++) {
		char c = i < raw.len ? raw.at[i] : ',';
		if (c >= '0' && c <= '9') {
			number = number > SECTIONS_MAX ? number : number * 10 + (uint32_t)(c - '0');
			in_number = true;
			continue;
		}
		if (in_number && !is_negative && number > 0 && number <= SECTIONS_MAX) {
			out->gpp_sid |= 1u << number;
			out->has_gpp_sid = true;
		}
		number = 0;
		in_number = false;
		is_negative = c == '-';
	}
}

static void read_time(struct event *ev, uint32_t node, struct statements *out)
{
	int64_t time_ms = 0;
	bool is_read = json_type_of(ev->doc, node) == JSON_STRING   ? clock_parse(json_inner(ev->doc, node), &time_ms)
	               : json_type_of(ev->doc, node) == JSON_NUMBER ? json_to_i64(ev->doc, node, &time_ms)
	                                                            : false;
	if (!is_read || !statements_is_sane_time(time_ms, ev->received_ms)) {
		out->time_is_absurd = true;
		return;
	}
	out->time_ms = time_ms < ev->received_ms ? time_ms : ev->received_ms;
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

static void take_statement(struct event *ev, uint32_t value, enum statement which, struct arena *arena,
                           struct statements *out)
{
	const struct json_doc *doc = ev->doc;
	switch (which) {
	case STATEMENT_TCF:
		out->tcf = json_string(doc, value, arena);
		break;
	case STATEMENT_GPP:
		out->gpp = json_string(doc, value, arena);
		break;
	case STATEMENT_US_PRIVACY:
		out->us_privacy = json_string(doc, value, arena);
		break;
	case STATEMENT_GCS:
		out->gcs = json_string(doc, value, arena);
		break;
	case STATEMENT_GCD:
		out->gcd = json_string(doc, value, arena);
		break;
	case STATEMENT_GDPR:
		out->gdpr_is_off = is_zero(doc, value);
		break;
	case STATEMENT_GPP_SID:
		read_sections(doc, value, out);
		break;
	case STATEMENT_GPC:
		out->gpc = is_one(doc, value);
		break;
	case STATEMENT_DNT:
		out->dnt = is_one(doc, value);
		break;
	case STATEMENT_TIME:
		read_time(ev, value, out);
		break;
	case STATEMENT_VERSION:
	case STATEMENT_METHOD:
	case STATEMENT_count:
		break;
	}
}

static void read_statement(struct event *ev, uint32_t value, enum statement which, struct arena *arena,
                           struct statements *out)
{
	enum json_type type = json_type_of(ev->doc, value);
	struct slice name = statements[which].name;
	if (type == JSON_NULL || (type == JSON_STRING && ev->doc->nodes[value].length == 2))
		return;
	if (statements[which].type == STATEMENT_TEXT && type != JSON_STRING)
		refuse(ev, arena, name, "type", "must be a string");
	else if (type == JSON_OBJECT || (type == JSON_ARRAY && which != STATEMENT_GPP_SID))
		refuse(ev, arena, name, "type", "must be a string, a number or true or false");
	else
		take_statement(ev, value, which, arena, out);
}

static void read_purpose(struct event *ev, uint32_t key, struct arena *arena, struct statements *out)
{
	struct slice name = json_string(ev->doc, key, arena);
	enum consent_state state;
	if (!is_purpose_name(name))
		refuse(ev, arena, name, "propertyNames",
		       "names of purposes are lower case letters, digits and underscores, 32 at most");
	else if (slice_equal(name, SLICE("basis")) || slice_equal(name, SLICE("applied")))
		refuse(ev, arena, name, "propertyNames", "is what headgate itself writes");
	else if (!statements_read_state(ev->doc, key + 1, &state))
		refuse(ev, arena, name, "enum", "must be \"granted\", \"denied\", \"unknown\", true or false");
	else
		out->purposes[out->purposes_count++] =
		        (struct event_purpose) { .purpose = name, .state = state, .basis = BASIS_EVENT };
}

static uint32_t count_members(const struct json_doc *doc, uint32_t object)
{
	uint32_t members = 0;
	for (uint32_t key = object + 1; object && key < doc->nodes[object].next; key = doc->nodes[key + 1].next)
		members++;
	return members;
}

/* consent_update tells in its properties what the person just said; where it says so in `consent` too, the stricter of
 * the two counts. */
static void read_said(struct event *ev, uint32_t said, struct arena *arena, struct statements *out)
{
	const struct json_node *nodes = ev->doc->nodes;
	for (uint32_t key = said + 1; key < nodes[said].next; key = nodes[key + 1].next) {
		struct slice name = json_string(ev->doc, key, arena);
		enum consent_state state;
		uint32_t i = 0;
		if (!is_purpose_name(name) || !statements_read_state(ev->doc, key + 1, &state) ||
		    state == CONSENT_UNKNOWN)
			continue;
		while (i < out->purposes_count && !slice_equal(out->purposes[i].purpose, name))
			i++;
		if (i == out->purposes_count)
			out->purposes[out->purposes_count++] =
			        (struct event_purpose) { .purpose = name, .state = state, .basis = BASIS_EVENT };
		else if (state == CONSENT_DENIED || out->purposes[i].state == CONSENT_UNKNOWN)
			out->purposes[i].state = state;
	}
}

static uint32_t find_said(const struct event *ev)
{
	uint32_t properties = ev->member[EVENT_MEMBER_PROPERTIES];
	if (!ev->consent.is_update || !properties || json_type_of(ev->doc, properties) != JSON_OBJECT)
		return 0;
	uint32_t said = json_get(ev->doc, properties, SLICE("purposes"));
	return said && json_type_of(ev->doc, said) == JSON_OBJECT ? said : 0;
}

bool statements_read(struct event *ev, struct arena *arena, struct statements *out)
{
	uint32_t consent = ev->member[EVENT_MEMBER_CONSENT];
	*out = (struct statements) { .purposes_count = 0 };
	if (consent && json_type_of(ev->doc, consent) != JSON_OBJECT) {
		refuse(ev, arena, SLICE_NONE, "type", "must be an object");
		consent = ev->member[EVENT_MEMBER_CONSENT] = 0;
	}
	if (ev->consent.is_update)
		out->time_ms = ev->event_ms;
	uint32_t said = find_said(ev);
	uint32_t members = count_members(ev->doc, consent) + count_members(ev->doc, said);
	out->purposes = members ? arena_array(arena, members, sizeof *out->purposes) : NULL;
	if (!out->purposes)
		return !members;
	const struct json_node *nodes = ev->doc->nodes;
	for (uint32_t key = consent + 1; consent && key < nodes[consent].next; key = nodes[key + 1].next) {
		enum statement which = statement_of(ev->doc, key);
		if (which < STATEMENT_count)
			read_statement(ev, key + 1, which, arena, out);
		else
			read_purpose(ev, key, arena, out);
	}
	if (said)
		read_said(ev, said, arena, out);
	return !arena->overflowed;
}
