/* Lane by lane, each from its oldest record kept (grace copies included) up to what the sink has now: what is behind that
 * goes out by itself, once. A round is one of the sink's, with the checkpoints as they are. A replay that ends in the
 * middle is not taken up again: what it sent stays sent, and whoever asked is told how much that is. */
#include "forward/replay.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/metrics.h"
#include "forward/checkpoint.h"
#include "json/json.h"

#define ROUND_BYTES_MAX (8u << 20)

static const char *const STATE_NAMES[] = { "none", "asked", "running", "done", "failed" };

void replay_init(struct replay *replay)
{
	memset(replay, 0, sizeof *replay);
	pthread_mutex_init(&replay->lock, NULL);
	pthread_cond_init(&replay->changed, NULL);
}

void replay_fini(struct replay *replay)
{
	pthread_cond_destroy(&replay->changed);
	pthread_mutex_destroy(&replay->lock);
}

static bool is_under_way(const struct replay *replay)
{
	return replay->state == REPLAY_ASKED || replay->state == REPLAY_RUNNING;
}

bool replay_ask(struct replay *replay, struct sink *sink, bool halted, const struct journal_range *range,
                uint64_t *records, struct error *err)
{
	bool done = true;
	if (strcmp(sink->ops->name, "kafka") != 0)
		return error_set(err, ERROR_USAGE, "replay sends to Kafka, and none is configured: see journal export");
	pthread_mutex_lock(&replay->lock);
	*records = 0;
	if (replay->waited || is_under_way(replay) || replay->cancelled) {
		pthread_mutex_unlock(&replay->lock);
		return error_set(err, ERROR_BUSY, "a replay is under way, or the daemon stops");
	}
	if (halted)
		atomic_store(&sink->decided, true);
	replay->waited = true;
	replay->range = *range;
	replay->state = REPLAY_ASKED;
	replay->records = 0;
	replay->reason[0] = '\0';
	while (is_under_way(replay))
		pthread_cond_wait(&replay->changed, &replay->lock);
	replay->waited = false;
	*records = replay->records;
	if (replay->state == REPLAY_FAILED)
		done = error_set(err, ERROR_UNAVAILABLE, "after %" PRIu64 " records: %s", replay->records,
		                 replay->reason);
	pthread_mutex_unlock(&replay->lock);
	return done;
}

static void end(struct replay *replay, enum replay_state state, const char *reason)
{
	pthread_mutex_lock(&replay->lock);
	replay->state = state;
	snprintf(replay->reason, sizeof replay->reason, "%s", reason);
	pthread_cond_broadcast(&replay->changed);
	pthread_mutex_unlock(&replay->lock);
}

static void fail(struct replay *replay, const char *reason)
{
	pthread_mutex_lock(&replay->lock);
	bool under_way = is_under_way(replay);
	pthread_mutex_unlock(&replay->lock);
	if (under_way)
		end(replay, REPLAY_FAILED, reason);
}

/* A decision may have come while the start that failed was under way: it is given one more. */
void replay_halt(struct replay *replay, struct sink *sink, const char *reason)
{
	bool gives_up = !atomic_load(&sink->decided) || replay->decision_tried;
	replay->decision_tried = !gives_up;
	if (!gives_up)
		return;
	atomic_store(&sink->decided, false);
	fail(replay, reason);
}

void replay_cancel(struct replay *replay)
{
	pthread_mutex_lock(&replay->lock);
	replay->cancelled = true;
	pthread_mutex_unlock(&replay->lock);
	fail(replay, "the daemon stops");
}

struct step {
	uint32_t count; /* of records handed to the sink */
	bool at_end;    /* of the lane */
};

/* Records of the lane up to the bounds of a round, handed to the sink; what is only looked at has the same bound, so that
 * what comes in is not kept waiting. While a round is open the sink needs the bytes of its records: nothing is let go of,
 * and the first record behind the range ends it. */
static bool fill(struct replay *replay, struct sink *sink, const struct lanes *lanes, struct journal_reader *reader,
                 uint32_t records_max, struct step *step, struct error *err)
{
	const char *log_id = journal_log_id(lanes->journal);
	struct journal_record record;
	size_t bytes = 0;
	while (step->count < records_max && bytes < ROUND_BYTES_MAX) {
		enum journal_read got = journal_reader_next(reader, &record, err);
		if (got == JOURNAL_READ_ERROR)
			return false;
		step->at_end = got == JOURNAL_READ_END ||
		               checkpoint_compare(record.position, lanes->settled[replay->lane].position) > 0;
		bool is_gap = record.type == JOURNAL_GAP;
		bool wanted =
		        !step->at_end && !is_gap && journal_range_has(&replay->range, log_id, replay->lane, &record);
		if (step->at_end || (step->count && !wanted && !is_gap))
			return true;
		replay->done = record.position;
		if (is_gap && record.gap_count)
			replay->done.counter += record.gap_count - 1;
		bytes += record.value.len + record.headers.len + record.key.len;
		if (wanted &&
		    ((step->count == 0 && !sink->ops->begin(sink, err)) || !sink->ops->put(sink, &record, err)))
			return false;
		step->count += wanted;
		if (!step->count)
			journal_reader_release(reader);
	}
	return true;
}

static bool send_round(struct replay *replay, struct sink *sink, const struct lanes *lanes, uint32_t records_max,
                       struct step *step, struct error *err)
{
	*step = (struct step) { .at_end = true };
	if (!journal_range_has_lane(&replay->range, journal_log_id(lanes->journal), replay->lane))
		return true;
	struct journal_reader *reader = journal_reader_open(lanes->journal, replay->lane, replay->done, err);
	if (!reader)
		return false;
	sink->replaying = true;
	bool done = fill(replay, sink, lanes, reader, records_max, step, err) &&
	            (step->count == 0 || sink->ops->commit(sink, lanes->settled, lanes->count, err));
	if (!done) /* the records' bytes go with the reader: nothing may look at them any more */
		sink->ops->drop(sink);
	journal_reader_close(&reader);
	sink->replaying = false;
	return done;
}

static bool take_up(struct replay *replay)
{
	pthread_mutex_lock(&replay->lock);
	bool anew = replay->state == REPLAY_ASKED, goes_on = replay->state == REPLAY_RUNNING;
	if (anew)
		replay->state = REPLAY_RUNNING;
	pthread_mutex_unlock(&replay->lock);
	if (anew) {
		replay->lane = 0;
		replay->done = (struct journal_position) { 0 };
	}
	return anew || goes_on;
}

bool replay_step(struct replay *replay, struct sink *sink, const struct lanes *lanes, uint32_t records_max,
                 bool *failed)
{
	struct error err = { 0 };
	struct step step;
	*failed = false;
	if (!take_up(replay))
		return false;
	if (!send_round(replay, sink, lanes, records_max, &step, &err)) {
		log_warn("replay_failed", "reason=%s", err.message);
		end(replay, REPLAY_FAILED, err.message);
		*failed = true;
		return false;
	}
	pthread_mutex_lock(&replay->lock);
	replay->records += step.count;
	pthread_mutex_unlock(&replay->lock);
	metrics_add(metrics_series0(METRIC_FORWARD_REPLAYED), step.count);
	if (!step.at_end)
		return true;
	replay->done = (struct journal_position) { 0 };
	if (++replay->lane < lanes->count)
		return true;
	log_info("replay_done", "records=%" PRIu64, replay->records);
	end(replay, REPLAY_DONE, "");
	return false;
}

void replay_write(struct replay *replay, struct buffer *json)
{
	pthread_mutex_lock(&replay->lock);
	if (replay->state != REPLAY_NONE) {
		buffer_append_format(json, ",\"replay\":{\"state\":\"%s\",\"records\":%" PRIu64,
		                     STATE_NAMES[replay->state], replay->records);
		if (replay->reason[0]) {
			buffer_append(json, SLICE(",\"reason\":"));
			json_write_string_safe(json, slice_of(replay->reason));
		}
		buffer_append_char(json, '}');
	}
	pthread_mutex_unlock(&replay->lock);
}
