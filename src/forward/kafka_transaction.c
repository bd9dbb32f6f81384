/* The happy path: begin, the caller's records, commit; each call returns at its first try.
 *
 * librdkafka sorts the failures of these calls into three kinds: retriable (the same call again goes on), abortable, fatal;
 * one that is none of these is to be taken for fatal. Retriable ones are called again within a bound, but whatever did
 * not succeed at once is indefinite to us (a delayed EndTxn may end a later transaction of the same epoch: Jepsen's
 * report on Bufstream 0.1.0), and so is a transaction during which a request lost its answer. */
#include "forward/kafka_transaction.h"

#include "base/clock.h"
#include "base/log.h"

#define SLICE_MS 2000 /* of one call, so that a stop is noticed */
#define INIT_MS 10000
#define END_MS 30000

typedef rd_kafka_error_t *(*call_fn)(rd_kafka_t *rk, int timeout_ms);

static void tell(struct kafka_producer *producer, const char *what, rd_kafka_error_t *error, struct error *err)
{
	error_set(err, ERROR_KAFKA, "%s: %s%s%s", what, rd_kafka_error_string(error), producer->trouble[0] ? "; " : "",
	          producer->trouble);
	log_info("kafka_transaction", "call=%s error=%s fatal=%d abort=%d retriable=%d", what,
	         rd_kafka_error_name(error), rd_kafka_error_is_fatal(error), rd_kafka_error_txn_requires_abort(error),
	         rd_kafka_error_is_retriable(error));
}

/* Calls until it succeeds, fails for good, or the time is up. *tries: how often. */
static bool repeat(struct kafka_producer *producer, call_fn call, const char *what, int64_t bound_ms, int *tries,
                   bool *retriable, struct error *err)
{
	int64_t until_ms = clock_monotonic_ms() + bound_ms;
	for (*tries = 1;; ++*tries) {
		rd_kafka_error_t *error = call(producer->rk, SLICE_MS);
		if (!error)
			return true;
		tell(producer, what, error, err);
		*retriable = rd_kafka_error_is_retriable(error) && !rd_kafka_error_is_fatal(error);
		rd_kafka_error_destroy(error);
		if (!*retriable || clock_monotonic_ms() >= until_ms || sink_gives_up(producer->sink))
			return false;
		sink_beat(producer->sink, err->message);
	}
}

bool kafka_transaction_init(struct kafka_producer *producer, struct error *err)
{
	int tries;
	bool retriable = false;
	if (!repeat(producer, rd_kafka_init_transactions, "init_transactions", INIT_MS, &tries, &retriable, err)) {
		producer->spent = !retriable;
		return false;
	}
	producer->spent = producer->refused = false;
	atomic_store(&producer->unanswered, false); /* what is on its way is fenced */
	producer->initialised = true;
	return true;
}

bool kafka_transaction_begin(struct kafka_producer *producer, struct error *err)
{
	rd_kafka_error_t *error = rd_kafka_begin_transaction(producer->rk);
	producer->refused = false;
	if (!error)
		return true;
	tell(producer, "begin_transaction", error, err);
	rd_kafka_error_destroy(error);
	producer->spent = true;
	return false;
}

static bool end(struct kafka_producer *producer, call_fn call, const char *what, struct error *err)
{
	int tries;
	bool retriable;
	bool done = repeat(producer, call, what, END_MS, &tries, &retriable, err);
	bool unanswered = atomic_load(&producer->unanswered);
	if (done && tries == 1 && !unanswered)
		return true;
	producer->spent = true;
	log_info("kafka_producer_spent", "call=%s done=%d tries=%d unanswered=%d", what, done, tries, unanswered);
	return done;
}

bool kafka_transaction_commit(struct kafka_producer *producer, struct error *err)
{
	return end(producer, rd_kafka_commit_transaction, "commit_transaction", err);
}

bool kafka_transaction_abort(struct kafka_producer *producer, struct error *err)
{
	/* the reports of what was purged have come with it; where not, nothing may touch the records before they do */
	return end(producer, rd_kafka_abort_transaction, "abort_transaction", err) &&
	       kafka_producer_wait(producer, err);
}
