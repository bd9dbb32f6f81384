/* The order matters: rules for marked data first (what they keep is exempt from the search for e-mail addresses), then the
 * search, then what consent takes out, which works on the text as it stands by then. Of a refused event whose payload is
 * withheld only its id and its errors are looked at. */
#include "privacy/shape.h"

#include <stdlib.h>

#include "base/metrics.h"
#include "base/uuid.h"
#include "catalog/program.h"
#include "privacy/consent.h"
#include "privacy/daily_id.h"
#include "privacy/ip.h"
#include "privacy/normal_form.h"
#include "privacy/shape_work.h"
#include "json/text.h"

#define NAME(text)                     \
	{                              \
		text, sizeof(text) - 1 \
	}

static const struct slice ad_ids[] = { NAME("advertising_id"),
	                               NAME("idfa"),
	                               NAME("gaid"),
	                               NAME("aaid"),
	                               NAME("fbp"),
	                               NAME("fbc"),
	                               NAME("ttp"),
	                               NAME("_fbp"),
	                               NAME("_fbc"),
	                               NAME("_ttp"),
	                               NAME("gclid"),
	                               NAME("fbclid"),
	                               NAME("ttclid"),
	                               NAME("_gcl_*"),
	                               NAME("gcl_*"),
	                               NAME("uet_*"),
	                               NAME("_uet*"),
	                               NAME("scid"),
	                               NAME("epik") };

struct shape_rules *shape_rules_create(const struct config *cfg, const struct catalog *cat, struct error *err)
{
	struct shape_rules *rules = calloc(1, sizeof *rules);
	if (!rules) {
		error_set(err, ERROR_MEMORY, "no memory for the rules of privacy");
		return NULL;
	}
	arena_init(&rules->arena, 1 << 20);
	const struct schema *user = catalog_user(cat), *context = catalog_context(cat);
	const struct slices *click_ids = &cfg->context.click_ids;
	bool ok = (!user || program_collect_pii(user, &rules->arena, &rules->user.at, &rules->user.count)) &&
	          (!context || program_collect_pii(context, &rules->arena, &rules->context.at, &rules->context.count));
	name_set_init(&rules->click_ids, click_ids->at, click_ids->count);
	name_set_init(&rules->ad_ids, ad_ids, sizeof ad_ids / sizeof ad_ids[0]);
	if (ok && normal_phone_knows(cfg->privacy.phone_country))
		return rules;
	if (ok)
		error_set(err, ERROR_CONFIG, "privacy.phone_country: numbers of %.*s cannot be read",
		          SLICE_ARG(cfg->privacy.phone_country));
	else
		error_set(err, ERROR_MEMORY, "no memory for the rules of privacy");
	shape_rules_destroy(&rules);
	return NULL;
}

void shape_rules_destroy(struct shape_rules **rules)
{
	if (!*rules)
		return;
	arena_fini(&(*rules)->arena);
	free(*rules);
	*rules = NULL;
}

struct slice shape_text(const struct shape *shape, uint32_t node)
{
	const struct event *ev = shape->ev;
	const struct event_edit *edit = event_edit_find(ev, node);
	if (edit && (edit->text.len < 2 || edit->text.at[0] != '"'))
		return SLICE_NONE;
	if (!edit)
		return json_string(ev->doc, node, shape->facts->arena);
	struct slice inner = { edit->text.at + 1, edit->text.len - 2 };
	if (slice_find(inner, '\\') == inner.len)
		return inner;
	char *plain = arena_alloc(shape->facts->arena, inner.len);
	return plain ? (struct slice) { plain, text_unescape(inner, plain) } : SLICE_NONE;
}

void shape_set_text(const struct shape *shape, uint32_t node, struct slice plain)
{
	struct buffer text;
	buffer_init(&text, shape->facts->arena);
	json_write_string(&text, plain);
	event_edit(shape->ev, node, buffer_slice(&text), shape->facts->arena);
}

void shape_remove(const struct shape *shape, uint32_t node)
{
	event_edit(shape->ev, node, SLICE_NONE, shape->facts->arena);
}

bool shape_is_key(const struct event *ev, uint32_t node)
{
	struct slice raw = json_raw(ev->doc, node), root = json_raw(ev->doc, ev->node);
	const char *behind = raw.at + raw.len, *end = root.at + root.len;
	if (json_type_of(ev->doc, node) != JSON_STRING)
		return false;
	while (behind < end && (*behind == ' ' || *behind == '\t' || *behind == '\n' || *behind == '\r'))
		behind++;
	return behind < end && *behind == ':';
}

enum shape_extent shape_extent_of(const struct event *ev)
{
	if (ev->consent.is_update)
		return SHAPE_NECESSARY;
	if (ev->consent.applied >= CONSENT_STRIPPED)
		return SHAPE_STRIPPED;
	return ev->consent.applied == CONSENT_REDUCED ? SHAPE_REDUCED : SHAPE_KEPT;
}

static enum ip_mode ip_mode_of(const struct shape *shape)
{
	enum ip_mode asked = shape->facts->source->ip;
	if (shape->extent == SHAPE_STRIPPED || shape->extent == SHAPE_NECESSARY)
		return IP_NONE;
	return shape->extent == SHAPE_REDUCED && asked == IP_FULL ? IP_TRUNCATED : asked;
}

static void take_connection(struct shape *shape)
{
	const struct event_connection *connection = shape->facts->connection;
	char *text = NULL;
	if (shape->facts->source->kind == SOURCE_SERVER)
		return;
	if (shape->ip == IP_TRUNCATED || shape->ip == IP_HASH)
		text = arena_alloc(shape->facts->arena, IP_TEXT_BYTES);
	if (text || shape->ip == IP_FULL || shape->ip == IP_NONE)
		shape->ev->ip = ip_shorten(connection->ip, shape->ip, shape->facts->hash_key, text);
	if (shape->extent == SHAPE_KEPT || shape->extent == SHAPE_REDUCED)
		shape->ev->user_agent = connection->user_agent;
	else if (shape->extent == SHAPE_STRIPPED)
		shape->ev->user_agent = shape->facts->agent_family;
}

/* From what is stored only: the answer tells the sender its own id. The same id always gives the same UUID, so that
 * records of one event stay recognisable; nobody else can compute it. */
static void hide_event_id(const struct shape *shape)
{
	struct event *ev = shape->ev;
	const struct slice parts[] = { SLICE("event_id"), shape->facts->source->name, ev->event_id };
	char *id = arena_alloc(shape->facts->arena, UUID_TEXT_BYTES + 2);
	if (!id)
		return;
	id[0] = id[UUID_TEXT_BYTES + 1] = '"';
	uuid_v8(hash_keyed128_parts(shape->facts->hash_key, parts, sizeof parts / sizeof parts[0]), id + 1);
	ev->written_event_id = (struct slice) { id + 1, UUID_TEXT_BYTES };
	uint32_t node = ev->member[EVENT_MEMBER_EVENT_ID];
	if (node)
		event_edit(ev, node, (struct slice) { id, UUID_TEXT_BYTES + 2 }, shape->facts->arena);
}

/* A refused event that the catalog does not know is stripped because nobody can tell what it is for, not because the
 * person refused; its sender looks for its dead letter by the id. */
static bool is_refused_unknown(const struct event *ev)
{
	return ev->verdict == VERDICT_REJECTED && !ev->schema && ev->consent.any_granted &&
	       redact_next_at(ev->event_id, 0) == ev->event_id.len;
}

static void check_event_id(struct shape *shape)
{
	struct event *ev = shape->ev;
	if (!ev->event_id.len || uuid_is_valid(ev->event_id))
		return;
	bool hides = shape->extent == SHAPE_STRIPPED && !is_refused_unknown(ev);
	if (!hides) {
		struct redact_found found = { 0 };
		struct slice copy = arena_copy(shape->facts->arena, ev->event_id);
		size_t at = 0, begin;
		int year = 1970 + (int)(ev->received_ms / 31556952000);
		hides = copy.at && redact_next_digits(copy, &at, &begin) &&
		        redact_digits((char *)(uintptr_t)copy.at, copy.len, year, false, &found);
		for (int kind = 0; kind < REDACT_count; kind++)
			shape->found.count[kind] += found.count[kind];
	}
	if (hides)
		hide_event_id(shape);
}

static void count_found(const struct shape *shape)
{
	for (int kind = 0; kind < REDACT_count && !shape->facts->dry; kind++) {
		const struct slice labels[] = { shape->facts->source->name,
			                        slice_of(redact_kind_name((enum redact_kind)kind)) };
		if (shape->found.count[kind])
			metrics_add(metrics_series(METRIC_PII_FOUND, labels), shape->found.count[kind]);
	}
}

static void take_hashes(struct shape *shape)
{
	if (!shape->hashed.len)
		return;
	struct buffer object;
	buffer_init(&object, shape->facts->arena);
	buffer_append_char(&object, '{');
	buffer_append(&object, buffer_slice(&shape->hashed));
	buffer_append_char(&object, '}');
	shape->ev->user_hashed = buffer_slice(&object);
}

/* "user":"mina@example.com": refused for its type, and so of no use that would outweigh what it tells. */
static void remove_wrong_user(struct shape *shape)
{
	const struct event *ev = shape->ev;
	uint32_t user = ev->member[EVENT_MEMBER_USER] ? 0 : json_get(ev->doc, ev->node, SLICE("user"));
	if (user)
		shape_remove(shape, user);
}

static void apply_rules(struct shape *shape)
{
	const struct event *ev = shape->ev;
	const struct shape_rules *rules = shape->facts->rules;
	bool remove = shape->extent == SHAPE_STRIPPED;
	shape->with_hashes =
	        shape->extent == SHAPE_KEPT && consent_state_of(&ev->consent, SLICE("ads")) == CONSENT_GRANTED;
	if (ev->member[EVENT_MEMBER_USER])
		pii_rules_apply(shape, ev->member[EVENT_MEMBER_USER], rules->user, remove || ev->consent.user_denied);
	if (ev->schema && ev->schema->pii_count && ev->member[EVENT_MEMBER_PROPERTIES])
		pii_rules_apply(shape, ev->member[EVENT_MEMBER_PROPERTIES],
		                (struct shape_marks) { ev->schema->pii, ev->schema->pii_count }, remove);
	if (ev->member[EVENT_MEMBER_CONTEXT])
		pii_rules_apply(shape, ev->member[EVENT_MEMBER_CONTEXT], rules->context, remove);
	take_hashes(shape);
}

/* Nobody said anything, for or against; a source's default of denied is a refusal too. */
static bool is_undecided(const struct event *ev)
{
	if (ev->consent.gpc || ev->consent.applied != CONSENT_STRIPPED || !ev->schema)
		return false;
	for (uint32_t i = 0; i < ev->consent.count; i++)
		if (ev->consent.at[i].state == CONSENT_DENIED || ev->consent.at[i].stated == CONSENT_DENIED)
			return false;
	return true;
}

static void give_daily_id(struct shape *shape)
{
	const struct shape_facts *facts = shape->facts;
	struct event *ev = shape->ev;
	bool of_person = facts->source->kind != SOURCE_SERVER && facts->connection->ip.len;
	if (!facts->source->daily_id || !of_person || ev->verdict == VERDICT_REJECTED || !is_undecided(ev))
		return;
	char *id = arena_alloc(facts->arena, DAILY_ID_BYTES);
	if (!id)
		return;
	daily_id_make(ev->received_ms, facts->source->name, facts->connection->ip, facts->connection->user_agent, id);
	ev->ids[ev->id_count++] = (struct event_id_pair) { .name = SLICE("daily_id"), .text = { id, DAILY_ID_BYTES } };
}

void privacy_shape(const struct shape_facts *facts, struct event *ev)
{
	struct shape shape = { .facts = facts, .ev = ev, .extent = shape_extent_of(ev) };
	bool is_refused = ev->verdict == VERDICT_REJECTED;
	bool goes_out =
	        ev->doc && json_type_of(ev->doc, ev->node) == JSON_OBJECT && (!is_refused || ev->payload_allowed);
	shape.ip = ip_mode_of(&shape);
	buffer_init(&shape.hashed, facts->arena);
	take_connection(&shape);
	if (goes_out) {
		apply_rules(&shape);
		if (is_refused)
			remove_wrong_user(&shape);
		shape_redact(&shape);
		if (shape.extent != SHAPE_KEPT)
			shape_cut(&shape);
		if (shape.extent == SHAPE_STRIPPED)
			give_daily_id(&shape);
	}
	check_event_id(&shape);
	if (is_refused || ev->warning_count)
		shape_redact_remarks(&shape);
	count_found(&shape);
}

struct slice shape_path(struct slice path, struct arena *arena)
{
	struct buffer out;
	buffer_init(&out, arena);
	url_write_stripped(path, &out);
	return buffer_slice(&out);
}
