/* A request's cookies, as a visitor: \1 and \2 in the input stand for the authentic cookies of one visitor, all else is
 * anybody's. Whoever is taken for a known visitor must be that one. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/metrics.h"
#include "identity/visitor.h"

#define NOW_MS (INT64_C(20780) * 86400000)
#define HEADER_BYTES_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct config cfg;
static struct source source;
static struct cookies_keys keys;
static struct visitor_series series;
static struct arena arena;
static char id[128], session[128];

static void keep(const char *cookie, char *to)
{
	const char *value = strchr(cookie, '=') + 1;
	memcpy(to, value, strcspn(value, ";"));
}

static void visit(struct slice cookies, struct visitor *visitor, struct visitor_answer *answer)
{
	const struct event_connection connection = { .cookies = cookies, .host = SLICE("a.shop.example") };
	const struct visitor_context context = { .cfg = &cfg,
		                                 .source = &source,
		                                 .connection = &connection,
		                                 .keys = &keys,
		                                 .series = &series,
		                                 .arena = &arena,
		                                 .now_ms = NOW_MS };
	struct event ev = { .verdict = VERDICT_ACCEPTED };
	visitor_identify(visitor, &context, VISITOR_FREE, &ev);
	visitor_tell_session(visitor, &ev);
	assert(ev.id_count == 3);
	visitor_write_cookies(visitor, &context, &ev, 1, answer);
	assert(answer->cookie_count == (unsigned)visitor->is_new + (visitor->step != SESSION_UNCHANGED));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const struct hash_key own = { { 7 } };
	static const struct slice domain = { "shop.example", 12 };
	struct visitor visitor = { 0 };
	struct visitor_answer answer = { 0 };
	struct error err;
	(void)argc, (void)argv;
	cfg.cookies.id_name = SLICE("hg_id");
	cfg.cookies.session_name = SLICE("hg_session");
	cfg.cookies.domains = (struct slices) { &domain, 1 };
	cfg.session.timeout_ms = 1800000;
	metrics_register_thread();
	visitor_series_init(&series);
	arena_init(&arena, 1 << 20);
	if (sodium_init() < 0 || !cookies_keys_load(&keys, &own, SLICE_NONE, &err))
		abort();
	visit(SLICE_NONE, &visitor, &answer);
	keep(answer.cookies[0], id);
	keep(answer.cookies[1], session);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static char header[HEADER_BYTES_MAX];
	size_t to = 0;
	struct visitor visitor = { 0 };
	struct visitor_answer answer = { 0 };
	for (size_t i = 0; i < len && to + sizeof id < sizeof header; i++) {
		const char *known = bytes[i] == 1 ? id : bytes[i] == 2 ? session : NULL;
		if (known) {
			memcpy(header + to, known, strlen(known));
			to += strlen(known);
		} else {
			header[to++] = (char)bytes[i];
		}
	}
	arena_reset(&arena);
	visit((struct slice) { header, to }, &visitor, &answer);
	if (!visitor.is_new)
		assert(memcmp(visitor.id, id, UUID_TEXT_BYTES) == 0);
	if (visitor.step != SESSION_BEGUN)
		assert(!visitor.is_new && memcmp(visitor.session.id, session, UUID_TEXT_BYTES) == 0);
	return 0;
}
