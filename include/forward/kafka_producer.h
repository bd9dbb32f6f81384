/* One librdkafka producer and the records handed to it: sending, waiting for the delivery reports, and starting over
 * with a new producer when the old one went fatal. Thread: the forwarder's, but for the atomics. */
#ifndef HEADGATE_FORWARD_KAFKA_PRODUCER_H
#define HEADGATE_FORWARD_KAFKA_PRODUCER_H

#include <librdkafka/rdkafka.h>

#include "base/error.h"
#include "forward/sink.h"

struct config;

struct kafka_entry {
	uint32_t magic;
	rd_kafka_resp_err_t code; /* of the last report; NO_ERROR while it is under way */
	uint32_t refusals;        /* alone, by an error that its content caused */
	bool poisoned;            /* given up: does not count as failed */
	bool is_checkpoint;       /* to partition 0, without an event's headers */
	struct journal_record record;
};

struct kafka_topic {
	char *name;
	size_t name_len;
	rd_kafka_topic_t *handle;
	bool known;       /* there, or its creation was tried */
	int64_t tried_ms; /* monotonic; when it was last looked for */
};

#define KAFKA_TRANSACTIONAL_ID_BYTES 256

struct kafka_producer {
	const struct config *cfg;
	struct sink *sink; /* beats and the end of patience */
	char log_id[JOURNAL_LOG_ID_TEXT + 1];
	char transactional_id[KAFKA_TRANSACTIONAL_ID_BYTES]; /* "": no transactions */
	rd_kafka_t *rk;                                      /* NULL: none */
	struct kafka_topic *topics;
	size_t topic_count, topic_capacity, topic_last;
	char trouble[256]; /* what librdkafka last complained about */
	int64_t beat_ms, progress_ms;
	uint32_t outstanding_seen;
	uint32_t rebuild_series;
	bool reviewed;                /* the topics were */
	bool initialised;             /* for transactions */
	bool refused;                 /* a report said no since `refused` was cleared */
	bool spent;                   /* an outcome is not known, or fatal: no transaction may begin with it any more */
	_Atomic bool unanswered;      /* a request that changes a transaction was lost, or its answer */
	_Atomic uint32_t outstanding; /* sent, not reported */
	_Atomic uint32_t rebuilds;
};

/* `transactional_id` NULL: an idempotent producer without transactions. */
void kafka_producer_init(struct kafka_producer *producer, const struct config *cfg, struct sink *sink,
                         const char *log_id, const char *transactional_id);
/* Makes the producer if there is none. Connects in the background. */
MUST_CHECK bool kafka_producer_open(struct kafka_producer *producer, struct error *err);
/* Reports what is under way as failed (purged) and ends the producer: no record is touched any more. */
void kafka_producer_close(struct kafka_producer *producer);
/* Close and open, counted. */
MUST_CHECK bool kafka_producer_rebuild(struct kafka_producer *producer, struct error *err);
bool kafka_producer_is_fatal(const struct kafka_producer *producer);
/* Hands one record on. What librdkafka refuses at once is in entry->code, as a report would be. False: patience ended
 * (stop), or no memory. */
MUST_CHECK bool kafka_producer_send(struct kafka_producer *producer, struct kafka_entry *entry, struct error *err);
/* Until every record sent is reported, however long; in a transaction, what is still queued behind a refusal is purged,
 * since nothing of it would be sent any more. False: patience ended. */
MUST_CHECK bool kafka_producer_wait(struct kafka_producer *producer, struct error *err);
/* Serves callbacks for that long, telling `reason`. False: patience ended. */
MUST_CHECK bool kafka_producer_pause(struct kafka_producer *producer, int pause_ms, const char *reason,
                                     struct error *err);
/* The fixed topics of the configuration: created where they are missing, and once, reviewed. False: no broker answers. */
MUST_CHECK bool kafka_producer_find_topics(struct kafka_producer *producer, struct error *err);
/* Topics met are looked for again before the next record to them. */
void kafka_producer_doubt_topics(struct kafka_producer *producer);

#endif
