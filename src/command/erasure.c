/* The lanes own their writers, so what is asked of these is an errand that each lane runs between two turns; this thread
 * waits. Lanes run until the admin listener, which asks, has stopped. */
#include "command/erasure.h"

#include <pthread.h>
#include <stdatomic.h>

#include "command/service.h"
#include "forward/forwarder.h"
#include "holdings/holdings.h"
#include "http/server.h"
#include "pipeline/errand.h"

#define FOUND_BYTES_MAX ((uint64_t)64 << 20)

/* ---- errands ---- */

struct waiting {
	pthread_mutex_t lock;
	pthread_cond_t change;
	uint32_t left;
	bool ok;
	struct error err; /* the first */
};

struct lane_errand {
	struct errand errand;
	struct waiting *waiting;
	struct journal_record *record; /* NULL: the lane rolls */
};

static void report(struct waiting *waiting, bool ok, const struct error *err)
{
	pthread_mutex_lock(&waiting->lock);
	if (!ok && waiting->ok)
		waiting->err = *err;
	waiting->ok = waiting->ok && ok;
	if (--waiting->left == 0)
		pthread_cond_signal(&waiting->change);
	pthread_mutex_unlock(&waiting->lock);
}

static char *copy_in(char *to, struct slice *s)
{
	if (s->len)
		memcpy(to, s->at, s->len);
	s->at = to;
	return to + s->len;
}

bool erasure_append(struct journal_writer *writer, struct journal_record *record, struct error *err)
{
	struct journal_record own = *record;
	char *to = journal_writer_begin(writer, own.topic.len + own.key.len + own.headers.len + own.value.len);
	if (!to)
		return error_set(err, ERROR_MEMORY, "the record of an erasure");
	record->position = journal_writer_next(writer);
	to = copy_in(to, &own.topic);
	to = copy_in(to, &own.key);
	to = copy_in(to, &own.headers);
	copy_in(to, &own.value);
	journal_writer_end(writer, &own);
	return journal_writer_commit(writer, err);
}

/* Thread: the lane's. */
static bool run(struct errand *errand, struct journal_writer *writer, struct error *err)
{
	struct lane_errand *own = (struct lane_errand *)(void *)errand;
	bool ok = own->record ? erasure_append(writer, own->record, err) : journal_writer_roll(writer, err);
	report(own->waiting, ok, err);
	return ok;
}

static bool send(struct service *service, struct lane_errand *errands, uint32_t count, struct error *err)
{
	struct waiting waiting = {
		.lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER, .left = count, .ok = true
	};
	for (uint32_t i = 0; i < count; i++) {
		errands[i].errand.run = run;
		errands[i].waiting = &waiting;
		http_server_post(service->http, i, &errands[i].errand);
	}
	pthread_mutex_lock(&waiting.lock);
	while (waiting.left)
		pthread_cond_wait(&waiting.change, &waiting.lock);
	pthread_mutex_unlock(&waiting.lock);
	pthread_cond_destroy(&waiting.change);
	pthread_mutex_destroy(&waiting.lock);
	return waiting.ok || error_set(err, waiting.err.code, "%s", waiting.err.message);
}

/* ---- what holdings ask of the service ---- */

static bool roll(void *context, struct error *err)
{
	struct service *service = context;
	struct lane_errand errands[JOURNAL_LANES_MAX] = { 0 };
	return send(service, errands, http_server_lanes(service->http), err);
}

static bool append(void *context, struct journal_record *record, struct error *err)
{
	struct lane_errand errand = { .record = record };
	record->lane = 0;
	return send(context, &errand, 1, err);
}

static bool pause_forwarder(void *context, struct error *err)
{
	struct service *service = context;
	return forwarder_pause(service->forwarder, err);
}

static void resume_forwarder(void *context)
{
	struct service *service = context;
	forwarder_resume(service->forwarder);
}

static bool goes_on(void *context)
{
	struct service *service = context;
	return !atomic_load(&service->draining) && !atomic_load(&service->failed);
}

static struct holdings holdings_of(struct service *service, const struct snapshot *snap)
{
	return (struct holdings) { .data_dir = service->boot->cfg->data_dir.at,
		                   .log_id = journal_log_id(service->journal),
		                   .journal = service->journal,
		                   .suppression = service->suppression,
		                   .audit = service->audit,
		                   .via = "admin",
		                   .erasures = snap->cfg->topics.erasures,
		                   .context = service,
		                   .roll = roll,
		                   .pause = pause_forwarder,
		                   .resume = resume_forwarder,
		                   .append = append,
		                   .goes_on = goes_on };
}

bool erasure_find(void *context, const struct person *who, int fd, struct error *err)
{
	struct service *service = context;
	struct holdings holdings = holdings_of(service, service->boot);
	holdings.found_bytes_max = FOUND_BYTES_MAX;
	uint64_t found;
	return holdings_find(&holdings, who, fd, &found, err);
}

bool erasure_erase(void *context, const struct person *who, bool suppress, struct buffer *json, struct error *err)
{
	struct snapshot *snap = snapshot_current();
	struct holdings holdings = holdings_of(context, snap);
	bool ok = holdings_erase(&holdings, who, suppress, json, err);
	snapshot_release(&snap);
	return ok;
}

bool erasure_unsuppress(void *context, const struct person *who, struct buffer *json, struct error *err)
{
	struct service *service = context;
	struct holdings holdings = holdings_of(service, service->boot);
	return holdings_unsuppress(&holdings, who, json, err);
}
