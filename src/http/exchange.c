/* libmicrohttpd calls exchange_open at the request line, exchange_handle once when the head is complete, once per piece
 * of body, and once at the end (again after each turn while nothing was answered), exchange_completed when all is over.
 *
 * An answer can be queued in the first and the last of these calls only. Refusals of framing are queued in the first,
 * which makes the library close the connection; all others wait for the end of the body, or the answer would be lost in
 * the reset of a connection whose body nobody reads.
 *
 * A request that was submitted and has to wait for the turn's commit is left unanswered: the library calls again in its
 * next run, after the commit. One that must wait for another lane is suspended. Should a connection die in between, the
 * exchange stays as an orphan until the pipeline has settled it. */
#include "http/exchange.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "http/admission.h"
#include "http/answer.h"
#include "http/catalog_routes.h"
#include "http/counters.h"
#include "http/facts.h"
#include "http/gzip.h"
#include "http/rate_limits.h"
#include "http/signature.h"

#define FREE_MAX 64
#define WARM_BYTES_MAX ((size_t)512 * 1024)
#define WARM_FIRST_BYTES ((size_t)15 * 1024)
/* A refused body is read up to so many times the limit, for the answer to arrive. */
#define DRAIN_FACTOR 4

static struct exchange *exchange_take(struct lane *lane)
{
	struct exchange *ex = lane->free_exchanges;

	if (ex) {
		lane->free_exchanges = ex->next_free;
		lane->free_count--;
	} else {
		ex = calloc(1, sizeof(*ex));
		if (!ex)
			return NULL;
		arena_init(&ex->arena, lane->shared->arena_bytes);
		ex->warm_bytes = WARM_FIRST_BYTES;
	}
	/* what stands before `raw_target` is set one by one; the rest begins as zero */
	memset(&ex->raw_target, 0, sizeof(*ex) - offsetof(struct exchange, raw_target));
	ex->magic = EXCHANGE_MAGIC;
	ex->phase = EXCHANGE_HEAD;
	ex->kind = EXCHANGE_EVENTS;
	ex->refusal = REFUSAL_NONE;
	ex->lane = lane;
	ex->snap = NULL;
	lane->in_flight++;
	return ex;
}

/* Makes the first chunk as large as the last request's need, so that a stream of batches does not call malloc. */
static void exchange_warm(struct exchange *ex)
{
	size_t used = ex->arena.used_bytes;

	if (used > ex->warm_bytes && used <= WARM_BYTES_MAX) {
		size_t limit = ex->arena.limit_bytes;
		arena_fini(&ex->arena);
		arena_init(&ex->arena, limit);
		(void)arena_alloc(&ex->arena, used);
		ex->warm_bytes = ex->arena.used_bytes;
	}
	arena_reset(&ex->arena);
}

static void exchange_release(struct exchange *ex)
{
	struct lane *lane = ex->lane;

	body_fini(&ex->body);
	if (ex->snap)
		snapshot_release(&ex->snap);
	lane->in_flight--;
	if (lane->free_count < FREE_MAX) {
		exchange_warm(ex);
		ex->next_free = lane->free_exchanges;
		lane->free_exchanges = ex;
		lane->free_count++;
		return;
	}
	arena_fini(&ex->arena);
	ex->magic = 0;
	free(ex);
	lane->given_back++;
}

void exchange_free_all(struct lane *lane)
{
	while (lane->free_exchanges) {
		struct exchange *ex = lane->free_exchanges;
		lane->free_exchanges = ex->next_free;
		arena_fini(&ex->arena);
		free(ex);
	}
	lane->free_count = 0;
}

/* The query is read here, not by the library: it would put each argument into the connection's pool, which has to hold the
 * headers as well, and if that overflowed with arguments it would answer nothing at all. The text is the library's read
 * buffer, of which it looks at the part behind the question mark after this call: it finds it empty. */
static void end_query(const char *uri)
{
	char *mark = strchr((char *)(uintptr_t)uri, '?');

	if (mark && mark[1])
		mark[1] = 0;
}

void *exchange_open(void *cls, const char *uri, struct MHD_Connection *handle)
{
	struct lane *lane = cls;
	struct connection *conn = connection_of(handle);
	struct slice raw = slice_of(uri);

	assert(lane->magic == LANE_MAGIC);
	connection_enter(conn, CONNECTION_HEAD);
	struct exchange *ex = exchange_take(lane);
	if (!ex) {
		connection_cut(conn, "memory");
		return NULL;
	}
	ex->conn = conn;
	conn->exchange = ex;
	ex->handle = handle;
	if (raw.len <= sizeof(ex->target_bytes)) {
		memcpy(ex->target_bytes, raw.at, raw.len);
		ex->raw_target = (struct slice) { ex->target_bytes, raw.len };
	} else {
		ex->raw_target = arena_copy(&ex->arena, raw);
	}
	end_query(uri);
	return ex;
}

/* The answer holds nothing of the body: a client that is slow to read it must not keep that. */
static void exchange_enter_answer(struct exchange *ex)
{
	ex->phase = EXCHANGE_ANSWERED;
	connection_enter(ex->conn, CONNECTION_ANSWER);
	body_fini(&ex->body);
}

static enum MHD_Result exchange_refuse(struct exchange *ex, enum refusal refusal, bool closes)
{
	exchange_enter_answer(ex);
	return answer_refuse(ex, refusal, closes);
}

static enum MHD_Result exchange_begin(struct exchange *ex, const char *method, const char *version)
{
	ex->phase = EXCHANGE_BODY;
	ex->snap = snapshot_acquire(ex->lane->snap);
	body_init(&ex->body, &ex->lane->shared->bodies, ex->snap->cfg->limits.bodies_bytes);
	connection_enter(ex->conn, CONNECTION_BODY);
	admission_find_route(ex, ex->snap->cfg);
	enum refusal refusal = admission_check_framing(ex, method, version);
	if (refusal != REFUSAL_NONE)
		return exchange_refuse(ex, refusal, true);
	ex->refusal = admission_check_rights(ex);
	if (ex->framing.length / DRAIN_FACTOR > ex->body_limit)
		return exchange_refuse(ex, ex->refusal != REFUSAL_NONE ? ex->refusal : REFUSAL_BODY_TOO_LARGE, true);
	/* the caller asks before it sends the body: told now, it need not */
	if (ex->refusal != REFUSAL_NONE && ex->framing.expects_continue && ex->framing.has_body)
		return exchange_refuse(ex, ex->refusal, true);
	return MHD_YES;
}

static enum MHD_Result exchange_take_body(struct exchange *ex, struct slice piece)
{
	ex->body_seen += piece.len;
	ex->conn->window_bytes += piece.len;
	if (ex->refusal == REFUSAL_NONE && ex->body_seen > ex->body_limit)
		ex->refusal = REFUSAL_BODY_TOO_LARGE;
	if (ex->body_seen / DRAIN_FACTOR > ex->body_limit) {
		counters_refused("body_cut");
		return MHD_NO;
	}
	if (ex->refusal == REFUSAL_NONE)
		ex->refusal = body_append(&ex->body, piece, ex->framing.length, &ex->arena);
	if (ex->refusal != REFUSAL_NONE)
		body_fini(&ex->body); /* the rest is only read */
	return MHD_YES;
}

static enum MHD_Result exchange_answer(struct exchange *ex)
{
	struct protocol_answer from;

	pipeline_answer(&ex->req, &from);
	exchange_enter_answer(ex);
	return answer_send(ex, &(struct answer) { .status = from.status,
	                                          .content_type = from.content_type,
	                                          .cache_control = from.cache_control,
	                                          .body = from.body,
	                                          .is_fixed = from.is_fixed,
	                                          .retry_after = from.retry_after,
	                                          .cookies = ex->req.identity.cookies,
	                                          .cookie_count = ex->req.identity.cookie_count });
}

static void on_ready(struct request *req)
{
	struct exchange *ex = req->owner;

	assert(ex->magic == EXCHANGE_MAGIC);
	ex->is_settled = true;
	ex->lane->has_settled = true;
	if (ex->is_orphan)
		exchange_release(ex);
	else if (ex->is_suspended)
		MHD_resume_connection(ex->handle);
}

/* The bytes as received are proven before anything reads them. */
static enum refusal exchange_prove(struct exchange *ex, struct slice body)
{
	if (!ex->signature)
		return REFUSAL_NONE;
	enum refusal refusal = signature_check_body(ex->signature, &ex->source->signing_secrets, body);
	return refusal == REFUSAL_NONE ? rate_limits_enter_source(ex) : refusal;
}

static enum MHD_Result exchange_submit(struct exchange *ex)
{
	struct lane *lane = ex->lane;
	struct request *req = &ex->req;
	struct slice body = body_slice(&ex->body);

	enum refusal unproven = exchange_prove(ex, body);
	if (unproven != REFUSAL_NONE)
		return exchange_refuse(ex, unproven, false);
	if (ex->is_gzip) {
		enum refusal refusal = gzip_inflate(lane->gzip, body, ex->source->inflated_bytes, &ex->arena, &body);
		if (refusal ==
		    REFUSAL_BAD_GZIP) /* one event received, one rejected, like any body that cannot be read */
			req->unreadable = refusal_message(refusal);
		else if (refusal != REFUSAL_NONE)
			return exchange_refuse(ex, refusal, false);
	}
	req->arena = &ex->arena;
	req->snap = ex->snap;
	req->source = ex->source;
	req->route = ex->route;
	req->input.method = (enum protocol_method)ex->framing.method;
	req->input.query = ex->target.query;
	req->input.body = body;
	facts_collect(ex, &req->connection);
	req->idempotency_key = ex->head.idempotency_key;
	/* not the turn's: an event of this moment must not look as if it came from the future */
	req->received_ms = clock_wall_ms();
	req->ready = on_ready;
	req->owner = ex;
	ex->commits_seen = lane->commits;
	enum pipeline_progress progress = pipeline_submit(lane->pipeline, req);
	rate_limits_charge(ex, req->count);
	if (progress == PIPELINE_ANSWER)
		return exchange_answer(ex);
	ex->phase = EXCHANGE_WAITING;
	return MHD_YES;
}

/* A probe for the pixel: the headers of its answer, as if nothing had been sent. */
static enum MHD_Result exchange_answer_head(struct exchange *ex)
{
	struct protocol_verdicts none = { .result = PROTOCOL_OK };
	struct protocol_answer from;

	ex->route->protocol->answer(&none, &ex->arena, &from);
	exchange_enter_answer(ex);
	return answer_send(ex,
	                   &(struct answer) { .status = 200, .content_type = from.content_type, .body = from.body });
}

static enum MHD_Result exchange_answer_options(struct exchange *ex)
{
	const struct protocol *protocol = ex->route->protocol;
	bool preflight = ex->kind == EXCHANGE_PREFLIGHT;

	exchange_enter_answer(ex);
	return answer_send(ex, &(struct answer) { .status = 204,
	                                          .allow = ex->route->methods | METHOD_OPTIONS,
	                                          .allow_headers = !preflight ? NULL
	                                                           : protocol ? protocol->cors_headers
	                                                                      : "X-Request-Id" });
}

static enum MHD_Result exchange_answer_catalog(struct exchange *ex)
{
	struct answer answer;

	enum refusal refusal =
	        catalog_routes_answer(ex->snap->cat, ex->route->path, ex->route_path, &ex->arena, &answer);
	if (refusal != REFUSAL_NONE)
		return exchange_refuse(ex, refusal, false);
	exchange_enter_answer(ex);
	return answer_send(ex, &answer);
}

static enum MHD_Result exchange_end(struct exchange *ex)
{
	connection_enter(ex->conn, CONNECTION_WORK);
	if (ex->body_seen)
		counters_body_bytes(ex->lane->counters, ex->body_seen);
	if (ex->refusal != REFUSAL_NONE)
		return exchange_refuse(ex, ex->refusal, false);
	switch (ex->kind) {
	case EXCHANGE_OPTIONS:
	case EXCHANGE_PREFLIGHT:
		return exchange_answer_options(ex);
	case EXCHANGE_CATALOG:
		return exchange_answer_catalog(ex);
	case EXCHANGE_EVENTS:
		break;
	}
	return ex->framing.method == METHOD_HEAD ? exchange_answer_head(ex) : exchange_submit(ex);
}

static enum MHD_Result exchange_look_again(struct exchange *ex)
{
	if (ex->is_settled)
		return exchange_answer(ex);
	/* not settled by the commit: it waits for another lane */
	if (ex->commits_seen != ex->lane->commits && !ex->is_suspended) {
		ex->is_suspended = true;
		MHD_suspend_connection(ex->handle);
	}
	return MHD_YES;
}

enum MHD_Result exchange_handle(void *cls, struct MHD_Connection *handle, const char *url, const char *method,
                                const char *version, const char *upload, size_t *upload_len, void **slot)
{
	struct exchange *ex = *slot;

	(void)cls, (void)handle, (void)url;
	if (!ex)
		return MHD_NO; /* cut in exchange_open */
	assert(ex->magic == EXCHANGE_MAGIC);
	switch (ex->phase) {
	case EXCHANGE_HEAD:
		return exchange_begin(ex, method, version);
	case EXCHANGE_BODY:
		if (!*upload_len)
			return exchange_end(ex);
		struct slice piece = { upload, *upload_len };
		*upload_len = 0;
		return exchange_take_body(ex, piece);
	case EXCHANGE_WAITING:
		return exchange_look_again(ex);
	case EXCHANGE_ANSWERED:
		break;
	}
	return MHD_YES;
}

void exchange_completed(void *cls, struct MHD_Connection *handle, void **slot, enum MHD_RequestTerminationCode code)
{
	struct exchange *ex = *slot;

	(void)cls, (void)handle, (void)code;
	if (!ex)
		return;
	assert(ex->magic == EXCHANGE_MAGIC);
	*slot = NULL;
	ex->conn->exchange = NULL;
	connection_enter(ex->conn, CONNECTION_IDLE);
	if (ex->phase == EXCHANGE_WAITING && !ex->is_settled)
		ex->is_orphan = true; /* the pipeline still holds it; its connection facts are gone */
	else
		exchange_release(ex);
}
