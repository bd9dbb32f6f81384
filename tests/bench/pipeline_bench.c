/* What a purchase costs from its bytes to its journal record, without HTTP: batches of 100 through one lane's pipeline,
 * mode os, in a folder of its own. Prints `figure NAME VALUE ns` per event. Run it in the project's root. */
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
#define ROUNDS 1500

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

/* [{…},{…}] with ids of their own: the digits behind the marks are replaced. */
static size_t fill(char *to, unsigned round)
{
	size_t len = 0;
	to[len++] = '[';
	for (unsigned i = 0; i < BATCH; i++) {
		char number[16];
		char *at = to + len;
		memcpy(at, PURCHASE, sizeof PURCHASE - 1);
		len += sizeof PURCHASE - 1;
		snprintf(number, sizeof number, "%08x", round * BATCH + i);
		char *id = memmem(at, sizeof PURCHASE, "\"event_id\":\"", 12);
		char *order = memmem(at, sizeof PURCHASE, "\"order_id\":\"", 12);
		if (!id || !order)
			abort();
		memcpy(id + 12, number, 8);
		memcpy(order + 12, number, 8);
		to[len++] = i + 1 < BATCH ? ',' : ']';
	}
	return len;
}

int main(void)
{
	char dir[] = "/tmp/headgate-bench-XXXXXX", command[64];
	struct error err;
	if (sodium_init() < 0 || !mkdtemp(dir))
		return 1;
	metrics_register_thread();
	struct snapshot *snap = load();
	const struct dedup_options dedup_options = { .memory_bytes = 256 << 20, .bucket_ms = DEDUP_BUCKET_MS };
	struct dedup *dedup = dedup_create(&dedup_options, &err);
	const struct journal_options options = {
		.dir = dir, .lanes = 1, .file_bytes = 64 << 20, .sync_interval_ms = 100, .disk_budget_bytes = 8ULL << 30
	};
	struct journal *journal = journal_open(&options, &err);
	if (!journal || !dedup)
		return 1;
	dedup_set_key(dedup, journal_hash_key(journal));
	const struct pipeline_options lane = { .journal = journal, .dedup = dedup, .commit_at_once = true };
	struct pipeline *pipeline = pipeline_create(&lane, &err);
	char *body = malloc(BATCH * (sizeof PURCHASE + 2));
	struct arena arena;
	arena_init(&arena, 64 << 20);
	double spent_ns = 0;
	uint32_t accepted = 0;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct request req = { .arena = &arena,
			               .snap = snap,
			               .source = &snap->cfg->sources[0],
			               .route = protocol_route_find(SLICE("/v1/events")),
			               .received_ms = clock_wall_ms(),
			               .ready = on_ready };
		req.connection = (struct event_connection) { .ip = SLICE("127.0.0.1"), .user_agent = SLICE("bench/1") };
		req.input = (struct protocol_input) { .method = METHOD_POST,
			                              .path = SLICE("/v1/events"),
			                              .content_type = SLICE("application/json"),
			                              .body = { body, fill(body, round) } };
		double begun_ns = cpu_ns();
		pipeline_submit(pipeline, &req);
		spent_ns += cpu_ns() - begun_ns;
		accepted += req.verdicts.counts[VERDICT_ACCEPTED];
		arena_reset(&arena);
	}
	printf("figure pipeline_event %.0f ns\n", spent_ns / (ROUNDS * BATCH));
	if (accepted != ROUNDS * BATCH)
		fprintf(stderr, "only %u accepted\n", accepted);
	pipeline_destroy(&pipeline);
	journal_close(&journal);
	dedup_destroy(&dedup);
	snapshot_release(&snap);
	arena_fini(&arena);
	free(body);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command) || accepted != ROUNDS * BATCH;
}
