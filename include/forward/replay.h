/* Sending again what the sink has and the journal still keeps: a part of it that an operator names, with the header
 * headgate-replay, without moving a checkpoint. Asked for by any thread, done by the forwarder's between its rounds. */
#ifndef HEADGATE_FORWARD_REPLAY_H
#define HEADGATE_FORWARD_REPLAY_H

#include <pthread.h>

#include "forward/lanes.h"
#include "journal/range.h"

struct buffer;

enum replay_state { REPLAY_NONE, REPLAY_ASKED, REPLAY_RUNNING, REPLAY_DONE, REPLAY_FAILED };

struct replay {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum replay_state state;
	bool cancelled;
	bool waited; /* somebody is in replay_ask */
	struct journal_range range;
	uint64_t records;
	char reason[256];
	/* the forwarder's alone */
	bool decision_tried;
	uint32_t lane;                /* under way */
	struct journal_position done; /* in that lane, up to here */
};

void replay_init(struct replay *replay);
void replay_fini(struct replay *replay);
/* Asks for it and waits until it is done. `halted`: the sink is, and this is the decision that it waits for. False: USAGE
 * (not a sink that can), BUSY, or it failed; *records says how many were sent all the same. */
MUST_CHECK bool replay_ask(struct replay *replay, struct sink *sink, bool halted, const struct journal_range *range,
                           uint64_t *records, struct error *err);
/* The sink is halted: whoever waits for a replay has to know, unless it is the decision, and that was not tried yet.
 * Thread: the forwarder's. */
void replay_halt(struct replay *replay, struct sink *sink, const char *reason);
/* No more of it: the process stops. Thread: any. */
void replay_cancel(struct replay *replay);
/* Works off one round, if there is something to do; true: there may be more. `lanes` says what the sink has. What cannot
 * be sent ends the replay; the sink is to be recovered then (*failed). Thread: the forwarder's. */
bool replay_step(struct replay *replay, struct sink *sink, const struct lanes *lanes, uint32_t records_max,
                 bool *failed);
/* Appends a member with a comma before it, if there ever was a replay. */
void replay_write(struct replay *replay, struct buffer *json);

#endif
