/* The truth table of consent (tests/consent/table.txt): each row through the steps that judge an event, as a test of its
 * own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "pipeline/steps.h"
#include "privacy/consent.h"
#include "protocol/protocol.h"

#define TABLE "tests/consent/table.txt"
#define NOW_MS 1795312860000 /* 2026-11-22T02:01:00Z */
#define COLUMNS 6
#define ROWS_MAX 512

static const char *const configs[] = {
	"\"sources\":{\"plain\":{\"kind\":\"browser\",\"keys\":[\"1\"]},"
	"\"grant\":{\"kind\":\"browser\",\"keys\":[\"2\"],\"consent_defaults\":{\"analytics\":true,\"ads\":true,"
	"\"personalization\":true,\"functional\":true}},"
	"\"deny\":{\"kind\":\"browser\",\"keys\":[\"3\"],\"consent_defaults\":{\"analytics\":false,\"ads\":false,"
	"\"personalization\":false,\"functional\":false}},"
	"\"half\":{\"kind\":\"browser\",\"keys\":[\"4\"],\"consent_defaults\":{\"analytics\":true,\"ads\":false}},"
	"\"drop\":{\"kind\":\"browser\",\"keys\":[\"5\"],\"consent_defaults\":{\"analytics\":false},"
	"\"denied_events\":\"dropped\"},"
	"\"lands\":{\"kind\":\"browser\",\"keys\":[\"6\"],\"consent_defaults\":{\"analytics\":true},"
	"\"consent_country_defaults\":{\"DE\":{\"analytics\":false,\"ads\":false},\"US\":{\"analytics\":true,"
	"\"ads\":true},\"KR\":{\"analytics\":\"unknown\"}}},"
	"\"server\":{\"kind\":\"server\",\"keys\":[\"7\"],\"consent_defaults\":{\"analytics\":\"contract\","
	"\"ads\":false},\"consent_country_defaults\":{\"JP\":{\"analytics\":false}}},"
	"\"app\":{\"kind\":\"app\",\"keys\":[\"8\"],\"consent_defaults\":{\"analytics\":true,\"ads\":true}},"
	"\"keep\":{\"kind\":\"browser\",\"keys\":[\"9\"],\"consent_defaults\":{\"analytics\":true},"
	"\"unknown_events\":\"keep\",\"invalid_events\":\"keep\"},"
	"\"keepdrop\":{\"kind\":\"browser\",\"keys\":[\"10\"],\"unknown_events\":\"keep\",\"invalid_events\":\"keep\","
	"\"denied_events\":\"dropped\"},"
	"\"nocookies\":{\"kind\":\"browser\",\"keys\":[\"11\"],\"cookies\":\"off\"}}",
	"\"consent\":{\"honor_dnt\":true},\"sources\":{\"dnt\":{\"kind\":\"browser\",\"keys\":[\"1\"],"
	"\"consent_defaults\":{\"analytics\":true,\"ads\":true,\"personalization\":true,\"functional\":true}}}",
	"\"consent\":{\"purposes\":[\"research\"],\"opt_out_purposes\":[\"ads\",\"personalization\"],"
	"\"google\":{\"analytics_storage\":\"\"}},\"sources\":{\"further\":{\"kind\":\"browser\",\"keys\":[\"1\"]}}",
	"\"consent\":{\"tcf_vendor_id\":755,\"tcf_purposes\":{\"personalization\":[]}},"
	"\"sources\":{\"vendor\":{\"kind\":\"browser\",\"keys\":[\"1\"]}}",
};

#define CONFIGS (sizeof configs / sizeof configs[0])

static const struct hash_key key = { { 7 } };
static struct snapshot *snaps[CONFIGS];
static struct arena table_arena, arena;
static struct slice constants[64][2];
static size_t constants_count;

struct row {
	struct slice column[COLUMNS];
};

static struct snapshot *make_snapshot(const char *members)
{
	char path[] = "/tmp/headgate-consent-XXXXXX", text[4096];
	char *environment[] = { NULL };
	struct error err = { 0 };
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	snprintf(text, sizeof text, "{%s}", members);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	const struct config_options options = { .file = path, .environment = environment };
	struct config *cfg = config_load(&options, &err);
	unlink(path);
	assert_string_equal(err.message, "");
	assert_non_null(cfg);
	cfg->catalog.dir = SLICE("tests/consent/schemas");
	struct snapshot *snap = snapshot_load(cfg, &err);
	if (!snap)
		fail_msg("%s", err.message);
	return snap;
}

static const struct source *find_source(struct slice name, struct snapshot **snap)
{
	for (size_t i = 0; i < CONFIGS; i++)
		for (size_t s = 0; s < snaps[i]->cfg->sources_count; s++)
			if (slice_equal(snaps[i]->cfg->sources[s].name, name)) {
				*snap = snaps[i];
				return &snaps[i]->cfg->sources[s];
			}
	fail_msg("no source %.*s", SLICE_ARG(name));
	return NULL;
}

/* $name and @±seconds. */
static void put_expanded(struct buffer *out, struct slice text)
{
	while (text.len) {
		char c = *text.at;
		text.at++;
		text.len--;
		if (c == '$') {
			size_t i = 0;
			while (i < constants_count && !slice_starts(text, constants[i][0]))
				i++;
			assert_true(i < constants_count);
			buffer_append(out, constants[i][1]);
			text.at += constants[i][0].len;
			text.len -= constants[i][0].len;
		} else if (c == '@') {
			char *end;
			long seconds = strtol(text.at, &end, 10);
			buffer_append_i64(out, NOW_MS + seconds * 1000LL);
			text.len -= (size_t)(end - text.at);
			text.at = end;
		} else {
			buffer_append_char(out, c);
		}
	}
}

static void sign(const void *keys, struct slice text, uint8_t tag[CONSENT_COOKIE_TAG_BYTES])
{
	struct hash128 hash = hash_keyed128(keys, text);
	memcpy(tag, &hash, sizeof hash);
}

static bool verify(const void *keys, struct slice text, const uint8_t tag[CONSENT_COOKIE_TAG_BYTES])
{
	struct hash128 hash = hash_keyed128(keys, text);
	return memcmp(tag, &hash, sizeof hash) == 0;
}

static const struct consent_signer signer = { &key, sign, verify };

/* "analytics+ads-@3600" */
static struct slice signed_cookie(struct slice spec)
{
	struct consent_cookie_purpose purposes[8];
	size_t count = 0, at = slice_find(spec, '@'), begin = 0;
	int64_t time_ms = NOW_MS - strtol(spec.at + at + 1, NULL, 10) * 1000LL;
	for (size_t i = 0; i < at; i++) {
		if (spec.at[i] != '+' && spec.at[i] != '-')
			continue;
		purposes[count++] = (struct consent_cookie_purpose) {
			{ spec.at + begin, i - begin }, spec.at[i] == '+' ? CONSENT_GRANTED : CONSENT_DENIED, time_ms
		};
		begin = i + 1;
	}
	return consent_cookie_format(time_ms, purposes, count, &signer, &arena);
}

struct arrival {
	struct event_connection connection;
	struct slice context, says;
};

static void read_request(struct slice text, struct arrival *out)
{
	while (text.len) {
		struct slice word = slice_split(&text, ' '), rest = word;
		struct slice name = slice_split(&rest, '=');
		if (slice_equal(word, SLICE("gpc")))
			out->connection.gpc = true;
		else if (slice_equal(word, SLICE("dnt")))
			out->connection.dnt = true;
		else if (slice_equal(name, SLICE("country")))
			out->connection.country = rest;
		else if (slice_equal(name, SLICE("context")))
			out->context = rest;
		else if (slice_equal(name, SLICE("says")))
			out->says = rest;
		else if (slice_equal(name, SLICE("cookie")))
			out->connection.cookies =
			        arena_print(&arena, "a=b; hg_consent=%.*s; c", SLICE_ARG(signed_cookie(rest)));
		else if (slice_starts(word, SLICE("cookie:")))
			out->connection.cookies =
			        arena_print(&arena, "hg_consent=%.*s", (int)word.len - 7, word.at + 7);
		else
			fail_msg("what is %.*s?", SLICE_ARG(word));
	}
}

static struct slice event_text(const struct row *row, const struct arrival *arrival)
{
	struct slice name = row->column[1];
	struct buffer out;
	bool unfit = slice_ends(name, SLICE("!"));
	name.len -= unfit;
	buffer_init(&out, &arena);
	buffer_append_format(&out, "{\"event\":\"%.*s\"", SLICE_ARG(name));
	if (!slice_equal(row->column[2], SLICE("-"))) {
		buffer_append(&out, SLICE(",\"consent\":"));
		put_expanded(&out, row->column[2]);
	}
	if (arrival->context.len)
		buffer_append_format(&out, ",\"context\":%.*s", SLICE_ARG(arrival->context));
	if (arrival->says.len)
		buffer_append_format(&out, ",\"properties\":{\"purposes\":%.*s}", SLICE_ARG(arrival->says));
	else if (unfit)
		buffer_append(&out, SLICE(",\"properties\":{\"n\":\"x\"}"));
	buffer_append_char(&out, '}');
	return buffer_slice(&out);
}

static struct slice outcome_text(const struct event *ev)
{
	struct buffer out;
	buffer_init(&out, &arena);
	for (uint32_t i = 0; i < ev->consent.count && ev->consent.at[i].is_configured; i++) {
		const struct event_purpose *purpose = &ev->consent.at[i];
		if (i)
			buffer_append_char(&out, ' ');
		buffer_append_char(&out, "?-+"[purpose->state]);
		if (purpose->basis != BASIS_NONE)
			buffer_append(&out, slice_of(consent_basis_name(purpose->basis)));
	}
	return buffer_slice(&out);
}

static struct event *judge(const struct row *row)
{
	static const struct protocol_limits limits = {
		.event_bytes = 65536, .events = 1, .depth = 32, .event_id_bytes = 128, .id_bytes = 256
	};
	struct snapshot *snap = NULL;
	struct arrival arrival = { .context = SLICE_NONE };
	struct protocol_decoded decoded = { 0 };
	const struct source *source = find_source(row->column[0], &snap);
	read_request(row->column[3], &arrival);
	const struct protocol_input input = { .method = METHOD_POST,
		                              .content_type = SLICE("application/json"),
		                              .body = event_text(row, &arrival) };
	assert_int_equal(protocol_native.decode(&input, &limits, snap->cat, &arena, &decoded), PROTOCOL_OK);
	struct consent_cookie cookie;
	uint32_t ignored;
	bool has_cookie = source->kind == SOURCE_BROWSER && source->cookies != SOURCE_COOKIES_OFF &&
	                  consent_cookie_read(arrival.connection.cookies, SLICE("hg_consent"), &signer, NOW_MS, &cookie,
	                                      &ignored);
	const struct step_context context = { .snap = snap,
		                              .source = source,
		                              .connection = &arrival.connection,
		                              .consent_cookie = has_cookie ? &cookie : NULL,
		                              .signer = &signer,
		                              .hash_key = &key,
		                              .arena = &arena,
		                              .received_ms = NOW_MS };
	steps_judge(&context, &decoded.events[0]);
	return &decoded.events[0];
}

static void expect(struct slice found, struct slice expected)
{
	if (!slice_equal(found, expected))
		fail_msg("expected \"%.*s\", found \"%.*s\"", SLICE_ARG(expected), SLICE_ARG(found));
}

static void test_row(void **state)
{
	const struct row *row = *state;
	arena_reset(&arena);
	const struct event *ev = judge(row);
	expect(outcome_text(ev), row->column[4]);
	expect(arena_print(&arena, "%s:%s%s", consent_applied_name(ev->consent.applied),
	                   consent_basis_name(ev->consent.basis), ev->verdict == VERDICT_REJECTED ? " refused" : ""),
	       row->column[5]);
	bool is_dropped = ev->consent.applied == CONSENT_DROPPED && ev->verdict != VERDICT_REJECTED;
	assert_int_equal(ev->verdict == VERDICT_DROPPED, is_dropped);
}

static void read_constant(struct slice line)
{
	struct slice name = slice_trim(slice_split(&line, '='));
	assert_true(constants_count < sizeof constants / sizeof constants[0]);
	constants[constants_count][0] = name;
	constants[constants_count++][1] = slice_trim(line);
}

static size_t read_table(struct row *rows, struct CMUnitTest *tests)
{
	struct slice text;
	struct error err;
	size_t count = 0;
	if (!file_read(&table_arena, TABLE, 1 << 20, &text, &err)) {
		fprintf(stderr, "%s\n", err.message);
		exit(1);
	}
	while (text.len) {
		struct slice line = slice_split(&text, '\n'), rest = line;
		if (!line.len || line.at[0] == '#')
			continue;
		if (slice_find(line, '|') == line.len) {
			read_constant(line);
			continue;
		}
		if (count == ROWS_MAX)
			exit(1);
		for (size_t i = 0; i < COLUMNS; i++)
			rows[count].column[i] = slice_trim(slice_split(&rest, '|'));
		tests[count] = (struct CMUnitTest) { .name = arena_copy(&table_arena, line).at,
			                             .test_func = test_row,
			                             .initial_state = &rows[count] };
		count++;
	}
	return count;
}

static int start(void **state)
{
	(void)state;
	for (size_t i = 0; i < CONFIGS; i++)
		snaps[i] = make_snapshot(configs[i]);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	for (size_t i = 0; i < CONFIGS; i++)
		snapshot_release(&snaps[i]);
	arena_fini(&arena);
	return 0;
}

int main(void)
{
	static struct row rows[ROWS_MAX];
	static struct CMUnitTest tests[ROWS_MAX];
	if (sodium_init() < 0)
		return 1;
	arena_init(&table_arena, 8 << 20);
	arena_init(&arena, 8 << 20);
	size_t count = read_table(rows, tests);
	int failed = _cmocka_run_group_tests("consent", tests, count, start, stop);
	arena_fini(&table_arena);
	return failed;
}
