#include "pipeline/enrich.h"

#include <stdlib.h>

#include "identity/device.h"
#include "identity/geo.h"
#include "identity/referrer.h"
#include "privacy/ip.h"
#include "privacy/redact.h"
#include "privacy/shape.h"

#define SDK_PART_BYTES_MAX 64

#define NAME(text)                     \
	{                              \
		text, sizeof(text) - 1 \
	}

struct enrich_rules {
	struct arena arena;
	struct referrer_table referrers;
	struct name_set click_ids;
	struct geo *geo; /* NULL: no database */
};

/* Members of the event's own context, by node; 0: not there. */
enum own {
	OWN_PAGE,
	OWN_CAMPAIGN,
	OWN_CLICK_IDS,
	OWN_CLIENT_HINTS,
	OWN_DEVICE,
	OWN_GEO,
	OWN_IP,
	OWN_USER_AGENT,
	OWN_INTERNAL,
	OWN_BOT,
	OWN_LIBRARY,
	OWN_count
};

static const struct slice own_names[OWN_count] = { NAME("page"),         NAME("campaign"),   NAME("click_ids"),
	                                           NAME("client_hints"), NAME("device"),     NAME("geo"),
	                                           NAME("ip"),           NAME("user_agent"), NAME("internal"),
	                                           NAME("bot"),          NAME("library") };

struct enrichment {
	const struct step_context *context;
	struct event *ev;
	enum shape_extent extent;
	uint32_t own[OWN_count];
	struct campaign campaign;
};

struct enrich_rules *enrich_rules_create(const struct config *cfg, struct error *err)
{
	struct enrich_rules *rules = calloc(1, sizeof *rules);
	if (!rules) {
		error_set(err, ERROR_MEMORY, "no memory for what is added to events");
		return NULL;
	}
	arena_init(&rules->arena, 1 << 20);
	name_set_init(&rules->click_ids, cfg->context.click_ids.at, cfg->context.click_ids.count);
	bool ok = referrer_table_init(&rules->referrers, &cfg->context.referrers, &rules->arena);
	if (!ok)
		error_set(err, ERROR_MEMORY, "no memory for the list of referrers");
	if (ok && cfg->context.geo_database.len) {
		rules->geo = geo_open(cfg->context.geo_database, err);
		ok = rules->geo != NULL;
	}
	if (!ok)
		enrich_rules_destroy(&rules);
	return rules;
}

void enrich_rules_destroy(struct enrich_rules **rules)
{
	if (!*rules)
		return;
	geo_close(&(*rules)->geo);
	arena_fini(&(*rules)->arena);
	free(*rules);
	*rules = NULL;
}

static void find_own(struct enrichment *in)
{
	const struct json_doc *doc = in->ev->doc;
	uint32_t context = in->ev->member[EVENT_MEMBER_CONTEXT];
	for (uint32_t key = context + 1; context && key < doc->nodes[context].next; key = doc->nodes[key + 1].next) {
		bool is_escaped = doc->nodes[key].flags & JSON_FLAG_ESCAPED;
		struct slice name = is_escaped ? json_string(doc, key, in->context->arena) : json_inner(doc, key);
		for (int i = 0; i < OWN_count; i++)
			if (slice_equal(name, own_names[i]) && doc->nodes[key + 1].type != JSON_NULL)
				in->own[i] = key + 1;
	}
}

/* Node of a member of one of them, or 0. */
static uint32_t own_member(const struct enrichment *in, enum own own, struct slice name)
{
	uint32_t object = in->own[own];
	return object && in->ev->doc->nodes[object].type == JSON_OBJECT ? json_get(in->ev->doc, object, name) : 0;
}

static struct slice own_text(const struct enrichment *in, uint32_t node)
{
	return node && in->ev->doc->nodes[node].type == JSON_STRING ? json_string(in->ev->doc, node, in->context->arena)
	                                                            : SLICE_NONE;
}

static void put_name(struct buffer *out, struct slice name)
{
	if (out->len)
		buffer_append_char(out, ',');
	json_write_string_safe(out, name);
	buffer_append_char(out, ':');
}

static void put_text(struct buffer *out, struct slice name, struct slice value)
{
	put_name(out, name);
	json_write_string_safe(out, value);
}

/* Of our own words, which need no escape. */
static void put_word(struct buffer *out, struct slice name, struct slice word)
{
	char *to = buffer_reserve(out, name.len + word.len + 6);
	if (!to)
		return;
	size_t len = 0;
	if (out->len)
		to[len++] = ',';
	to[len++] = '"';
	memcpy(to + len, name.at, name.len);
	len += name.len;
	to[len++] = '"';
	to[len++] = ':';
	to[len++] = '"';
	memcpy(to + len, word.at, word.len);
	len += word.len;
	to[len++] = '"';
	out->len += len;
}

static void put_true(struct buffer *out, struct slice name)
{
	put_name(out, name);
	buffer_append(out, SLICE("true"));
}

/* What was lifted out of a URL is searched as the URL is. */
static struct slice without_personal(const struct enrichment *in, struct slice value)
{
	struct redact_found found = { 0 };
	size_t at = 0, begin;
	if (!redact_next_digits(value, &at, &begin) && redact_next_at(value, 0) == value.len)
		return value;
	struct slice copy = arena_copy(in->context->arena, value);
	char *text = (char *)(uintptr_t)copy.at;
	if (!text)
		return SLICE_NONE;
	(void)redact_digits(text, copy.len, 1970 + (int)(in->ev->received_ms / 31556952000), false, &found);
	copy.len = redact_emails(text, copy.len, &found);
	return copy;
}

static void add_campaign(struct enrichment *in)
{
	struct buffer out;
	buffer_init(&out, in->context->arena);
	for (size_t i = 0; i < CAMPAIGN_MEMBERS; i++) {
		bool may_stay = in->extent != SHAPE_STRIPPED || (i != CAMPAIGN_TERM && i != CAMPAIGN_CONTENT);
		if (in->campaign.values[i].len && may_stay && !own_member(in, OWN_CAMPAIGN, campaign_member_names[i]))
			put_text(&out, campaign_member_names[i], without_personal(in, in->campaign.values[i]));
	}
	in->ev->context_parts[CONTEXT_PART_CAMPAIGN] = buffer_slice(&out);
}

static void add_click_ids(struct enrichment *in)
{
	struct buffer out;
	if (in->extent != SHAPE_KEPT || !in->campaign.click_id_count)
		return;
	buffer_init(&out, in->context->arena);
	for (uint32_t i = 0; i < in->campaign.click_id_count; i++) {
		struct slice name = in->campaign.click_ids[i].name;
		if (!own_member(in, OWN_CLICK_IDS, name))
			put_text(&out, name, without_personal(in, in->campaign.click_ids[i].value));
	}
	in->ev->context_parts[CONTEXT_PART_CLICK_IDS] = buffer_slice(&out);
}

static void add_page(struct enrichment *in, const struct enrich_rules *rules)
{
	struct slice url = own_text(in, own_member(in, OWN_PAGE, SLICE("url")));
	if (!url.len)
		return;
	struct slice referrer = own_text(in, own_member(in, OWN_PAGE, SLICE("referrer")));
	campaign_read(url, &rules->click_ids, in->context->arena, &in->campaign);
	if (in->campaign.member_count)
		add_campaign(in);
	add_click_ids(in);
	if (own_member(in, OWN_PAGE, SLICE("referrer_class")))
		return;
	struct buffer out;
	struct slice class = referrer_class(&rules->referrers, url, referrer, &in->campaign);
	bool from_outside = !slice_equal(class, SLICE("internal")) && !slice_equal(class, SLICE("direct"));
	buffer_init(&out, in->context->arena);
	put_text(&out, SLICE("referrer_class"), class);
	if ((from_outside || in->ev->session.start) && !own_member(in, OWN_PAGE, SLICE("landing")))
		put_true(&out, SLICE("landing"));
	in->ev->context_parts[CONTEXT_PART_PAGE] = buffer_slice(&out);
}

static void add_device(struct enrichment *in, const struct device *device)
{
	const struct {
		struct slice name, value;
	} members[] = { { NAME("class"), device->class },
		        { NAME("os"), device->os },
		        { NAME("browser"), device->browser } };
	struct buffer out;
	buffer_init(&out, in->context->arena);
	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
		if (members[i].value.len && !own_member(in, OWN_DEVICE, members[i].name))
			put_word(&out, members[i].name, members[i].value);
	in->ev->context_parts[CONTEXT_PART_DEVICE] = buffer_slice(&out);
}

static void add_hints(struct enrichment *in)
{
	const struct event_connection *connection = in->context->connection;
	struct buffer out;
	if (!connection->hint_ua.len && !connection->hint_mobile.len && !connection->hint_platform.len)
		return;
	buffer_init(&out, in->context->arena);
	if (connection->hint_ua.len && !own_member(in, OWN_CLIENT_HINTS, SLICE("ua")))
		put_text(&out, SLICE("ua"), connection->hint_ua);
	if (connection->hint_mobile.len && !own_member(in, OWN_CLIENT_HINTS, SLICE("mobile")))
		put_text(&out, SLICE("mobile"), connection->hint_mobile);
	if (connection->hint_platform.len && !own_member(in, OWN_CLIENT_HINTS, SLICE("platform")))
		put_text(&out, SLICE("platform"), connection->hint_platform);
	in->ev->context_parts[CONTEXT_PART_CLIENT_HINTS] = buffer_slice(&out);
}

static bool is_internal(const struct enrichment *in, struct slice ip)
{
	const struct config *cfg = in->context->snap->cfg;
	uint8_t address[16];
	if (!cfg->context.internal_networks_count || !ip_parse(ip, address))
		return false;
	for (size_t i = 0; i < cfg->context.internal_networks_count; i++)
		if (config_network_contains(&cfg->context.internal_networks[i], address))
			return true;
	return false;
}

static void add_place(struct enrichment *in, const struct geo *geo, struct slice ip)
{
	uint8_t address[16];
	struct buffer out;
	if (!geo || !ip_parse(ip, address))
		return;
	struct geo_place place = geo_look(geo, address);
	buffer_init(&out, in->context->arena);
	if (place.country.len && !own_member(in, OWN_GEO, SLICE("country")))
		put_text(&out, SLICE("country"), place.country);
	if (place.city.len && in->extent != SHAPE_STRIPPED && !own_member(in, OWN_GEO, SLICE("city")))
		put_text(&out, SLICE("city"), place.city);
	in->ev->context_parts[CONTEXT_PART_GEO] = buffer_slice(&out);
}

static void add_flags(struct enrichment *in, bool bot, struct slice ip)
{
	struct buffer out;
	buffer_init(&out, in->context->arena);
	if (!in->own[OWN_INTERNAL] && is_internal(in, ip))
		put_true(&out, SLICE("internal"));
	if (!in->own[OWN_BOT] && bot)
		put_true(&out, SLICE("bot"));
	in->ev->added_context = buffer_slice(&out);
}

/* SDKs say it in context.library, which stays as it came. Where the person refused it does not stay, nor is it told. */
static void tell_sdk(struct enrichment *in)
{
	struct slice name = own_text(in, own_member(in, OWN_LIBRARY, SLICE("name")));
	struct slice version = own_text(in, own_member(in, OWN_LIBRARY, SLICE("version")));
	if (in->extent == SHAPE_STRIPPED || !name.len || name.len > SDK_PART_BYTES_MAX ||
	    version.len > SDK_PART_BYTES_MAX)
		return;
	struct slice sdk = arena_print(in->context->arena, "%.*s%s%.*s", SLICE_ARG(name), version.len ? "/" : "",
	                               SLICE_ARG(version));
	in->ev->sdk = without_personal(in, sdk);
}

struct slice enrich_event(const struct step_context *context, struct event *ev)
{
	struct enrichment in = { .context = context, .ev = ev, .extent = shape_extent_of(ev) };
	struct device device;
	bool is_server = context->source->kind == SOURCE_SERVER;
	if (!ev->doc || in.extent == SHAPE_NECESSARY)
		return SLICE_NONE;
	find_own(&in);
	struct slice agent = is_server ? own_text(&in, in.own[OWN_USER_AGENT]) : context->connection->user_agent;
	struct slice ip = is_server ? own_text(&in, in.own[OWN_IP]) : context->connection->ip;
	device_look(context->devices, agent, &device);
	if (ev->verdict == VERDICT_REJECTED)
		return device.browser;
	tell_sdk(&in);
	add_page(&in, context->snap->enrich_rules);
	add_device(&in, &device);
	if (!is_server && in.extent != SHAPE_STRIPPED)
		add_hints(&in);
	add_place(&in, context->snap->enrich_rules->geo, ip);
	add_flags(&in, device.bot && context->source->kind == SOURCE_BROWSER, ip);
	return device.browser;
}
