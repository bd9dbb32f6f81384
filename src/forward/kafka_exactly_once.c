/* One round: begin, records in journal order, then one checkpoint per lane that moved, as the last records, all of them
 * acknowledged, then commit. Nothing is asked between records and checkpoints: that they belong together is the
 * transaction's work, and the checkpoints' partition joins it while the records are still on their way. Consumers with read_committed see records and checkpoints together or not at
 * all, so what the checkpoint topic says is the truth; the local file is a hint for a change of mode and sink, and for
 * noticing that the topic lost what it had.
 *
 * A start, and every start over: read what is committed and look whether it is ours (before anything is fenced: a clone
 * must not fight with the original for ever); initialise every transactional id this log ever used, which ends what a
 * dead or lost producer left open; read the topic past its end; go on behind the greatest position of each lane.
 *
 * After an outcome that is not known the producer is destroyed and all of this is done again; the forwarder then reads
 * the journal again from what Kafka has. After a transaction that was aborted in good order it goes on at once. */
#include "forward/kafka_exactly_once.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "forward/checkpoint.h"
#include "forward/kafka_checkpoint_topic.h"
#include "forward/kafka_ids.h"
#include "forward/kafka_round.h"
#include "forward/kafka_transaction.h"
#include "json/json.h"

#define HINT_EVERY_MS 1000
#define MARKERS_US 5000
#define IDS_BYTES ((size_t)4 << 20)

struct exactly_once {
	struct sink base;
	const struct config *cfg;
	struct kafka_producer producer;
	struct kafka_checkpoint_topic topic;                       /* what Kafka has */
	struct kafka_checkpoint_record records[JOURNAL_LANES_MAX]; /* of the round */
	struct kafka_round round;
	struct checkpoint hint; /* what kafka.checkpoint says or is to say */
	bool ready;             /* initialised, and all outcomes known */
	bool open;              /* a transaction is */
	bool hint_is_old;
	int64_t committed_us; /* monotonic; the last transaction */
	int64_t hint_ms;      /* monotonic; last written */
};

static struct exactly_once *self_of(struct sink *sink)
{
	return (struct exactly_once *)(void *)sink;
}

/* ---- the hint ---- */

static bool write_hint(struct exactly_once *self, struct error *err)
{
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/kafka.checkpoint", self->cfg->data_dir.at);
	self->hint.exactly_once = true;
	memcpy(self->hint.lanes, self->topic.lanes, sizeof self->hint.lanes);
	memcpy(self->hint.books, self->topic.books, sizeof self->hint.books);
	self->hint_ms = clock_monotonic_ms();
	if (!checkpoint_write(path, &self->hint, err))
		return false;
	self->hint_is_old = false;
	return true;
}

static void refresh_hint(struct exactly_once *self, int64_t every_ms)
{
	struct error err;
	if (!self->hint_is_old || clock_monotonic_ms() - self->hint_ms < every_ms)
		return;
	if (!write_hint(self, &err))
		log_warn("checkpoint_failed", "reason=%s", err.message);
}

/* ---- committing checkpoints ---- */

static bool differs(struct journal_position a, struct journal_position b)
{
	return checkpoint_compare(a, b) != 0;
}

/* What a transaction is to add to the topic. */
struct step {
	struct journal_position to[JOURNAL_LANES_MAX];
	struct tally_books books[JOURNAL_LANES_MAX];
	bool moves[JOURNAL_LANES_MAX];
};

/* Sends the checkpoints of the lanes that move. */
static bool send_step(struct exactly_once *self, struct step *step, struct error *err)
{
	for (uint32_t lane = 0; lane < JOURNAL_LANES_MAX; lane++) {
		struct kafka_checkpoint_record *record = &self->records[lane];
		step->moves[lane] = differs(step->to[lane], self->topic.lanes[lane]);
		if (!step->moves[lane])
			continue;
		kafka_checkpoint_record_make(record, &self->topic, lane, step->to[lane], &step->books[lane]);
		if (!kafka_producer_send(&self->producer, &record->entry, err))
			return false;
	}
	return true;
}

/* A checkpoint was refused: what it came with is taken back. False always. */
static bool take_back(struct exactly_once *self, rd_kafka_resp_err_t code, struct error *err)
{
	struct error reason;
	self->open = !kafka_transaction_abort(&self->producer, &reason) || self->producer.spent;
	kafka_producer_doubt_topics(&self->producer);
	return error_set(err, ERROR_KAFKA, "topic %.*s: %s", SLICE_ARG(self->cfg->topics.checkpoints),
	                 rd_kafka_err2str(code));
}

/* The end of a transaction: checkpoints acknowledged, then the commit. False: if the transaction is still open, the
 * outcome is left to the next start. */
static bool seal(struct exactly_once *self, const struct step *step, struct error *err)
{
	if (!kafka_producer_wait(&self->producer, err))
		return false;
	for (uint32_t lane = 0; lane < JOURNAL_LANES_MAX; lane++)
		if (step->moves[lane] && self->records[lane].entry.code)
			return take_back(self, self->records[lane].entry.code, err);
	if (!kafka_transaction_commit(&self->producer, err))
		return false;
	self->open = false;
	for (uint32_t lane = 0; lane < JOURNAL_LANES_MAX; lane++)
		if (step->moves[lane])
			kafka_checkpoint_topic_set(&self->topic, lane, step->to[lane], &step->books[lane]);
	self->hint_is_old = true;
	self->committed_us = clock_monotonic_us();
	return true;
}

/* ---- starting, and starting over ---- */

static bool open_producer(struct exactly_once *self, struct error *err)
{
	struct kafka_producer *producer = &self->producer;
	bool over = producer->rk && (producer->spent || kafka_producer_is_fatal(producer) || self->open);
	if (over ? !kafka_producer_rebuild(producer, err) : !kafka_producer_open(producer, err))
		return false;
	self->open = false;
	kafka_round_clear(&self->round);
	return kafka_producer_find_topics(producer, err);
}

/* The lane's checkpoint was written by another directory under the same log id. */
static bool is_foreign(const struct exactly_once *self, uint32_t lane)
{
	const struct sink *sink = &self->base;
	uint64_t epoch = self->topic.lanes[lane].epoch;
	return self->topic.found[lane] && epoch && sink->knows_epoch && !sink->knows_epoch(sink->beat_context, epoch);
}

static bool check_epochs(const struct exactly_once *self, struct error *err)
{
	const struct sink *sink = &self->base;
	for (uint32_t lane = 0; lane < JOURNAL_LANES_MAX; lane++) {
		uint64_t epoch = self->topic.lanes[lane].epoch;
		if (!is_foreign(self, lane))
			continue;
		if (!atomic_load(&sink->decided))
			return error_set(err, ERROR_DATA,
			                 "Kafka's checkpoint of lane %" PRIu32 " names epoch %" PRIu64
			                 ", which this data directory never wrote: it was cloned or restored",
			                 lane, epoch);
		if (epoch >= sink->epoch)
			return error_set(err, ERROR_DATA,
			                 "Kafka's checkpoint of lane %" PRIu32 " names epoch %" PRIu64
			                 ", which another instance began after this one started (%" PRIu64
			                 "): stop that one, start this one again, then decide",
			                 lane, epoch, sink->epoch);
	}
	return true;
}

/* Ends what producers under other ids left open. */
static bool fence_earlier(struct exactly_once *self, struct error *err)
{
	struct slice own = slice_of(self->producer.transactional_id), ids;
	struct arena arena;
	arena_init(&arena, IDS_BYTES);
	bool done = kafka_ids_remember(self->cfg->data_dir.at, own, &arena, &ids, err);
	while (done && ids.len) {
		char id[KAFKA_TRANSACTIONAL_ID_BYTES];
		struct kafka_producer earlier;
		struct slice line = slice_split(&ids, '\n');
		if (line.len == 0 || line.len >= sizeof id || slice_equal(line, own))
			continue;
		snprintf(id, sizeof id, "%.*s", SLICE_ARG(line));
		kafka_producer_init(&earlier, self->cfg, &self->base, self->topic.log_id, id);
		done = kafka_producer_open(&earlier, err) && kafka_transaction_init(&earlier, err);
		kafka_producer_close(&earlier);
		if (!done)
			error_prepend(err, "transactional id %s", id);
	}
	arena_fini(&arena);
	return done;
}

/* What was delivered under another mode or by another sink counts where it is further: it becomes Kafka's checkpoint
 * before anything else is sent, so that from then on there is one truth. */
static bool adopt(struct exactly_once *self, const struct checkpoint *base, struct error *err)
{
	struct step step;
	bool further = false;
	for (uint32_t lane = 0; lane < JOURNAL_LANES_MAX; lane++) {
		bool is = checkpoint_compare(base->lanes[lane], self->topic.lanes[lane]) > 0;
		step.to[lane] = is ? base->lanes[lane] : self->topic.lanes[lane];
		step.books[lane] = is ? base->books[lane] : self->topic.books[lane];
		further |= is;
	}
	if (!further)
		return true;
	self->open = true;
	return kafka_transaction_begin(&self->producer, err) && send_step(self, &step, err) && seal(self, &step, err);
}

static bool check_lost(const struct exactly_once *self, const struct checkpoint *base, struct error *err)
{
	for (uint32_t lane = 0; lane < JOURNAL_LANES_MAX; lane++) {
		struct journal_position hint = self->hint.lanes[lane];
		if (self->topic.found[lane] || hint.counter == 0 || checkpoint_compare(hint, base->lanes[lane]) <= 0)
			continue;
		return error_set(err, ERROR_DATA,
		                 "topic %.*s holds no checkpoint of lane %" PRIu32
		                 ", but there was one: it was lost, or this is another cluster",
		                 SLICE_ARG(self->cfg->topics.checkpoints), lane);
	}
	return true;
}

/* The operator's word: what the local copy says was delivered; and of a log that another directory wrote on, whatever
 * came before this start counts as delivered, to be sent again by the replay if need be. */
static void decide(struct exactly_once *self, struct checkpoint *base)
{
	for (uint32_t lane = 0; lane < JOURNAL_LANES_MAX; lane++) {
		if (checkpoint_compare(self->hint.lanes[lane], base->lanes[lane]) > 0) {
			base->lanes[lane] = self->hint.lanes[lane];
			base->books[lane] = self->hint.books[lane];
		}
		if (!is_foreign(self, lane))
			continue;
		base->lanes[lane] = (struct journal_position) { self->base.epoch, 0 };
		base->books[lane] = self->topic.books[lane];
		log_warn("checkpoint_decided", "lane=%" PRIu32 " epoch=%" PRIu64, lane, self->base.epoch);
	}
}

static bool reconcile(struct exactly_once *self, struct error *err)
{
	struct checkpoint base;
	checkpoint_fini(&self->hint);
	if (!checkpoint_load_hint(self->cfg->data_dir.at, self->topic.log_id, &self->hint, &base, err))
		return false;
	bool decided = atomic_load(&self->base.decided);
	if (decided)
		decide(self, &base);
	bool done = check_lost(self, &base, err) && adopt(self, &base, err);
	if (done && decided)
		atomic_store(&self->base.decided, false);
	checkpoint_fini(&base);
	if (!done)
		return false;
	bool is_marked = self->hint.exactly_once;
	if (write_hint(self, err))
		return true;
	/* a full disk must not keep it from being emptied: what the file says is old, and only a hint */
	log_warn("checkpoint_failed", "reason=%s", err->message);
	self->hint_is_old = true;
	return is_marked;
}

static bool start_over(struct exactly_once *self, struct error *err)
{
	self->ready = false;
	if (!open_producer(self, err) || !kafka_checkpoint_topic_check(&self->topic, self->producer.rk, err) ||
	    !kafka_checkpoint_topic_peek(&self->topic, err) || !check_epochs(self, err))
		return false;
	if (!self->producer.initialised && (!fence_earlier(self, err) || !kafka_transaction_init(&self->producer, err)))
		return false;
	/* from here on nobody adds to what Kafka has of this log without fencing this producer */
	self->ready = kafka_checkpoint_topic_read(&self->topic, err) && check_epochs(self, err) && reconcile(self, err);
	return self->ready;
}

/* ---- the sink's operations ---- */

static bool recover(struct sink *sink, struct sink_position *lanes, uint32_t lane_count, struct error *err)
{
	struct exactly_once *self = self_of(sink);
	struct error reason;
	if (sink_gives_up(sink))
		return error_set(err, ERROR_UNAVAILABLE, "stopping");
	if (self->ready && self->open) { /* the journal could not be read on in the middle of a round */
		self->ready = kafka_transaction_abort(&self->producer, &reason);
		self->open = !self->ready;
	}
	if (self->ready && (self->producer.spent || kafka_producer_is_fatal(&self->producer)))
		self->ready = false;
	if (!self->ready && !start_over(self, err))
		return false;
	kafka_round_clear(&self->round);
	tally_load(&sink->tally, self->topic.books);
	memcpy(sink->known, self->topic.lanes, sizeof sink->known);
	for (uint32_t i = 0; i < lane_count; i++)
		lanes[i].position = self->topic.lanes[lanes[i].lane];
	return true;
}

/* A producer that is spent is replaced here, between rounds; Kafka must have what it is known to have. */
static bool renew(struct exactly_once *self, struct error *err)
{
	struct journal_position before[JOURNAL_LANES_MAX];
	memcpy(before, self->topic.lanes, sizeof before);
	if (!start_over(self, err))
		return false;
	for (uint32_t lane = 0; lane < JOURNAL_LANES_MAX; lane++)
		if (differs(before[lane], self->topic.lanes[lane]))
			return error_set(err, ERROR_KAFKA, "the checkpoint of lane %" PRIu32 " moved without us", lane);
	return true;
}

/* The coordinator writes the markers of a transaction after it has answered the commit. A partition that is to join the next
 * one before that is put off (CONCURRENT_TRANSACTIONS); librdkafka asks again after 20 ms, and sends nothing meanwhile. */
static void let_markers_be_written(struct exactly_once *self)
{
	int64_t left_us;
	while ((left_us = self->committed_us + MARKERS_US - clock_monotonic_us()) > 0)
		rd_kafka_poll(self->producer.rk, (int)(left_us / 1000) + 1);
}

static bool begin(struct sink *sink, struct error *err)
{
	struct exactly_once *self = self_of(sink);
	kafka_round_clear(&self->round);
	if (self->producer.spent && !renew(self, err))
		return false;
	let_markers_be_written(self);
	self->open = true;
	return kafka_transaction_begin(&self->producer, err);
}

static bool put(struct sink *sink, const struct journal_record *record, struct error *err)
{
	return kafka_round_put(&self_of(sink)->round, record, err);
}

static bool send_checkpoints(struct exactly_once *self, const struct sink_position *lanes, uint32_t lane_count,
                             struct step *step, struct error *err)
{
	memcpy(step->to, self->topic.lanes, sizeof step->to);
	for (uint32_t i = 0; i < lane_count; i++)
		step->to[lanes[i].lane] = lanes[i].position;
	kafka_round_count_poisoned(&self->round);
	tally_all_after(&self->base.tally, step->books);
	return send_step(self, step, err);
}

static bool commit(struct sink *sink, const struct sink_position *lanes, uint32_t lane_count, struct error *err)
{
	struct exactly_once *self = self_of(sink);
	struct step step;
	bool definite = false;
	bool sent = send_checkpoints(self, lanes, lane_count, &step, err);
	if (!sent || !kafka_round_settle(&self->round, &definite, err)) {
		self->ready = definite;
		self->open = !definite;
		return false;
	}
	/* what went with a transaction that was aborted goes again, with what settling did to the books */
	sent = !self->round.sent_again || send_checkpoints(self, lanes, lane_count, &step, err);
	if (!sent || !seal(self, &step, err)) {
		self->ready = !self->open;
		return false;
	}
	kafka_round_clear(&self->round);
	refresh_hint(self, HINT_EVERY_MS);
	return true;
}

/* The transaction under way is aborted by the next producer; whether a commit under way counts, Kafka tells it then. */
static void drop(struct sink *sink)
{
	struct exactly_once *self = self_of(sink);
	kafka_producer_close(&self->producer);
	kafka_round_clear(&self->round);
	self->ready = false;
	self->open = false;
}

static void idle(struct sink *sink)
{
	struct exactly_once *self = self_of(sink);
	if (self->producer.rk)
		rd_kafka_poll(self->producer.rk, 0);
	refresh_hint(self, HINT_EVERY_MS);
}

static void status(struct sink *sink, struct buffer *json)
{
	struct kafka_producer *producer = &self_of(sink)->producer;
	buffer_append_format(json, ",\"mode\":\"exactly_once\",\"in_flight\":%u,\"producer_rebuilds\":%u",
	                     atomic_load(&producer->outstanding), atomic_load(&producer->rebuilds));
	buffer_append(json, SLICE(",\"transactional_id\":"));
	json_write_string(json, slice_of(producer->transactional_id));
}

static void close_sink(struct sink **sink, int deadline_ms)
{
	struct error err;
	if (!*sink)
		return;
	struct exactly_once *self = self_of(*sink);
	/* one that is left open hides from consumers what others commit behind it, until it times out */
	if (self->open && self->producer.rk && deadline_ms > 0 && !kafka_transaction_abort(&self->producer, &err))
		log_info("transaction_left_open", "reason=%s", err.message);
	refresh_hint(self, 0);
	kafka_producer_close(&self->producer);
	kafka_round_fini(&self->round);
	checkpoint_fini(&self->hint);
	free(self);
	*sink = NULL;
}

/* The best guess while Kafka cannot be asked. */
static bool load_guess(struct exactly_once *self, struct error *err)
{
	struct checkpoint base;
	if (!checkpoint_load_hint(self->cfg->data_dir.at, self->topic.log_id, &self->hint, &base, err))
		return false;
	for (uint32_t lane = 0; lane < JOURNAL_LANES_MAX; lane++) {
		bool further = checkpoint_compare(base.lanes[lane], self->hint.lanes[lane]) > 0;
		self->base.known[lane] = further ? base.lanes[lane] : self->hint.lanes[lane];
		if (!further)
			base.books[lane] = self->hint.books[lane];
	}
	tally_load(&self->base.tally, base.books);
	checkpoint_fini(&base);
	return true;
}

static const struct sink_ops OPS = {
	.name = "kafka",
	.recover = recover,
	.begin = begin,
	.put = put,
	.commit = commit,
	.drop = drop,
	.idle = idle,
	.status = status,
	.close = close_sink,
};

struct sink *kafka_exactly_once_create(const struct config *cfg, const char *log_id, struct error *err)
{
	struct exactly_once *self = calloc(1, sizeof *self);
	char id[KAFKA_TRANSACTIONAL_ID_BYTES];
	if (!self) {
		error_set(err, ERROR_MEMORY, "no memory for the Kafka sink");
		return NULL;
	}
	struct sink *sink = &self->base;
	sink_init(sink, &OPS);
	self->cfg = cfg;
	checkpoint_init(&self->hint, log_id);
	int id_len = snprintf(id, sizeof id, "%.*s-%s", SLICE_ARG(cfg->forward.transactional_prefix), log_id);
	kafka_producer_init(&self->producer, cfg, sink, log_id, id);
	kafka_checkpoint_topic_init(&self->topic, cfg, sink, log_id);
	if (!kafka_round_init(&self->round, &self->producer))
		error_set(err, ERROR_MEMORY, "no memory for a round of %u records", cfg->forward.batch_events);
	else if (id_len >= (int)sizeof id)
		error_set(err, ERROR_CONFIG, "forward.transactional_prefix: too long");
	else if (kafka_producer_open(&self->producer, err) && load_guess(self, err))
		return sink;
	close_sink(&sink, 0);
	return NULL;
}
