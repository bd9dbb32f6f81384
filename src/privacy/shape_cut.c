/* What consent takes out. Where the person refused, `context` is written by a list of what may stay, because its further
 * members are anybody's: a sender's SDK may put ids anywhere there. */
#include "event/event.h"
#include "privacy/ip.h"
#include "privacy/shape_work.h"

#define NAME(text)                     \
	{                              \
		text, sizeof(text) - 1 \
	}
#define USER_NODES_MAX 128 /* of which values are known again elsewhere */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct slice stripped_context[] = {
	NAME("page"),     NAME("campaign"), NAME("device"), NAME("app"),      NAME("geo"),         NAME("locale"),
	NAME("timezone"), NAME("screen"),   NAME("bot"),    NAME("internal"), NAME("experiments"), NAME("user_agent")
};
static const struct slice necessary_context[] = { NAME("app"), NAME("locale"), NAME("bot"), NAME("internal") };
static const struct slice stripped_page[] = { NAME("url"),  NAME("referrer"),       NAME("path"),
	                                      NAME("host"), NAME("referrer_class"), NAME("landing") };
static const struct slice stripped_geo[] = { NAME("country") };
static const struct slice stripped_device[] = { NAME("class"), NAME("os"), NAME("browser"), NAME("model"),
	                                        NAME("brand") };
static const struct slice stripped_campaign[] = { NAME("source"), NAME("medium"), NAME("name"), NAME("id") };
static const struct slice raw_consent[] = { NAME("tcf"),        NAME("gpp"), NAME("gpp_sid"),
	                                    NAME("us_privacy"), NAME("gcs"), NAME("gcd") };

static bool is_in(const struct json_doc *doc, uint32_t key, const struct slice *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (json_string_equals(doc, key, names[i]))
			return true;
	return false;
}

static void keep_only(struct shape *shape, uint32_t object, const struct slice *names, size_t count)
{
	const struct json_doc *doc = shape->ev->doc;
	if (!object || json_type_of(doc, object) != JSON_OBJECT)
		return;
	for (uint32_t key = object + 1; key < doc->nodes[object].next; key = doc->nodes[key + 1].next)
		if (!is_in(doc, key, names, count))
			shape_remove(shape, key + 1);
}

static void remove_named(struct shape *shape, uint32_t object, const struct slice *names, size_t count)
{
	const struct json_doc *doc = shape->ev->doc;
	if (!object || json_type_of(doc, object) != JSON_OBJECT)
		return;
	for (uint32_t key = object + 1; key < doc->nodes[object].next; key = doc->nodes[key + 1].next)
		if (is_in(doc, key, names, count))
			shape_remove(shape, key + 1);
}

static bool is_ad_name(const struct shape *shape, struct slice name)
{
	return name_set_has(&shape->facts->rules->click_ids, name) || name_set_has(&shape->facts->rules->ad_ids, name);
}

/* Beginnings such as "n_" are those of parameters; a member of that name is somebody's count. */
static bool is_ad_member(const struct shape *shape, uint32_t key)
{
	const struct json_doc *doc = shape->ev->doc;
	struct slice name = json_inner(doc, key);
	if (doc->nodes[key].flags & JSON_FLAG_ESCAPED)
		name = json_string(doc, key, shape->facts->arena);
	return name_set_has_exact(&shape->facts->rules->click_ids, name) ||
	       name_set_has(&shape->facts->rules->ad_ids, name);
}

/* One of the person's ids, or what `user` says, as the value of something else. */
static bool is_of_person(const struct shape *shape, struct slice text)
{
	const struct event *ev = shape->ev;
	const struct json_node *nodes = ev->doc->nodes;
	uint32_t user = ev->member[EVENT_MEMBER_USER], looked_at = 0;
	if (!text.len)
		return false;
	for (uint32_t i = 0; i < ev->id_count; i++)
		if (slice_equal(event_id_text(ev, &ev->ids[i]), text))
			return true;
	for (uint32_t node = user + 1; user && node < nodes[user].next && looked_at < USER_NODES_MAX;
	     node++, looked_at++)
		if (nodes[node].type == JSON_STRING && !shape_is_key(ev, node) &&
		    json_string_equals(ev->doc, node, text))
			return true;
	return false;
}

static void strip_text(struct shape *shape, uint32_t node)
{
	struct slice text = shape_text(shape, node);
	struct buffer out;
	if (!text.at)
		return;
	if (is_of_person(shape, text)) {
		shape_remove(shape, node);
		return;
	}
	if (!url_is_like(text))
		return;
	buffer_init(&out, shape->facts->arena);
	url_write_stripped(text, &out);
	shape_set_text(shape, node, buffer_slice(&out));
}

/* Recursion goes no deeper than the limit on an event's nesting. */
static void strip_below(struct shape *shape, uint32_t node)
{
	const struct json_doc *doc = shape->ev->doc;
	const struct json_node *nodes = doc->nodes;
	if (nodes[node].type == JSON_STRING)
		strip_text(shape, node);
	else if (nodes[node].type == JSON_ARRAY)
		for (uint32_t at = node + 1; at < nodes[node].next; at = nodes[at].next)
			strip_below(shape, at);
	else if (nodes[node].type == JSON_OBJECT)
		for (uint32_t key = node + 1; key < nodes[node].next; key = nodes[key + 1].next) {
			if (is_ad_member(shape, key))
				shape_remove(shape, key + 1);
			else
				strip_below(shape, key + 1);
		}
}

static void cut_referrer(struct shape *shape, uint32_t page)
{
	const struct json_doc *doc = shape->ev->doc;
	uint32_t node = page && json_type_of(doc, page) == JSON_OBJECT ? json_get(doc, page, SLICE("referrer")) : 0;
	struct buffer out;
	if (!node || json_type_of(doc, node) != JSON_STRING)
		return;
	buffer_init(&out, shape->facts->arena);
	url_write_origin(shape_text(shape, node), &out);
	if (out.len)
		shape_set_text(shape, node, buffer_slice(&out));
	else
		shape_remove(shape, node);
}

static void strip_context(struct shape *shape, uint32_t context)
{
	const struct json_doc *doc = shape->ev->doc;
	if (!context)
		return;
	keep_only(shape, context, stripped_context, COUNT(stripped_context));
	uint32_t page = json_get(doc, context, SLICE("page"));
	keep_only(shape, page, stripped_page, COUNT(stripped_page));
	keep_only(shape, json_get(doc, context, SLICE("campaign")), stripped_campaign, COUNT(stripped_campaign));
	keep_only(shape, json_get(doc, context, SLICE("geo")), stripped_geo, COUNT(stripped_geo));
	keep_only(shape, json_get(doc, context, SLICE("device")), stripped_device, COUNT(stripped_device));
	strip_below(shape, context);
	cut_referrer(shape, page);
	uint32_t agent = json_get(doc, context, SLICE("user_agent"));
	if (agent && shape->facts->agent_family.len)
		shape_set_text(shape, agent, shape->facts->agent_family);
	else if (agent)
		shape_remove(shape, agent);
}

/* Of a dead letter's payload: what the canonical event says elsewhere, and members that events do not have. */
static void strip_top_level(struct shape *shape)
{
	struct event *ev = shape->ev;
	static const enum event_member who[] = { EVENT_MEMBER_ANONYMOUS_ID, EVENT_MEMBER_USER_ID,
		                                 EVENT_MEMBER_SESSION_ID,   EVENT_MEMBER_DEVICE_ID,
		                                 EVENT_MEMBER_IDS,          EVENT_MEMBER_USER };
	const struct json_node *nodes = ev->doc->nodes;
	for (size_t i = 0; i < COUNT(who); i++)
		if (ev->member[who[i]])
			shape_remove(shape, ev->member[who[i]]);
	if (ev->verdict != VERDICT_REJECTED)
		return;
	for (uint32_t key = ev->node + 1; key < nodes[ev->node].next; key = nodes[key + 1].next) {
		bool is_member = false;
		for (int m = 0; m < EVENT_MEMBER_count && !is_member; m++)
			is_member = ev->member[m] == key + 1;
		if (!is_member)
			shape_remove(shape, key + 1);
	}
}

static void strip(struct shape *shape)
{
	struct event *ev = shape->ev;
	strip_top_level(shape);
	if (ev->member[EVENT_MEMBER_CONSENT])
		remove_named(shape, ev->member[EVENT_MEMBER_CONSENT], raw_consent, COUNT(raw_consent));
	strip_context(shape, ev->member[EVENT_MEMBER_CONTEXT]);
	if (ev->member[EVENT_MEMBER_PROPERTIES])
		strip_below(shape, ev->member[EVENT_MEMBER_PROPERTIES]);
	ev->id_count = 0;
	ev->ids_linked = false;
	ev->session = (struct event_session) { 0 };
}

static void reduce_ids(struct shape *shape)
{
	struct event *ev = shape->ev;
	uint32_t kept = 0;
	for (uint32_t i = 0; i < ev->id_count; i++) {
		if (!is_ad_name(shape, ev->ids[i].name))
			ev->ids[kept++] = ev->ids[i];
		else if (ev->ids[i].value)
			shape_remove(shape, ev->ids[i].value);
	}
	ev->id_count = kept;
}

/* Parameters of a URL that are click ids. */
static void reduce_text(struct shape *shape, uint32_t node)
{
	struct buffer out;
	struct slice text = shape_text(shape, node);
	buffer_init(&out, shape->facts->arena);
	if (text.at && url_write_without(text, &shape->facts->rules->click_ids, &out))
		shape_set_text(shape, node, buffer_slice(&out));
}

/* A click id may stand in any URL, and under its own name anywhere. One pass over the nodes: nearly all names are told by
 * their first two bytes, and where the bytes hold no "=" there is no URL to look at. */
static void reduce_below(struct shape *shape, uint32_t root)
{
	const struct json_doc *doc = shape->ev->doc;
	const struct json_node *nodes = doc->nodes;
	const struct shape_rules *rules = shape->facts->rules;
	struct slice all = json_raw(doc, root);
	const char *end = all.at + all.len, *equals = memchr(all.at, '=', all.len);
	bool has_escapes = memchr(all.at, '\\', all.len) != NULL;
	for (uint32_t node = root + 1; node < nodes[root].next; node++) {
		if (nodes[node].type != JSON_STRING)
			continue;
		struct slice raw = json_inner(doc, node);
		while (equals && equals < raw.at)
			equals = memchr(equals + 1, '=', (size_t)(end - equals - 1));
		bool is_escaped = has_escapes && (nodes[node].flags & JSON_FLAG_ESCAPED);
		bool may_be_name = name_set_may_have(&rules->click_ids, raw) || name_set_may_have(&rules->ad_ids, raw);
		bool may_be_url = (equals && equals < raw.at + raw.len) || is_escaped;
		if (!may_be_name && !may_be_url && !is_escaped)
			continue;
		if (!shape_is_key(shape->ev, node))
			reduce_text(shape, node);
		else if (is_ad_member(shape, node))
			shape_remove(shape, node + 1);
	}
}

static void reduce(struct shape *shape)
{
	static const struct slice click_ids[] = { NAME("click_ids") };
	const struct event *ev = shape->ev;
	reduce_ids(shape);
	if (ev->member[EVENT_MEMBER_CONTEXT]) {
		remove_named(shape, ev->member[EVENT_MEMBER_CONTEXT], click_ids, 1);
		reduce_below(shape, ev->member[EVENT_MEMBER_CONTEXT]);
	}
	if (ev->member[EVENT_MEMBER_PROPERTIES])
		reduce_below(shape, ev->member[EVENT_MEMBER_PROPERTIES]);
}

void shape_cut(struct shape *shape)
{
	const struct event *ev = shape->ev;
	if (shape->extent == SHAPE_STRIPPED) {
		strip(shape);
	} else if (shape->extent == SHAPE_REDUCED) {
		reduce(shape);
	} else {
		keep_only(shape, ev->member[EVENT_MEMBER_CONTEXT], necessary_context, COUNT(necessary_context));
		if (ev->member[EVENT_MEMBER_USER])
			shape_remove(shape, ev->member[EVENT_MEMBER_USER]);
	}
}
