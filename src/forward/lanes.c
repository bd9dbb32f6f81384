#include "forward/lanes.h"

/* Long enough that one lane's records go out in long runs, short enough that no lane waits for another's backlog. */
#define TURN_RECORDS 256

void lanes_init(struct lanes *lanes, struct journal *journal)
{
	memset(lanes, 0, sizeof *lanes);
	lanes->journal = journal;
	lanes->count = journal_lane_count(journal);
	lanes->turn_left = TURN_RECORDS;
	for (uint32_t i = 0; i < lanes->count; i++)
		lanes->read[i].lane = lanes->settled[i].lane = i;
}

void lanes_close(struct lanes *lanes)
{
	for (uint32_t i = 0; i < lanes->count; i++)
		if (lanes->readers[i])
			journal_reader_close(&lanes->readers[i]);
}

bool lanes_open(struct lanes *lanes, struct error *err)
{
	lanes_close(lanes);
	memset(lanes->moved, 0, sizeof lanes->moved);
	memcpy(lanes->settled, lanes->read, sizeof lanes->settled);
	lanes->oldest_ms = 0;
	for (uint32_t i = 0; i < lanes->count; i++) {
		const struct sink_position *from = &lanes->read[i];
		lanes->readers[i] = journal_reader_open(lanes->journal, from->lane, from->position, err);
		int64_t received_ms = 0;
		if (!lanes->readers[i] || !journal_reader_peek(lanes->readers[i], &received_ms, err))
			return error_prepend(err, "lane %u", from->lane);
		if (received_ms && (!lanes->oldest_ms || received_ms < lanes->oldest_ms))
			lanes->oldest_ms = received_ms;
	}
	return true;
}

static void next_turn(struct lanes *lanes)
{
	lanes->turn = (lanes->turn + 1) % lanes->count;
	lanes->turn_left = TURN_RECORDS;
}

enum journal_read lanes_next(struct lanes *lanes, struct journal_record *out, struct error *err)
{
	for (uint32_t tried = 0; tried <= lanes->count; tried++) {
		uint32_t i = lanes->turn;
		enum journal_read got = JOURNAL_READ_END;
		if (lanes->turn_left)
			got = journal_reader_next(lanes->readers[i], out, err);
		if (got == JOURNAL_READ_ERROR)
			error_prepend(err, "lane %u", lanes->read[i].lane);
		if (got != JOURNAL_READ_RECORD) {
			next_turn(lanes);
			if (got == JOURNAL_READ_ERROR)
				return got;
			continue;
		}
		lanes->turn_left--;
		lanes->moved[i] = true;
		lanes->read[i].position = out->position;
		if (out->type == JOURNAL_GAP && out->gap_count)
			lanes->read[i].position.counter += out->gap_count - 1;
		return got;
	}
	return JOURNAL_READ_END;
}

void lanes_release(struct lanes *lanes)
{
	for (uint32_t i = 0; i < lanes->count; i++)
		if (lanes->moved[i])
			journal_reader_release(lanes->readers[i]);
}

void lanes_reconcile(struct lanes *lanes, struct tally *tally, bool all)
{
	for (uint32_t i = 0; i < lanes->count; i++) {
		if (!all && !lanes->moved[i])
			continue;
		bool has_position = all && lanes->settled[i].position.epoch;
		tally_reconcile(tally, i, journal_reader_counts(lanes->readers[i]), has_position);
	}
	const uint64_t *lost = tally->total.lost_behind;
	journal_set_lost_behind(lanes->journal,
	                        (struct journal_counts) { lost[TALLY_EVENTS], lost[TALLY_DEAD_LETTERS] });
}

void lanes_settle(struct lanes *lanes)
{
	for (uint32_t i = 0; i < lanes->count; i++) {
		if (!lanes->moved[i])
			continue;
		journal_set_checkpoint(lanes->journal, lanes->read[i].lane, lanes->read[i].position);
		journal_reader_release(lanes->readers[i]);
		lanes->settled[i] = lanes->read[i];
		lanes->moved[i] = false;
	}
}
