/* The headers of a Kafka record: what the journal stores of them, and what it need not because it can be told from the
 * record. Thread: any. */
#ifndef HEADGATE_FORWARD_KAFKA_HEADERS_H
#define HEADGATE_FORWARD_KAFKA_HEADERS_H

#include <librdkafka/rdkafka.h>

#include "journal/journal.h"

#define KAFKA_POSITION_BYTES (JOURNAL_LOG_ID_TEXT + 56)

/* Event: ce_specversion, those stored, ce_partitionkey (where there is a key), content-type, headgate-position. Dead
 * letter: those stored, content-type, headgate-position. `replayed`: and headgate-replay. NULL: no memory. */
rd_kafka_headers_t *kafka_headers_make(const struct journal_record *record, const char *log_id, bool replayed);
/* "<log id>/<lane>/<epoch>/<counter>", in `to`. */
struct slice kafka_headers_position(const struct journal_record *record, const char *log_id,
                                    char to[KAFKA_POSITION_BYTES]);

#endif
