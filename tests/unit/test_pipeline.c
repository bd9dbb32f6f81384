/* The pipeline over a real journal and dedup table: what is answered, what is appended, who waits for whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "dedup/recovery.h"
#include "pipeline/pipeline.h"

#define LANES 2

static char dir[64];
static struct journal *journal;
static struct dedup *dedup;
static struct dedup_recovery recovery;
static struct pipeline *lanes[LANES];
static struct snapshot *snap;

/* A request with all it needs to live until it is answered. */
struct call {
	struct request req;
	struct arena arena;
	int ready;
};

static void on_ready(struct request *req)
{
	((struct call *)req->owner)->ready++;
}

static void write_config(const char *path)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs("{\"catalog\":{\"dir\":\"schemas\"},\"sources\":{"
	      "\"web\":{\"keys\":[\"w\"],\"kind\":\"browser\",\"dedup_group\":\"shop\",\"consent_defaults\":{"
	      "\"analytics\":\"granted\"}},"
	      "\"server\":{\"keys\":[\"s\"],\"kind\":\"server\",\"dedup_group\":\"shop\",\"consent_defaults\":{"
	      "\"analytics\":\"granted\"}},"
	      "\"old\":{\"keys\":[\"o\"],\"kind\":\"app\",\"unknown_events\":\"keep\",\"invalid_events\":\"keep\"}}}",
	      file);
	fclose(file);
}

static void open_all(bool commit_at_once)
{
	struct error err;
	const struct dedup_options dedup_options = { .memory_bytes = 16 << 20, .bucket_ms = DEDUP_BUCKET_MS };
	dedup = dedup_create(&dedup_options, &err);
	assert_non_null(dedup);
	assert_true(dedup_recovery_init(&recovery, dedup, dir, &err));
	const struct journal_options options = { .dir = dir,
		                                 .lanes = LANES,
		                                 .sync_on_commit = !commit_at_once,
		                                 .file_bytes = 1 << 20,
		                                 .sync_interval_ms = 100,
		                                 .disk_budget_bytes = 1ULL << 30,
		                                 .on_recovered = dedup_recovery_on_record,
		                                 .has_index = dedup_recovery_has_index,
		                                 .write_index = dedup_recovery_write_index,
		                                 .context = &recovery };
	journal = journal_open(&options, &err);
	if (!journal)
		fail_msg("%s", err.message);
	dedup_set_key(dedup, journal_hash_key(journal));
	dedup_recovery_load(&recovery);
	for (uint32_t i = 0; i < LANES; i++) {
		const struct pipeline_options lane = {
			.journal = journal, .lane = i, .dedup = dedup, .commit_at_once = commit_at_once
		};
		lanes[i] = pipeline_create(&lane, &err);
		assert_non_null(lanes[i]);
	}
}

static void close_all(void)
{
	for (uint32_t i = 0; i < LANES; i++)
		pipeline_destroy(&lanes[i]);
	journal_close(&journal);
	dedup_destroy(&dedup);
	dedup_recovery_fini(&recovery);
}

static int set_up(void **state)
{
	(void)state;
	struct error err;
	char path[96];
	strcpy(dir, "/tmp/headgate-pipeline-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/config.jsonc", dir);
	write_config(path);
	char schemas[4096];
	assert_non_null(realpath("schemas", schemas));
	char key[4200];
	snprintf(key, sizeof key, "HEADGATE_CATALOG__DIR=%s", schemas);
	char *with_schemas[] = { key, NULL };
	const struct config_options options = { .file = path, .environment = with_schemas };
	struct config *cfg = config_load(&options, &err);
	if (!cfg)
		fail_msg("%s", err.message);
	snap = snapshot_load(cfg, &err);
	if (!snap)
		fail_msg("%s", err.message);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];
	(void)state;
	snapshot_release(&snap);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

static enum pipeline_progress submit(struct call *call, uint32_t lane, const char *key, const char *path,
                                     const char *body)
{
	memset(call, 0, sizeof *call);
	arena_init(&call->arena, 16 << 20);
	call->req = (struct request) { .arena = &call->arena,
		                       .snap = snap,
		                       .source = config_source_by_key(snap->cfg, slice_of(key)),
		                       .route = protocol_route_find(slice_of(path)),
		                       .received_ms = clock_wall_ms(),
		                       .ready = on_ready,
		                       .owner = call };
	call->req.input = (struct protocol_input) { .method = METHOD_POST,
		                                    .path = slice_of(path),
		                                    .content_type = SLICE("application/json"),
		                                    .body = slice_of(body) };
	return pipeline_submit(lanes[lane], &call->req);
}

static void end(struct call *call)
{
	arena_fini(&call->arena);
}

static void assert_verdict(const struct call *call, uint32_t index, enum verdict verdict)
{
	if (call->req.events[index].verdict != verdict)
		fail_msg("event %u: %s, wanted %s", index, verdict_name(call->req.events[index].verdict),
		         verdict_name(verdict));
}

/* One request from first to last; how the event fared. */
static enum verdict one(uint32_t lane, const char *key, const char *body)
{
	struct call call;
	struct error err;
	if (submit(&call, lane, key, "/v1/events", body) == PIPELINE_WAIT) {
		assert_true(pipeline_commit(lanes[lane], &err));
		assert_int_equal(call.ready, 1);
	}
	assert_int_equal(call.req.count, 1);
	enum verdict verdict = call.req.events[0].verdict;
	end(&call);
	return verdict;
}

static uint64_t accepted(void)
{
	struct journal_stats stats;
	journal_stats(journal, &stats);
	return stats.accepted_events;
}

static uint64_t dead_letters(void)
{
	struct journal_stats stats;
	journal_stats(journal, &stats);
	return stats.accepted_dead_letters;
}

#define VIEW(id) "{\"event\":\"page_view\",\"event_id\":\"" id "\"}"
#define PURCHASE(id, order)                                                                     \
	"{\"event\":\"purchase\",\"event_id\":\"" id "\",\"properties\":{\"order_id\":\"" order \
	"\",\"currency\":\"KRW\","                                                              \
	"\"value\":1,\"items\":[{\"product_id\":\"p\",\"price\":1,\"quantity\":1}]}}"

static void test_os_mode_answers_at_once(void **state)
{
	(void)state;
	struct call call;
	open_all(true);
	assert_int_equal(submit(&call, 0, "w", "/v1/events", "[" VIEW("a") "," VIEW("a") "," VIEW("b") "]"),
	                 PIPELINE_ANSWER);
	assert_verdict(&call, 0, VERDICT_ACCEPTED);
	assert_verdict(&call, 1, VERDICT_DUPLICATE);
	assert_verdict(&call, 2, VERDICT_ACCEPTED);
	assert_int_equal(call.req.verdicts.counts[VERDICT_ACCEPTED], 2);
	assert_int_equal(call.ready, 0);
	assert_int_equal(accepted(), 2);
	end(&call);
	close_all();
}

static void test_disk_mode_answers_after_the_commit(void **state)
{
	(void)state;
	struct call first, second;
	struct error err;
	open_all(false);
	assert_int_equal(submit(&first, 0, "w", "/v1/events", VIEW("a")), PIPELINE_WAIT);
	assert_int_equal(submit(&second, 0, "w", "/v1/events", VIEW("a")), PIPELINE_WAIT);
	assert_int_equal(accepted(), 0);
	assert_int_equal(first.ready + second.ready, 0);
	assert_true(pipeline_commit(lanes[0], &err));
	assert_int_equal(accepted(), 1);
	assert_int_equal(first.ready, 1);
	assert_int_equal(second.ready, 1);
	assert_verdict(&first, 0, VERDICT_ACCEPTED);
	assert_verdict(&second, 0, VERDICT_DUPLICATE);
	end(&first);
	end(&second);
	close_all();
}

static void test_a_copy_waits_for_the_other_lane(void **state)
{
	(void)state;
	struct call first, second;
	struct error err;
	open_all(false);
	assert_int_equal(submit(&first, 0, "w", "/v1/events", VIEW("a")), PIPELINE_WAIT);
	assert_int_equal(submit(&second, 1, "w", "/v1/events", "[" VIEW("own") "," VIEW("a") "]"), PIPELINE_WAIT);
	assert_true(pipeline_commit(lanes[1], &err)); /* its own event is durable, its answer still waits */
	assert_int_equal(accepted(), 1);
	assert_int_equal(second.ready, 0);
	assert_true(pipeline_commit(lanes[0], &err));
	assert_int_equal(first.ready, 1);
	assert_int_equal(second.ready, 0); /* posted, not yet drained */
	pipeline_drain(lanes[1]);
	assert_int_equal(second.ready, 1);
	assert_verdict(&second, 0, VERDICT_ACCEPTED);
	assert_verdict(&second, 1, VERDICT_DUPLICATE);
	end(&first);
	end(&second);
	close_all();
}

static bool rings(const struct pipeline *pipeline)
{
	struct pollfd fd = { .fd = pipeline_mailbox_fd(pipeline), .events = POLLIN };
	return poll(&fd, 1, 0) == 1;
}

/* The poster rings after its push: when the box was emptied in between, the bell rings for nothing, and must fall silent
 * or the lane never sleeps again. */
static void test_a_late_bell_falls_silent(void **state)
{
	(void)state;
	open_all(false);
	assert_int_equal(eventfd_write(pipeline_mailbox_fd(lanes[0]), 1), 0);
	assert_true(rings(lanes[0]));
	pipeline_drain(lanes[0]);
	assert_false(rings(lanes[0]));
	close_all();
}

/* Writes beyond the limit fail with EFBIG. */
static void limit_files(rlim_t bytes)
{
	struct rlimit limit = { bytes, RLIM_INFINITY };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_a_failed_commit_counts_for_nothing(void **state)
{
	(void)state;
	struct call first, second;
	struct error err;
	signal(SIGXFSZ, SIG_IGN);
	open_all(false);
	assert_int_equal(submit(&first, 0, "w", "/v1/events", "[" VIEW("a") ",{\"event\":\"nope\"}]"), PIPELINE_WAIT);
	assert_int_equal(submit(&second, 1, "w", "/v1/events", VIEW("a")), PIPELINE_WAIT);
	limit_files(0);
	assert_true(pipeline_commit(lanes[0], &err)); /* not for good: the journal goes on in a new file */
	limit_files(RLIM_INFINITY);
	pipeline_drain(lanes[1]);
	assert_verdict(&first, 0, VERDICT_RETRY);
	assert_verdict(&first, 1, VERDICT_RETRY);
	assert_verdict(&second, 0, VERDICT_RETRY);
	assert_int_equal(first.ready, 1);
	assert_int_equal(second.ready, 1);
	struct protocol_answer answer;
	pipeline_answer(&first.req, &answer);
	assert_int_equal(answer.status, 503);
	assert_true(answer.retry_after);
	assert_int_equal(accepted(), 0);
	end(&first);
	end(&second);
	/* the reservation was given back: the client's retry is accepted, by the other lane at once */
	assert_int_equal(one(1, "w", VIEW("a")), VERDICT_ACCEPTED);
	close_all();
}

static void test_same_id_with_other_bytes_is_kept(void **state)
{
	(void)state;
	static const char other[] = "{\"event\":\"page_view\",\"event_id\":\"a\",\"user_id\":\"u\"}";
	static const char resent[] =
	        "{\"event\":\"page_view\",\"event_id\":\"a\",\"user_id\":\"u\",\"sent_at\":1795312860000}";
	static const char resent_again[] =
	        "{\"event\":\"page_view\",\"event_id\":\"a\",\"user_id\":\"u\",\"sent_at\":1795312861000}";
	struct call call;
	open_all(true);
	assert_int_equal(one(0, "w", VIEW("a")), VERDICT_ACCEPTED);
	assert_int_equal(submit(&call, 0, "w", "/v1/events", other), PIPELINE_ANSWER);
	assert_verdict(&call, 0, VERDICT_ACCEPTED);
	assert_true(slice_equal(call.req.events[0].client_event_id, SLICE("a")));
	assert_int_equal(call.req.events[0].event_id.len, 36);
	end(&call);
	assert_int_equal(one(1, "w", other), VERDICT_DUPLICATE);
	assert_int_equal(one(1, "w", resent), VERDICT_DUPLICATE); /* the member sent_at does not count */
	assert_int_equal(one(1, "w", resent_again), VERDICT_DUPLICATE);
	/* a server vouches for its ids */
	assert_int_equal(one(0, "s", VIEW("b")), VERDICT_ACCEPTED);
	assert_int_equal(one(0, "s", "{\"event\":\"page_view\",\"event_id\":\"b\",\"user_id\":\"u\"}"),
	                 VERDICT_DUPLICATE);
	close_all();
}

static void test_declared_key(void **state)
{
	(void)state;
	struct call call;
	open_all(true);
	assert_int_equal(one(0, "w", PURCHASE("1", "A")), VERDICT_ACCEPTED);
	assert_int_equal(one(1, "w", PURCHASE("2", "A")), VERDICT_DUPLICATE); /* the reloaded thank-you page */
	assert_int_equal(one(1, "w", PURCHASE("3", "B")), VERDICT_ACCEPTED);
	assert_int_equal(submit(&call, 0, "s", "/v1/events", PURCHASE("9", "A")), PIPELINE_ANSWER);
	assert_verdict(&call, 0, VERDICT_ACCEPTED); /* the server's own report is never suppressed by a browser's */
	assert_true(call.req.events[0].repeat);
	end(&call);
	assert_int_equal(one(0, "s", PURCHASE("10", "A")), VERDICT_DUPLICATE);
	close_all();
}

static void test_keys_survive_a_restart(void **state)
{
	(void)state;
	open_all(true);
	assert_int_equal(one(0, "w", PURCHASE("1", "A")), VERDICT_ACCEPTED);
	assert_int_equal(one(1, "w", VIEW("v")), VERDICT_ACCEPTED);
	close_all();
	open_all(true);
	assert_int_equal(one(1, "w", PURCHASE("2", "A")), VERDICT_DUPLICATE);
	assert_int_equal(one(0, "w", VIEW("v")), VERDICT_DUPLICATE);
	assert_int_equal(accepted(), 2);
	close_all();
}

static void test_refused_events_leave_dead_letters_and_no_key(void **state)
{
	(void)state;
	open_all(true);
	assert_int_equal(one(0, "w", "{\"event\":\"page_view\",\"event_id\":\"x\",\"wrong\":1}"), VERDICT_REJECTED);
	assert_int_equal(dead_letters(), 1);
	assert_int_equal(one(0, "w", VIEW("x")), VERDICT_ACCEPTED);
	close_all();
}

static void test_unreadable_body_is_one_rejected(void **state)
{
	(void)state;
	struct call call;
	struct protocol_answer answer;
	open_all(true);
	assert_int_equal(submit(&call, 0, "w", "/v1/events", "{\"event\":"), PIPELINE_ANSWER);
	assert_int_equal(call.req.verdicts.counts[VERDICT_REJECTED], 1);
	assert_int_equal(dead_letters(), 1);
	pipeline_answer(&call.req, &answer);
	assert_int_equal(answer.status, 400);
	assert_non_null(memmem(answer.body.at, answer.body.len, "\"error\"", 7));
	end(&call);
	close_all();
}

static void test_dry_run_stores_nothing(void **state)
{
	(void)state;
	struct call call;
	open_all(true);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(submit(&call, 0, "w", "/v1/validate", "[" VIEW("x") ",{\"event\":\"nope\"}]"),
		                 PIPELINE_ANSWER);
		assert_verdict(&call, 0, VERDICT_ACCEPTED);
		assert_verdict(&call, 1, VERDICT_REJECTED);
		end(&call);
	}
	assert_int_equal(accepted() + dead_letters(), 0);
	close_all();
}

static void test_idempotency_key_recognises_the_retry(void **state)
{
	(void)state;
	open_all(true);
	struct call first, second;
	static const char body[] = "[{\"event\":\"page_view\"},{\"event\":\"page_view\"}]";
	submit(&first, 0, "w", "/v1/validate", body); /* makes the struct; sent below with the key */
	first.req.route = second.req.route = NULL;
	end(&first);
	for (int round = 0; round < 2; round++) {
		struct call *call = round ? &second : &first;
		memset(call, 0, sizeof *call);
		arena_init(&call->arena, 1 << 20);
		call->req = (struct request) { .arena = &call->arena,
			                       .snap = snap,
			                       .source = config_source_by_key(snap->cfg, SLICE("w")),
			                       .route = protocol_route_find(SLICE("/v1/events")),
			                       .received_ms = clock_wall_ms(),
			                       .ready = on_ready,
			                       .owner = call,
			                       .idempotency_key = SLICE("k-1") };
		call->req.input =
		        (struct protocol_input) { .content_type = SLICE("application/json"), .body = slice_of(body) };
		assert_int_equal(pipeline_submit(lanes[round], &call->req), PIPELINE_ANSWER);
	}
	assert_int_equal(first.req.verdicts.counts[VERDICT_ACCEPTED], 2);
	assert_int_equal(second.req.verdicts.counts[VERDICT_DUPLICATE], 2);
	for (uint32_t i = 0; i < 2; i++)
		assert_true(slice_equal(first.req.events[i].event_id, second.req.events[i].event_id));
	end(&first);
	end(&second);
	close_all();
}

static void test_migrating_shop_keeps_what_is_unknown(void **state)
{
	(void)state;
	struct call call;
	open_all(true);
	submit(&call, 0, "o", "/v1/events",
	       "[{\"event\":\"mystery\"},{\"event\":\"purchase\",\"properties\":{}},{\"event\":\"page_view\",\"x\":1}"
	       "]");
	assert_verdict(&call, 0, VERDICT_ACCEPTED);
	assert_true(call.req.events[0].unverified);
	assert_verdict(&call, 1, VERDICT_ACCEPTED);
	assert_true(call.req.events[1].unverified);
	assert_int_equal(call.req.events[1].warning_count, 4);
	assert_verdict(&call, 2, VERDICT_REJECTED); /* members of the event itself are no matter of the catalog */
	end(&call);
	close_all();
}

static void test_memory_runs_out_at_any_point(void **state)
{
	(void)state;
	open_all(true);
	static const char body[] = "[" PURCHASE("m1", "M1") "," VIEW("m2") ",{\"event\":\"nope\"},{\"wrong\":1}]";
	bool all_fit = false;
	for (size_t limit = 256; !all_fit && limit < 4 << 20; limit += limit / 8) {
		struct call call;
		memset(&call, 0, sizeof call);
		arena_init(&call.arena, limit);
		call.req = (struct request) { .arena = &call.arena,
			                      .snap = snap,
			                      .source = config_source_by_key(snap->cfg, SLICE("w")),
			                      .route = protocol_route_find(SLICE("/v1/events")),
			                      .received_ms = clock_wall_ms(),
			                      .ready = on_ready,
			                      .owner = &call };
		call.req.input =
		        (struct protocol_input) { .content_type = SLICE("application/json"), .body = slice_of(body) };
		uint64_t before = accepted();
		assert_int_equal(pipeline_submit(lanes[0], &call.req), PIPELINE_ANSWER);
		/* never a false 2xx: what is told accepted was appended, and the other way round */
		assert_int_equal(accepted() - before, call.req.verdicts.counts[VERDICT_ACCEPTED]);
		all_fit = call.req.verdicts.result == PROTOCOL_OK && call.req.verdicts.counts[VERDICT_RETRY] == 0;
		end(&call);
	}
	assert_true(all_fit);
	assert_int_equal(accepted(), 2);
	close_all();
}

int main(void)
{
	metrics_register_thread();
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_os_mode_answers_at_once),
		TEST(test_disk_mode_answers_after_the_commit),
		TEST(test_a_copy_waits_for_the_other_lane),
		TEST(test_a_late_bell_falls_silent),
		TEST(test_a_failed_commit_counts_for_nothing),
		TEST(test_same_id_with_other_bytes_is_kept),
		TEST(test_declared_key),
		TEST(test_keys_survive_a_restart),
		TEST(test_refused_events_leave_dead_letters_and_no_key),
		TEST(test_unreadable_body_is_one_rejected),
		TEST(test_dry_run_stores_nothing),
		TEST(test_idempotency_key_recognises_the_retry),
		TEST(test_migrating_shop_keeps_what_is_unknown),
		TEST(test_memory_runs_out_at_any_point),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
