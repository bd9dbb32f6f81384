/* The journal's lanes as the forwarder reads them: one reader each, merged by the time of receipt, with the position read
 * so far. Thread: the forwarder's. */
#ifndef HEADGATE_FORWARD_LANES_H
#define HEADGATE_FORWARD_LANES_H

#include "forward/sink.h"
#include "journal/journal.h"

/* A record that was read and not handed out yet. */
struct lanes_head {
	bool is_there;
	struct journal_counts counts; /* the reader's, before it */
	struct journal_record record;
};

struct lanes {
	struct journal *journal;
	uint32_t count;
	struct journal_reader *readers[JOURNAL_LANES_MAX];
	struct lanes_head heads[JOURNAL_LANES_MAX];
	struct sink_position read[JOURNAL_LANES_MAX];    /* last record (or gap) handed out */
	struct sink_position settled[JOURNAL_LANES_MAX]; /* what the sink has, as far as known */
	bool moved[JOURNAL_LANES_MAX];                   /* since lanes_settle */
	int64_t oldest_ms; /* received_ms of the oldest record behind those, at lanes_open */
};

void lanes_init(struct lanes *lanes, struct journal *journal);
/* (Re)opens every reader behind `lanes->read[].position`: what the sink has. */
MUST_CHECK bool lanes_open(struct lanes *lanes, struct error *err);
void lanes_close(struct lanes *lanes);
/* The next record: journal order within a lane, and no record before one of another lane that was answered before it was
 * received (to the millisecond, by the wall clock). END: no lane has any. */
enum journal_read lanes_next(struct lanes *lanes, struct journal_record *out, struct error *err);
/* The bytes of what was handed out may be forgotten. */
void lanes_release(struct lanes *lanes);
/* Brings the books in line with the journal's account (see tally_reconcile) of the lanes that moved, or of all
 * (once behind lanes_open). */
void lanes_reconcile(struct lanes *lanes, struct tally *tally, bool all);
/* All that was handed out is safe in the sink: checkpoints to the journal, memory given back. */
void lanes_settle(struct lanes *lanes);

#endif
