/* A listener over a fake pipeline: real sockets, real protocols and config, no journal. Included by the tests of http. */
#ifndef HEADGATE_TESTS_HTTP_FIXTURE_H
#define HEADGATE_TESTS_HTTP_FIXTURE_H

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "http/server.h"
#include "journal/journal.h"
#include "pipeline/pipeline.h"

enum fake_mode { FAKE_AT_ONCE, FAKE_AT_COMMIT, FAKE_BY_MAIL, FAKE_FAILS };

struct pipeline {
	struct request *waiting, **waiting_end;
	int mailbox;
};

static _Atomic int fake_mode;
static _Atomic bool fake_headroom = true;
static _Atomic int fake_mailbox; /* of the only lane */
static _Atomic unsigned fake_submitted, fake_held;
static char fake_body[8192];
static char fake_ip[64];

static const struct slice fixture_web_keys[] = { { "web", 3 } };
static const struct slice fixture_web_origins[] = { { "https://shop.example", 20 }, { "null", 4 } };
static const struct slice fixture_back_keys[] = { { "back", 4 } };
static struct source fixture_sources[] = {
	{ .name = { "web", 3 },
	  .kind = SOURCE_BROWSER,
	  .keys = { fixture_web_keys, 1 },
	  .origins = { fixture_web_origins, 2 },
	  .body_bytes = 4096,
	  .inflated_bytes = 200000 },
	{ .name = { "back", 4 },
	  .index = 1,
	  .kind = SOURCE_SERVER,
	  .keys = { fixture_back_keys, 1 },
	  .body_bytes = 4096,
	  .inflated_bytes = 200000 },
};
static const struct config_path fixture_paths[] = { { { "/collect", 8 }, { "/v1/events", 10 } },
	                                            { { "/e/*", 4 }, { "/v1/events", 10 } } };
static const struct config_network fixture_proxies[] = { { { [10] = 0xff, [11] = 0xff, [12] = 127 }, 104 } };
static struct config_write_key fixture_write_keys[2];
static struct config fixture_config;
static struct snapshot fixture_snapshot;

struct snapshot *snapshot_current(void)
{
	fixture_snapshot.references++;
	return &fixture_snapshot;
}

uint64_t snapshot_generation(void)
{
	return fixture_snapshot.generation;
}

struct snapshot *snapshot_acquire(struct snapshot *snap)
{
	snap->references++;
	return snap;
}

void snapshot_release(struct snapshot **snap)
{
	(*snap)->references--;
	*snap = NULL;
}

bool journal_has_headroom(const struct journal *journal)
{
	(void)journal;
	return fake_headroom;
}

bool journal_writer_has_headroom(const struct journal_writer *writer)
{
	(void)writer;
	return fake_headroom;
}

struct journal_writer *journal_writer_get(struct journal *journal, uint32_t lane)
{
	(void)journal, (void)lane;
	return NULL;
}

struct pipeline *pipeline_create(const struct pipeline_options *options, struct error *err)
{
	struct pipeline *pipeline = calloc(1, sizeof(*pipeline));
	(void)options, (void)err;
	pipeline->waiting_end = &pipeline->waiting;
	pipeline->mailbox = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	fake_mailbox = pipeline->mailbox;
	return pipeline;
}

void pipeline_destroy(struct pipeline **pipeline)
{
	close((*pipeline)->mailbox);
	free(*pipeline);
	*pipeline = NULL;
}

enum pipeline_progress pipeline_submit(struct pipeline *pipeline, struct request *req)
{
	size_t len = req->input.body.len < sizeof(fake_body) - 1 ? req->input.body.len : sizeof(fake_body) - 1;
	if (len)
		memcpy(fake_body, req->input.body.at, len);
	fake_body[len] = 0;
	snprintf(fake_ip, sizeof(fake_ip), "%.*s", SLICE_ARG(req->connection.ip));
	fake_submitted += !req->unreadable;
	if (fake_mode == FAKE_AT_ONCE)
		return PIPELINE_ANSWER;
	req->next = NULL;
	*pipeline->waiting_end = req;
	pipeline->waiting_end = &req->next;
	fake_held++;
	return PIPELINE_WAIT;
}

static void fake_settle(struct pipeline *pipeline)
{
	struct request *req = pipeline->waiting;
	pipeline->waiting = NULL;
	pipeline->waiting_end = &pipeline->waiting;
	while (req) {
		struct request *next = req->next;
		fake_held--;
		req->ready(req);
		req = next;
	}
}

bool pipeline_commit(struct pipeline *pipeline, struct error *err)
{
	if (fake_mode == FAKE_FAILS && pipeline->waiting) {
		fake_settle(pipeline);
		return error_set(err, ERROR_SYNC_LOST, "the fake disk is gone");
	}
	if (fake_mode == FAKE_AT_COMMIT)
		fake_settle(pipeline);
	return true;
}

void pipeline_post(struct pipeline *pipeline, struct errand *errand)
{
	struct error err = { 0 };
	(void)pipeline;
	(void)errand->run(errand, NULL, &err);
}

int pipeline_mailbox_fd(const struct pipeline *pipeline)
{
	return pipeline->mailbox;
}

void pipeline_drain(struct pipeline *pipeline)
{
	uint64_t posts;
	(void)!read(pipeline->mailbox, &posts, sizeof(posts));
	fake_settle(pipeline);
}

void pipeline_answer(struct request *req, struct protocol_answer *out)
{
	unsigned status = req->unreadable ? 400 : fake_mode == FAKE_FAILS ? 503 : 200;
	*out = (struct protocol_answer) { .status = status,
		                          .content_type = "application/json",
		                          .body = SLICE("{\"fake\":true}"),
		                          .is_fixed = status == 200,
		                          .retry_after = status == 503 };
}

static _Atomic unsigned fixture_fatal;

static void fixture_on_fatal(void *context, const struct error *err)
{
	(void)context;
	if (err->code == ERROR_SYNC_LOST)
		fixture_fatal++;
}

static struct http_server *fixture_start(void)
{
	struct error err = { 0 };
	fixture_config = (struct config) {
		.durability = DURABILITY_OS,
		.listen = { SLICE("127.0.0.1"), 0 },
		.limits = { .body_bytes = 4096,
		            .bodies_bytes = 1024 * 1024,
		            .inflated_bytes = 200000,
		            .event_bytes = 65536,
		            .events = 10,
		            .depth = 32,
		            .header_bytes = 4096,
		            .request_line_bytes = 2048,
		            .query_arguments = 256,
		            .id_bytes = 256,
		            .event_id_bytes = 128,
		            .head_timeout_ms = 10000,
		            .body_rate_bytes = 1024,
		            .body_rate_over_ms = 20000,
		            .connections = 500,
		            .connections_per_address = 4,
		            .idle_timeout_ms = 75000 },
		.http = { .paths = fixture_paths,
		          .paths_count = 2,
		          .trusted_proxies = fixture_proxies,
		          .trusted_proxies_count = 1 },
		.sources = fixture_sources,
		.sources_count = 2,
	};
	for (size_t i = 0; i < 2; i++) {
		struct slice key = fixture_sources[i].keys.at[0];
		fixture_write_keys[i] =
		        (struct config_write_key) { .key = key,
			                            .hash = hash_keyed128(&fixture_config.write_keys_secret, key),
			                            .source = &fixture_sources[i] };
	}
	fixture_config.write_keys = fixture_write_keys;
	fixture_config.write_keys_count = 2;
	fixture_snapshot.cfg = &fixture_config;
	fake_mode = FAKE_AT_ONCE;
	fake_headroom = true;
	fixture_fatal = 0;
	struct http_options options = { .cfg = &fixture_config, .lanes = 1, .on_fatal = fixture_on_fatal };
	struct http_server *server = http_server_start(&options, &err);
	if (!server)
		fail_msg("%s", err.message);
	return server;
}

/* Of /status: what bodies hold. */
static unsigned long fixture_bodies(struct http_server *server)
{
	struct buffer json;
	buffer_init(&json, NULL);
	http_server_status(server, &json);
	buffer_append_char(&json, 0);
	const char *at = strstr(json.at, "\"bodies_bytes\":");
	assert_non_null(at);
	unsigned long bytes = strtoul(at + 15, NULL, 10);
	buffer_fini(&json);
	return bytes;
}

static int fixture_connect(struct http_server *server)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		                  .sin_port = htons(http_server_port(server)),
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void fixture_send(int fd, const void *bytes, size_t len)
{
	const char *at = bytes;
	while (len) {
		ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);
		if (sent <= 0)
			return;
		at += sent;
		len -= (size_t)sent;
	}
}

/* An answer: its text, and whether the server closed behind it. */
struct fixture_answer {
	int status;
	bool closed;
	char text[16384];
};

static bool answer_is_whole(const char *text)
{
	const char *end = strstr(text, "\r\n\r\n");
	const char *length = strcasestr(text, "content-length:");
	if (!end)
		return false;
	return strlen(end + 4) >= (length && length < end ? strtoul(length + 15, NULL, 10) : 0);
}

/* Reads one whole answer; with until_close also the end of the stream (5 s at most). */
static void fixture_read(int fd, bool until_close, struct fixture_answer *out)
{
	size_t len = 0;
	int64_t end_ms = clock_monotonic_ms() + 5000;
	memset(out, 0, sizeof(*out));
	while (len < sizeof(out->text) - 1 && (until_close || !answer_is_whole(out->text))) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		int64_t left = end_ms - clock_monotonic_ms();
		if (left <= 0 || poll(&wait, 1, (int)left) <= 0)
			break;
		ssize_t got = recv(fd, out->text + len, sizeof(out->text) - 1 - len, 0);
		if (got <= 0) {
			out->closed = true;
			break;
		}
		len += (size_t)got;
	}
	if (strncmp(out->text, "HTTP/1.1 ", 9) == 0 || strncmp(out->text, "HTTP/1.0 ", 9) == 0)
		out->status = atoi(out->text + 9);
}

static void fixture_ask(struct http_server *server, const char *request, size_t len, bool until_close,
                        struct fixture_answer *out)
{
	int fd = fixture_connect(server);
	fixture_send(fd, request, len);
	fixture_read(fd, until_close, out);
	close(fd);
}

/* Waits (5 s at most) until the condition holds. */
#define fixture_until(condition)                                         \
	do {                                                             \
		int64_t until_ms_ = clock_monotonic_ms() + 5000;         \
		while (!(condition) && clock_monotonic_ms() < until_ms_) \
			usleep(1000);                                    \
		assert_true(condition);                                  \
	} while (0)

#endif
