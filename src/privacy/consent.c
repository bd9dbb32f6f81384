/* Everything that speaks is gathered (hearing.c) and resolved per purpose (resolve.c); then opt-outs of sale and sharing deny what
 * the configuration lists; what is still unknown falls to the source's default for the country, else to its plain one. */
#include "privacy/consent.h"

#include "catalog/catalog.h"
#include "privacy/hearing.h"
#include "privacy/policy.h"
#include "privacy/resolve.h"

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

static bool is_any_granted(const struct event_consent *consent)
{
	for (uint32_t i = 0; i < consent->count; i++)
		if (consent->at[i].is_configured && consent->at[i].state == CONSENT_GRANTED)
			return true;
	return false;
}

static uint32_t errors_told(const struct event *ev)
{
	return ev->errors ? ev->errors->count + ev->errors->more : 0;
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
	struct resolve_statement said[HEARING_STATEMENTS_MAX];
	const struct resolve_statement *outcome = resolve_statements(said, hearing_statements(hearing, purpose, said));
	if (outcome) {
		out.state = out.stated = outcome->state;
		out.basis = outcome->basis;
		out.stated_ms = outcome->time_ms;
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

/* What the cookie said and the event does not speak of stays, with its time. */
static struct slice make_cookie(const struct event *ev, const struct consent_context *context)
{
	size_t count = context->cfg->consent.purposes_count;
	struct consent_cookie_purpose *purposes = arena_array(context->arena, count, sizeof *purposes);
	int64_t latest_ms = ev->consent.time_ms;
	for (size_t i = 0; purposes && i < count; i++) {
		const struct event_purpose *from = &ev->consent.at[i];
		int64_t time_ms = from->stated_ms ? from->stated_ms : ev->consent.time_ms;
		purposes[i] = (struct consent_cookie_purpose) { from->purpose, from->stated, time_ms };
		latest_ms = time_ms > latest_ms ? time_ms : latest_ms;
	}
	return purposes ? consent_cookie_format(latest_ms, purposes, count, context->signer, context->arena)
	                : SLICE_NONE;
}

void consent_decide(struct event *ev, const struct consent_context *context)
{
	uint32_t told = errors_told(ev);
	struct hearing hearing;
	ev->consent = (struct event_consent) { .applied = CONSENT_STRIPPED };
	ev->consent.is_update = ev->schema && slice_equal(ev->name, SLICE("consent_update"));
	if (!hearing_hold(ev, context, &hearing) || !decide_all(ev, context, &hearing))
		return;
	ev->consent.gpc = hearing.gpc;
	ev->consent.time_ms = hearing.own.time_ms;
	ev->consent.user_denied = hearing.google.at[GOOGLE_AD_USER_DATA] == CONSENT_DENIED;
	/* a statement that cannot be read may be a refusal */
	bool is_readable = errors_told(ev) == told;
	if (is_readable)
		policy_apply(ev, context->source, false);
	ev->consent.any_granted = is_readable && is_any_granted(&ev->consent);
	ev->payload_allowed = context->source->dead_letter_payload == PAYLOAD_ALWAYS ||
	                      (is_readable && allows_payload(ev, context->source));
	if (ev->consent.is_update && context->signer)
		ev->consent.cookie = make_cookie(ev, context);
}

void consent_tighten(struct event *ev, const struct source *source)
{
	policy_apply(ev, source, true);
}
