/* A connection exists here from accept4 on: it is counted, handed to the daemon, announced back by it (started, closed),
 * and in between looked at once a second. Deadlines are absolute, which the library's own inactivity time-out is not:
 * a byte now and then would hold a connection for ever. To cut is to shut the socket down; the daemon then sees the
 * end of the stream and closes the descriptor itself, so that a number is never reused under its feet. */
#include "http/connection.h"

#include <assert.h>
#include <errno.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "http/address_limits.h"
#include "http/admission.h"
#include "http/answer.h"
#include "http/counters.h"

#define ACCEPT_MAX_PER_TURN 64
/* While draining: how long a connection that sent nothing yet may stay; its request may be on the way. */
#define DRAIN_FRESH_MS 1000
/* How exactly the kernel tells when the last bytes came. */
#define LAST_BYTES_GRAIN_MS 20

/* A place of lane->by_fd. */
struct expected {
	struct connection *conn;
};

static void count_connections(struct http_shared *shared, int change)
{
	uint32_t now = change > 0 ? ++shared->connections : --shared->connections;

	metrics_set(metrics_series0(METRIC_CONNECTIONS), now);
}

static void connection_free(struct connection *conn)
{
	struct lane *lane = conn->lane;

	if (conn->is_counted)
		address_limits_leave(lane->shared->addresses, &conn->peer);
	count_connections(lane->shared, -1);
	lane->connection_count--;
	conn->magic = 0;
	free(conn);
}

static void list_add(struct lane *lane, struct connection *conn)
{
	conn->older = lane->connections;
	if (conn->older)
		conn->older->newer = conn;
	lane->connections = conn;
}

static void list_remove(struct lane *lane, struct connection *conn)
{
	if (conn->newer)
		conn->newer->older = conn->older;
	else
		lane->connections = conn->older;
	if (conn->older)
		conn->older->newer = conn->newer;
}

/* Place for the descriptor in by_fd; one that was never announced by the daemon is forgotten. */
static bool expect_fd(struct lane *lane, int fd)
{
	size_t at = (size_t)fd;

	if (at >= lane->by_fd_size) {
		size_t size = lane->by_fd_size ? lane->by_fd_size : 256;
		while (size <= at)
			size *= 2;
		struct expected *grown = realloc(lane->by_fd, size * sizeof(*grown));
		if (!grown)
			return false;
		memset(grown + lane->by_fd_size, 0, (size - lane->by_fd_size) * sizeof(*grown));
		lane->by_fd = grown;
		lane->by_fd_size = size;
	}
	if (lane->by_fd[at].conn) {
		connection_free(lane->by_fd[at].conn);
		lane->by_fd[at].conn = NULL;
	}
	return true;
}

/* NULL: refused, and counted as such. */
static struct connection *connection_admit(struct lane *lane, int fd, const struct sockaddr *from)
{
	struct http_shared *shared = lane->shared;
	const struct config *cfg = lane->snap->cfg;
	struct connection *conn = expect_fd(lane, fd) ? calloc(1, sizeof(*conn)) : NULL;

	if (!conn || !address_from_socket(from, &conn->peer)) {
		free(conn);
		counters_refused("memory");
		return NULL;
	}
	bool exempt = address_is_loopback(&conn->peer) ||
	              address_is_in(&conn->peer, cfg->http.trusted_proxies, cfg->http.trusted_proxies_count);
	if (shared->connections >= shared->connections_max) {
		free(conn);
		counters_refused("connections");
		return NULL;
	}
	if (!exempt && !address_limits_enter(shared->addresses, &conn->peer, cfg->limits.connections_per_address)) {
		free(conn);
		counters_refused("connections_per_address");
		return NULL;
	}
	conn->magic = CONNECTION_MAGIC;
	conn->fd = fd;
	conn->lane = lane;
	conn->is_counted = !exempt;
	conn->state = CONNECTION_FRESH;
	conn->since_ms = lane->now_ms;
	conn->peer_text = (struct slice) { conn->peer_bytes, address_format(&conn->peer, conn->peer_bytes) };
	count_connections(shared, 1);
	lane->connection_count++;
	lane->by_fd[fd].conn = conn;
	return conn;
}

bool connection_accept(struct lane *lane)
{
	struct sockaddr_storage from;
	struct sockaddr *address = (struct sockaddr *)&from;
	static const int on = 1;

	for (int i = 0; i < ACCEPT_MAX_PER_TURN; i++) {
		socklen_t len = sizeof(from);
		int fd = accept4(lane->listen_fd, address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0) {
			if (errno == EAGAIN)
				return true;
			log_warn("accept_failed", "errno=%d", errno);
			return false;
		}
		if (!connection_admit(lane, fd, address)) {
			close(fd);
			continue;
		}
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (MHD_add_connection(lane->daemon, fd, address, len) != MHD_YES) {
			/* the daemon closed the descriptor */
			connection_free(lane->by_fd[fd].conn);
			lane->by_fd[fd].conn = NULL;
			counters_refused("memory");
		}
	}
	return true;
}

void connection_notify(void *cls, struct MHD_Connection *handle, void **slot, enum MHD_ConnectionNotificationCode code)
{
	struct lane *lane = cls;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info =
		        MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CONNECTION_FD);
		struct connection *conn = lane->by_fd[info->connect_fd].conn;
		assert(conn && conn->magic == CONNECTION_MAGIC);
		lane->by_fd[info->connect_fd].conn = NULL;
		list_add(lane, conn);
		*slot = conn;
		return;
	}
	struct connection *conn = *slot;
	if (!conn)
		return;
	*slot = NULL;
	list_remove(lane, conn);
	connection_free(conn);
}

struct connection *connection_of(struct MHD_Connection *handle)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct connection *conn = info->socket_context;

	assert(conn && conn->magic == CONNECTION_MAGIC);
	return conn;
}

void connection_enter(struct connection *conn, enum connection_state state)
{
	/* the head's time counts from accept on a new connection, from its first byte on one that was kept */
	bool has_begun = conn->state == CONNECTION_FRESH || conn->state == CONNECTION_HEAD;

	if (state != CONNECTION_HEAD || !has_begun) {
		/* of an idle connection by the clock: what came before is the request's that has just ended */
		conn->since_ms = state == CONNECTION_IDLE ? clock_monotonic_ms() : conn->lane->now_ms;
		conn->window_bytes = 0;
	}
	conn->state = state;
}

void connection_cut(struct connection *conn, const char *reason)
{
	if (conn->is_cut)
		return;
	conn->is_cut = true;
	if (reason)
		counters_refused(reason);
	(void)shutdown(conn->fd, SHUT_RDWR);
}

/* Nobody else writes to a connection whose request is not complete, so the answer may go out beside the library. */
static void connection_refuse(struct connection *conn, enum refusal refusal)
{
	struct exchange *ex = conn->exchange;
	struct buffer text;

	if (ex && !ex->route)
		admission_find_route(ex, conn->lane->snap->cfg);
	buffer_init(&text, NULL);
	answer_raw(conn->lane, ex, refusal, &text);
	(void)!send(conn->fd, text.at, text.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	buffer_fini(&text);
	counters_request(conn->lane->counters, ex ? ex->route : NULL, refusal_status(refusal));
	connection_cut(conn, refusal_code(refusal));
}

static bool tcp_facts(const struct connection *conn, struct tcp_info *info)
{
	socklen_t len = sizeof(*info);

	return getsockopt(conn->fd, IPPROTO_TCP, TCP_INFO, info, &len) == 0;
}

/* One that never sent a byte (a browser's preconnect) is closed in silence. */
static void cut_late(struct connection *conn, enum refusal refusal)
{
	struct tcp_info info;

	if (conn->is_cut)
		return;
	bool spoke = conn->state != CONNECTION_FRESH || (tcp_facts(conn, &info) && info.tcpi_bytes_received > 0);
	if (spoke)
		connection_refuse(conn, refusal);
	else
		connection_cut(conn, refusal_code(refusal));
}

static void check_body_rate(struct connection *conn, const struct config_limits *limits)
{
	int64_t elapsed = conn->lane->now_ms - conn->since_ms;

	if (elapsed < limits->body_rate_over_ms)
		return;
	if (conn->window_bytes * 1000 < (uint64_t)elapsed * limits->body_rate_bytes) {
		cut_late(conn, REFUSAL_SLOW_BODY);
		return;
	}
	conn->since_ms = conn->lane->now_ms;
	conn->window_bytes = 0;
}

/* The library announces a request with its whole first line; that a kept connection has begun one before is known by the
 * time of its last bytes. A line that began within the grain of that time still has the idle limit. */
static void check_begun(struct connection *conn)
{
	struct tcp_info info;

	if (conn->state != CONNECTION_IDLE || !tcp_facts(conn, &info))
		return;
	int64_t last_ms = clock_monotonic_ms() - info.tcpi_last_data_recv;
	if (last_ms <= conn->since_ms + LAST_BYTES_GRAIN_MS)
		return;
	conn->state = CONNECTION_HEAD;
	conn->since_ms = last_ms;
}

static void check_deadline(struct connection *conn, const struct config_limits *limits)
{
	int64_t elapsed = conn->lane->now_ms - conn->since_ms;

	switch (conn->state) {
	case CONNECTION_FRESH:
	case CONNECTION_HEAD:
		if (elapsed >= limits->head_timeout_ms)
			cut_late(conn, REFUSAL_SLOW_HEAD);
		break;
	case CONNECTION_BODY:
		check_body_rate(conn, limits);
		break;
	case CONNECTION_ANSWER:
	case CONNECTION_IDLE:
		if (elapsed >= limits->idle_timeout_ms)
			connection_cut(conn, NULL);
		break;
	case CONNECTION_WORK:
		break;
	}
}

static void check_drain(struct connection *conn)
{
	int waiting = 0;
	bool rests = conn->state == CONNECTION_IDLE ||
	             (conn->state == CONNECTION_FRESH && conn->lane->now_ms - conn->since_ms >= DRAIN_FRESH_MS);

	if (rests && ioctl(conn->fd, FIONREAD, &waiting) == 0 && waiting == 0)
		connection_cut(conn, NULL);
}

void connection_sweep(struct lane *lane)
{
	struct http_shared *shared = lane->shared;
	struct connection *older;

	for (struct connection *conn = lane->connections; conn; conn = older) {
		older = conn->older;
		check_begun(conn);
		check_deadline(conn, &lane->snap->cfg->limits);
		if (shared->draining)
			check_drain(conn);
		if (shared->cutting)
			connection_cut(conn, NULL);
	}
}

void connection_free_all(struct lane *lane)
{
	for (size_t i = 0; i < lane->by_fd_size; i++) {
		if (lane->by_fd[i].conn)
			connection_free(lane->by_fd[i].conn);
	}
	free(lane->by_fd);
	lane->by_fd = NULL;
	lane->by_fd_size = 0;
}
