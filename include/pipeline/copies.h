/* Recognising what was seen before: the keys of an event, their reservations, and the wait for a copy in flight. */
#ifndef HEADGATE_PIPELINE_COPIES_H
#define HEADGATE_PIPELINE_COPIES_H

#include "dedup/dedup.h"
#include "pipeline/pipeline.h"

/* The link's key is no copy's: it remembers that user_id and anonymous_id have met. */
enum { COPY_KEY_ID, COPY_KEY_DECLARED, COPY_KEY_LINK, COPY_KEY_count };

/* Beside each event of a request. The waiter comes first: it is what a post hands back. */
struct pipeline_copy {
	struct dedup_waiter waiter;
	struct request *req;
	uint32_t index;
	bool appended; /* a record of it, event or dead letter, is in the batch */
	struct dedup_key keys[COPY_KEY_count];
	uint64_t tags[COPY_KEY_count];
	struct dedup_ticket tickets[COPY_KEY_count];
};

enum copies_outcome {
	COPIES_NEW, /* reserved; append it. repeat or client_event_id may have been set on the event */
	COPIES_DUPLICATE,
	COPIES_WAIT, /* the waiter is linked */
	COPIES_RETRY /* no room for the reservation */
};

/* Computes keys and tags. Done for all events of a request before the first is checked, so that the table's memory is
 * on its way meanwhile. */
void copies_prepare(struct dedup *dedup, struct request *req, const struct event *ev, struct pipeline_copy *copy);
enum copies_outcome copies_check(struct dedup *dedup, const struct hash_key *hash_key, struct request *req,
                                 struct event *ev, struct pipeline_copy *copy);
void copies_confirm(struct dedup *dedup, struct pipeline_copy *copy);
void copies_release(struct dedup *dedup, struct pipeline_copy *copy);

#endif
