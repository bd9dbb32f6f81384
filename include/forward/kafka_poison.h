/* A record that Kafka refuses for what it is: kept in `<data>/quarantine/kafka.ndjson`, and told by a short dead letter.
 * Thread: the forwarder's. */
#ifndef HEADGATE_FORWARD_KAFKA_POISON_H
#define HEADGATE_FORWARD_KAFKA_POISON_H

#include "base/buffer.h"
#include "base/error.h"
#include "forward/kafka_producer.h"

/* True for errors that the record's content causes, so that sending it again cannot help. */
bool kafka_poison_is(rd_kafka_resp_err_t code);
/* Quarantine first, then the dead letter: what is told of is already kept. Appends one line
 * {"position","topic","key","error","at","value"} and syncs, again and again where that fails; then makes the dead letter
 * to send, whose value is built in `bytes`, which must outlive it. False: patience ended, or no memory. */
MUST_CHECK bool kafka_poison_bury(struct kafka_producer *producer, const struct kafka_entry *entry,
                                  struct buffer *bytes, struct journal_record *out_letter, struct error *err);

#endif
