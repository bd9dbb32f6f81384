/* Where records go. The forwarder's thread alone calls these.
 *
 * One round: begin, put for each record in journal order, commit. A commit that returns true means that every record of
 * the round and the checkpoints are safe in the sink; false means that none of them counts: the forwarder asks
 * `positions` again after `recover` and goes on from there. */
#ifndef HEADGATE_FORWARD_SINK_H
#define HEADGATE_FORWARD_SINK_H

#include "base/error.h"
#include "journal/journal.h"

struct buffer;
struct sink;

struct sink_position {
	uint32_t lane;
	struct journal_position position;
};

struct sink_ops {
	const char *name; /* "files", "kafka" */
	/* Makes the sink ready (again, after a failure) and tells, per lane, what it has: {0,0} for nothing. May block for
	 * a bounded time; false: not now, ask again. */
	bool (*recover)(struct sink *sink, struct sink_position *lanes, uint32_t lane_count, struct error *err);
	bool (*begin)(struct sink *sink, struct error *err);
	/* The record's slices stay valid until commit or recover. */
	bool (*put)(struct sink *sink, const struct journal_record *record, struct error *err);
	bool (*commit)(struct sink *sink, const struct sink_position *lanes, uint32_t lane_count, struct error *err);
	/* Called when there is nothing to do, at least each second: retention, compression, polling. */
	void (*idle)(struct sink *sink);
	/* Members for /status, appended inside an open JSON object, each with a comma before it. Thread: any. */
	void (*status)(struct sink *sink, struct buffer *json);
	void (*close)(struct sink **sink, int deadline_ms);
};

struct sink {
	const struct sink_ops *ops;
};

#endif
