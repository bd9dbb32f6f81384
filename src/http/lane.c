/* A turn of the loop: wait → accept → run the daemon (requests are read, submitted, and answered where nothing has to be
 * waited for) → what other lanes posted → commit (one write, one sync for all that came in this turn) → run the daemon
 * again, so that what the commit settled is answered in the same turn.
 *
 * If the journal fails for good, the requests of the turn are answered (`retry`), then main is told, once. */
#include "http/lane.h"

#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/metrics.h"
#include "http/answer.h"
#include "http/counters.h"
#include "http/exchange.h"
#include "http/gzip.h"
#include "journal/journal.h"

/* 10,000 connections that have served one request keep their pool: 365 MiB at 36 KiB, 645 MiB at 64 KiB. */
#define CONNECTION_POOL_BYTES ((size_t)36 * 1024)
#define SWEEP_MS 1000
#define SWEEP_DRAINING_MS 20
#define STOP_MS 5000
#define EVENTS_MAX 8
#define TRIM_AFTER 256
#define LAST_ACCEPTS 64

enum lane_event { LANE_LISTEN, LANE_WAKE, LANE_MAILBOX, LANE_DAEMON };

uint64_t lane_random(struct lane *lane)
{
	/* splitmix64 */
	uint64_t z = lane->random += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

void lane_wake(struct lane *lane)
{
	uint64_t one = 1;

	while (write(lane->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void __attribute__((format(printf, 2, 0))) on_daemon_log(void *cls, const char *format, va_list args)
{
	char text[256];

	(void)cls;
	vsnprintf(text, sizeof(text), format, args);
	log_debug("http_library", "text=%s", text);
}

static bool lane_watch(struct lane *lane, int fd, enum lane_event event, struct error *err)
{
	struct epoll_event watch = { .events = EPOLLIN, .data.u32 = event };

	if (event == LANE_LISTEN && lane->shared->options.inherited_fd)
		watch.events |= EPOLLEXCLUSIVE; /* all lanes watch the same queue: one wakes up */

	if (epoll_ctl(lane->epoll_fd, EPOLL_CTL_ADD, fd, &watch) == 0)
		return true;
	return error_set_errno(err, "epoll_ctl");
}

static bool lane_open_daemon(struct lane *lane, struct error *err)
{
	unsigned flags =
	        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;

	/* the logger must be the first option, or earlier messages go to stderr */
	lane->daemon = MHD_start_daemon(flags, 0, NULL, NULL, exchange_handle, lane, MHD_OPTION_EXTERNAL_LOGGER,
	                                on_daemon_log, NULL, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_POOL_BYTES,
	                                MHD_OPTION_CONNECTION_LIMIT, (unsigned)lane->shared->connections_max + 16,
	                                MHD_OPTION_STRICT_FOR_CLIENT, 0, MHD_OPTION_URI_LOG_CALLBACK, exchange_open,
	                                lane, MHD_OPTION_NOTIFY_COMPLETED, exchange_completed, lane,
	                                MHD_OPTION_NOTIFY_CONNECTION, connection_notify, lane, MHD_OPTION_END);
	if (!lane->daemon)
		return error_set(err, ERROR_OS, "libmicrohttpd did not start");
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(lane->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	return lane_watch(lane, info->epoll_fd, LANE_DAEMON, err);
}

static bool lane_open(struct lane *lane, struct error *err)
{
	const struct http_options *options = &lane->shared->options;
	/* `os` too writes once a turn: an answer that waits for the turn's end is no suspended connection here, and one
	 * pwrite instead of thirty saved a sixth of the CPU per event */
	struct pipeline_options pipeline = { .journal = options->journal,
		                             .lane = lane->index,
		                             .dedup = options->dedup,
		                             .cookies_secret_file = options->cfg->cookies.secret_file,
		                             .suppression = options->suppression,
		                             .commit_at_once = false };

	lane->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	lane->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (lane->epoll_fd < 0 || lane->wake_fd < 0)
		return error_set_errno(err, "event loop");
	lane->writer = journal_writer_get(options->journal, lane->index);
	lane->pipeline = pipeline_create(&pipeline, err);
	lane->gzip = lane->pipeline ? gzip_create(err) : NULL;
	lane->answers = lane->gzip ? answer_cache_create(err) : NULL;
	lane->counters = lane->answers ? counters_create(err) : NULL;
	lane->snap = snapshot_current();
	assert(lane->snap); /* main publishes before it listens */
	return lane->counters && lane_open_daemon(lane, err) && lane_watch(lane, lane->listen_fd, LANE_LISTEN, err) &&
	       lane_watch(lane, lane->wake_fd, LANE_WAKE, err) &&
	       lane_watch(lane, pipeline_mailbox_fd(lane->pipeline), LANE_MAILBOX, err);
}

struct lane *lane_create(struct http_shared *shared, uint32_t index, int listen_fd, struct error *err)
{
	struct lane *lane = calloc(1, sizeof(*lane));

	if (!lane) {
		close(listen_fd);
		error_set(err, ERROR_MEMORY, "no memory for a lane");
		return NULL;
	}
	lane->magic = LANE_MAGIC;
	lane->shared = shared;
	lane->index = index;
	lane->listen_fd = listen_fd;
	lane->epoll_fd = lane->wake_fd = -1;
	lane->now_ms = clock_monotonic_ms();
	hash_random(&lane->random, sizeof(lane->random));
	if (!lane_open(lane, err))
		lane_destroy(&lane);
	return lane;
}

static void lane_stop_listening(struct lane *lane)
{
	if (lane->listen_fd < 0)
		return;
	/* what the kernel has queued would be reset with the socket, or waits in an inherited one for the next process;
	 * each call takes a bounded number */
	for (int i = 0; i < LAST_ACCEPTS && !lane->shared->options.inherited_fd; i++)
		(void)connection_accept(lane);
	close(lane->listen_fd);
	lane->listen_fd = -1;
	lane->is_deaf = true;
}

static void lane_refresh(struct lane *lane)
{
	lane->now_ms = clock_monotonic_ms();
	if (lane->snap->generation == snapshot_generation())
		return;
	struct snapshot *snap = snapshot_current();
	if (!snap)
		return;
	snapshot_release(&lane->snap);
	lane->snap = snap;
	answer_cache_clear(lane->answers);
}

static void lane_accept(struct lane *lane)
{
	if (lane->listen_fd < 0 || connection_accept(lane))
		return;
	lane->accept_paused = true;
	epoll_ctl(lane->epoll_fd, EPOLL_CTL_DEL, lane->listen_fd, NULL);
}

static void lane_sweep(struct lane *lane)
{
	bool draining = lane->shared->draining;

	if (lane->now_ms < lane->sweep_ms && !draining)
		return;
	lane->sweep_ms = lane->now_ms + (draining ? SWEEP_DRAINING_MS : SWEEP_MS);
	connection_sweep(lane);
	if (lane->given_back > TRIM_AFTER && lane->in_flight < lane->given_back) {
		/* a burst's requests lie between long-lived connections, so free() alone gives nothing back */
		malloc_trim(0);
		lane->given_back = 0;
	}
	if (lane->accept_paused && lane->listen_fd >= 0) {
		struct error err;
		lane->accept_paused = !lane_watch(lane, lane->listen_fd, LANE_LISTEN, &err);
	}
}

static void lane_fail(struct lane *lane, const struct error *err)
{
	bool first = !atomic_exchange(&lane->shared->failed, true);

	MHD_run(lane->daemon);
	if (first && lane->shared->options.on_fatal)
		lane->shared->options.on_fatal(lane->shared->options.context, err);
}

static void lane_commit(struct lane *lane)
{
	struct error err = { 0 };

	bool committed = pipeline_commit(lane->pipeline, &err);
	lane->commits++;
	if (!committed) {
		lane_fail(lane, &err);
		return;
	}
	if (lane->has_settled) {
		lane->has_settled = false;
		MHD_run(lane->daemon);
	}
}

static int lane_timeout(struct lane *lane)
{
	MHD_UNSIGNED_LONG_LONG daemon_ms;
	int64_t wait = lane->sweep_ms - lane->now_ms;

	if (wait < 0)
		wait = 0;
	if (MHD_get_timeout(lane->daemon, &daemon_ms) == MHD_YES && daemon_ms < (MHD_UNSIGNED_LONG_LONG)wait)
		wait = (int64_t)daemon_ms;
	return (int)wait;
}

static void lane_turn(struct lane *lane)
{
	struct epoll_event events[EVENTS_MAX];
	uint64_t wakes;
	bool mail = false;

	int count = epoll_wait(lane->epoll_fd, events, EVENTS_MAX, lane_timeout(lane));
	lane_refresh(lane);
	for (int i = 0; i < count; i++) {
		if (events[i].data.u32 == LANE_LISTEN)
			lane_accept(lane);
		else if (events[i].data.u32 == LANE_WAKE)
			(void)!read(lane->wake_fd, &wakes, sizeof(wakes));
		else if (events[i].data.u32 == LANE_MAILBOX)
			mail = true;
	}
	if (lane->shared->draining)
		lane_stop_listening(lane);
	lane_sweep(lane);
	MHD_run(lane->daemon);
	if (mail)
		pipeline_drain(lane->pipeline);
	lane_commit(lane);
}

static void *lane_run(void *argument)
{
	struct lane *lane = argument;
	int64_t give_up_ms = 0;

	assert(lane->magic == LANE_MAGIC);
	metrics_register_thread();
	while (!lane->shared->stopping || lane->in_flight) {
		lane_turn(lane);
		if (!lane->shared->stopping)
			continue;
		if (!give_up_ms)
			give_up_ms = lane->now_ms + STOP_MS;
		if (lane->now_ms >= give_up_ms)
			break;
	}
	lane_stop_listening(lane);
	return NULL;
}

bool lane_start(struct lane *lane, struct error *err)
{
	char name[16];
	int failure = pthread_create(&lane->thread, NULL, lane_run, lane);

	if (failure) {
		errno = failure;
		return error_set_errno(err, "thread of lane %u", lane->index);
	}
	lane->has_thread = true;
	snprintf(name, sizeof(name), "lane-%u", lane->index);
	pthread_setname_np(lane->thread, name);
	return true;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void lane_join(struct lane *lane)
{
	if (!lane->has_thread)
		return;
	lane_wake(lane);
	pthread_join(lane->thread, NULL);
	lane->has_thread = false;
}

bool lane_destroy(struct lane **slot)
{
	struct lane *lane = *slot;

	if (!lane)
		return true;
	*slot = NULL;
	assert(!lane->has_thread);
	if (lane->in_flight) {
		/* to stop a daemon that has suspended connections is undefined: the process ends soon anyway */
		log_warn("lane_left", "lane=%u in_flight=%u", lane->index, lane->in_flight);
		return false;
	}
	if (lane->daemon)
		MHD_stop_daemon(lane->daemon);
	connection_free_all(lane);
	exchange_free_all(lane);
	counters_destroy(&lane->counters);
	answer_cache_destroy(&lane->answers);
	gzip_destroy(&lane->gzip);
	if (lane->pipeline)
		pipeline_destroy(&lane->pipeline);
	if (lane->snap)
		snapshot_release(&lane->snap);
	close_fd(&lane->listen_fd);
	close_fd(&lane->wake_fd);
	close_fd(&lane->epoll_fd);
	free(lane);
	return true;
}
