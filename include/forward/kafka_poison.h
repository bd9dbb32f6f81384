/* A record that Kafka refuses for what it is: kept in `<data>/quarantine/kafka.ndjson`, and told by a short dead letter.
 * Thread: the forwarder's. */
#ifndef HEADGATE_FORWARD_KAFKA_POISON_H
#define HEADGATE_FORWARD_KAFKA_POISON_H

#include <librdkafka/rdkafka.h>

#include "base/buffer.h"
#include "base/error.h"
#include "journal/journal.h"

/* True for errors that the record's content causes, so that sending it again cannot help. */
bool kafka_poison_is(rd_kafka_resp_err_t code);
/* Appends one line {"position","topic","key","error","at","value"} and syncs. */
MUST_CHECK bool kafka_poison_keep(const char *data_dir, const char *log_id, const struct journal_record *record,
                                  rd_kafka_resp_err_t code, struct error *err);
/* The dead letter to send instead; its value is built in `bytes`, which must outlive it. False: no memory. */
MUST_CHECK bool kafka_poison_letter(const struct journal_record *record, const char *log_id,
                                    struct slice rejected_topic, rd_kafka_resp_err_t code, struct buffer *bytes,
                                    struct journal_record *out);

#endif
