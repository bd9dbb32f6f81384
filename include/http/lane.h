/* A lane: one thread, one epoll loop over one libmicrohttpd daemon, one pipeline. What stands here is the lane's own
 * state, shared by the files of this folder. Thread: the lane's, but where a member says otherwise. */
#ifndef HEADGATE_HTTP_LANE_H
#define HEADGATE_HTTP_LANE_H

#include <microhttpd.h>
#include <pthread.h>

#include "http/body.h"
#include "http/server.h"
#include "pipeline/pipeline.h"

#define LANE_MAGIC 0x1a9e0001u

struct address_limits;
struct answer_cache;
struct connection;
struct counters;
struct exchange;
struct expected;
struct gzip;
struct journal_writer;
struct rate_limits;

/* What all lanes share. Thread: any; set at start or atomic. */
struct http_shared {
	struct http_options options;
	struct address_limits *addresses;
	struct rate_limits *rates;
	uint32_t connections_max;
	size_t arena_bytes;
	struct bodies bodies;
	_Atomic uint32_t connections;
	_Atomic bool draining; /* set once */
	_Atomic bool cutting;  /* the drain's deadline passed: connections are shut down */
	_Atomic bool stopping; /* lanes end as soon as nothing is in flight */
	_Atomic bool failed;   /* the journal failed for good; on_fatal was or is being called */
};

struct lane {
	uint32_t magic;
	uint32_t index;
	struct http_shared *shared;
	pthread_t thread;
	bool has_thread;

	int epoll_fd, listen_fd, wake_fd;
	bool accept_paused; /* no descriptors left: tried again with the next sweep */
	struct MHD_Daemon *daemon;
	struct pipeline *pipeline;
	struct journal_writer *writer;
	struct gzip *gzip;
	struct answer_cache *answers;
	struct counters *counters;

	struct snapshot *snap;
	int64_t now_ms;   /* monotonic, of this turn */
	int64_t sweep_ms; /* when connections are looked at next */
	uint64_t commits; /* turns committed */
	bool has_settled; /* a request was settled since the daemon ran last */
	uint64_t random;  /* state of the generator for request ids */

	struct connection *connections; /* list */
	struct expected *by_fd;         /* accepted, and not yet announced by the daemon */
	size_t by_fd_size;
	struct exchange *free_exchanges;
	uint32_t free_count;
	uint32_t given_back; /* exchanges freed beyond those kept, since memory was last handed back to the system */

	_Atomic bool is_deaf;              /* accepts nothing any more; read by any thread */
	_Atomic uint32_t connection_count; /* read by any thread */
	_Atomic uint32_t in_flight;        /* requests between their first line and their end; read by any thread */
};

/* Makes all but the thread. Takes over listen_fd (also on failure). */
struct lane *lane_create(struct http_shared *shared, uint32_t index, int listen_fd, struct error *err);
MUST_CHECK bool lane_start(struct lane *lane, struct error *err);
/* Makes the lane look at the shared flags. Thread: any. */
void lane_wake(struct lane *lane);
/* Joins the thread, if there is one; needs shared->stopping. */
void lane_join(struct lane *lane);
/* After lane_join of all lanes, since one posts to another's mailbox to its end. False: requests are still held by the
 * pipeline, and the lane had to be left as it is. */
bool lane_destroy(struct lane **lane);
/* 64 bits that need not be secret. */
uint64_t lane_random(struct lane *lane);

#endif
