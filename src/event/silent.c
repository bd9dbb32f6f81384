/* By edits, so that an event in which every member says something (nearly all) is copied as before; there it costs one look
 * at each value, and no name is compared. An object of which nothing stays is left out itself. */
#include "event/event.h"

#define MEMBERS_MAX 10

/* A member, then those of the object or of the objects in the array that it is; "*": all of them. */
typedef const char *const silent_row[MEMBERS_MAX];

static silent_row context_members[] = {
	{ "page", "url", "referrer", "title", "path", "host", "referrer_class", "landing" },
	{ "campaign", "source", "medium", "name", "term", "content", "id" },
	{ "click_ids", "*" },
	{ "client_hints", "*" },
	{ "device", "class", "os", "browser", "model", "brand" },
	{ "app", "name", "version", "build", "id" },
	{ "geo", "country", "city" },
	{ "screen", "width", "height", "density" },
	{ "experiments", "id", "variant" },
	{ "ip" },
	{ "user_agent" },
	{ "locale" },
	{ "timezone" },
	{ "internal" },
	{ "bot" },
};

static silent_row user_members[] = {
	{ "email" },  { "phone" },
	{ "name" },   { "address", "street", "street2", "city", "region", "postal_code", "country" },
	{ "traits" },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool is_flag(const struct json_doc *doc, uint32_t key)
{
	return json_string_equals(doc, key, SLICE("internal")) || json_string_equals(doc, key, SLICE("bot")) ||
	       json_string_equals(doc, key, SLICE("landing"));
}

static bool may_be_silent(const struct json_node *value)
{
	return value->type == JSON_NULL || value->type == JSON_FALSE ||
	       (value->type == JSON_STRING && value->length == 2);
}

static bool may_hold_silent(const struct json_doc *doc, uint32_t node)
{
	for (uint32_t at = node + 1; at < doc->nodes[node].next; at++)
		if (may_be_silent(&doc->nodes[at]))
			return true;
	return false;
}

static bool is_silent(const struct json_doc *doc, uint32_t key)
{
	const struct json_node *value = &doc->nodes[key + 1];
	return may_be_silent(value) && (value->type != JSON_FALSE || is_flag(doc, key));
}

static bool is_gone(const struct event *ev, uint32_t node)
{
	const struct event_edit *edit = event_edit_find(ev, node);
	return edit && !edit->text.at;
}

static bool is_among(const struct json_doc *doc, uint32_t key, const char *const *names)
{
	for (; *names; names++)
		if (**names == '*' || json_string_equals(doc, key, slice_of(*names)))
			return true;
	return false;
}

/* True if anything stays. */
static bool clear_object(struct event *ev, uint32_t object, const char *const *names, struct arena *arena)
{
	const struct json_node *nodes = ev->doc->nodes;
	bool stays = false;
	for (uint32_t key = object + 1; key < nodes[object].next; key = nodes[key + 1].next) {
		if (is_gone(ev, key + 1))
			continue;
		if (is_silent(ev->doc, key) && is_among(ev->doc, key, names))
			event_edit(ev, key + 1, SLICE_NONE, arena);
		else
			stays = true;
	}
	return stays;
}

static void clear_below(struct event *ev, uint32_t node, const char *const *names, struct arena *arena)
{
	const struct json_node *nodes = ev->doc->nodes;
	if (nodes[node].type == JSON_OBJECT && !clear_object(ev, node, names, arena))
		event_edit(ev, node, SLICE_NONE, arena);
	for (uint32_t at = node + 1; nodes[node].type == JSON_ARRAY && at < nodes[node].next; at = nodes[at].next)
		if (nodes[at].type == JSON_OBJECT)
			(void)clear_object(ev, at, names, arena);
}

static const char *const *row_of(const struct json_doc *doc, uint32_t key, silent_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (json_string_equals(doc, key, slice_of(rows[i][0])))
			return rows[i];
	return NULL;
}

static void clear_member(struct event *ev, enum event_member member, silent_row *rows, size_t count,
                         struct arena *arena)
{
	uint32_t object = ev->member[member];
	const struct json_node *nodes = ev->doc->nodes;
	if (!object || is_gone(ev, object))
		return;
	for (uint32_t key = object + 1; key < nodes[object].next; key = nodes[key + 1].next) {
		bool silent = is_silent(ev->doc, key);
		const char *const *row =
		        silent || may_hold_silent(ev->doc, key + 1) ? row_of(ev->doc, key, rows, count) : NULL;
		if (!row || is_gone(ev, key + 1))
			continue;
		if (silent)
			event_edit(ev, key + 1, SLICE_NONE, arena);
		else if (row[1])
			clear_below(ev, key + 1, row + 1, arena);
	}
}

void event_leave_out_silent(struct event *ev, struct arena *arena)
{
	clear_member(ev, EVENT_MEMBER_USER, user_members, COUNT(user_members), arena);
	clear_member(ev, EVENT_MEMBER_CONTEXT, context_members, COUNT(context_members), arena);
}
