/* Reads an event's top-level members. The happy path allocates nothing: members are found by one walk over the object,
 * ids and times stay in place. Each thing that is wrong is told with its path, and reading goes on, so that a web
 * developer sees all of it in one answer. */
#include "event/event.h"

#include "base/clock.h"
#include "base/spelling.h"
#include "base/uuid.h"

#define SECONDS_LOOK_BELOW 100000000000LL /* 10^11: epoch milliseconds of 1973; smaller numbers are seconds */
#define TIME_MAX_MS 253402300799999LL     /* 9999-12-31T23:59:59.999Z */
#define SKEW_TOLERATED_MS 60000
#define LATE_AFTER_MS (24 * 3600 * 1000LL)
#define NAME_BYTES_MAX 64
#define PLACEHOLDER(text)              \
	{                              \
		text, sizeof(text) - 1 \
	}

static const struct slice member_names[EVENT_MEMBER_count] = {
#define MEMBER(id, name) [EVENT_MEMBER_##id] = { name, sizeof(name) - 1 },
#include "event/members.def"
#undef MEMBER
};

static void refuse_member(struct event *ev, struct arena *arena, enum event_member member, const char *rule,
                          const char *message)
{
	event_refuse(ev, arena, REASON_MEMBER_WRONG, arena_print(arena, "/%.*s", SLICE_ARG(member_names[member])),
	             slice_of(rule), slice_of(message));
}

static enum event_member member_of(const struct json_doc *doc, uint32_t key)
{
	struct slice name = json_inner(doc, key);
	for (int m = 0; m < EVENT_MEMBER_count; m++)
		if (slice_equal(name, member_names[m]))
			return (enum event_member)m;
	if (doc->nodes[key].flags & JSON_FLAG_ESCAPED)
		for (int m = 0; m < EVENT_MEMBER_count; m++)
			if (json_string_equals(doc, key, member_names[m]))
				return (enum event_member)m;
	return EVENT_MEMBER_count;
}

static void refuse_unknown(struct event *ev, struct arena *arena, uint32_t key)
{
	struct slice name = json_string(ev->doc, key, arena);
	struct buffer path;
	buffer_init(&path, arena);
	json_write_pointer_step(&path, name);
	struct slice nearest = SLICE_NONE;
	size_t distance = 3;
	for (int m = 0; m < EVENT_MEMBER_count; m++) {
		size_t d = spelling_distance(name, member_names[m]);
		if (d < distance) {
			distance = d;
			nearest = member_names[m];
		}
	}
	struct slice message = nearest.len ? arena_print(arena, "is not a member of events; did you mean \"%.*s\"?",
	                                                 SLICE_ARG(nearest))
	                                   : SLICE("is not a member of events; own data belongs into properties");
	event_refuse(ev, arena, REASON_MEMBER_UNKNOWN, buffer_slice(&path), SLICE("unknown_member"), message);
}

/* null and "" count as absent */
static bool is_absent(const struct json_doc *doc, uint32_t node)
{
	enum json_type type = json_type_of(doc, node);
	return type == JSON_NULL || (type == JSON_STRING && doc->nodes[node].length == 2);
}

static void find_members(struct event *ev, struct arena *arena)
{
	const struct json_node *nodes = ev->doc->nodes;
	for (uint32_t key = ev->node + 1; key < nodes[ev->node].next; key = nodes[key + 1].next) {
		enum event_member member = member_of(ev->doc, key);
		if (member == EVENT_MEMBER_count)
			refuse_unknown(ev, arena, key);
		else if (!is_absent(ev->doc, key + 1))
			ev->member[member] = key + 1;
	}
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_event_name(struct slice name)
{
	if (name.len == 0 || name.len > NAME_BYTES_MAX || !is_lower(name.at[0]))
		return false;
	for (size_t i = 1; i < name.len; i++)
		if (!is_lower(name.at[i]) && !(name.at[i] >= '0' && name.at[i] <= '9') && name.at[i] != '_')
			return false;
	return true;
}

static void read_name(struct event *ev, struct arena *arena)
{
	uint32_t node = ev->member[EVENT_MEMBER_EVENT];
	if (!node) {
		event_refuse(ev, arena, REASON_EVENT_MISSING, SLICE("/event"), SLICE("required"), SLICE("is required"));
		return;
	}
	if (json_type_of(ev->doc, node) != JSON_STRING) {
		refuse_member(ev, arena, EVENT_MEMBER_EVENT, "type", "must be a string");
		return;
	}
	struct slice name = json_string(ev->doc, node, arena);
	if (is_event_name(name))
		ev->name = name;
	else
		refuse_member(ev, arena, EVENT_MEMBER_EVENT, "pattern",
		              "must be lower case letters, digits and underscores, begin with a letter, 64 at most");
}

static bool has_control(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.at[i] < 0x20 || s.at[i] == 0x7f)
			return true;
	return false;
}

static void read_event_id(struct event *ev, const struct event_limits *limits, struct arena *arena)
{
	uint32_t node = ev->member[EVENT_MEMBER_EVENT_ID];
	if (!node && limits->event_id_required)
		event_refuse(ev, arena, REASON_EVENT_ID_MISSING, SLICE("/event_id"), SLICE("required"),
		             slice_of(reject_reason_text(REASON_EVENT_ID_MISSING)));
	if (!node)
		return;
	if (json_type_of(ev->doc, node) != JSON_STRING) {
		refuse_member(ev, arena, EVENT_MEMBER_EVENT_ID, "type", "must be a string");
		return;
	}
	struct slice id = json_string(ev->doc, node, arena);
	if (ev->doc->nodes[node].flags & JSON_FLAG_BAD_UTF8)
		return; /* the event is refused for that */
	if (id.len > limits->event_id_bytes)
		refuse_member(ev, arena, EVENT_MEMBER_EVENT_ID, "maxLength", "is longer than the limit for event ids");
	else if (has_control(id))
		refuse_member(ev, arena, EVENT_MEMBER_EVENT_ID, "pattern", "must not hold control characters");
	else
		ev->event_id = id;
}

static void read_version(struct event *ev, struct arena *arena)
{
	uint32_t node = ev->member[EVENT_MEMBER_VERSION];
	if (node && json_type_of(ev->doc, node) != JSON_STRING)
		refuse_member(ev, arena, EVENT_MEMBER_VERSION, "type",
		              "must be a string like \"1-0-0\", \"1-0\" or \"1\"");
}

/* Visitors whose id is one of these would all become one person. */
static bool is_placeholder(struct slice value)
{
	static const struct slice placeholders[] = { PLACEHOLDER("undefined"),
		                                     PLACEHOLDER("null"),
		                                     PLACEHOLDER("nan"),
		                                     PLACEHOLDER("none"),
		                                     PLACEHOLDER("nil"),
		                                     PLACEHOLDER("true"),
		                                     PLACEHOLDER("false"),
		                                     PLACEHOLDER("0"),
		                                     PLACEHOLDER("guest"),
		                                     PLACEHOLDER("anonymous"),
		                                     PLACEHOLDER("[object Object]"),
		                                     PLACEHOLDER("00000000-0000-0000-0000-000000000000") };
	for (size_t i = 0; i < sizeof placeholders / sizeof placeholders[0]; i++)
		if (value.len == placeholders[i].len && slice_equal_nocase(value, placeholders[i]))
			return true;
	return false;
}

static void take_id(struct event *ev, struct slice name, uint32_t node, struct slice path, uint32_t bytes_max,
                    struct arena *arena)
{
	enum json_type type = json_type_of(ev->doc, node);
	bool is_integer = type == JSON_NUMBER && (ev->doc->nodes[node].flags & JSON_FLAG_INTEGER);
	struct slice value = type == JSON_STRING ? json_string(ev->doc, node, arena) : json_raw(ev->doc, node);
	if (type != JSON_STRING && !is_integer) {
		event_refuse(ev, arena, REASON_MEMBER_WRONG, arena_copy(arena, path), SLICE("type"),
		             SLICE("must be a string or an integer"));
	} else if (value.len > bytes_max) {
		event_refuse(ev, arena, REASON_MEMBER_WRONG, arena_copy(arena, path), SLICE("maxLength"),
		             SLICE("is longer than the limit for ids"));
	} else if (is_placeholder(value)) {
		event_warn(ev, arena, arena_copy(arena, path), SLICE("placeholder_id"));
	} else if (ev->id_count < EVENT_IDS_MAX) {
		ev->ids[ev->id_count++] = (struct event_id_pair) { .name = name, .value = node };
	} else if (!ev->ids_overflowed) {
		ev->ids_overflowed = true;
		event_refuse(ev, arena, REASON_MEMBER_WRONG, SLICE("/ids"), SLICE("maxProperties"),
		             SLICE("an event holds 16 ids at most"));
	}
}

static bool is_id_name(struct slice name)
{
	if (name.len == 0 || name.len > NAME_BYTES_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.at[i];
		if (!is_lower(c) && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '_' && c != '-' &&
		    c != '.')
			return false;
	}
	return true;
}

static void read_ids_object(struct event *ev, uint32_t bytes_max, struct arena *arena)
{
	uint32_t ids = ev->member[EVENT_MEMBER_IDS];
	if (!ids)
		return;
	if (json_type_of(ev->doc, ids) != JSON_OBJECT) {
		refuse_member(ev, arena, EVENT_MEMBER_IDS, "type", "must be an object");
		return;
	}
	const struct json_node *nodes = ev->doc->nodes;
	for (uint32_t key = ids + 1; key < nodes[ids].next; key = nodes[key + 1].next) {
		if (is_absent(ev->doc, key + 1))
			continue;
		struct slice name = json_string(ev->doc, key, arena);
		struct buffer path;
		buffer_init(&path, arena);
		buffer_append(&path, SLICE("/ids"));
		json_write_pointer_step(&path, name);
		if (!is_id_name(name))
			event_refuse(ev, arena, REASON_MEMBER_WRONG, buffer_slice(&path), SLICE("propertyNames"),
			             SLICE("names of ids are letters, digits, _ - and ., 64 at most"));
		else if (!event_id_find(ev, name).at) /* the top-level one wins */
			take_id(ev, name, key + 1, buffer_slice(&path), bytes_max, arena);
	}
}

static void read_ids(struct event *ev, uint32_t bytes_max, struct arena *arena)
{
	static const enum event_member top_level[] = { EVENT_MEMBER_ANONYMOUS_ID, EVENT_MEMBER_USER_ID,
		                                       EVENT_MEMBER_SESSION_ID, EVENT_MEMBER_DEVICE_ID };
	for (size_t i = 0; i < sizeof top_level / sizeof top_level[0]; i++) {
		uint32_t node = ev->member[top_level[i]];
		if (!node)
			continue;
		char path[32] = "/";
		struct slice name = member_names[top_level[i]];
		memcpy(path + 1, name.at, name.len);
		take_id(ev, name, node, (struct slice) { path, name.len + 1 }, bytes_max, arena);
	}
	read_ids_object(ev, bytes_max, arena);
}

static bool read_time(struct event *ev, enum event_member member, int64_t *out, struct arena *arena)
{
	uint32_t node = ev->member[member];
	if (!node)
		return false;
	if (json_type_of(ev->doc, node) == JSON_STRING) {
		if (clock_parse(json_inner(ev->doc, node), out))
			return true;
		refuse_member(ev, arena, member, "format", "must be an RFC 3339 date-time or epoch milliseconds");
	} else if (json_type_of(ev->doc, node) == JSON_NUMBER) {
		double ms = json_to_double(ev->doc, node);
		if (ms >= (double)SECONDS_LOOK_BELOW && ms <= (double)TIME_MAX_MS) {
			*out = (int64_t)ms;
			return true;
		}
		refuse_member(ev, arena, member, "format",
		              ms < (double)SECONDS_LOOK_BELOW ? "must be epoch milliseconds; this looks like seconds"
		                                              : "is beyond the year 9999");
	} else {
		refuse_member(ev, arena, member, "type", "must be an RFC 3339 date-time or epoch milliseconds");
	}
	return false;
}

/* A client's clock is corrected by what it showed when it sent; nothing happens later than it was received. */
static void read_times(struct event *ev, struct arena *arena)
{
	ev->has_sent_at = read_time(ev, EVENT_MEMBER_SENT_AT, &ev->sent_ms, arena);
	ev->has_event_time = read_time(ev, EVENT_MEMBER_EVENT_TIME, &ev->event_ms, arena);
	if (!ev->has_event_time) {
		ev->event_ms = ev->received_ms;
		return;
	}
	ev->client_ms = ev->event_ms;
	int64_t skew = ev->has_sent_at ? ev->received_ms - ev->sent_ms : 0;
	if (skew > SKEW_TOLERATED_MS || skew < -SKEW_TOLERATED_MS) {
		ev->event_ms += skew;
		ev->time_corrected = true;
	}
	if (ev->event_ms > ev->received_ms) {
		ev->event_ms = ev->received_ms;
		ev->time_corrected = true;
	}
	ev->late = ev->event_ms < ev->received_ms - LATE_AFTER_MS;
}

static void read_objects(struct event *ev, struct arena *arena)
{
	static const enum event_member objects[] = { EVENT_MEMBER_USER, EVENT_MEMBER_CONTEXT, EVENT_MEMBER_PROPERTIES };
	for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++) {
		uint32_t node = ev->member[objects[i]];
		if (node && json_type_of(ev->doc, node) != JSON_OBJECT) {
			refuse_member(ev, arena, objects[i], "type", "must be an object");
			ev->member[objects[i]] = 0;
		}
	}
	uint32_t test = ev->member[EVENT_MEMBER_TEST];
	if (test && json_type_of(ev->doc, test) != JSON_TRUE && json_type_of(ev->doc, test) != JSON_FALSE)
		refuse_member(ev, arena, EVENT_MEMBER_TEST, "type", "must be true or false");
	ev->test = test && json_type_of(ev->doc, test) == JSON_TRUE;
}

static uint32_t depth_of(const struct json_doc *doc, uint32_t node)
{
	/* Cold: asked only of events that the scan flagged. A container's depth is counted by the open containers around. */
	uint32_t ends[512], open = 0, deepest = 0;
	for (uint32_t i = node; i < doc->nodes[node].next; i++) {
		while (open && i >= ends[open - 1])
			open--;
		if (doc->nodes[i].type != JSON_ARRAY && doc->nodes[i].type != JSON_OBJECT)
			continue;
		ends[open++] = doc->nodes[i].next;
		if (open > deepest)
			deepest = open;
		if (open == sizeof ends / sizeof ends[0])
			break;
	}
	return deepest;
}

static bool refuse_unfit(struct event *ev, const struct event_limits *limits, struct arena *arena)
{
	uint8_t flags = ev->doc->nodes[ev->node].flags;
	enum reject_reason reason = REASON_NONE;
	if (flags & JSON_FLAG_BAD_UTF8)
		reason = REASON_BAD_UTF8;
	else if (flags & JSON_FLAG_NUL)
		reason = REASON_NUL_ESCAPE;
	else if (flags & JSON_FLAG_DUPLICATE)
		reason = REASON_DUPLICATE_NAME;
	else if ((flags & JSON_FLAG_DEEP) && depth_of(ev->doc, ev->node) > limits->depth)
		reason = REASON_TOO_DEEP;
	if (reason == REASON_NONE)
		return false;
	event_refuse(ev, arena, reason, SLICE(""), slice_of(reject_reason_name(reason)),
	             slice_of(reject_reason_text(reason)));
	return true;
}

bool event_read(struct event *ev, const struct event_limits *limits, struct arena *arena)
{
	ev->event_ms = ev->received_ms;
	if (ev->reason == REASON_NONE && json_type_of(ev->doc, ev->node) != JSON_OBJECT)
		event_refuse(ev, arena, REASON_NOT_OBJECT, SLICE(""), SLICE("type"),
		             slice_of(reject_reason_text(REASON_NOT_OBJECT)));
	if (ev->reason != REASON_NONE)
		return false;
	bool fit = ev->bytes.len <= limits->event_bytes && !refuse_unfit(ev, limits, arena);
	if (ev->bytes.len > limits->event_bytes)
		event_refuse(ev, arena, REASON_TOO_LARGE, SLICE(""), SLICE("too_large"),
		             slice_of(reject_reason_text(REASON_TOO_LARGE)));
	find_members(ev, arena);
	read_name(ev, arena);
	read_event_id(ev, limits, arena);
	if (!fit)
		return false;
	read_version(ev, arena);
	read_ids(ev, limits->id_bytes, arena);
	read_times(ev, arena);
	read_objects(ev, arena);
	return true;
}
