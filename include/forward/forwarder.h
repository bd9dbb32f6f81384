/* The forwarder: one thread that reads the committed part of the journal and hands it to a sink, files or Kafka, and
 * moves the checkpoint behind what the sink has for good. Owner: main. */
#ifndef HEADGATE_FORWARD_FORWARDER_H
#define HEADGATE_FORWARD_FORWARDER_H

#include <stdint.h>

#include "base/error.h"

struct buffer;
struct config;
struct forwarder;
struct journal;

/* `cfg` must outlive the forwarder: sink, topics and kafka settings are those of the start. Kafka need not be reachable;
 * a setting that librdkafka refuses, or a files checkpoint that cannot be read, is an error. */
struct forwarder *forwarder_start(struct journal *journal, const struct config *cfg, struct error *err);
struct journal_range;
/* Sends again to Kafka what it has of that part of the journal, and waits until that is done; *records: how many. Where
 * forwarding is halted because Kafka's checkpoint is lost or foreign, this is also the operator's decision to go on from
 * the local copy. Thread: any but the admin listener's own. */
MUST_CHECK bool forwarder_replay(struct forwarder *fw, const struct journal_range *range, uint64_t *records,
                                 struct error *err);
/* Ends a replay, for good: the process stops. Thread: any. */
void forwarder_cancel_replay(struct forwarder *fw);
/* Hands on what is committed until nothing is left or deadline_ms have passed, then ends the thread. What is left stays
 * in the journal. */
void forwarder_stop(struct forwarder **forwarder, int deadline_ms);
/* Brings it to rest: nothing that is not committed will reach anybody, no reader and no output file is open. It goes on
 * after forwarder_resume, from what its checkpoints say. Thread: any, one at a time, and not while it is stopped. */
MUST_CHECK bool forwarder_pause(struct forwarder *fw, struct error *err);
void forwarder_resume(struct forwarder *fw);
/* True if there is nothing to wait for: all is delivered, or the sink does not take anything now. Thread: any. */
bool forwarder_has_settled(struct forwarder *forwarder);
/* Sets the gauges to what holds now. Thread: any. */
void forwarder_set_gauges(struct forwarder *fw);
/* Appends a JSON object: sink, state, the reason if it is stalled, per lane position and pending records, age of the
 * oldest undelivered one. Thread: any, but not once forwarder_stop may have returned. */
void forwarder_status(struct forwarder *forwarder, struct buffer *json);

#endif
