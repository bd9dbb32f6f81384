/* Sealing: an event or a dead letter becomes a journal record. Buffers are kept between records. */
#ifndef HEADGATE_PIPELINE_SEAL_H
#define HEADGATE_PIPELINE_SEAL_H

#include "pipeline/copies.h"

struct journal_writer;

struct seal {
	struct journal_writer *writer;
	struct buffer value, headers;
	char prefix[96]; /* <log id>/<lane>/<epoch>/ */
	size_t prefix_len;
};

void seal_init(struct seal *seal, struct journal *journal, uint32_t lane);
void seal_fini(struct seal *seal);
/* Appends the record to the lane's batch. False: out of memory, nothing was appended. */
bool seal_event(struct seal *seal, const struct request *req, const struct event *ev, const struct pipeline_copy *copy);
bool seal_dead_letter(struct seal *seal, const struct request *req, const struct event *ev);

#endif
