/* The public listener: lanes, each a thread with its own epoll loop over its own libmicrohttpd daemon, its own accepting
 * socket (SO_REUSEPORT) and its own pipeline. Owner: main. */
#ifndef HEADGATE_HTTP_SERVER_H
#define HEADGATE_HTTP_SERVER_H

#include "base/error.h"
#include "config/config.h"

struct dedup;
struct errand;
struct journal;
struct http_server;
struct buffer;
struct suppression;

struct http_options {
	const struct config *cfg; /* listen, limits: of the start */
	int inherited_fd; /* a listening socket handed over, all lanes accept from it; 0: cfg->listen is bound */
	struct journal *journal;
	struct dedup *dedup;
	struct suppression *suppression; /* NULL: nobody is suppressed */
	uint32_t lanes;
	/* Called once by a lane whose journal failed for good, after the waiting requests were answered. */
	void (*on_fatal)(void *context, const struct error *err);
	void *context;
};

/* Binds (BUSY if another process has the address) and starts the lanes. */
struct http_server *http_server_start(const struct http_options *options, struct error *err);
uint16_t http_server_port(const struct http_server *server);
/* Stops accepting at once; answers carry Connection: close from now on; returns when all requests are answered and all
 * connections closed, or after deadline_ms (what is left is cut). */
void http_server_drain(struct http_server *server, int deadline_ms);
/* The same in steps, for a caller that has to look elsewhere meanwhile: stops accepting; everything is answered; cuts
 * what is left and waits a moment for it. */
void http_server_drain_begin(struct http_server *server);
bool http_server_is_empty(const struct http_server *server);
void http_server_cut(struct http_server *server);
void http_server_stop(struct http_server **server);
bool http_server_is_draining(const struct http_server *server);
uint32_t http_server_lanes(const struct http_server *server);
/* The lane runs it at the end of a turn (pipeline/errand.h). Thread: any, until http_server_stop. */
void http_server_post(struct http_server *server, uint32_t lane, struct errand *errand);
/* A JSON object: lanes, connections, requests in flight. Thread: any. */
void http_server_status(struct http_server *server, struct buffer *json);

#endif
