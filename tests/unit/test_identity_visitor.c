/* A visitor from request to request: a browser's cookies are what the last answers set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cookies.h"
#include "base/metrics.h"
#include "identity/visitor.h"

#define MINUTE INT64_C(60000)
#define DAY (24 * 60 * MINUTE)
#define NOON (INT64_C(20780) * DAY + DAY / 2)
#define MAX_AGE_390 "Max-Age=33696000"

struct browser {
	char id[96], session[128]; /* values of its cookies; empty: none */
	char header[512];          /* what it sends; made of the above by each visit unless preset */
	bool preset;
};

struct fixture {
	struct config cfg;
	struct source source;
	struct event_connection connection;
	struct cookies_keys keys;
	struct visitor_series series;
	struct arena arena;
	struct visitor visitor;
	struct visitor_answer answer;
	struct event events[2];
};

static struct fixture fx;

static int set_up(void **state)
{
	static const struct hash_key own = { { 1 } };
	struct error err;
	(void)state;
	memset(&fx, 0, sizeof fx);
	fx.cfg.cookies.id_name = SLICE("hg_id");
	fx.cfg.cookies.session_name = SLICE("hg_session");
	fx.cfg.cookies.consent_name = SLICE("hg_consent");
	fx.cfg.session.timeout_ms = 1800000;
	fx.source.kind = SOURCE_BROWSER;
	fx.connection.host = SLICE("shop.example");
	visitor_series_init(&fx.series);
	arena_init(&fx.arena, 1 << 20);
	return cookies_keys_load(&fx.keys, &own, SLICE_NONE, &err) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	arena_fini(&fx.arena);
	return 0;
}

static const char *cookie_set(const char *name)
{
	for (uint32_t i = 0; i < fx.answer.cookie_count; i++)
		if (strncmp(fx.answer.cookies[i], name, strlen(name)) == 0 && fx.answer.cookies[i][strlen(name)] == '=')
			return fx.answer.cookies[i] + strlen(name) + 1;
	return NULL;
}

static void keep(const char *name, char *to, size_t size)
{
	const char *text = cookie_set(name);
	if (text)
		snprintf(to, size, "%.*s", (int)strcspn(text, ";"), text);
}

static struct visitor_context context_at(int64_t now_ms)
{
	return (struct visitor_context) { .cfg = &fx.cfg,
		                          .source = &fx.source,
		                          .connection = &fx.connection,
		                          .keys = &fx.keys,
		                          .series = &fx.series,
		                          .arena = &fx.arena,
		                          .now_ms = now_ms };
}

/* Requests of two events, both accepted. */
static void visit(struct browser *browser, int64_t now_ms, enum visitor_leave leave)
{
	struct visitor_context context = context_at(now_ms);
	if (!browser->preset)
		snprintf(browser->header, sizeof browser->header, "%s%s; %s%s",
		         browser->id[0] ? "hg_id=" : "a=", browser->id,
		         browser->session[0] ? "hg_session=" : "b=", browser->session);
	fx.connection.cookies = slice_of(browser->header);
	memset(&fx.visitor, 0, sizeof fx.visitor);
	memset(&fx.answer, 0, sizeof fx.answer);
	for (int i = 0; i < 2; i++) {
		fx.events[i] = (struct event) { .verdict = VERDICT_ACCEPTED };
		visitor_identify(&fx.visitor, &context, leave, &fx.events[i]);
		visitor_tell_session(&fx.visitor, &fx.events[i]);
	}
	visitor_write_cookies(&fx.visitor, &context, fx.events, 2, &fx.answer);
	keep("hg_id", browser->id, sizeof browser->id);
	keep("hg_session", browser->session, sizeof browser->session);
}

static struct slice id_of(int event, const char *name)
{
	return event_id_find(&fx.events[event], slice_of(name));
}

static uint64_t counted(enum visitor_cookie cookie, enum visitor_outcome outcome)
{
	return metrics_get(fx.series.at[cookie][outcome]);
}

static void first_visit(void **state)
{
	struct browser browser = { 0 };
	(void)state;
	visit(&browser, NOON, VISITOR_FREE);
	assert_int_equal(fx.answer.cookie_count, 2);
	assert_int_equal(strlen(browser.id), 36 + 1 + 24);
	assert_int_equal(strlen(browser.session), 36 + 1 + 40);
	assert_memory_equal(browser.id, id_of(0, "cookie_id").at, 36);
	assert_true(uuid_is_valid((struct slice) { browser.id, 36 }));
	assert_int_equal(browser.id[14], '7');
	assert_int_equal(browser.id[36], '.');
	assert_non_null(strstr(cookie_set("hg_id"), MAX_AGE_390));
	assert_non_null(strstr(cookie_set("hg_session"), MAX_AGE_390));
	for (int i = 0; i < 2; i++) {
		assert_true(slice_equal(id_of(i, "anonymous_id"), id_of(0, "cookie_id")));
		assert_true(slice_equal(id_of(i, "session_id"), (struct slice) { browser.session, 36 }));
		assert_int_equal(fx.events[i].session.number, 1);
	}
	/* one visit for the whole request, and one begin */
	assert_true(fx.events[0].session.start && fx.events[0].session.first);
	assert_false(fx.events[1].session.start || fx.events[1].session.first);
}

static void visitors_come_back(void **state)
{
	struct browser browser = { 0 };
	char id[37], session[37];
	(void)state;
	visit(&browser, NOON, VISITOR_FREE);
	snprintf(id, sizeof id, "%.36s", browser.id);
	snprintf(session, sizeof session, "%.36s", browser.session);
	visit(&browser, NOON + 10000, VISITOR_FREE);
	assert_int_equal(fx.answer.cookie_count, 0);
	assert_false(fx.events[0].session.start);
	visit(&browser, NOON + 20 * MINUTE, VISITOR_FREE);
	assert_int_equal(fx.answer.cookie_count, 1);
	assert_non_null(cookie_set("hg_session"));
	visit(&browser, NOON + 45 * MINUTE, VISITOR_FREE);
	assert_memory_equal(browser.session, session, 36);
	visit(&browser, NOON + 90 * MINUTE, VISITOR_FREE);
	assert_memory_not_equal(browser.session, session, 36);
	assert_memory_equal(browser.id, id, 36);
	assert_true(fx.events[0].session.start);
	assert_false(fx.events[0].session.first);
	assert_int_equal(fx.events[1].session.number, 2);
}

static void ids_are_renewed_once_a_day(void **state)
{
	struct browser browser = { 0 };
	char id[37];
	(void)state;
	visit(&browser, NOON, VISITOR_FREE);
	snprintf(id, sizeof id, "%.36s", browser.id);
	visit(&browser, NOON + DAY, VISITOR_FREE);
	assert_non_null(strstr(cookie_set("hg_id"), MAX_AGE_390));
	visit(&browser, NOON + DAY + MINUTE / 2, VISITOR_FREE);
	assert_null(cookie_set("hg_id"));
	/* it lives as long as it is seen */
	for (int month = 1; month < 40; month++)
		visit(&browser, NOON + month * 30 * DAY, VISITOR_FREE);
	assert_memory_equal(browser.id, id, 36);
	assert_int_equal(fx.events[0].session.number, 41);
	visit(&browser, NOON + (39 * 30 + 390) * DAY, VISITOR_FREE);
	assert_memory_not_equal(browser.id, id, 36);
	assert_int_equal(fx.events[0].session.number, 1);
}

static void ids_end_without_renewal(void **state)
{
	struct browser browser = { 0 };
	char id[37];
	(void)state;
	fx.cfg.cookies.renew = COOKIES_RENEW_NEVER;
	visit(&browser, NOON, VISITOR_FREE);
	snprintf(id, sizeof id, "%.36s", browser.id);
	visit(&browser, NOON + 389 * DAY, VISITOR_FREE);
	assert_null(cookie_set("hg_id"));
	/* the visit's cookie does not outlive it */
	assert_non_null(strstr(cookie_set("hg_session"), "Max-Age=86400;"));
	assert_memory_equal(browser.id, id, 36);
	visit(&browser, NOON + 390 * DAY, VISITOR_FREE);
	assert_memory_not_equal(browser.id, id, 36);
}

static void clocks_may_jump(void **state)
{
	struct browser browser = { 0 };
	char id[37];
	(void)state;
	visit(&browser, NOON + 10 * DAY, VISITOR_FREE);
	snprintf(id, sizeof id, "%.36s", browser.id);
	visit(&browser, NOON + 9 * DAY, VISITOR_FREE);
	assert_memory_equal(browser.id, id, 36);
	/* issued in days to come: such an id would be there for ever */
	visit(&browser, NOON, VISITOR_FREE);
	assert_memory_not_equal(browser.id, id, 36);
	browser = (struct browser) { 0 };
	visit(&browser, -1, VISITOR_FREE);
	visit(&browser, 0, VISITOR_FREE);
}

static void forged_ids_are_noticed(void **state)
{
	struct browser honest = { 0 }, other = { 0 };
	(void)state;
	visit(&honest, NOON, VISITOR_FREE);
	visit(&other, NOON, VISITOR_FREE);
	size_t len = strlen(honest.id);
	for (size_t i = 0; i < len; i++) {
		struct browser forger = honest;
		uint64_t before = counted(VISITOR_COOKIE_ID, VISITOR_FORGED);
		forger.id[i] = forger.id[i] == '1' ? '2' : '1';
		visit(&forger, NOON + 1000, VISITOR_FREE);
		assert_int_equal(counted(VISITOR_COOKIE_ID, VISITOR_FORGED), before + 1);
		assert_memory_not_equal(id_of(0, "cookie_id").at, honest.id, 36);
		assert_int_equal(fx.events[0].session.number, 1);
	}
	/* a visit is its visitor's only */
	struct browser thief = honest;
	uint64_t before = counted(VISITOR_COOKIE_SESSION, VISITOR_FORGED);
	memcpy(thief.session, other.session, sizeof thief.session);
	visit(&thief, NOON + 1000, VISITOR_FREE);
	assert_int_equal(counted(VISITOR_COOKIE_SESSION, VISITOR_FORGED), before + 1);
	assert_memory_equal(id_of(0, "cookie_id").at, honest.id, 36);
	assert_memory_not_equal(id_of(0, "session_id").at, other.session, 36);
	/* which visit of a known visitor it is, nobody knows any more */
	assert_int_equal(fx.events[0].session.number, 0);
	assert_true(fx.events[0].session.start && !fx.events[0].session.first);
}

static void first_authentic_cookie_counts(void **state)
{
	struct browser browser = { 0 };
	char id[96];
	(void)state;
	visit(&browser, NOON, VISITOR_FREE);
	memcpy(id, browser.id, sizeof id);
	browser.preset = true;
	snprintf(browser.header, sizeof browser.header, "hg_id=junk; hg_id=%s; hg_id=%s; hg_id", id, id);
	visit(&browser, NOON, VISITOR_FREE);
	assert_memory_equal(id_of(0, "cookie_id").at, id, 36);
	assert_null(cookie_set("hg_id"));
}

static void old_secrets_are_believed(void **state)
{
	static const struct hash_key older = { { 1 } }, newer = { { 2 } };
	struct browser browser = { 0 };
	struct error err;
	char id[37];
	(void)state;
	visit(&browser, NOON, VISITOR_FREE);
	snprintf(id, sizeof id, "%.36s", browser.id);
	char path[] = "/tmp/headgate-secret-XXXXXX";
	FILE *file = fdopen(mkstemp(path), "w");
	assert_non_null(file);
	fputs("a secret of thirty-two bytes, no less", file);
	fclose(file);
	assert_true(cookies_keys_load(&fx.keys, &older, slice_of(path), &err));
	visit(&browser, NOON + 1000, VISITOR_FREE);
	assert_memory_equal(browser.id, id, 36);
	/* and signed anew, so that the older one can go */
	assert_int_equal(fx.answer.cookie_count, 2);
	assert_true(cookies_keys_load(&fx.keys, &newer, slice_of(path), &err));
	visit(&browser, NOON + 2000, VISITOR_FREE);
	assert_memory_equal(browser.id, id, 36);
	assert_int_equal(fx.answer.cookie_count, 0);
	remove(path);
}

static void consent_decides(void **state)
{
	struct browser browser = { 0 }, stranger = { 0 };
	(void)state;
	visit(&browser, NOON, VISITOR_FREE);
	visit(&browser, NOON + 90 * MINUTE, VISITOR_UNSEEN);
	assert_int_equal(fx.answer.cookie_count, 0);
	assert_int_equal(fx.events[0].id_count, 0);
	assert_false(fx.visitor.is_read);
	visit(&browser, NOON + 90 * MINUTE, VISITOR_AS_IS);
	assert_memory_equal(id_of(0, "anonymous_id").at, browser.id, 36);
	assert_null(id_of(0, "session_id").at);
	assert_int_equal(fx.answer.cookie_count, 0);
	visit(&stranger, NOON, VISITOR_AS_IS);
	assert_int_equal(fx.events[0].id_count, 0);
	assert_int_equal(fx.answer.cookie_count, 0);
	struct visitor_context context = context_at(NOON);
	visitor_write_consent(&context, SLICE("v"), true, &fx.answer);
	assert_int_equal(fx.answer.cookie_count, 3);
	assert_non_null(strstr(cookie_set("hg_consent"), "Max-Age=15552000;"));
	assert_non_null(strstr(cookie_set("hg_id"), "Max-Age=0;"));
	assert_non_null(strstr(cookie_set("hg_session"), "Max-Age=0;"));
}

/* What nobody stored leaves no cookie, and the begin of a visit is told by an event that was stored. */
static void only_accepted_events_count(void **state)
{
	struct browser browser = { 0 };
	struct visitor_context context = context_at(NOON);
	(void)state;
	visit(&browser, NOON, VISITOR_FREE);
	memset(&fx.answer, 0, sizeof fx.answer);
	fx.events[0].verdict = VERDICT_REJECTED;
	fx.events[1].verdict = VERDICT_DUPLICATE;
	visitor_write_cookies(&fx.visitor, &context, fx.events, 2, &fx.answer);
	assert_int_equal(fx.answer.cookie_count, 0);
	fx.events[1].verdict = VERDICT_ACCEPTED;
	fx.events[1].consent.applied = CONSENT_STRIPPED;
	visitor_write_cookies(&fx.visitor, &context, fx.events, 2, &fx.answer);
	assert_int_equal(fx.answer.cookie_count, 0);
	fx.events[1].consent.applied = CONSENT_REDUCED;
	visitor_write_cookies(&fx.visitor, &context, fx.events, 2, &fx.answer);
	assert_int_equal(fx.answer.cookie_count, 2);
}

static void own_ids_go_first(void **state)
{
	struct visitor_context context = context_at(NOON);
	struct event *ev = &fx.events[0];
	(void)state;
	*ev = (struct event) { .verdict = VERDICT_ACCEPTED, .id_count = 3 };
	ev->ids[0] = (struct event_id_pair) { .name = SLICE("anonymous_id"), .text = SLICE("own") };
	ev->ids[1] = (struct event_id_pair) { .name = SLICE("session_id"), .text = SLICE("visit") };
	ev->ids[2] = (struct event_id_pair) { .name = SLICE("user_id"), .text = SLICE("u") };
	visitor_identify(&fx.visitor, &context, VISITOR_FREE, ev);
	visitor_tell_session(&fx.visitor, ev);
	assert_true(slice_equal(id_of(0, "anonymous_id"), SLICE("own")));
	assert_true(slice_equal(id_of(0, "session_id"), SLICE("visit")));
	assert_true(slice_equal(id_of(0, "user_id"), SLICE("u")));
	assert_true(slice_equal(id_of(0, "cookie_id"), (struct slice) { fx.visitor.id, 36 }));
	assert_int_equal(ev->id_count, 4);
	assert_false(ev->session.known);
	visitor_write_cookies(&fx.visitor, &context, ev, 1, &fx.answer);
	assert_int_equal(fx.answer.cookie_count, 1);
	assert_non_null(cookie_set("hg_id"));
	/* sixteen ids of its own leave room for the server's */
	*ev = (struct event) { .verdict = VERDICT_ACCEPTED, .id_count = EVENT_IDS_MAX };
	for (int i = 0; i < EVENT_IDS_MAX; i++)
		ev->ids[i] = (struct event_id_pair) { .name = SLICE("x"), .text = SLICE("y") };
	visitor_identify(&fx.visitor, &context, VISITOR_FREE, ev);
	assert_int_equal(ev->id_count, EVENT_IDS_MAX + 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(first_visit),
		TEST(visitors_come_back),
		TEST(ids_are_renewed_once_a_day),
		TEST(ids_end_without_renewal),
		TEST(clocks_may_jump),
		TEST(forged_ids_are_noticed),
		TEST(first_authentic_cookie_counts),
		TEST(old_secrets_are_believed),
		TEST(consent_decides),
		TEST(only_accepted_events_count),
		TEST(own_ids_go_first),
	};
	metrics_register_thread();
	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
