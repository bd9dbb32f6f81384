/* Consent rules here: a stripped event's cookies are not looked at, a consent_update that refuses keeps what was there
 * (so that consumers learn whose consent is gone) and is answered by the removal of id and visit. The purpose that an id
 * stands for is analytics. */
#include "pipeline/visit.h"

#include "base/metrics.h"
#include "privacy/consent.h"

static enum consent_state state_of_id(const struct event *ev)
{
	return consent_state_of(&ev->consent, SLICE("analytics"));
}

static bool keeps_ids(const struct event *ev)
{
	return ev->consent.applied == CONSENT_KEPT || ev->consent.applied == CONSENT_REDUCED;
}

static enum visitor_leave leave_of(const struct event *ev)
{
	if (!keeps_ids(ev))
		return VISITOR_UNSEEN;
	return ev->consent.is_update && state_of_id(ev) != CONSENT_GRANTED ? VISITOR_AS_IS : VISITOR_FREE;
}

static bool takes_cookies(const struct request *req)
{
	return req->source->kind == SOURCE_BROWSER && req->source->cookies != SOURCE_COOKIES_OFF;
}

struct visitor *visit_begin(const struct request *req)
{
	if (!takes_cookies(req))
		return NULL;
	return arena_zalloc(req->arena, sizeof(struct visitor));
}

struct visitor_context visit_context(const struct visits *visits, const struct request *req)
{
	return (struct visitor_context) { .cfg = req->snap->cfg,
		                          .source = req->source,
		                          .connection = &req->connection,
		                          .keys = &visits->keys,
		                          .series = req->route->dry ? NULL : &visits->series,
		                          .arena = req->arena,
		                          .now_ms = req->received_ms };
}

_Static_assert(COOKIES_TAG_BYTES == CONSENT_COOKIE_TAG_BYTES, "all cookies are signed alike");

static void sign(const void *keys, struct slice text, uint8_t tag[CONSENT_COOKIE_TAG_BYTES])
{
	cookies_keys_sign(keys, text, tag);
}

static bool verify(const void *keys, struct slice text, const uint8_t tag[CONSENT_COOKIE_TAG_BYTES])
{
	return cookies_keys_verify(keys, text, tag) >= 0;
}

struct visit_consent visit_consent(const struct visits *visits, const struct request *req)
{
	struct visit_consent out = { .signer = { &visits->keys, sign, verify }, .takes_cookies = takes_cookies(req) };
	uint32_t ignored = 0;
	if (out.takes_cookies && req->connection.cookies.len)
		out.has_cookie = consent_cookie_read(req->connection.cookies, req->snap->cfg->cookies.consent_name,
		                                     &out.signer, req->received_ms, &out.cookie, &ignored);
	if (ignored && !req->route->dry)
		metrics_add(metrics_series1(METRIC_CONSENT_IGNORED, "cookie"), ignored);
	return out;
}

void visit_identify(struct visitor *visitor, const struct visitor_context *context, struct event *ev)
{
	visitor_identify(visitor, context, leave_of(ev), ev);
}

static bool was_taken(const struct event *ev)
{
	return ev->verdict == VERDICT_ACCEPTED || ev->verdict == VERDICT_DUPLICATE;
}

/* The last consent_update of the request is the one in force; NULL: none. */
static const struct event *find_update(const struct request *req)
{
	for (uint32_t i = req->count; i > 0; i--)
		if (req->events[i - 1].consent.is_update && was_taken(&req->events[i - 1]))
			return &req->events[i - 1];
	return NULL;
}

/* Of several events with ids of their own the first one's are told. */
static void tell_ids(const struct request *req, struct visitor_answer *out)
{
	for (uint32_t i = 0; i < req->count; i++) {
		const struct event *ev = &req->events[i];
		if (ev->verdict != VERDICT_ACCEPTED || !keeps_ids(ev))
			continue;
		out->anonymous_id = event_id_find(ev, SLICE("anonymous_id"));
		out->session_id = event_id_find(ev, SLICE("session_id"));
		if (out->anonymous_id.len || out->session_id.len)
			return;
	}
}

void visit_answer(const struct visits *visits, struct request *req)
{
	if (req->source->kind == SOURCE_SERVER || req->verdicts.result != PROTOCOL_OK)
		return;
	const struct event *update = find_update(req);
	bool is_refused = update && state_of_id(update) == CONSENT_DENIED;
	if (!is_refused)
		tell_ids(req, &req->identity);
	if (!req->visitor || req->route->dry)
		return;
	const struct visitor_context context = visit_context(visits, req);
	if (!is_refused)
		visitor_write_cookies(req->visitor, &context, req->events, req->count, &req->identity);
	if (update)
		visitor_write_consent(&context, update->consent.cookie, is_refused, &req->identity);
}
