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

/* The lane's next record that is to be sent; *found false: there is none any more. */
static bool next(struct replay *replay, const struct lanes *lanes, struct journal_reader *reader,
                 struct journal_record *out, bool *found, struct error *err)
{
	const char *log_id = journal_log_id(lanes->journal);
	*found = false;
	while (!*found) {
		enum journal_read got = journal_reader_next(reader, out, err);
		if (got == JOURNAL_READ_ERROR)
			return false;
		if (got == JOURNAL_READ_END ||
		    checkpoint_compare(out->position, lanes->settled[replay->lane].position) > 0)
			return true;
		replay->done = out->position;
		*found = out->type != JOURNAL_GAP && journal_range_has(&replay->range, log_id, replay->lane, out);
		if (!*found)
			journal_reader_release(reader);
	}
	return true;
}

/* Records of the lane up to the bounds of a round, handed to the sink. *count 0: there was none left. */
static bool fill(struct replay *replay, struct sink *sink, const struct lanes *lanes, struct journal_reader *reader,
                 uint32_t records_max, uint32_t *count, struct error *err)
{
	struct journal_record record;
	size_t bytes = 0;
	bool found;
	for (*count = 0; *count < records_max && bytes < ROUND_BYTES_MAX; ++*count) {
		if (!next(replay, lanes, reader, &record, &found, err))
			return false;
		if (!found)
			return true;
		if (*count == 0 && !sink->ops->begin(sink, err))
			return false;
		if (!sink->ops->put(sink, &record, err))
			return false;
		bytes += record.value.len + record.headers.len + record.key.len;
	}
	return true;
}

static bool send_round(struct replay *replay, struct sink *sink, const struct lanes *lanes, uint32_t records_max,
                       uint32_t *count, struct error *err)
{
	*count = 0;
	if (!journal_range_has_lane(&replay->range, journal_log_id(lanes->journal), replay->lane))
		return true;
	struct journal_reader *reader = journal_reader_open(lanes->journal, replay->lane, replay->done, err);
	if (!reader)
		return false;
	sink->replaying = true;
	bool done = fill(replay, sink, lanes, reader, records_max, count, err) &&
	            (*count == 0 || sink->ops->commit(sink, lanes->settled, lanes->count, err));
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
	uint32_t count = 0;
	*failed = false;
	if (!take_up(replay))
		return false;
	if (!send_round(replay, sink, lanes, records_max, &count, &err)) {
		log_warn("replay_failed", "reason=%s", err.message);
		end(replay, REPLAY_FAILED, err.message);
		*failed = true;
		return false;
	}
	pthread_mutex_lock(&replay->lock);
	replay->records += count;
	pthread_mutex_unlock(&replay->lock);
	metrics_add(metrics_series0(METRIC_FORWARD_REPLAYED), count);
	if (count)
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
