/* Reads partitions with read_committed past all that had been written when the reading began. Thread: any, one call. */
#ifndef HEADGATE_FORWARD_KAFKA_READER_H
#define HEADGATE_FORWARD_KAFKA_READER_H

#include <librdkafka/rdkafka.h>

#include "base/error.h"

struct config;
struct sink;

struct kafka_reader_part {
	const char *topic; /* borrowed */
	int32_t partition;
	int64_t next; /* offset to read from, 0: the first there is; afterwards: behind what was read */
	int64_t low;  /* first offset there is */
	int64_t end;  /* read at least up to here; 0: to what is committed now */
	bool done;
};

/* A record, or, with err PARTITION_EOF, the offset behind what can be read now. */
typedef bool (*kafka_reader_fn)(void *context, struct kafka_reader_part *part, const rd_kafka_message_t *message,
                                struct error *err);

/* Sets low, and end to the high watermark, which also counts what is not committed yet. */
MUST_CHECK bool kafka_reader_ask_ends(const struct config *cfg, struct kafka_reader_part *parts, size_t count,
                                      struct error *err);
/* Hands every committed record to `take`, in order within a partition, until each part is read to its end: where
 * transactions are open before that, until they have ended. `sink` (may be NULL) is told of waiting, and ends it. False:
 * `take` said so, Kafka is away, or nothing came for a while. */
MUST_CHECK bool kafka_reader_run(const struct config *cfg, struct sink *sink, struct kafka_reader_part *parts,
                                 size_t count, kafka_reader_fn take, void *context, struct error *err);

#endif
