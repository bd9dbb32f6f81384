/* What a purchase costs from its bytes to its journal record, without HTTP: batches of 100 through one lane's pipeline,
 * mode os, in a folder of its own; by what the person allowed, the kinds in turns, the best of each kind's rounds. Prints
 * `figure NAME VALUE ns` per event. Run it in the project's root. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "dedup/recovery.h"
#include "pipeline/pipeline.h"
#include "purchase.h"

#define BATCH 100
#define GROUPS 10
#define GROUP_BATCHES 50
#define EVENTS (GROUPS * GROUP_BATCHES * KINDS * BATCH)

static void on_ready(struct request *req)
{
	(void)req;
}

/* Of this thread: the machine's other work does not count. */
static double cpu_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static struct snapshot *load(void)
{
	struct error err;
	char *environment[] = { NULL };
	const struct config_options options = { .file = "config/headgate.jsonc", .environment = environment };
	struct config *cfg = config_load(&options, &err);
	struct snapshot *snap = cfg ? snapshot_load(cfg, &err) : NULL;
	if (!snap) {
		fprintf(stderr, "%s\n", err.message);
		exit(1);
	}
	return snap;
}

/* What the event says of consent; written over what PURCHASE says, with white space for the rest. */
static const struct kind {
	const char *name, *analytics, *ads;
} kinds[] = {
	{ "kept", "true     ", "true    " },
	{ "reduced", "\"granted\"", "\"denied\"" },
	{ "stripped", "false    ", "false   " },
};

#define KINDS (sizeof kinds / sizeof *kinds)

static void overwrite(char *event, const char *behind, const char *value)
{
	char *at = memmem(event, sizeof PURCHASE, behind, strlen(behind));
	if (!at)
		abort();
	memcpy(at + strlen(behind), value, strlen(value));
}

/* [{…},{…}] with ids of their own: the digits behind the marks are replaced. */
static size_t fill(char *to, unsigned round, const struct kind *kind)
{
	size_t len = 0;
	to[len++] = '[';
	for (unsigned i = 0; i < BATCH; i++) {
		char number[16];
		char *at = to + len;
		memcpy(at, PURCHASE, sizeof PURCHASE - 1);
		len += sizeof PURCHASE - 1;
		snprintf(number, sizeof number, "%08x", round * BATCH + i);
		overwrite(at, "\"event_id\":\"", number);
		overwrite(at, "\"order_id\":\"", number);
		overwrite(at, "\"analytics\":", kind->analytics);
		overwrite(at, "\"ads\":", kind->ads);
		to[len++] = i + 1 < BATCH ? ',' : ']';
	}
	return len;
}

/* Nanoseconds of one batch. */
static double run_batch(struct pipeline *pipeline, struct snapshot *snap, struct arena *arena, struct slice body,
                        uint32_t *accepted)
{
	struct request req = { .arena = arena,
		               .snap = snap,
		               .source = &snap->cfg->sources[0],
		               .route = protocol_route_find(SLICE("/v1/events")),
		               .received_ms = clock_wall_ms(),
		               .ready = on_ready };
	req.connection = (struct event_connection) { .ip = SLICE("127.0.0.1"), .user_agent = SLICE("bench/1") };
	req.input = (struct protocol_input) { .method = METHOD_POST,
		                              .path = SLICE("/v1/events"),
		                              .content_type = SLICE("application/json"),
		                              .body = body };
	double begun_ns = cpu_ns();
	pipeline_submit(pipeline, &req);
	double spent_ns = cpu_ns() - begun_ns;
	*accepted += req.verdicts.counts[VERDICT_ACCEPTED];
	arena_reset(arena);
	return spent_ns;
}

static bool measure(struct pipeline *pipeline, struct snapshot *snap)
{
	char *body = malloc(BATCH * (sizeof PURCHASE + 2));
	double best_ns[KINDS], spent_ns;
	uint32_t accepted = 0;
	struct arena arena;
	arena_init(&arena, 64 << 20);
	for (unsigned group = 0, batch = 0; group < GROUPS; group++)
		for (unsigned k = 0; k < KINDS; k++) {
			spent_ns = 0;
			for (unsigned i = 0; i < GROUP_BATCHES; i++, batch++) {
				struct slice text = { body, fill(body, batch, &kinds[k]) };
				spent_ns += run_batch(pipeline, snap, &arena, text, &accepted);
			}
			if (group == 0 || spent_ns < best_ns[k])
				best_ns[k] = spent_ns;
		}
	for (unsigned k = 0; k < KINDS; k++)
		printf("figure pipeline_event_%s %.0f ns\n", kinds[k].name, best_ns[k] / (GROUP_BATCHES * BATCH));
	if (accepted != EVENTS)
		fprintf(stderr, "only %u of %u accepted\n", accepted, (unsigned)EVENTS);
	arena_fini(&arena);
	free(body);
	return accepted == EVENTS;
}

int main(void)
{
	char dir[] = "/tmp/headgate-bench-XXXXXX", command[64];
	struct error err;
	if (sodium_init() < 0 || !mkdtemp(dir)) {
		perror(dir);
		return 1;
	}
	metrics_register_thread();
	struct snapshot *snap = load();
	const struct dedup_options dedup_options = { .memory_bytes = 256 << 20, .bucket_ms = DEDUP_BUCKET_MS };
	struct dedup *dedup = dedup_create(&dedup_options, &err);
	const struct journal_options options = {
		.dir = dir, .lanes = 1, .file_bytes = 64 << 20, .sync_interval_ms = 100, .disk_budget_bytes = 8ULL << 30
	};
	struct journal *journal = journal_open(&options, &err);
	if (!journal || !dedup) {
		fprintf(stderr, "%s\n", err.message);
		return 1;
	}
	dedup_set_key(dedup, journal_hash_key(journal));
	const struct pipeline_options lane = { .journal = journal, .dedup = dedup, .commit_at_once = true };
	struct pipeline *pipeline = pipeline_create(&lane, &err);
	bool ok = pipeline && measure(pipeline, snap);
	if (!pipeline)
		fprintf(stderr, "%s\n", err.message);
	pipeline_destroy(&pipeline);
	journal_close(&journal);
	dedup_destroy(&dedup);
	snapshot_release(&snap);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command) || !ok;
}
