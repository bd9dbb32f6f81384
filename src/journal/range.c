/* What is inside a range, and how its ends are written. A position is compared within its lane, where it orders all; a
 * time with the moment at which the event was received. */
#include "journal/range.h"

#include <stdio.h>

#include "base/clock.h"

#define TIME_LEAST_MS 100000000000ULL

static bool is_log_id(struct slice text)
{
	if (text.len != JOURNAL_LOG_ID_TEXT)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (!strchr("0123456789abcdef", text.at[i]) || !text.at[i])
			return false;
	return true;
}

static bool parse_position(struct slice text, struct journal_bound *out)
{
	struct slice log_id = slice_split(&text, '/');
	struct slice lane = slice_split(&text, '/');
	struct slice epoch = slice_split(&text, '/');
	uint64_t number;
	if (!is_log_id(log_id) || !slice_to_u64(lane, &number) || number >= JOURNAL_LANES_MAX ||
	    !slice_to_u64(epoch, &out->position.epoch) || !slice_to_u64(text, &out->position.counter))
		return false;
	out->kind = JOURNAL_BOUND_POSITION;
	out->lane = (uint32_t)number;
	memcpy(out->log_id, log_id.at, log_id.len);
	return true;
}

bool journal_bound_parse(struct slice text, struct journal_bound *out, struct error *err)
{
	uint64_t number;
	*out = (struct journal_bound) { .kind = JOURNAL_BOUND_NONE };
	if (parse_position(text, out))
		return true;
	*out = (struct journal_bound) { .kind = JOURNAL_BOUND_TIME };
	if (clock_parse(text, &out->time_ms))
		return true;
	if (slice_to_u64(text, &number) && number >= TIME_LEAST_MS && number <= INT64_MAX) {
		out->time_ms = (int64_t)number;
		return true;
	}
	return error_set(err, ERROR_USAGE,
	                 "%.*s: expected <log id>/<lane>/<epoch>/<counter>, an RFC 3339 time or milliseconds since "
	                 "1970",
	                 SLICE_ARG(text));
}

static int compare(struct journal_position a, struct journal_position b)
{
	if (a.epoch != b.epoch)
		return a.epoch < b.epoch ? -1 : 1;
	return (a.counter > b.counter) - (a.counter < b.counter);
}

bool journal_range_parse(const char *from, const char *to, struct journal_range *out, struct error *err)
{
	*out = (struct journal_range) { { .kind = JOURNAL_BOUND_NONE }, { .kind = JOURNAL_BOUND_NONE } };
	if ((from && !journal_bound_parse(slice_of(from), &out->from, err)) ||
	    (to && !journal_bound_parse(slice_of(to), &out->to, err)))
		return false;
	if (out->from.kind != out->to.kind)
		return true;
	if (out->from.kind == JOURNAL_BOUND_POSITION &&
	    (out->from.lane != out->to.lane || strcmp(out->from.log_id, out->to.log_id) != 0))
		return error_set(err, ERROR_USAGE, "positions of two lanes do not make a range");
	if (compare(out->from.position, out->to.position) > 0 || out->from.time_ms > out->to.time_ms)
		return error_set(err, ERROR_USAGE, "%s lies before %s", to, from);
	return true;
}

static bool is_of(const struct journal_bound *bound, const char *log_id, uint32_t lane)
{
	return bound->kind != JOURNAL_BOUND_POSITION || (bound->lane == lane && strcmp(bound->log_id, log_id) == 0);
}

bool journal_range_has_lane(const struct journal_range *range, const char *log_id, uint32_t lane)
{
	return is_of(&range->from, log_id, lane) && is_of(&range->to, log_id, lane);
}

bool journal_range_has(const struct journal_range *range, const char *log_id, uint32_t lane,
                       const struct journal_record *record)
{
	const struct journal_bound *from = &range->from, *to = &range->to;
	struct journal_position last = record->position;
	if (record->type == JOURNAL_GAP && record->gap_count)
		last.counter += record->gap_count - 1;
	if (!journal_range_has_lane(range, log_id, lane))
		return false;
	if (from->kind == JOURNAL_BOUND_POSITION && compare(last, from->position) < 0)
		return false;
	if (to->kind == JOURNAL_BOUND_POSITION && compare(record->position, to->position) > 0)
		return false;
	return (from->kind != JOURNAL_BOUND_TIME || record->received_ms >= from->time_ms) &&
	       (to->kind != JOURNAL_BOUND_TIME || record->received_ms <= to->time_ms);
}
