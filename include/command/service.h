/* The running daemon: what `serve` starts, in order, and what /status, /readyz and reload ask of it. */
#ifndef HEADGATE_COMMAND_SERVICE_H
#define HEADGATE_COMMAND_SERVICE_H

#include <pthread.h>

#include "config/config.h"
#include "dedup/recovery.h"
#include "http/inherited.h"
#include "pipeline/snapshot.h"

struct admin;
struct audit_log;
struct buffer;
struct forwarder;
struct http_server;
struct journal;
struct retention;
struct suppression;

struct service {
	struct config_options options;
	bool hurried; /* main: a second signal came while draining */
	struct inherited inherited;
	struct snapshot *boot; /* config of the start: listeners, journal and sink keep to it */
	struct journal *journal;
	struct audit_log *audit;
	struct suppression *suppression;
	struct retention *retention; /* main's thread */
	struct dedup *dedup;
	struct dedup_recovery recovery;
	struct forwarder *forwarder;
	struct http_server *http;
	struct admin *admin;
	int64_t started_ms;
	uint64_t evicted_counted; /* of dedup keys, in the metric; main's thread */
	_Atomic bool draining, failed;
	pthread_mutex_t reload_mutex;
	char reload_error[512]; /* of the last reload; empty: it went well */
	int64_t reloaded_ms;    /* 0: never */
};

/* For the admin listener: `context` is the service. Thread: the admin listener. */
bool service_is_ready(void *context, struct buffer *reason);
void service_status(void *context, struct buffer *json);
/* Reads config and catalog anew and swaps them, all or nothing. Thread: any. */
bool service_reload(void *context, struct error *err);
/* Sets the gauges that nobody sets as things happen. */
void service_set_gauges(void *context);

/* Makes session.timezone the process's. Thread: main, before there are others. */
MUST_CHECK bool service_set_zone(const struct config *cfg, struct error *err);
int command_serve(const struct config_options *options);

#endif
