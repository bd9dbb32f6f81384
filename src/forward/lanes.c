#include "forward/lanes.h"

#include "base/clock.h"

void lanes_init(struct lanes *lanes, struct journal *journal)
{
	memset(lanes, 0, sizeof *lanes);
	lanes->journal = journal;
	lanes->count = journal_lane_count(journal);
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
	memset(lanes->heads, 0, sizeof lanes->heads);
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

/* Looks once at each lane without a head; *found: one more has any. */
static enum journal_read look(struct lanes *lanes, bool *found, bool *empty, struct error *err)
{
	*found = *empty = false;
	for (uint32_t i = 0; i < lanes->count; i++) {
		struct lanes_head *head = &lanes->heads[i];
		if (head->is_there)
			continue;
		head->counts = journal_reader_counts(lanes->readers[i]);
		enum journal_read got = journal_reader_next(lanes->readers[i], &head->record, err);
		if (got == JOURNAL_READ_ERROR) {
			error_prepend(err, "lane %u", lanes->read[i].lane);
			return got;
		}
		head->is_there = got == JOURNAL_READ_RECORD;
		*(head->is_there ? found : empty) = true;
	}
	return JOURNAL_READ_RECORD;
}

/* A client that was answered on one connection may send what follows on another, which may belong to another lane. When
 * the later record is seen, the earlier one is committed, but its lane may have been found empty before that: so the
 * lanes found empty are looked at again until no look finds more. */
enum journal_read lanes_next(struct lanes *lanes, struct journal_record *out, struct error *err)
{
	bool found, empty;
	uint32_t first = lanes->count;
	int64_t first_ms = 0;
	do {
		if (look(lanes, &found, &empty, err) == JOURNAL_READ_ERROR)
			return JOURNAL_READ_ERROR;
	} while (found && empty);
	int64_t now_ms = clock_wall_ms();
	for (uint32_t i = 0; i < lanes->count; i++) {
		if (!lanes->heads[i].is_there)
			continue;
		int64_t at_ms = lanes->heads[i].record.received_ms;
		if (at_ms > now_ms) /* from before the clock was set back */
			at_ms = INT64_MIN;
		if (first == lanes->count || at_ms < first_ms) {
			first = i;
			first_ms = at_ms;
		}
	}
	if (first == lanes->count)
		return JOURNAL_READ_END;
	*out = lanes->heads[first].record;
	lanes->heads[first].is_there = false;
	lanes->moved[first] = true;
	lanes->read[first].position = out->position;
	if (out->type == JOURNAL_GAP && out->gap_count)
		lanes->read[first].position.counter += out->gap_count - 1;
	return JOURNAL_READ_RECORD;
}

/* A head's bytes stay: they are those read last. */
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
		const struct lanes_head *head = &lanes->heads[i];
		tally_reconcile(tally, i, head->is_there ? head->counts : journal_reader_counts(lanes->readers[i]),
		                has_position);
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
