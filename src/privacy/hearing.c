/* A server's connection is the server's own and says nothing of the person: of server sources only the event speaks. */
#include "privacy/hearing.h"

#include "base/metrics.h"
#include "privacy/us_privacy.h"

static void ignore(struct event *ev, const struct consent_context *context, const char *statement, struct slice path)
{
	if (!context->dry)
		metrics_add(metrics_series1(METRIC_CONSENT_IGNORED, statement), 1);
	if (path.len)
		event_warn(ev, context->arena, path, SLICE("consent_ignored"));
}

static bool read_tcf(struct slice text, const struct event *ev, const struct consent_context *context, struct tcf *out)
{
	if (!tcf_parse(text, context->cfg->consent.tcf_vendor, out) ||
	    !statements_is_sane_time(out->updated_ms, ev->received_ms))
		return false;
	/* clocks differ a little: what is ahead is of now, not later than what others say now */
	out->updated_ms = out->updated_ms < ev->received_ms ? out->updated_ms : ev->received_ms;
	return true;
}

static void hear_tcf(struct event *ev, const struct consent_context *context, struct hearing *out)
{
	if (!out->own.tcf.len || out->own.gdpr_is_off)
		return;
	out->has_tcf = read_tcf(out->own.tcf, ev, context, &out->tcf);
	if (!out->has_tcf)
		ignore(ev, context, "tcf", SLICE("/consent/tcf"));
}

/* True if it opts out. */
static bool hear_gpp(struct event *ev, const struct consent_context *context, struct hearing *out)
{
	struct gpp gpp;
	if (!out->own.gpp.len)
		return false;
	bool is_read = gpp_parse(out->own.gpp, out->own.gpp_sid, &gpp);
	if (is_read && gpp.tcf.len && !out->own.gdpr_is_off) {
		out->has_gpp_tcf = read_tcf(gpp.tcf, ev, context, &out->gpp_tcf);
		is_read = out->has_gpp_tcf;
	}
	if (!is_read)
		ignore(ev, context, "gpp", SLICE("/consent/gpp"));
	return gpp.is_opted_out;
}

static bool hear_us_privacy(struct event *ev, const struct consent_context *context, const struct hearing *hearing)
{
	bool is_opted_out = false;
	if (hearing->own.us_privacy.len && !us_privacy_parse(hearing->own.us_privacy, &is_opted_out))
		ignore(ev, context, "us_privacy", SLICE("/consent/us_privacy"));
	return is_opted_out;
}

static void hear_google(struct event *ev, const struct consent_context *context, struct hearing *out)
{
	struct consent_mode mode;
	if (out->own.gcs.len) {
		if (consent_mode_parse_gcs(out->own.gcs, &mode))
			consent_mode_merge(&out->google, &mode);
		else
			ignore(ev, context, "gcs", SLICE("/consent/gcs"));
	}
	if (out->own.gcd.len) {
		if (consent_mode_parse_gcd(out->own.gcd, &mode))
			consent_mode_merge(&out->google, &mode);
		else
			ignore(ev, context, "gcd", SLICE("/consent/gcd"));
	}
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

static void find_country_defaults(const struct event *ev, const struct consent_context *context, struct hearing *out)
{
	const struct source *source = context->source;
	struct slice country = source->country_defaults_count ? country_of(ev, context) : SLICE_NONE;
	for (size_t i = 0; country.len && i < source->country_defaults_count; i++) {
		if (!slice_equal_nocase(source->country_defaults[i].country, country))
			continue;
		out->country_defaults = source->country_defaults[i].at;
		out->country_defaults_count = source->country_defaults[i].count;
	}
}

bool hearing_hold(struct event *ev, const struct consent_context *context, struct hearing *out)
{
	bool is_personal = context->source->kind != SOURCE_SERVER;
	*out = (struct hearing) { .opt_out = BASIS_NONE };
	if (!statements_read(ev, context->arena, &out->own))
		return false;
	if (out->own.time_is_absurd)
		ignore(ev, context, "time", SLICE("/consent/time"));
	out->cookie = context->cookie;
	hear_tcf(ev, context, out);
	hear_google(ev, context, out);
	bool gpp = hear_gpp(ev, context, out), us_privacy = hear_us_privacy(ev, context, out);
	out->gpc = out->own.gpc || out->google.gpc || (is_personal && context->connection->gpc);
	bool dnt = context->cfg->consent.honor_dnt && (out->own.dnt || (is_personal && context->connection->dnt));
	out->opt_out = out->gpc     ? BASIS_GPC
	               : gpp        ? BASIS_GPP
	               : us_privacy ? BASIS_US_PRIVACY
	               : dnt        ? BASIS_DNT
	                            : BASIS_NONE;
	find_country_defaults(ev, context, out);
	return true;
}

static enum consent_state tcf_state(const struct tcf *tcf, const struct config_purpose *purpose)
{
	if (!purpose->tcf)
		return CONSENT_UNKNOWN;
	return tcf->vendor_is_granted && (tcf->purposes & purpose->tcf) == purpose->tcf ? CONSENT_GRANTED
	                                                                                : CONSENT_DENIED;
}

static enum consent_state google_state(const struct consent_mode *mode, const struct config_purpose *purpose)
{
	enum consent_state state = purpose->google ? CONSENT_GRANTED : CONSENT_UNKNOWN;
	for (unsigned i = 0; i < GOOGLE_count; i++) {
		if (!(purpose->google & 1u << i))
			continue;
		if (mode->at[i] == CONSENT_DENIED)
			return CONSENT_DENIED;
		if (mode->at[i] == CONSENT_UNKNOWN)
			state = CONSENT_UNKNOWN;
	}
	return state;
}

static const struct event_purpose *find_own(const struct statements *own, struct slice name)
{
	for (uint32_t i = 0; i < own->purposes_count; i++)
		if (slice_equal(own->purposes[i].purpose, name))
			return &own->purposes[i];
	return NULL;
}

size_t hearing_statements(const struct hearing *hearing, const struct config_purpose *purpose,
                          struct resolve_statement said[HEARING_STATEMENTS_MAX])
{
	size_t count = 0;
	const struct event_purpose *own = find_own(&hearing->own, purpose->name);
	if (own)
		said[count++] = (struct resolve_statement) { own->state, BASIS_EVENT, hearing->own.time_ms };
	if (hearing->cookie) {
		struct consent_cookie_purpose cookie = { .name = purpose->name };
		consent_cookie_find(hearing->cookie, &cookie);
		said[count++] = (struct resolve_statement) { cookie.state, BASIS_COOKIE, cookie.time_ms };
	}
	if (hearing->has_tcf)
		said[count++] = (struct resolve_statement) { tcf_state(&hearing->tcf, purpose), BASIS_TCF,
			                                     hearing->tcf.updated_ms };
	if (hearing->has_gpp_tcf)
		said[count++] = (struct resolve_statement) { tcf_state(&hearing->gpp_tcf, purpose), BASIS_GPP,
			                                     hearing->gpp_tcf.updated_ms };
	said[count++] = (struct resolve_statement) { google_state(&hearing->google, purpose), BASIS_GCM, 0 };
	return count;
}
