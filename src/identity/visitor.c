/* The id's cookie is `<uuid>.<tag>`, the visit's likewise; a tag is base64url of what must be remembered (day of issue;
 * latest activity, number, campaign), then the HMAC over all of it. A visit belongs to its visitor's id: it is signed
 * together with it, so that the cookie of one browser means nothing in another.
 *
 * Cookies are set by any script and any host below the domain, so one that is not authentic is nothing to complain of
 * to the caller: it is counted and passed over. Cookies of one name may come twice (host-only and for the domain): the
 * first authentic one counts. */
#include "identity/visitor.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/cookies.h"
#include "base/metrics.h"
#include "identity/cookies_write.h"

#define DAY_S 86400
#define DAY_MS (INT64_C(1000) * DAY_S)
#define ID_DAYS 390
#define CONSENT_DAYS 180
#define SAME_NAME_MAX 8
#define ID_STATE_BYTES 2
#define SESSION_STATE_BYTES 14
#define TEXT_BYTES(state_bytes) (UUID_TEXT_BYTES + 1 + ((state_bytes) + COOKIES_TAG_BYTES) / 3 * 4)
#define BASE64 sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define STATE_BYTES_MAX SESSION_STATE_BYTES

_Static_assert((ID_STATE_BYTES + COOKIES_TAG_BYTES) % 3 == 0 && (SESSION_STATE_BYTES + COOKIES_TAG_BYTES) % 3 == 0,
               "base64 without a rest");

void visitor_series_init(struct visitor_series *series)
{
	static const char *const cookies[] = { "id", "session", "consent" };
	static const char *const outcomes[] = { "new", "renewed", "forged", "expired" };
	for (int c = 0; c < VISITOR_COOKIE_count; c++)
		for (int o = 0; o < VISITOR_OUTCOME_count; o++) {
			const struct slice labels[] = { slice_of(cookies[c]), slice_of(outcomes[o]) };
			series->at[c][o] = metrics_series(METRIC_COOKIES, labels);
		}
}

static void count(const struct visitor_context *context, enum visitor_cookie cookie, enum visitor_outcome outcome)
{
	if (context->series)
		metrics_add(context->series->at[cookie][outcome], 1);
}

/* What is signed: which cookie it is, whose it is (empty for the id itself), its own id, its state. */
struct signed_text {
	char at[1 + 2 * UUID_TEXT_BYTES + STATE_BYTES_MAX];
	size_t len;
};

static void signed_add(struct signed_text *text, const void *bytes, size_t len)
{
	memcpy(text->at + text->len, bytes, len);
	text->len += len;
}

static struct slice signed_make(struct signed_text *text, struct slice owner, const char *id, const uint8_t *state,
                                size_t state_bytes)
{
	text->at[0] = owner.len ? 's' : 'i';
	text->len = 1;
	if (owner.len)
		signed_add(text, owner.at, owner.len);
	signed_add(text, id, UUID_TEXT_BYTES);
	signed_add(text, state, state_bytes);
	return (struct slice) { text->at, text->len };
}

/* Which key signed it, or -1; fills id and state. */
static int open_cookie(const struct cookies_keys *keys, struct slice value, struct slice owner, char *id,
                       uint8_t *state, size_t state_bytes)
{
	uint8_t bytes[STATE_BYTES_MAX + COOKIES_TAG_BYTES];
	struct signed_text text;
	if (value.len != TEXT_BYTES(state_bytes) || value.at[UUID_TEXT_BYTES] != '.')
		return -1;
	struct slice encoded = { value.at + UUID_TEXT_BYTES + 1, value.len - UUID_TEXT_BYTES - 1 };
	if (!base64_url_decode(encoded, bytes, state_bytes + COOKIES_TAG_BYTES))
		return -1;
	int which =
	        cookies_keys_verify(keys, signed_make(&text, owner, value.at, bytes, state_bytes), bytes + state_bytes);
	if (which >= 0) {
		memcpy(id, value.at, UUID_TEXT_BYTES);
		memcpy(state, bytes, state_bytes);
	}
	return which;
}

static struct slice seal_cookie(const struct cookies_keys *keys, struct slice owner, const char *id,
                                const uint8_t *state, size_t state_bytes, char *to)
{
	uint8_t bytes[STATE_BYTES_MAX + COOKIES_TAG_BYTES];
	struct signed_text text;
	char encoded[64];
	memcpy(bytes, state, state_bytes);
	cookies_keys_sign(keys, signed_make(&text, owner, id, state, state_bytes), bytes + state_bytes);
	sodium_bin2base64(encoded, sizeof encoded, bytes, state_bytes + COOKIES_TAG_BYTES, BASE64);
	memcpy(to, id, UUID_TEXT_BYTES);
	to[UUID_TEXT_BYTES] = '.';
	memcpy(to + UUID_TEXT_BYTES + 1, encoded, TEXT_BYTES(state_bytes) - UUID_TEXT_BYTES - 1);
	return (struct slice) { to, TEXT_BYTES(state_bytes) };
}

static uint64_t get_number(const uint8_t *at, unsigned bytes)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < bytes; i++)
		value = value << 8 | at[i];
	return value;
}

static void put_number(uint8_t *at, unsigned bytes, uint64_t value)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
}

/* The first authentic cookie of that name. Browsers send two at most; each of an attacker's costs as many HMACs as there
 * are secrets. */
static int find_cookie(const struct visitor_context *context, enum visitor_cookie cookie, struct slice name,
                       struct slice owner, char *id, uint8_t *state, size_t state_bytes)
{
	struct slice rest = context->connection->cookies, value;
	for (int i = 0; i < SAME_NAME_MAX && cookies_next(&rest, name, &value); i++) {
		int which = open_cookie(context->keys, value, owner, id, state, state_bytes);
		if (which >= 0)
			return which;
		count(context, cookie, VISITOR_FORGED);
	}
	return -1;
}

static uint16_t today(const struct visitor_context *context)
{
	return (uint16_t)(context->now_ms / DAY_MS);
}

/* How long the id's cookie has left; of a day to come (a clock was wrong) and of one too long ago, nothing. */
static unsigned days_left(const struct visitor_context *context, unsigned issued)
{
	unsigned day = today(context);
	if (issued > day + 1 || day >= issued + ID_DAYS)
		return 0;
	return issued > day ? ID_DAYS : ID_DAYS - (day - issued);
}

static void read_session(struct visitor *visitor, const struct visitor_context *context)
{
	uint8_t state[SESSION_STATE_BYTES];
	const struct slice owner = { visitor->id, UUID_TEXT_BYTES };
	struct session *session = &visitor->session;
	int which = find_cookie(context, VISITOR_COOKIE_SESSION, context->cfg->cookies.session_name, owner, session->id,
	                        state, sizeof state);
	if (which < 0)
		return;
	visitor->is_visit_stale = which > 0;
	session->last_ms = (int64_t)get_number(state, 6);
	session->number = (uint32_t)get_number(state + 6, 4);
	session->campaign = (uint32_t)get_number(state + 10, 4);
}

static void read_cookies(struct visitor *visitor, const struct visitor_context *context)
{
	uint8_t state[ID_STATE_BYTES];
	visitor->is_read = true;
	if (!context->connection->cookies.len)
		return;
	int which = find_cookie(context, VISITOR_COOKIE_ID, context->cfg->cookies.id_name, SLICE_NONE, visitor->id,
	                        state, sizeof state);
	if (which < 0)
		return;
	visitor->id_day = (uint16_t)get_number(state, sizeof state);
	if (!days_left(context, visitor->id_day))
		return;
	visitor->has_id = true;
	bool is_due = context->cfg->cookies.renew == COOKIES_RENEW_DAILY && visitor->id_day != today(context);
	if (is_due)
		visitor->id_day = today(context);
	visitor->is_id_stale = is_due || which > 0;
}

static void make_id(struct visitor *visitor, const struct visitor_context *context)
{
	uuid_v7(context->now_ms, visitor->id);
	visitor->id_day = today(context);
	visitor->has_id = visitor->is_new = visitor->is_id_stale = true;
}

/* The page of the event that opens the request decides for all of it. */
static uint32_t campaign_of(const struct event *ev, const struct slices *click_ids)
{
	uint32_t node = ev->member[EVENT_MEMBER_CONTEXT];
	node = node ? json_get(ev->doc, node, SLICE("page")) : 0;
	node = node && json_type_of(ev->doc, node) == JSON_OBJECT ? json_get(ev->doc, node, SLICE("url")) : 0;
	return node && json_type_of(ev->doc, node) == JSON_STRING
	               ? session_campaign(json_inner(ev->doc, node), click_ids)
	               : 0;
}

/* Only for an event that names no visit itself: the cookie is not looked at before. */
static void decide_session(struct visitor *visitor, const struct visitor_context *context, const struct event *ev)
{
	if (!visitor->is_new)
		read_session(visitor, context);
	const struct config *cfg = context->cfg;
	const struct session_rules rules = { .timeout_ms = cfg->session.timeout_ms,
		                             .by_campaign = cfg->session.campaign,
		                             .day_of = cfg->session.midnight ? clock_local_day : NULL };
	uint32_t campaign = rules.by_campaign ? campaign_of(ev, &cfg->context.click_ids) : 0;
	visitor->step = session_advance(&visitor->session, &rules, campaign, context->now_ms);
	if (visitor->step == SESSION_UNCHANGED && visitor->is_visit_stale)
		visitor->step = SESSION_NOTED;
	visitor->has_session = true;
	if (visitor->is_new)
		visitor->session.number = 1;
}

static void add_id(struct event *ev, struct slice name, const char *id)
{
	if (ev->id_count < sizeof ev->ids / sizeof ev->ids[0])
		ev->ids[ev->id_count++] = (struct event_id_pair) { .name = name, .text = { id, UUID_TEXT_BYTES } };
}

void visitor_identify(struct visitor *visitor, const struct visitor_context *context, enum visitor_leave leave,
                      struct event *ev)
{
	if (leave == VISITOR_UNSEEN)
		return;
	if (!visitor->is_read)
		read_cookies(visitor, context);
	if (!visitor->has_id && leave == VISITOR_FREE)
		make_id(visitor, context);
	if (!visitor->has_id)
		return;
	add_id(ev, SLICE("cookie_id"), visitor->id);
	if (!event_id_find(ev, SLICE("anonymous_id")).at)
		add_id(ev, SLICE("anonymous_id"), visitor->id);
	if (event_id_find(ev, SLICE("session_id")).at || (leave != VISITOR_FREE && !visitor->has_session))
		return;
	if (!visitor->has_session)
		decide_session(visitor, context, ev);
	add_id(ev, SLICE("session_id"), visitor->session.id);
}

static bool carries(const struct event *ev, struct slice name, const char *id)
{
	for (uint32_t i = 0; i < ev->id_count; i++)
		if (ev->ids[i].text.at == id && slice_equal(ev->ids[i].name, name))
			return true;
	return false;
}

void visitor_tell_session(struct visitor *visitor, struct event *ev)
{
	if (!visitor->has_session || !carries(ev, SLICE("session_id"), visitor->session.id))
		return;
	ev->session.known = true;
	ev->session.number = visitor->session.number;
	if (visitor->step != SESSION_BEGUN || visitor->is_start_told)
		return;
	visitor->is_start_told = true;
	ev->session.start = true;
	ev->session.first = visitor->is_new;
}

static struct cookies_scope scope_of(const struct visitor_context *context)
{
	return cookies_scope(context->connection->host, context->connection->is_https, &context->cfg->cookies.domains,
	                     context->source->cookies);
}

static void add(struct visitor_answer *out, const char *cookie)
{
	if (cookie && out->cookie_count < VISITOR_COOKIE_count)
		out->cookies[out->cookie_count++] = cookie;
}

static void write_id(const struct visitor *visitor, const struct visitor_context *context,
                     const struct cookies_scope *scope, struct visitor_answer *out)
{
	char text[TEXT_BYTES(ID_STATE_BYTES)];
	uint8_t state[ID_STATE_BYTES];
	put_number(state, sizeof state, visitor->id_day);
	struct slice value = seal_cookie(context->keys, SLICE_NONE, visitor->id, state, sizeof state, text);
	add(out, cookies_write(scope, context->cfg->cookies.id_name, value, days_left(context, visitor->id_day) * DAY_S,
	                       context->arena));
	count(context, VISITOR_COOKIE_ID, visitor->is_new ? VISITOR_NEW : VISITOR_RENEWED);
}

static void write_session(const struct visitor *visitor, const struct visitor_context *context,
                          const struct cookies_scope *scope, struct visitor_answer *out)
{
	char text[TEXT_BYTES(SESSION_STATE_BYTES)];
	uint8_t state[SESSION_STATE_BYTES];
	const struct session *session = &visitor->session;
	const struct slice owner = { visitor->id, UUID_TEXT_BYTES };
	put_number(state, 6, session->last_ms > 0 ? (uint64_t)session->last_ms : 0);
	put_number(state + 6, 4, session->number);
	put_number(state + 10, 4, session->campaign);
	struct slice value = seal_cookie(context->keys, owner, session->id, state, sizeof state, text);
	/* it counts the visits, so it stays as long as the id does */
	add(out, cookies_write(scope, context->cfg->cookies.session_name, value,
	                       days_left(context, visitor->id_day) * DAY_S, context->arena));
	count(context, VISITOR_COOKIE_SESSION, visitor->step == SESSION_BEGUN ? VISITOR_NEW : VISITOR_RENEWED);
}

void visitor_write_cookies(const struct visitor *visitor, const struct visitor_context *context,
                           const struct event *events, uint32_t events_count, struct visitor_answer *out)
{
	bool id = false, session = false;
	for (uint32_t i = 0; i < events_count; i++) {
		/* consent may have been judged anew since the ids were given */
		if (events[i].verdict != VERDICT_ACCEPTED || events[i].consent.applied > CONSENT_REDUCED)
			continue;
		id = id || carries(&events[i], SLICE("cookie_id"), visitor->id);
		session = session || carries(&events[i], SLICE("session_id"), visitor->session.id);
	}
	id = id && visitor->is_id_stale;
	session = session && visitor->step != SESSION_UNCHANGED;
	if (!id && !session)
		return;
	const struct cookies_scope scope = scope_of(context);
	if (id)
		write_id(visitor, context, &scope, out);
	if (session)
		write_session(visitor, context, &scope, out);
}

void visitor_write_consent(const struct visitor_context *context, struct slice value, bool is_refused,
                           struct visitor_answer *out)
{
	const struct config *cfg = context->cfg;
	const struct cookies_scope scope = scope_of(context);
	if (value.len) {
		add(out, cookies_write(&scope, cfg->cookies.consent_name, value, CONSENT_DAYS * DAY_S, context->arena));
		count(context, VISITOR_COOKIE_CONSENT, VISITOR_NEW);
	}
	if (!is_refused)
		return;
	add(out, cookies_write(&scope, cfg->cookies.id_name, SLICE(""), 0, context->arena));
	add(out, cookies_write(&scope, cfg->cookies.session_name, SLICE(""), 0, context->arena));
	count(context, VISITOR_COOKIE_ID, VISITOR_EXPIRED);
	count(context, VISITOR_COOKIE_SESSION, VISITOR_EXPIRED);
}
