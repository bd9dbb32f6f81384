/* From a decoded request to durable records: decode → consent → identify → validate → dedup → seal → append → commit.
 * One pipeline per lane. Knows no HTTP. Thread: the lane's own, but for the mailbox. */
#ifndef HEADGATE_PIPELINE_PIPELINE_H
#define HEADGATE_PIPELINE_PIPELINE_H

#include "base/arena.h"
#include "base/error.h"
#include "event/event.h"
#include "identity/visitor.h"
#include "pipeline/errand.h"
#include "pipeline/snapshot.h"
#include "protocol/protocol.h"

struct dedup;
struct journal;
struct pipeline;
struct suppression;
struct pipeline_copy;

/* One request. The caller sets the first part (memset 0 before), keeps it in place until it is answered, and lets the
 * arena live as long. */
struct request {
	struct arena *arena;
	struct snapshot *snap;
	const struct source *source;
	const struct protocol_route *route;
	struct protocol_input input;
	struct event_connection connection;
	struct slice idempotency_key; /* empty: none */
	const char *unreadable;       /* why the body cannot be decoded at all (broken gzip); NULL: it can */
	int64_t received_ms;
	void (*ready)(struct request
	                      *req); /* called once, by the lane's thread, when a request that had to wait is settled */
	void *owner;

	/* set by the pipeline */
	int64_t expiry_now_ms; /* received_ms by the clock that windows of dedup go by */
	struct protocol_verdicts verdicts;
	struct event *events;
	struct visitor *visitor; /* NULL: the source has no cookies */
	struct visitor_answer identity;
	struct pipeline_copy *copies; /* per event: reservations and waiters */
	uint32_t count;
	uint32_t waiting; /* events that wait for another copy */
	bool committed;
	bool submitted;
	bool settled;
	struct request *next; /* in the turn's list */
	struct pipeline *pipeline;
};

enum pipeline_progress {
	PIPELINE_ANSWER, /* settled: write the answer now */
	PIPELINE_WAIT    /* settled after pipeline_commit or a mailbox post: ready() will be called */
};

struct pipeline_options {
	struct journal *journal;
	uint32_t lane;
	struct dedup *dedup;
	struct slice cookies_secret_file; /* empty: cookies are signed with the journal's key */
	bool commit_at_once;              /* for callers without loop turns: each request is written as it comes */
	struct suppression *suppression;  /* NULL: nobody is */
};

struct pipeline *pipeline_create(const struct pipeline_options *options, struct error *err);
void pipeline_destroy(struct pipeline **pipeline);
/* Decodes, judges, appends. The verdicts are final only once it is settled. */
enum pipeline_progress pipeline_submit(struct pipeline *pipeline, struct request *req);
/* End of the loop turn: one write (and one sync), then settles what was submitted since. Cheap if nothing was. False
 * only if the journal failed for good (SYNC_LOST): the requests were settled as `retry` and intake must stop. */
MUST_CHECK bool pipeline_commit(struct pipeline *pipeline, struct error *err);
/* Readable when another lane posted an outcome: then pipeline_drain. */
int pipeline_mailbox_fd(const struct pipeline *pipeline);
void pipeline_drain(struct pipeline *pipeline);
/* The lane's thread will run it at the end of a turn. Thread: any, while the lane runs. */
void pipeline_post(struct pipeline *pipeline, struct errand *errand);
/* The answer of a settled request, in its arena; its cookies are in req->identity. The connection must still be there. */
void pipeline_answer(struct request *req, struct protocol_answer *out);

/* `headgate validate`: the verdict of one event line without journal and dedup, as one JSON object of the answer's
 * `events` entries; false if it would be refused. */
bool pipeline_judge(struct snapshot *snap, const struct source *source, struct slice event, uint32_t index,
                    struct arena *arena, struct buffer *out);

#endif
