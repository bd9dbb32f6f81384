#include "forward/standing.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "json/json.h"

static const char *const STATE_NAMES[] = { "starting", "running", "stalled", "halted", "stopped" };

void standing_init(struct standing *standing, struct journal *journal)
{
	memset(standing, 0, sizeof *standing);
	pthread_mutex_init(&standing->lock, NULL);
	standing->journal = journal;
	standing->since_ms = clock_wall_ms();
	standing->pending_series = metrics_series0(METRIC_FORWARD_PENDING);
	standing->oldest_series = metrics_series0(METRIC_FORWARD_OLDEST);
	standing->halted_series = metrics_series0(METRIC_FORWARD_HALTED);
	standing->kind_series[TALLY_EVENTS] = metrics_series1(METRIC_RECORDS, "pending");
	standing->kind_series[TALLY_DEAD_LETTERS] = metrics_series1(METRIC_DEAD_LETTERS, "pending");
}

void standing_fini(struct standing *standing)
{
	pthread_mutex_destroy(&standing->lock);
}

void standing_set_state(struct standing *standing, enum standing_state state, const char *reason)
{
	pthread_mutex_lock(&standing->lock);
	if (standing->state != state)
		standing->since_ms = clock_wall_ms();
	standing->state = state;
	snprintf(standing->reason, sizeof standing->reason, "%s", reason ? reason : "");
	pthread_mutex_unlock(&standing->lock);
}

bool standing_is_halted(struct standing *standing)
{
	pthread_mutex_lock(&standing->lock);
	bool halted = standing->state == STANDING_HALTED;
	pthread_mutex_unlock(&standing->lock);
	return halted;
}

bool standing_is_stalled(struct standing *standing)
{
	pthread_mutex_lock(&standing->lock);
	bool stalled = standing->state == STANDING_STALLED || standing->state == STANDING_HALTED;
	pthread_mutex_unlock(&standing->lock);
	return stalled;
}

void standing_set_oldest(struct standing *standing, int64_t received_ms)
{
	pthread_mutex_lock(&standing->lock);
	standing->oldest_ms = received_ms;
	pthread_mutex_unlock(&standing->lock);
}

void standing_set_lanes(struct standing *standing, const struct sink_position *lanes, uint32_t lane_count,
                        const struct tally_books *books)
{
	pthread_mutex_lock(&standing->lock);
	memcpy(standing->lanes, lanes, lane_count * sizeof *lanes);
	standing->lane_count = lane_count;
	standing->books = *books;
	pthread_mutex_unlock(&standing->lock);
}

static uint64_t less(uint64_t all, uint64_t gone)
{
	return all > gone ? all - gone : 0;
}

/* Accepted less what has left the journal. The two sides are read one after the other, so it may be off by what is
 * under way, never negative. */
static uint64_t pending(struct standing *standing, uint64_t by_kind[TALLY_KINDS])
{
	struct journal_stats stats;
	const struct tally_books *books = &standing->books;
	journal_stats(standing->journal, &stats);
	const uint64_t accepted[TALLY_KINDS] = { stats.accepted_events, stats.accepted_dead_letters };
	for (int kind = 0; kind < TALLY_KINDS; kind++)
		by_kind[kind] = less(accepted[kind], books->delivered[kind] + books->poisoned[kind] +
		                                             books->erased[kind] + books->quarantined[kind]);
	return by_kind[TALLY_EVENTS] + by_kind[TALLY_DEAD_LETTERS];
}

bool standing_has_caught_up(struct standing *standing)
{
	uint64_t by_kind[TALLY_KINDS];
	pthread_mutex_lock(&standing->lock);
	bool caught_up = pending(standing, by_kind) == 0;
	pthread_mutex_unlock(&standing->lock);
	return caught_up;
}

bool standing_misses_oldest(struct standing *standing)
{
	uint64_t by_kind[TALLY_KINDS];
	pthread_mutex_lock(&standing->lock);
	bool misses = standing->oldest_ms == 0 && pending(standing, by_kind) > 0;
	pthread_mutex_unlock(&standing->lock);
	return misses;
}

static int64_t oldest_seconds(const struct standing *standing, uint64_t pending_records)
{
	int64_t age_ms = pending_records && standing->oldest_ms ? clock_wall_ms() - standing->oldest_ms : 0;
	return age_ms > 0 ? age_ms / 1000 : 0;
}

void standing_publish(struct standing *standing)
{
	pthread_mutex_lock(&standing->lock);
	uint64_t by_kind[TALLY_KINDS], records = pending(standing, by_kind);
	for (int kind = 0; kind < TALLY_KINDS; kind++)
		metrics_set(standing->kind_series[kind], (int64_t)by_kind[kind]);
	metrics_set(standing->pending_series, (int64_t)records);
	metrics_set(standing->halted_series, standing->state == STANDING_HALTED);
	metrics_set(standing->oldest_series, oldest_seconds(standing, records));
	pthread_mutex_unlock(&standing->lock);
}

void standing_write(struct standing *standing, struct buffer *json)
{
	char since[CLOCK_TEXT_BYTES];
	pthread_mutex_lock(&standing->lock);
	clock_format(standing->since_ms, since);
	buffer_append_format(json, ",\"state\":\"%s\",\"since\":\"%.*s\"", STATE_NAMES[standing->state],
	                     CLOCK_TEXT_BYTES, since);
	if (standing->reason[0]) {
		buffer_append(json, SLICE(",\"reason\":"));
		json_write_string_safe(json, slice_of(standing->reason));
	}
	uint64_t by_kind[TALLY_KINDS], records = pending(standing, by_kind);
	buffer_append_format(json, ",\"pending_events\":%" PRIu64 ",\"pending_dead_letters\":%" PRIu64,
	                     by_kind[TALLY_EVENTS], by_kind[TALLY_DEAD_LETTERS]);
	buffer_append_format(json, ",\"lost_behind_events\":%" PRIu64 ",\"lost_behind_dead_letters\":%" PRIu64,
	                     standing->books.lost_behind[TALLY_EVENTS],
	                     standing->books.lost_behind[TALLY_DEAD_LETTERS]);
	buffer_append_format(json, ",\"pending\":%" PRIu64 ",\"oldest_undelivered_seconds\":%" PRId64 ",\"lanes\":[",
	                     records, oldest_seconds(standing, records));
	for (uint32_t i = 0; i < standing->lane_count; i++) {
		const struct sink_position *at = &standing->lanes[i];
		buffer_append_format(json, "%s{\"lane\":%" PRIu32 ",\"epoch\":%" PRIu64 ",\"counter\":%" PRIu64 "}",
		                     i ? "," : "", at->lane, at->position.epoch, at->position.counter);
	}
	buffer_append_char(json, ']');
	pthread_mutex_unlock(&standing->lock);
}
