/* The journal's lanes as the forwarder reads them: one reader each, taken in turn, with the position read so far.
 * Thread: the forwarder's. */
#ifndef HEADGATE_FORWARD_LANES_H
#define HEADGATE_FORWARD_LANES_H

#include "forward/sink.h"
#include "journal/journal.h"

struct lanes {
	struct journal *journal;
	uint32_t count;
	uint32_t turn;      /* lane that is read next */
	uint32_t turn_left; /* records until the next lane has its turn */
	struct journal_reader *readers[JOURNAL_LANES_MAX];
	struct sink_position read[JOURNAL_LANES_MAX];    /* last record (or gap) handed out */
	struct sink_position settled[JOURNAL_LANES_MAX]; /* what the sink has, as far as known */
	bool moved[JOURNAL_LANES_MAX];                   /* since lanes_settle */
	int64_t oldest_ms; /* received_ms of the oldest record behind those, at lanes_open */
};

void lanes_init(struct lanes *lanes, struct journal *journal);
/* (Re)opens every reader behind `lanes->read[].position`: what the sink has. */
MUST_CHECK bool lanes_open(struct lanes *lanes, struct error *err);
void lanes_close(struct lanes *lanes);
/* The next record of any lane, in journal order within one; END: none has any. */
enum journal_read lanes_next(struct lanes *lanes, struct journal_record *out, struct error *err);
/* The bytes of what was read may be forgotten. */
void lanes_release(struct lanes *lanes);
/* Brings the books in line with the journal's account (see tally_reconcile) of the lanes that moved, or of all
 * (once behind lanes_open). */
void lanes_reconcile(struct lanes *lanes, struct tally *tally, bool all);
/* All that was read is safe in the sink: checkpoints to the journal, memory given back. */
void lanes_settle(struct lanes *lanes);

#endif
