/* The loop: read what is committed, hand it to the sink, commit there, move the journal's checkpoint. A round that fails
 * anywhere counts for nothing: after a pause the sink says what it has, the readers are opened behind that, and it goes
 * on from there, however often. Intake never waits for any of this.
 *
 * When a round ends. An event that comes after a quiet while goes out within milliseconds. While events keep coming, each
 * round is held open until 200 ms after the last one ended, or until it is full: a few syncs a second, whatever the rate. */
#include "forward/forwarder.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "config/config.h"
#include "forward/file_sink.h"
#include "forward/kafka_sink.h"
#include "forward/lanes.h"
#include "forward/replay.h"
#include "forward/standing.h"

#define MAGIC 0x666f7277u
#define ROUND_BYTES_MAX (16u << 20)
#define LET_GO_BYTES (512u << 10)
#define COLLECT_MIN_MS 5 /* the events of one burst share a round */
#define COLLECT_MAX_MS 200
#define COLLECT_STEP_MS 50 /* what has come is handed on while the round is held open */
#define IDLE_EVERY_MS 1000
#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 5000
#define PAUSE_PATIENCE_MS 3000 /* for the round under way to end well */
#define PAUSE_TIMEOUT_MS 30000
#define STALLED_STOP_MS 1000 /* a stop does not wait out its deadline for a sink that is away */

struct round {
	uint32_t records;
	size_t bytes;
	size_t held_bytes; /* of records whose bytes the sink may still need */
	int64_t started_ms, oldest_ms;
	bool open, full;
};

struct forwarder {
	uint32_t magic;
	struct journal *journal;
	struct sink *sink;
	pthread_t thread;
	pthread_mutex_t lock; /* with `wake`: for sleeping until a stop */
	pthread_cond_t wake;
	bool stopping;       /* under lock */
	bool pausing;        /* under lock: asked to let go of everything … */
	bool paused;         /* under lock: … and it has */
	int64_t deadline_ms; /* monotonic, under lock */
	struct lanes lanes;
	struct standing standing;
	struct replay replay;
	struct round round;
	uint32_t records_max;
	int64_t collect_ms;
	int64_t last_end_ms, last_idle_ms; /* monotonic */
	int64_t backoff_ms;
	bool ready;   /* sink recovered, readers open */
	bool running; /* as told to standing */
};

/* ---- stopping and sleeping ---- */

static bool is_stopping(struct forwarder *fw)
{
	pthread_mutex_lock(&fw->lock);
	bool stopping = fw->stopping;
	pthread_mutex_unlock(&fw->lock);
	return stopping;
}

static bool is_called_away(struct forwarder *fw)
{
	pthread_mutex_lock(&fw->lock);
	bool called = fw->stopping || fw->pausing;
	pthread_mutex_unlock(&fw->lock);
	return called;
}

/* Returns early when a stop or a pause is asked for, and does not sleep at all after that. */
static void sleep_ms(struct forwarder *fw, int64_t ms)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(ms / 1000);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&fw->lock);
	while (!fw->stopping && !fw->pausing && pthread_cond_timedwait(&fw->wake, &fw->lock, &until) != ETIMEDOUT)
		;
	pthread_mutex_unlock(&fw->lock);
}

/* Lets go of round, readers and sink while somebody works on what they hold; recovery follows. */
static bool rest(struct forwarder *fw)
{
	pthread_mutex_lock(&fw->lock);
	bool asked = fw->pausing;
	pthread_mutex_unlock(&fw->lock);
	if (!asked)
		return false;
	if (fw->sink->ops->drop)
		fw->sink->ops->drop(fw->sink);
	lanes_close(&fw->lanes);
	fw->ready = false;
	pthread_mutex_lock(&fw->lock);
	fw->paused = true;
	pthread_cond_broadcast(&fw->wake);
	while (fw->pausing)
		pthread_cond_wait(&fw->wake, &fw->lock);
	fw->paused = false;
	if (!fw->stopping)
		atomic_store(&fw->sink->give_up_ms, SINK_NEVER);
	pthread_mutex_unlock(&fw->lock);
	return true;
}

/* ---- what others see ---- */

static void set_running(struct forwarder *fw)
{
	if (fw->running)
		return;
	fw->running = true;
	standing_set_state(&fw->standing, STANDING_RUNNING, NULL);
	log_info("forwarding", "sink=%s", fw->sink->ops->name);
}

static void set_stalled(struct forwarder *fw, const char *reason)
{
	fw->running = false;
	standing_set_state(&fw->standing, STANDING_STALLED, reason);
}

/* The sink waits inside a call. */
static void on_beat(void *context, const char *reason)
{
	struct forwarder *fw = context;
	if (reason)
		set_stalled(fw, reason);
	else
		set_running(fw);
	standing_publish(&fw->standing);
}

static bool fail(struct forwarder *fw, const char *kind, const struct error *err)
{
	metrics_add(metrics_series1(METRIC_FORWARD_FAILURES, kind), 1);
	log_warn("forward_failed", "kind=%s sink=%s retry_ms=%lld reason=%s", kind, fw->sink->ops->name,
	         (long long)fw->backoff_ms, err->message);
	set_stalled(fw, err->message);
	fw->ready = false;
	return false;
}

/* The sink cannot start. What it found wrong, rather than out of reach, is for people to put right. */
static bool fail_recovery(struct forwarder *fw, const char *kind, const struct error *err)
{
	bool failed = fail(fw, kind, err);
	if (err->code == ERROR_DATA || err->code == ERROR_CONFIG) {
		standing_set_state(&fw->standing, STANDING_HALTED, err->message);
		replay_halt(&fw->replay, fw->sink, err->message);
	}
	return failed;
}

static void tell_lanes(struct forwarder *fw, int64_t oldest_ms)
{
	standing_set_lanes(&fw->standing, fw->lanes.settled, fw->lanes.count, &fw->sink->tally.total);
	standing_set_oldest(&fw->standing, oldest_ms);
	standing_publish(&fw->standing);
}

/* ---- recovery ---- */

/* While the sink is away: what it had when last heard of, and how old the first record behind that is. */
static void look_back(struct forwarder *fw)
{
	struct error err = { 0 };
	memcpy(fw->lanes.read, fw->lanes.settled, sizeof fw->lanes.read);
	if (!lanes_open(&fw->lanes, &err)) {
		log_warn("forward_look_back", "reason=%s", err.message);
		return;
	}
	lanes_reconcile(&fw->lanes, &fw->sink->tally, true);
	tell_lanes(fw, fw->lanes.oldest_ms);
}

static bool knows_epoch(void *context, uint64_t epoch)
{
	const struct forwarder *fw = context;
	return journal_knows_epoch(fw->journal, epoch);
}

static bool check_epochs(struct forwarder *fw, struct error *err)
{
	for (uint32_t i = 0; i < fw->lanes.count; i++) {
		const struct sink_position *at = &fw->lanes.read[i];
		if (at->position.epoch && !journal_knows_epoch(fw->journal, at->position.epoch))
			return error_set(
			        err, ERROR_DATA,
			        "the sink's checkpoint of lane %u names epoch %llu, which this data directory never "
			        "wrote: it was cloned or restored",
			        at->lane, (unsigned long long)at->position.epoch);
	}
	return true;
}

static bool recover(struct forwarder *fw)
{
	struct error err = { 0 };
	memset(&fw->round, 0, sizeof fw->round);
	if (!fw->sink->ops->recover(fw->sink, fw->lanes.read, fw->lanes.count, &err))
		return fail_recovery(fw, "recover", &err);
	if (!check_epochs(fw, &err))
		return fail_recovery(fw, "epoch", &err);
	if (!lanes_open(&fw->lanes, &err))
		return fail(fw, "read", &err);
	for (uint32_t i = 0; i < fw->lanes.count; i++)
		journal_set_checkpoint(fw->journal, fw->lanes.read[i].lane, fw->lanes.read[i].position);
	lanes_reconcile(&fw->lanes, &fw->sink->tally, true);
	fw->ready = true;
	tell_lanes(fw, fw->lanes.oldest_ms);
	return true;
}

/* ---- one round ---- */

static bool take(struct forwarder *fw, const struct journal_record *record, struct error *err)
{
	struct round *round = &fw->round;
	if (!round->open) {
		standing_set_oldest(&fw->standing, record->received_ms);
		if (!fw->sink->ops->begin(fw->sink, err))
			return fail(fw, "begin", err);
		round->open = true;
		round->started_ms = clock_monotonic_ms();
	}
	if (record->type != JOURNAL_GAP) {
		if (!fw->sink->ops->put(fw->sink, record, err))
			return fail(fw, "put", err);
		if (round->oldest_ms == 0 || record->received_ms < round->oldest_ms)
			round->oldest_ms = record->received_ms;
	} else if (!(record->flags & JOURNAL_GAP_ERASED)) {
		log_warn("gap_passed", "records=%llu epoch=%llu counter=%llu", (unsigned long long)record->gap_count,
		         (unsigned long long)record->position.epoch, (unsigned long long)record->position.counter);
	}
	tally_add(&fw->sink->tally, record);
	round->records++;
	size_t size = record->value.len + record->headers.len + record->key.len;
	round->bytes += size;
	round->held_bytes += size;
	round->full = round->records >= fw->records_max || round->bytes >= ROUND_BYTES_MAX;
	return true;
}

static bool let_go(struct forwarder *fw, struct error *err)
{
	if (fw->round.held_bytes < LET_GO_BYTES || !fw->sink->ops->let_go)
		return true;
	if (!fw->sink->ops->let_go(fw->sink, err))
		return fail(fw, "put", err);
	lanes_release(&fw->lanes);
	fw->round.held_bytes = 0;
	return true;
}

/* Takes what is there. A read that fails behind records of the round lets these be committed first. */
static bool take_all(struct forwarder *fw)
{
	struct journal_record record;
	struct error err = { 0 };
	while (!fw->round.full) {
		enum journal_read got = lanes_next(&fw->lanes, &record, &err);
		if (got == JOURNAL_READ_END)
			return true;
		if (got == JOURNAL_READ_ERROR && fw->round.open) {
			fw->round.full = true;
			return true;
		}
		if (got == JOURNAL_READ_ERROR)
			return fail(fw, "read", &err);
		if (!take(fw, &record, &err) || !let_go(fw, &err))
			return false;
	}
	return true;
}

/* How long the open round still waits for more. */
static int64_t collect_left_ms(struct forwarder *fw)
{
	int64_t until_ms = fw->round.started_ms + COLLECT_MIN_MS;
	if (until_ms < fw->last_end_ms + fw->collect_ms)
		until_ms = fw->last_end_ms + fw->collect_ms;
	return until_ms - clock_monotonic_ms();
}

static bool fill(struct forwarder *fw)
{
	for (;;) {
		if (!take_all(fw))
			return false;
		if (!fw->round.open || fw->round.full || is_called_away(fw))
			return true;
		int64_t left_ms = collect_left_ms(fw);
		if (left_ms <= 0)
			return true;
		sleep_ms(fw, left_ms < COLLECT_STEP_MS ? left_ms : COLLECT_STEP_MS);
	}
}

static bool finish_round(struct forwarder *fw)
{
	struct error err = { 0 };
	standing_set_oldest(&fw->standing, fw->round.oldest_ms);
	lanes_reconcile(&fw->lanes, &fw->sink->tally, false);
	if (!fw->sink->ops->commit(fw->sink, fw->lanes.read, fw->lanes.count, &err))
		return fail(fw, "commit", &err);
	tally_commit(&fw->sink->tally);
	lanes_settle(&fw->lanes);
	memset(&fw->round, 0, sizeof fw->round);
	fw->last_end_ms = clock_monotonic_ms();
	fw->backoff_ms = BACKOFF_MIN_MS;
	tell_lanes(fw, 0);
	set_running(fw);
	return true;
}

static void idle(struct forwarder *fw)
{
	int64_t now_ms = clock_monotonic_ms();
	if (now_ms - fw->last_idle_ms < IDLE_EVERY_MS)
		return;
	fw->last_idle_ms = now_ms;
	fw->sink->ops->idle(fw->sink);
	standing_publish(&fw->standing);
}

enum step { STEP_NOTHING, STEP_COMMITTED, STEP_FAILED };

static enum step step(struct forwarder *fw)
{
	if ((!fw->ready && !recover(fw)) || !fill(fw))
		return STEP_FAILED;
	if (!fw->round.open)
		return STEP_NOTHING;
	return finish_round(fw) ? STEP_COMMITTED : STEP_FAILED;
}

static void back_off(struct forwarder *fw)
{
	if (standing_misses_oldest(&fw->standing))
		look_back(fw);
	standing_publish(&fw->standing);
	sleep_ms(fw, fw->backoff_ms);
	fw->backoff_ms = fw->backoff_ms * 2 < BACKOFF_MAX_MS ? fw->backoff_ms * 2 : BACKOFF_MAX_MS;
}

static bool is_late(struct forwarder *fw)
{
	pthread_mutex_lock(&fw->lock);
	bool late = clock_monotonic_ms() >= fw->deadline_ms;
	pthread_mutex_unlock(&fw->lock);
	return late;
}

/* True: there is more of it to do. */
static bool replay(struct forwarder *fw)
{
	bool failed;
	bool more = replay_step(&fw->replay, fw->sink, &fw->lanes, fw->records_max, &failed);
	if (failed)
		fw->ready = false;
	return more;
}

static void *run(void *argument)
{
	struct forwarder *fw = argument;
	if (fw->magic != MAGIC)
		abort();
	pthread_setname_np(pthread_self(), "forwarder");
	metrics_register_thread();
	for (uint32_t i = 0; i < fw->lanes.count; i++) /* until the sink can be asked: what it had at the last commit */
		fw->lanes.settled[i].position = fw->sink->known[i];
	look_back(fw);
	for (;;) {
		if (rest(fw))
			continue;
		bool stopping = is_stopping(fw); /* before reading: what was committed before the stop goes out */
		enum step done = step(fw);
		if (stopping && (done != STEP_COMMITTED || is_late(fw)))
			return NULL;
		if (done == STEP_FAILED) {
			back_off(fw);
			continue;
		}
		idle(fw);
		if (!stopping && replay(fw))
			continue;
		if (done == STEP_NOTHING && fw->ready) {
			set_running(fw);
			journal_wait(fw->journal, IDLE_EVERY_MS);
		}
	}
}

/* ---- life ---- */

static struct sink *make_sink(struct journal *journal, const struct config *cfg, struct error *err)
{
	if (cfg->kafka.count)
		return kafka_sink_create(cfg, journal_log_id(journal), err);
	struct file_sink_options options = {
		.dir = cfg->data_dir.at,
		.log_id = journal_log_id(journal),
		.retention_ms = cfg->files.retention_ms,
		.dead_letter_topic = cfg->topics.rejected,
		.dead_letter_retention_ms = cfg->files.dead_letter_retention_ms,
		.compress = cfg->files.compress,
	};
	return file_sink_create(&options, err);
}

static void init_sync(struct forwarder *fw)
{
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&fw->lock, NULL);
	pthread_cond_init(&fw->wake, &attr);
	pthread_condattr_destroy(&attr);
}

static void destroy(struct forwarder *fw)
{
	pthread_cond_destroy(&fw->wake);
	pthread_mutex_destroy(&fw->lock);
	standing_fini(&fw->standing);
	replay_fini(&fw->replay);
	free(fw);
}

struct forwarder *forwarder_start(struct journal *journal, const struct config *cfg, struct error *err)
{
	struct forwarder *fw = calloc(1, sizeof *fw);
	if (!fw) {
		error_set(err, ERROR_MEMORY, "no memory for the forwarder");
		return NULL;
	}
	fw->magic = MAGIC;
	fw->journal = journal;
	fw->records_max = cfg->forward.batch_events;
	fw->collect_ms = cfg->forward.batch_ms < COLLECT_MAX_MS ? cfg->forward.batch_ms : COLLECT_MAX_MS;
	fw->backoff_ms = BACKOFF_MIN_MS;
	fw->last_end_ms = fw->last_idle_ms = clock_monotonic_ms() - IDLE_EVERY_MS;
	init_sync(fw);
	standing_init(&fw->standing, journal);
	replay_init(&fw->replay);
	lanes_init(&fw->lanes, journal);
	fw->sink = make_sink(journal, cfg, err);
	if (!fw->sink) {
		destroy(fw);
		return NULL;
	}
	fw->sink->beat = on_beat;
	fw->sink->beat_context = fw;
	fw->sink->knows_epoch = knows_epoch;
	fw->sink->epoch = journal_epoch(journal);
	if (pthread_create(&fw->thread, NULL, run, fw) == 0)
		return fw;
	error_set(err, ERROR_OS, "the forwarder's thread could not be started");
	fw->sink->ops->close(&fw->sink, 0);
	destroy(fw);
	return NULL;
}

void forwarder_stop(struct forwarder **forwarder, int deadline_ms)
{
	struct forwarder *fw = *forwarder;
	if (!fw)
		return;
	pthread_mutex_lock(&fw->lock);
	fw->stopping = true;
	fw->deadline_ms = clock_monotonic_ms() + deadline_ms;
	bool stalled = standing_is_stalled(&fw->standing);
	int64_t patience_ms = stalled && deadline_ms > STALLED_STOP_MS ? STALLED_STOP_MS : deadline_ms;
	atomic_store(&fw->sink->give_up_ms, clock_monotonic_ms() + patience_ms);
	pthread_cond_broadcast(&fw->wake);
	pthread_mutex_unlock(&fw->lock);
	journal_wake(fw->journal);
	pthread_join(fw->thread, NULL);
	standing_set_state(&fw->standing, STANDING_STOPPED, NULL);
	standing_publish(&fw->standing);
	int64_t left_ms = fw->deadline_ms - clock_monotonic_ms();
	pthread_mutex_lock(&fw->lock);
	struct sink *sink = fw->sink;
	fw->sink = NULL;
	pthread_mutex_unlock(&fw->lock);
	sink->ops->close(&sink, left_ms > 0 ? (int)left_ms : 0);
	replay_cancel(&fw->replay);
	lanes_close(&fw->lanes);
	destroy(fw);
	*forwarder = NULL;
}

static bool wait_for_rest(struct forwarder *fw, int64_t patience_ms)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(patience_ms / 1000);
	pthread_mutex_lock(&fw->lock);
	while (!fw->paused && pthread_cond_timedwait(&fw->wake, &fw->lock, &until) != ETIMEDOUT)
		;
	bool paused = fw->paused;
	pthread_mutex_unlock(&fw->lock);
	return paused;
}

bool forwarder_pause(struct forwarder *fw, struct error *err)
{
	pthread_mutex_lock(&fw->lock);
	fw->pausing = true;
	pthread_cond_broadcast(&fw->wake);
	pthread_mutex_unlock(&fw->lock);
	journal_wake(fw->journal);
	if (!standing_is_stalled(&fw->standing) && wait_for_rest(fw, PAUSE_PATIENCE_MS))
		return true;
	atomic_store(&fw->sink->give_up_ms, clock_monotonic_ms());
	if (wait_for_rest(fw, PAUSE_TIMEOUT_MS))
		return true;
	forwarder_resume(fw);
	return error_set(err, ERROR_UNAVAILABLE, "the forwarder does not come to rest");
}

void forwarder_resume(struct forwarder *fw)
{
	pthread_mutex_lock(&fw->lock);
	fw->pausing = false;
	if (!fw->stopping)
		atomic_store(&fw->sink->give_up_ms, SINK_NEVER);
	pthread_cond_broadcast(&fw->wake);
	pthread_mutex_unlock(&fw->lock);
}

bool forwarder_replay(struct forwarder *fw, const struct journal_range *range, uint64_t *records, struct error *err)
{
	journal_wake(fw->journal);
	return replay_ask(&fw->replay, fw->sink, standing_is_halted(&fw->standing), range, records, err);
}

void forwarder_cancel_replay(struct forwarder *fw)
{
	replay_cancel(&fw->replay);
}

bool forwarder_has_settled(struct forwarder *fw)
{
	return standing_has_caught_up(&fw->standing) || standing_is_stalled(&fw->standing);
}

void forwarder_set_gauges(struct forwarder *fw)
{
	standing_publish(&fw->standing);
}

void forwarder_status(struct forwarder *forwarder, struct buffer *json)
{
	pthread_mutex_lock(&forwarder->lock);
	struct sink *sink = forwarder->sink;
	buffer_append_format(json, "{\"sink\":\"%s\"", sink ? sink->ops->name : "closed");
	if (sink)
		sink->ops->status(sink, json);
	pthread_mutex_unlock(&forwarder->lock);
	standing_write(&forwarder->standing, json);
	replay_write(&forwarder->replay, json);
	buffer_append_char(json, '}');
}
