/* Where records go. The forwarder's thread alone calls these.
 *
 * One round: begin, put for each record in journal order, commit. A commit that returns true means that every record of
 * the round and the checkpoints are safe in the sink; false means that none of them counts: the forwarder asks
 * `positions` again after `recover` and goes on from there. */
#ifndef HEADGATE_FORWARD_SINK_H
#define HEADGATE_FORWARD_SINK_H

#include <stdatomic.h>

#include "base/error.h"
#include "forward/tally.h"
#include "journal/journal.h"

struct buffer;
struct sink;

#define SINK_NEVER INT64_MAX

struct sink_position {
	uint32_t lane;
	struct journal_position position;
};

struct sink_ops {
	const char *name; /* "files", "kafka" */
	/* Makes the sink ready (again, after a failure), loads the tally and tells, per lane, what it has: {0,0} for
	 * nothing. May block for a bounded time; false: not now, ask again. */
	bool (*recover)(struct sink *sink, struct sink_position *lanes, uint32_t lane_count, struct error *err);
	bool (*begin)(struct sink *sink, struct error *err);
	/* The record's slices stay valid until commit or recover, or let_go. */
	bool (*put)(struct sink *sink, const struct journal_record *record, struct error *err);
	/* Optional: takes what it needs of the records put so far, so that their bytes may be forgotten before the
	 * round ends. A sink that can keeps what is read in the processor's cache until it is written. */
	bool (*let_go)(struct sink *sink, struct error *err);
	/* May wait for as long as an outage lasts, calling sink_beat meanwhile, but not beyond give_up_ms. */
	bool (*commit)(struct sink *sink, const struct sink_position *lanes, uint32_t lane_count, struct error *err);
	/* Optional: from here until recover nothing of what was put since the last commit may reach anybody, and no file
	 * is worked on. */
	void (*drop)(struct sink *sink);
	/* Called between rounds, at least each second: retention, compression, polling. */
	void (*idle)(struct sink *sink);
	/* Members for /status, appended inside an open JSON object, each with a comma before it. Thread: any. */
	void (*status)(struct sink *sink, struct buffer *json);
	/* After this no slice of a record is touched any more. */
	void (*close)(struct sink **sink, int deadline_ms);
};

struct sink {
	const struct sink_ops *ops;
	struct tally tally; /* the forwarder adds, the sink's checkpoint holds it */
	/* What the local checkpoint says of each lane, from create on: the best guess while the sink cannot be asked. */
	struct journal_position known[JOURNAL_LANES_MAX];
	_Atomic int64_t give_up_ms; /* monotonic; waiting calls return false from then on. Set at stop by any thread */
	/* Set by the forwarder, may be NULL: called each second or so while a call waits. `reason` NULL: all goes well. */
	void (*beat)(void *context, const char *reason);
	void *beat_context;
	/* Likewise, with the same context: true if this data directory ever ran under that epoch. */
	bool (*knows_epoch)(void *context, uint64_t epoch);
	uint64_t epoch; /* that the journal writes now, greater than any it wrote before; set by the forwarder */
	/* An operator has decided that a sink which is halted for lack of its own word goes on from the local copy. */
	_Atomic bool decided;
	bool replaying; /* the round sends again what was delivered: it does not count in the books */
};

void sink_init(struct sink *sink, const struct sink_ops *ops);
void sink_beat(struct sink *sink, const char *reason);
bool sink_gives_up(const struct sink *sink);

#endif
