/* Start: descriptors' limit → listening sockets → lanes → threads; a failure undoes what was made. Drain: lanes close
 * their listening sockets, answer what is in flight with Connection: close, and cut what is idle; at the deadline the
 * rest is cut. */
#include "http/server.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "http/address_limits.h"
#include "http/lane.h"
#include "http/listener.h"
#include "http/rate_limits.h"

/* Descriptors kept for journal, sink, admin and the loops themselves. A lane holds eight, a few more while its journal goes
 * on to the next file; the process a dozen, one for each topic's file, Kafka's, and those of the admin listener. */
#define RESERVED_DESCRIPTORS 128
#define LANE_DESCRIPTORS 12
#define ARENA_BYTES_MIN ((size_t)16 * 1024 * 1024)
#define ARENA_PER_INFLATED 16
#define DRAIN_POLL_NS 2000000
#define CUT_MS 1000

struct http_server {
	struct http_shared shared;
	uint16_t port;
	uint32_t lane_count;
	struct lane *lanes[];
};

static void on_daemon_panic(void *cls, const char *file, unsigned line, const char *reason)
{
	(void)cls;
	log_error("http_library_panic", "file=%s line=%u reason=%s", file, line, reason ? reason : "");
	_exit(70);
}

static uint32_t raise_descriptors(uint32_t connections, uint32_t lanes)
{
	rlim_t reserved = RESERVED_DESCRIPTORS + (rlim_t)lanes * LANE_DESCRIPTORS;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return connections;
	if (limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
		(void)getrlimit(RLIMIT_NOFILE, &limit);
	}
	rlim_t room = limit.rlim_cur > reserved ? limit.rlim_cur - reserved : 1;
	if (room >= connections)
		return connections;
	log_info("connections_lowered", "wanted=%u allowed=%lu", connections, (unsigned long)room);
	return (uint32_t)room;
}

static size_t arena_bytes(const struct config *cfg)
{
	size_t inflated = cfg->limits.inflated_bytes;

	for (size_t i = 0; i < cfg->sources_count; i++) {
		if (cfg->sources[i].inflated_bytes > inflated)
			inflated = cfg->sources[i].inflated_bytes;
	}
	return ARENA_BYTES_MIN + inflated * ARENA_PER_INFLATED;
}

static bool open_lanes(struct http_server *server, struct error *err)
{
	const struct http_options *options = &server->shared.options;
	struct config_address address = options->cfg->listen;

	for (uint32_t i = 0; i < options->lanes; i++) {
		int fd = options->inherited_fd ? listener_share(options->inherited_fd, &address.port, err)
		                               : listener_open(&address, i == 0, &address.port, err);
		if (fd < 0)
			return false;
		server->lanes[i] = lane_create(&server->shared, i, fd, err);
		if (!server->lanes[i])
			return false;
		server->lane_count++;
	}
	server->port = address.port;
	for (uint32_t i = 0; i < server->lane_count; i++) {
		if (!lane_start(server->lanes[i], err))
			return false;
	}
	return true;
}

struct http_server *http_server_start(const struct http_options *options, struct error *err)
{
	struct http_server *server = calloc(1, sizeof(*server) + options->lanes * sizeof(struct lane *));

	if (!server) {
		error_set(err, ERROR_MEMORY, "no memory for the listener");
		return NULL;
	}
	MHD_set_panic_func(on_daemon_panic, NULL);
	server->shared.options = *options;
	server->shared.connections_max = raise_descriptors(options->cfg->limits.connections, options->lanes);
	server->shared.arena_bytes = arena_bytes(options->cfg);
	server->shared.addresses = address_limits_create(server->shared.connections_max, err);
	server->shared.rates = server->shared.addresses ? rate_limits_create(err) : NULL;
	if (!server->shared.rates || !open_lanes(server, err))
		http_server_stop(&server);
	return server;
}

uint16_t http_server_port(const struct http_server *server)
{
	return server->port;
}

static void wake_all(struct http_server *server)
{
	for (uint32_t i = 0; i < server->lane_count; i++)
		lane_wake(server->lanes[i]);
}

static uint32_t in_flight(const struct http_server *server)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < server->lane_count; i++)
		sum += server->lanes[i]->in_flight;
	return sum;
}

bool http_server_is_empty(const struct http_server *server)
{
	for (uint32_t i = 0; i < server->lane_count; i++) {
		if (!server->lanes[i]->is_deaf) /* it may just be accepting another one */
			return false;
	}
	return server->shared.connections == 0 && in_flight(server) == 0;
}

static bool wait_until_empty(struct http_server *server, int deadline_ms)
{
	int64_t end_ms = clock_monotonic_ms() + deadline_ms;
	struct timespec pause = { .tv_nsec = DRAIN_POLL_NS };

	while (!http_server_is_empty(server)) {
		if (clock_monotonic_ms() >= end_ms)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

void http_server_drain_begin(struct http_server *server)
{
	server->shared.draining = true;
	wake_all(server);
}

void http_server_cut(struct http_server *server)
{
	if (http_server_is_empty(server))
		return;
	log_warn("drain_cut", "connections=%u in_flight=%u", server->shared.connections, in_flight(server));
	server->shared.cutting = true;
	wake_all(server);
	(void)wait_until_empty(server, CUT_MS);
}

void http_server_drain(struct http_server *server, int deadline_ms)
{
	http_server_drain_begin(server);
	(void)wait_until_empty(server, deadline_ms);
	http_server_cut(server);
}

bool http_server_is_draining(const struct http_server *server)
{
	return server->shared.draining;
}

void http_server_stop(struct http_server **server)
{
	struct http_server *self = *server;
	bool left = false;

	if (!self)
		return;
	*server = NULL;
	self->shared.draining = true;
	self->shared.cutting = true;
	self->shared.stopping = true;
	for (uint32_t i = 0; i < self->lane_count; i++)
		lane_join(self->lanes[i]);
	for (uint32_t i = 0; i < self->lane_count; i++)
		left = !lane_destroy(&self->lanes[i]) || left;
	if (left)
		return; /* a lane that could not be ended still uses what is shared */
	address_limits_destroy(&self->shared.addresses);
	rate_limits_destroy(&self->shared.rates);
	free(self);
}

uint32_t http_server_lanes(const struct http_server *server)
{
	return server->lane_count;
}

void http_server_post(struct http_server *server, uint32_t lane, struct errand *errand)
{
	pipeline_post(server->lanes[lane]->pipeline, errand);
}

void http_server_status(struct http_server *server, struct buffer *json)
{
	buffer_append_format(json, "{\"lanes\":%u,\"port\":%u,\"connections\":%u,\"connections_max\":%u,",
	                     server->lane_count, server->port, server->shared.connections,
	                     server->shared.connections_max);
	buffer_append_format(json, "\"in_flight\":%u,\"bodies_bytes\":%" PRIu64 ",\"draining\":%s}", in_flight(server),
	                     (uint64_t)server->shared.bodies.bytes, server->shared.draining ? "true" : "false");
}
