/* The topic that holds the checkpoints: compacted, partition 0, one record per lane with the key `<log id>/<lane>`. What a
 * committed one says is the truth about what Kafka has. Thread: the forwarder's.
 *
 * Value: {"format":1,"epoch":E,"counter":C,"delivered":[events,dead letters],"poisoned":[…],"erased":[…],
 * "quarantined":[…],"lost_behind":[…]}: position and, since the log began, the books of the lane. */
#ifndef HEADGATE_FORWARD_KAFKA_CHECKPOINT_TOPIC_H
#define HEADGATE_FORWARD_KAFKA_CHECKPOINT_TOPIC_H

#include "forward/kafka_producer.h"

struct config;

struct kafka_checkpoint_topic {
	const struct config *cfg;
	struct sink *sink;
	char log_id[JOURNAL_LOG_ID_TEXT + 1];
	int64_t next; /* offset behind what was read */
	bool found[JOURNAL_LANES_MAX];
	struct journal_position lanes[JOURNAL_LANES_MAX]; /* the greatest seen */
	struct tally_books books[JOURNAL_LANES_MAX];
};

/* A record of the topic, of whatever log. */
struct kafka_checkpoint {
	char log_id[JOURNAL_LOG_ID_TEXT + 1];
	uint32_t lane;
	bool is_set;   /* it has a value … */
	bool is_sound; /* … that can be read */
	struct journal_position position;
	struct tally_books books;
};

/* A record to send; the entry points into the texts beside it. */
struct kafka_checkpoint_record {
	struct kafka_entry entry;
	char key[JOURNAL_LOG_ID_TEXT + 16];
	char value[512];
};

void kafka_checkpoint_topic_init(struct kafka_checkpoint_topic *topic, const struct config *cfg, struct sink *sink,
                                 const char *log_id);
/* False: the topic is not compacted (CONFIG), or Kafka did not say (KAFKA). Asks through `rk`, any handle. */
MUST_CHECK bool kafka_checkpoint_topic_check(struct kafka_checkpoint_topic *topic, rd_kafka_t *rk, struct error *err);
/* Reads on, from where the last call ended: what is committed now. */
MUST_CHECK bool kafka_checkpoint_topic_peek(struct kafka_checkpoint_topic *topic, struct error *err);
/* The same past all that has been written when the call began, which takes until the last transaction open there has
 * ended. False: that took too long, or Kafka is away. */
MUST_CHECK bool kafka_checkpoint_topic_read(struct kafka_checkpoint_topic *topic, struct error *err);
/* False: not the key of a checkpoint. */
bool kafka_checkpoint_parse(const rd_kafka_message_t *message, struct kafka_checkpoint *out);
void kafka_checkpoint_record_make(struct kafka_checkpoint_record *record, const struct kafka_checkpoint_topic *topic,
                                  uint32_t lane, struct journal_position position, const struct tally_books *books);
/* What was sent is committed. */
void kafka_checkpoint_topic_set(struct kafka_checkpoint_topic *topic, uint32_t lane, struct journal_position position,
                                const struct tally_books *books);

#endif
