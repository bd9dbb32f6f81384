/* Everything that speaks is gathered per purpose and resolved (resolve.c); then opt-outs of sale and sharing deny what
 * the configuration lists; what is still unknown falls to the source's default for the country, else to its plain one. */
#include "privacy/consent.h"

#include "catalog/catalog.h"
#include "privacy/policy.h"
#include "privacy/resolve.h"
#include "privacy/statements.h"

#define STATEMENTS_MAX 5

/* All that was said, read. */
struct hearing {
	struct statements own;
	enum consent_basis opt_out; /* the first opt-out there is; NONE: none */
	const struct config_consent_default *country_defaults;
	size_t country_defaults_count;
};

enum consent_state consent_state_of(const struct event_consent *consent, struct slice purpose)
{
	for (uint32_t i = 0; i < consent->count; i++)
		if (consent->at[i].is_configured && slice_equal(consent->at[i].purpose, purpose))
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

/* Of browsers and apps a trusted proxy tells it, of servers' events their context. */
static struct slice country_of(const struct event *ev, const struct consent_context *context)
{
	if (context->source->kind != SOURCE_SERVER)
		return context->connection->country;
	uint32_t node = ev->member[EVENT_MEMBER_CONTEXT];
	node = node ? json_get(ev->doc, node, SLICE("geo")) : 0;
	node = node && json_type_of(ev->doc, node) == JSON_OBJECT ? json_get(ev->doc, node, SLICE("country")) : 0;
	return node && json_type_of(ev->doc, node) == JSON_STRING ? json_inner(ev->doc, node) : SLICE_NONE;
}

static void find_country_defaults(const struct event *ev, const struct consent_context *context,
                                  struct hearing *hearing)
{
	const struct source *source = context->source;
	struct slice country = source->country_defaults_count ? country_of(ev, context) : SLICE_NONE;
	for (size_t i = 0; country.len && i < source->country_defaults_count; i++) {
		if (!slice_equal_nocase(source->country_defaults[i].country, country))
			continue;
		hearing->country_defaults = source->country_defaults[i].at;
		hearing->country_defaults_count = source->country_defaults[i].count;
	}
}

static void hear(struct event *ev, const struct consent_context *context, struct hearing *hearing)
{
	/* a server's connection is the server's own, it says nothing of the person */
	bool is_personal = context->source->kind != SOURCE_SERVER;
	ev->consent.gpc = hearing->own.gpc || (is_personal && context->connection->gpc);
	bool dnt = context->cfg->consent.honor_dnt && (hearing->own.dnt || (is_personal && context->connection->dnt));
	hearing->opt_out = ev->consent.gpc ? BASIS_GPC : dnt ? BASIS_DNT : BASIS_NONE;
	find_country_defaults(ev, context, hearing);
}

static const struct event_purpose *find_own(const struct statements *own, struct slice name)
{
	for (uint32_t i = 0; i < own->purposes_count; i++)
		if (slice_equal(own->purposes[i].purpose, name))
			return &own->purposes[i];
	return NULL;
}

static const struct config_consent_default *find_default(const struct config_consent_default *at, size_t count,
                                                         struct slice name)
{
	for (size_t i = 0; i < count; i++)
		if (slice_equal(at[i].purpose, name))
			return &at[i];
	return NULL;
}

/* A default of unknown is none. */
static void fall_back(struct event_purpose *to, const struct source *source, const struct hearing *hearing)
{
	const struct config_consent_default *fallback =
	        find_default(hearing->country_defaults, hearing->country_defaults_count, to->purpose);
	if (!fallback)
		fallback = find_default(source->consent_defaults, source->consent_defaults_count, to->purpose);
	if (!fallback || fallback->state == CONSENT_UNKNOWN)
		return;
	to->state = fallback->state;
	to->basis = fallback->is_contract ? BASIS_CONTRACT : BASIS_DEFAULT;
}

static struct event_purpose decide(const struct config_purpose *purpose, const struct source *source,
                                   const struct hearing *hearing)
{
	struct event_purpose out = { .purpose = purpose->name, .is_configured = true };
	struct resolve_statement said[STATEMENTS_MAX];
	size_t count = 0;
	const struct event_purpose *own = find_own(&hearing->own, purpose->name);
	if (own)
		said[count++] = (struct resolve_statement) { own->state, BASIS_EVENT, hearing->own.time_ms };
	const struct resolve_statement *outcome = resolve_statements(said, count);
	if (outcome) {
		out.state = out.stated = outcome->state;
		out.basis = outcome->basis;
	}
	if (purpose->is_opt_out && hearing->opt_out != BASIS_NONE) {
		out.state = CONSENT_DENIED;
		out.basis = hearing->opt_out;
	}
	if (out.state == CONSENT_UNKNOWN)
		fall_back(&out, source, hearing);
	return out;
}

static bool decide_all(struct event *ev, const struct consent_context *context, const struct hearing *hearing)
{
	const struct config *cfg = context->cfg;
	size_t configured = cfg->consent.purposes_count;
	ev->consent.at = arena_array(context->arena, configured + hearing->own.purposes_count, sizeof *ev->consent.at);
	if (!ev->consent.at)
		return false;
	for (size_t i = 0; i < configured; i++)
		ev->consent.at[ev->consent.count++] = decide(&cfg->consent.purposes[i], context->source, hearing);
	for (uint32_t i = 0; i < hearing->own.purposes_count; i++) {
		const struct event_purpose *own = &hearing->own.purposes[i];
		size_t known = 0;
		while (known < configured && !slice_equal(ev->consent.at[known].purpose, own->purpose))
			known++;
		if (known == configured)
			ev->consent.at[ev->consent.count++] = *own;
	}
	return true;
}

void consent_decide(struct event *ev, const struct consent_context *context)
{
	uint32_t told = errors_told(ev);
	struct hearing hearing = { .opt_out = BASIS_NONE };
	ev->consent = (struct event_consent) { .applied = CONSENT_STRIPPED };
	ev->consent.is_update = ev->schema && slice_equal(ev->name, SLICE("consent_update"));
	if (!statements_read(ev, context->arena, &hearing.own))
		return;
	ev->consent.time_ms = hearing.own.time_ms;
	hear(ev, context, &hearing);
	if (!decide_all(ev, context, &hearing))
		return;
	/* a statement that cannot be read may be a refusal */
	if (errors_told(ev) == told)
		policy_apply(ev, context->source, false);
	ev->payload_allowed = context->source->dead_letter_payload == PAYLOAD_ALWAYS ||
	                      (errors_told(ev) == told && allows_payload(ev, context->source));
}

void consent_tighten(struct event *ev, const struct source *source)
{
	policy_apply(ev, source, true);
}
