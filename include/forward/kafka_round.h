/* The records of one round in their transaction: sent, sent again after an abort, and, where Kafka refuses some for what
 * they are, searched for these, which become dead letters. Thread: the forwarder's. */
#ifndef HEADGATE_FORWARD_KAFKA_ROUND_H
#define HEADGATE_FORWARD_KAFKA_ROUND_H

#include "base/buffer.h"
#include "forward/kafka_producer.h"

struct kafka_round_entry {
	struct kafka_entry entry;
	struct journal_record original; /* once `entry` is a dead letter that tells of it */
	struct buffer letter;           /* the dead letter's value */
	bool counted;                   /* as poisoned */
	bool muted;                     /* even its dead letter was refused: nothing is sent */
};

struct kafka_round {
	struct kafka_producer *producer;
	struct kafka_round_entry *entries;
	uint32_t count, capacity;
	uint32_t poisoned;
	uint32_t piece;  /* so many are sent before all of them are waited for; 0: no limit */
	bool sent_again; /* by settle: what else went with the first transaction is gone */
};

/* False: no memory. */
MUST_CHECK bool kafka_round_init(struct kafka_round *round, struct kafka_producer *producer);
void kafka_round_fini(struct kafka_round *round);
/* Forgets the records; nothing of them may be under way. */
void kafka_round_clear(struct kafka_round *round);
/* Sends one more. One that is refused at once for what it is becomes a dead letter at once. */
MUST_CHECK bool kafka_round_put(struct kafka_round *round, const struct journal_record *record, struct error *err);
/* Takes poisoned records out of the round's delivered ones, each once. Only after the forwarder has counted them. */
void kafka_round_count_poisoned(struct kafka_round *round);
/* Until every record of the open transaction is acknowledged. What has to be sent again is, in a new transaction after
 * an abort. False: the transaction is not to be committed; *definite says whether it was aborted in good order. */
MUST_CHECK bool kafka_round_settle(struct kafka_round *round, bool *definite, struct error *err);

#endif
