/* One lane's pipeline. A request is judged whole, its new events and dead letters are appended to the lane's batch, and
 * it is settled when the batch is durable: at the end of the loop turn, together with all others of the turn (or at once
 * where the caller has no turns: commit_at_once). A failed batch makes every event of it `retry`, releases its reservations, and nothing of
 * it counts. An event that waits for a copy in another lane is settled by a post to this lane's mailbox. */
#include "pipeline/pipeline.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/expiry_clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "identity/device.h"
#include "journal/journal.h"
#include "pipeline/copies.h"
#include "pipeline/seal.h"
#include "pipeline/steps.h"
#include "pipeline/visit.h"
#include "protocol/native_answer.h"

struct pipeline {
	struct pipeline_options options;
	struct journal_writer *writer;
	const struct hash_key *hash_key;
	struct seal seal;
	struct device_cache *devices;
	struct visits visits;
	struct request *first, *last; /* submitted in this turn, not committed */
	_Atomic(struct dedup_waiter *) mailbox;
	struct errands errands;
	int mailbox_fd;
	bool failed; /* the journal failed for good within pipeline_submit */
	struct error failure;
	uint32_t dead_over_series;
	uint32_t reason_series[REASON_count];
};

struct pipeline *pipeline_create(const struct pipeline_options *options, struct error *err)
{
	struct pipeline *pipeline = calloc(1, sizeof *pipeline);
	if (!pipeline) {
		error_set(err, ERROR_MEMORY, "no memory for a lane's pipeline");
		return NULL;
	}
	pipeline->options = *options;
	pipeline->writer = journal_writer_get(options->journal, options->lane);
	pipeline->hash_key = journal_hash_key(options->journal);
	seal_init(&pipeline->seal, options->journal, options->lane);
	pipeline->mailbox_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (pipeline->mailbox_fd < 0)
		error_set_errno(err, "eventfd");
	if (pipeline->mailbox_fd < 0 ||
	    !cookies_keys_load(&pipeline->visits.keys, pipeline->hash_key, options->cookies_secret_file, err)) {
		pipeline_destroy(&pipeline);
		return NULL;
	}
	visitor_series_init(&pipeline->visits.series);
	pipeline->devices = device_cache_create();
	pipeline->dead_over_series = metrics_series1(METRIC_DEAD_LETTERS, "over_budget");
	for (int r = 0; r < REASON_count; r++)
		pipeline->reason_series[r] =
		        r == REASON_NONE
		                ? 0
		                : metrics_series1(METRIC_REJECT_REASONS, reject_reason_name((enum reject_reason)r));
	return pipeline;
}

void pipeline_destroy(struct pipeline **pipeline)
{
	if (!*pipeline)
		return;
	if ((*pipeline)->mailbox_fd >= 0)
		close((*pipeline)->mailbox_fd);
	seal_fini(&(*pipeline)->seal);
	device_cache_destroy(&(*pipeline)->devices);
	free(*pipeline);
	*pipeline = NULL;
}

int pipeline_mailbox_fd(const struct pipeline *pipeline)
{
	return pipeline->mailbox_fd;
}

/* Runs in whichever lane settled the copy: pushes and, if the box was empty, rings. */
static void post(struct dedup_waiter *waiter)
{
	struct pipeline *pipeline = ((struct pipeline_copy *)waiter)->req->pipeline;
	struct dedup_waiter *head = atomic_load_explicit(&pipeline->mailbox, memory_order_relaxed);
	int fd = pipeline->mailbox_fd;
	do {
		waiter->next = head;
	} while (!atomic_compare_exchange_weak_explicit(&pipeline->mailbox, &head, waiter, memory_order_release,
	                                                memory_order_relaxed));
	if (!head)
		(void)!eventfd_write(fd, 1);
}

/* An event whose version the catalog does not have is counted under its name all the same. */
static uint32_t event_series(const struct request *req, const struct event *ev)
{
	const struct event_schema *schema = ev->schema;
	if (!schema && ev->name.len)
		(void)catalog_find(req->snap->cat, ev->name, SLICE_NONE, &schema);
	return snapshot_event_series(req->snap, req->source, schema, ev->verdict);
}

static void count_verdicts(struct request *req)
{
	struct protocol_verdicts *v = &req->verdicts;
	memset(v->counts, 0, sizeof v->counts);
	for (uint32_t i = 0; i < req->count; i++)
		v->counts[req->events[i].verdict]++;
	if (req->route->dry)
		return;
	for (uint32_t i = 0; i < req->count; i++) {
		const struct event *ev = &req->events[i];
		metrics_add(event_series(req, ev), 1);
		if (ev->verdict == VERDICT_ACCEPTED || ev->verdict == VERDICT_DROPPED)
			metrics_add(snapshot_consent_series(req->snap, req->source, &ev->consent), 1);
		if (ev->verdict == VERDICT_REJECTED)
			metrics_add(req->pipeline->reason_series[ev->reason], 1);
		for (uint32_t w = 0; ev->verdict == VERDICT_ACCEPTED && w < ev->warning_count; w++) {
			const struct slice rule = ev->warnings[w].rule;
			metrics_add(metrics_series(METRIC_WARNINGS, &rule), 1);
		}
	}
}

/* Called when nothing of the request is pending any more. */
static void finish(struct request *req)
{
	count_verdicts(req);
	if (req->verdicts.result == PROTOCOL_MALFORMED)
		req->verdicts.count = 0; /* the unreadable body was counted as one event, the answer names none */
	req->settled = true;
	if (req->submitted)
		req->ready(req);
}

static void settle(struct pipeline *pipeline, struct request *req, bool durable)
{
	for (uint32_t i = 0; i < req->count; i++) {
		struct event *ev = &req->events[i];
		struct pipeline_copy *copy = &req->copies[i];
		if (!copy->appended)
			continue;
		if (!durable)
			ev->verdict = VERDICT_RETRY;
		else if (ev->verdict == VERDICT_PENDING)
			ev->verdict = VERDICT_ACCEPTED;
		if (durable)
			copies_confirm(pipeline->options.dedup, copy);
		else
			copies_release(pipeline->options.dedup, copy);
	}
	req->committed = true;
	if (req->waiting == 0)
		finish(req);
}

/* The bell is silenced before the box is emptied: what comes in between is taken now and rings in vain once. */
void pipeline_drain(struct pipeline *pipeline)
{
	eventfd_t rings;
	(void)!eventfd_read(pipeline->mailbox_fd, &rings);
	struct dedup_waiter *waiter = atomic_exchange_explicit(&pipeline->mailbox, NULL, memory_order_acquire);
	while (waiter) {
		struct dedup_waiter *next = waiter->next;
		struct pipeline_copy *copy = (struct pipeline_copy *)waiter;
		struct request *req = copy->req;
		req->events[copy->index].verdict = waiter->confirmed ? VERDICT_DUPLICATE : VERDICT_RETRY;
		if (--req->waiting == 0 && req->committed)
			finish(req);
		waiter = next;
	}
}

static void commit_batch(struct pipeline *pipeline)
{
	struct request *req = pipeline->first;
	bool durable = true;
	struct error failure = { 0 };
	if (journal_writer_is_dirty(pipeline->writer)) {
		durable = journal_writer_commit(pipeline->writer, &failure);
		if (!durable)
			log_error("journal_commit_failed", "error=%s", failure.message);
	}
	pipeline->first = pipeline->last = NULL;
	while (req) {
		struct request *next = req->next;
		settle(pipeline, req, durable);
		req = next;
	}
	if (atomic_load_explicit(&pipeline->mailbox, memory_order_relaxed))
		pipeline_drain(pipeline);
	if (!durable && failure.code == ERROR_SYNC_LOST && !pipeline->failed) {
		pipeline->failed = true;
		pipeline->failure = failure;
	}
}

bool pipeline_commit(struct pipeline *pipeline, struct error *err)
{
	if (pipeline->first)
		commit_batch(pipeline);
	if (errands_wait(&pipeline->errands) && !errands_run(&pipeline->errands, pipeline->writer, &pipeline->failure))
		pipeline->failed = true;
	if (pipeline->failed)
		*err = pipeline->failure;
	return !pipeline->failed;
}

void pipeline_post(struct pipeline *pipeline, struct errand *errand)
{
	int fd = pipeline->mailbox_fd;
	if (errands_add(&pipeline->errands, errand))
		(void)!eventfd_write(fd, 1);
}

static void append_dead_letter(struct pipeline *pipeline, struct request *req, struct event *ev,
                               struct pipeline_copy *copy)
{
	if (!journal_has_dead_letter_room(pipeline->options.journal)) {
		metrics_add(pipeline->dead_over_series, 1);
		return;
	}
	copy->appended = seal_dead_letter(&pipeline->seal, req, ev);
	if (!copy->appended)
		ev->verdict = VERDICT_RETRY;
}

static void append_event(struct pipeline *pipeline, struct request *req, struct event *ev, struct pipeline_copy *copy)
{
	switch (copies_check(pipeline->options.dedup, pipeline->hash_key, req, ev, copy)) {
	case COPIES_NEW:
		break;
	case COPIES_DUPLICATE:
		ev->verdict = VERDICT_DUPLICATE;
		return;
	case COPIES_WAIT:
		req->waiting++;
		return;
	case COPIES_RETRY:
		ev->verdict = VERDICT_RETRY;
		return;
	}
	if (req->visitor)
		visitor_tell_session(req->visitor, ev);
	copy->appended = seal_event(&pipeline->seal, req, ev, copy);
	if (!copy->appended) {
		copies_release(pipeline->options.dedup, copy);
		ev->verdict = VERDICT_RETRY;
	}
}

static bool append_all(struct pipeline *pipeline, struct request *req)
{
	bool headroom = journal_writer_has_headroom(pipeline->writer);
	bool appended = false;
	req->copies = arena_array(req->arena, req->count, sizeof *req->copies);
	if (!req->copies)
		return false;
	for (uint32_t i = 0; i < req->count; i++) {
		struct pipeline_copy *copy = &req->copies[i];
		*copy = (struct pipeline_copy) { .waiter = { .post = post }, .req = req, .index = i };
		if (req->events[i].verdict == VERDICT_PENDING)
			copies_prepare(pipeline->options.dedup, req, &req->events[i], copy);
	}
	for (uint32_t i = 0; i < req->count; i++) {
		struct event *ev = &req->events[i];
		struct pipeline_copy *copy = &req->copies[i];
		if (!headroom)
			ev->verdict = VERDICT_RETRY;
		else if (ev->verdict == VERDICT_REJECTED)
			append_dead_letter(pipeline, req, ev, copy);
		else if (ev->verdict == VERDICT_PENDING)
			append_event(pipeline, req, ev, copy);
		appended = appended || copy->appended;
	}
	return appended;
}

static void judge_all(struct pipeline *pipeline, struct request *req)
{
	req->visitor = visit_begin(req);
	const struct visitor_context visitor_context = visit_context(&pipeline->visits, req);
	const struct visit_consent consent = visit_consent(&pipeline->visits, req);
	const struct step_context context = { .snap = req->snap,
		                              .source = req->source,
		                              .connection = &req->connection,
		                              .visitor = req->visitor,
		                              .visitor_context = &visitor_context,
		                              .consent_cookie = consent.has_cookie ? &consent.cookie : NULL,
		                              .signer = consent.takes_cookies ? &consent.signer : NULL,
		                              .idempotency_key = req->idempotency_key,
		                              .hash_key = pipeline->hash_key,
		                              .suppression = pipeline->options.suppression,
		                              .arena = req->arena,
		                              .devices = pipeline->devices,
		                              .received_ms = req->received_ms,
		                              .dry = req->route->dry,
		                              .translates =
		                                      req->route->protocol->translates || req->source->accept_aliases };
	for (uint32_t i = 0; i < req->count; i++)
		steps_judge(&context, &req->events[i]);
}

/* An unreadable body is one event received and one rejected, with a dead letter of its own. */
static void make_unreadable(struct request *req)
{
	req->events = arena_array(req->arena, 1, sizeof *req->events);
	if (!req->events) {
		req->verdicts.result = PROTOCOL_NO_MEMORY;
		return;
	}
	req->count = 1;
	req->events[0].received_ms = req->received_ms;
	req->events[0].bytes = req->input.body;
	req->events[0].verdict = VERDICT_REJECTED;
	req->events[0].payload_allowed = req->source->dead_letter_payload == PAYLOAD_ALWAYS;
	event_refuse(&req->events[0], req->arena, REASON_NOT_JSON, SLICE(""), SLICE("json"),
	             slice_of(req->verdicts.problem ? req->verdicts.problem : reject_reason_text(REASON_NOT_JSON)));
}

static void decode(struct request *req)
{
	const struct config_limits *limits = &req->snap->cfg->limits;
	const struct protocol_limits bounds = { .event_bytes = req->source->event_bytes,
		                                .events = req->source->events,
		                                .depth = limits->depth,
		                                .event_id_bytes = limits->event_id_bytes,
		                                .id_bytes = limits->id_bytes,
		                                .query_arguments = limits->query_arguments };
	struct protocol_decoded decoded = { .problem_at = SIZE_MAX };
	struct protocol_verdicts *v = &req->verdicts;
	if (req->unreadable) {
		v->result = PROTOCOL_MALFORMED;
		v->problem = req->unreadable;
		v->problem_at = SIZE_MAX;
		make_unreadable(req);
		return;
	}
	v->result = req->route->protocol->decode(&req->input, &bounds, req->snap->cat, req->arena, &decoded);
	v->problem = decoded.problem;
	v->problem_at = decoded.problem_at;
	req->events = decoded.events;
	req->count = v->result == PROTOCOL_OK ? decoded.count : 0;
	if (v->result == PROTOCOL_MALFORMED)
		make_unreadable(req);
}

static void submit_last(struct pipeline *pipeline, struct request *req)
{
	if (pipeline->last)
		pipeline->last->next = req;
	else
		pipeline->first = req;
	pipeline->last = req;
}

static void run_dry(struct request *req)
{
	for (uint32_t i = 0; i < req->count; i++)
		if (req->events[i].verdict == VERDICT_PENDING)
			req->events[i].verdict = VERDICT_ACCEPTED;
}

/* Memory ran out while judging: nothing of the request was appended, and all of it may be sent again. */
static void give_up(struct request *req)
{
	req->count = 0;
	req->verdicts.result = PROTOCOL_NO_MEMORY;
}

enum pipeline_progress pipeline_submit(struct pipeline *pipeline, struct request *req)
{
	bool appended = false;
	req->pipeline = pipeline;
	req->expiry_now_ms = expiry_clock_ms();
	decode(req);
	if (req->verdicts.result == PROTOCOL_OK)
		judge_all(pipeline, req);
	if (req->arena->overflowed)
		give_up(req);
	else if (req->route->dry)
		run_dry(req);
	else if (req->count)
		appended = append_all(pipeline, req);
	if (req->count && !req->copies && !req->route->dry)
		give_up(req);
	req->verdicts.events = req->events;
	req->verdicts.count = req->count;
	if (!appended) {
		req->committed = true;
		if (req->waiting == 0)
			finish(req);
	} else {
		submit_last(pipeline, req);
		if (pipeline->options.commit_at_once)
			commit_batch(pipeline);
	}
	if (req->settled)
		return PIPELINE_ANSWER;
	req->submitted = true;
	return PIPELINE_WAIT;
}

void pipeline_answer(struct request *req, struct protocol_answer *out)
{
	visit_answer(&req->pipeline->visits, req);
	req->verdicts.anonymous_id = req->identity.anonymous_id;
	req->verdicts.session_id = req->identity.session_id;
	req->route->protocol->answer(&req->verdicts, req->arena, out);
}

bool pipeline_judge(struct snapshot *snap, const struct source *source, struct slice event, uint32_t index,
                    struct arena *arena, struct buffer *out)
{
	static const struct hash_key no_key;
	static const struct event_connection nowhere;
	const struct step_context context = { .snap = snap,
		                              .source = source,
		                              .connection = &nowhere,
		                              .hash_key = &no_key,
		                              .arena = arena,
		                              .received_ms = clock_wall_ms(),
		                              .dry = true,
		                              .translates = source->accept_aliases };
	const struct protocol_input input = { .method = METHOD_POST,
		                              .content_type = SLICE("application/x-ndjson"),
		                              .body = event };
	const struct config_limits *limits = &snap->cfg->limits;
	const struct protocol_limits bounds = { .event_bytes = source->event_bytes,
		                                .events = 1,
		                                .depth = limits->depth,
		                                .event_id_bytes = limits->event_id_bytes,
		                                .id_bytes = limits->id_bytes };
	struct protocol_decoded decoded = { 0 };
	if (protocol_native.decode(&input, &bounds, snap->cat, arena, &decoded) != PROTOCOL_OK)
		return false;
	struct event *ev = &decoded.events[0];
	ev->index = index;
	steps_judge(&context, ev);
	if (ev->verdict == VERDICT_PENDING)
		ev->verdict = VERDICT_ACCEPTED;
	native_answer_entry(ev, out);
	return ev->verdict != VERDICT_REJECTED;
}
