/* Transactions of one producer. Each call either has a definite outcome at its first try, or leaves the producer spent:
 * a late answer to what it asked could still hit the transaction after the next, so that only a new producer, whose
 * init fences the old one, may begin it. Thread: the forwarder's. */
#ifndef HEADGATE_FORWARD_KAFKA_TRANSACTION_H
#define HEADGATE_FORWARD_KAFKA_TRANSACTION_H

#include "base/error.h"
#include "forward/kafka_producer.h"

/* Ends what an earlier producer of the same transactional id left open, and fences it; once for each
 * producer. False, but not spent: not now, ask again. */
MUST_CHECK bool kafka_transaction_init(struct kafka_producer *producer, struct error *err);
MUST_CHECK bool kafka_transaction_begin(struct kafka_producer *producer, struct error *err);
/* True: committed. It may be spent then all the same: some request got no answer before it was repeated. False: the
 * outcome is not known here. */
MUST_CHECK bool kafka_transaction_commit(struct kafka_producer *producer, struct error *err);
MUST_CHECK bool kafka_transaction_abort(struct kafka_producer *producer, struct error *err);

#endif
