/* One thread polls a libmicrohttpd daemon of its own. Requests pass three doors: Host (against DNS rebinding), route and
 * method, token. Bodies are read up to a bound and never looked at before the token was. */
#include "admin/admin.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/draft.h"
#include "admin/person_request.h"
#include "admin/task.h"
#include "admin/token.h"
#include "base/buffer.h"
#include "base/log.h"
#include "base/metrics.h"
#include "pipeline/snapshot.h"
#include "json/json.h"

#define VISIT_MAGIC 0x56495354u
#define BODY_BYTES_MAX ((size_t)4 << 20)
#define PERSON_BYTES ((size_t)64 << 10)
#define CONNECTIONS_MAX 64
#define IDLE_SECONDS 30
#define LAST_LOOKS 10
#define LAST_LOOK_MS 10

struct admin {
	struct admin_options options;
	struct MHD_Daemon *daemon;
	char host[INET6_ADDRSTRLEN + 2];
	char token[ADMIN_TOKEN_BYTES + 1];
	struct task_runner tasks;
};

struct reply {
	unsigned status;
	const char *content_type;
	const char *allow;
	struct buffer body;
	int fd; /* -1: `body` is the answer; else what this file holds */
};

struct visit;
typedef void (*answer_fn)(struct admin *admin, struct visit *visit, struct reply *reply);

/* One request under way. */
struct visit {
	uint32_t magic;
	struct buffer body;
	bool too_large;
	/* one that is answered by a task */
	struct admin *admin;
	answer_fn task;
	struct reply reply;
	_Atomic bool answered;
};

static void refuse(struct reply *reply, unsigned status, const char *code, const char *message)
{
	reply->status = status;
	buffer_append(&reply->body, SLICE("{\"error\":{\"code\":"));
	json_write_string(&reply->body, slice_of(code));
	buffer_append(&reply->body, SLICE(",\"message\":"));
	json_write_string_safe(&reply->body, slice_of(message));
	buffer_append(&reply->body, SLICE("}}"));
}

static void answer_livez(struct admin *admin, struct visit *visit, struct reply *reply)
{
	(void)admin;
	(void)visit;
	reply->content_type = "text/plain";
	buffer_append(&reply->body, SLICE("alive\n"));
}

static void answer_readyz(struct admin *admin, struct visit *visit, struct reply *reply)
{
	(void)visit;
	reply->content_type = "text/plain";
	if (!admin->options.readyz(admin->options.context, &reply->body))
		reply->status = 503;
	buffer_append_char(&reply->body, '\n');
}

static void answer_metrics(struct admin *admin, struct visit *visit, struct reply *reply)
{
	(void)visit;
	admin->options.set_gauges(admin->options.context);
	reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
	metrics_render(&reply->body);
}

static void answer_status(struct admin *admin, struct visit *visit, struct reply *reply)
{
	(void)visit;
	admin->options.status(admin->options.context, &reply->body);
}

static void answer_reload(struct admin *admin, struct visit *visit, struct reply *reply)
{
	struct error err = { 0 };
	(void)visit;
	if (admin->options.reload(admin->options.context, &err))
		buffer_append(&reply->body, SLICE("{\"reloaded\":true}"));
	else
		refuse(reply, 422, "reload_failed", err.message);
}

static void answer_validate(struct admin *admin, struct visit *visit, struct reply *reply)
{
	struct error err = { 0 };
	(void)admin;
	if (visit->body.failed) {
		refuse(reply, 503, "out_of_memory", "no memory for the body");
		return;
	}
	struct snapshot *snap = snapshot_current();
	bool ok = admin_draft_judge(buffer_slice(&visit->body), snap ? snap->cfg->catalog.dir : SLICE_NONE,
	                            &reply->body, &err);
	snapshot_release(&snap);
	if (ok)
		return;
	if (err.code == ERROR_DATA)
		refuse(reply, 400, "bad_request", err.message);
	else if (err.code == ERROR_MEMORY)
		refuse(reply, 503, "out_of_memory", err.message);
	else
		refuse(reply, 422, "schema_refused", err.message);
}

static void refuse_error(struct reply *reply, const struct error *err)
{
	reply->body.len = 0;
	refuse(reply, (unsigned)error_http_status(err->code), err->code == ERROR_USAGE ? "bad_request" : "failed",
	       err->message);
}

/* What was found goes to memory, not to the disk: it is of somebody who may want it gone. */
static bool find(struct admin *admin, const struct person *who, struct reply *reply, struct error *err)
{
	reply->fd = memfd_create("found", MFD_CLOEXEC);
	if (reply->fd < 0)
		return error_set_errno(err, "memfd_create");
	if (admin->options.find(admin->options.context, who, reply->fd, err))
		return true;
	close(reply->fd);
	reply->fd = -1;
	return false;
}

/* Thread: the task's. */
static void answer_person(struct admin *admin, struct visit *visit, struct reply *reply, bool only_find)
{
	struct error err = { 0 };
	struct arena arena;
	struct person_request request;
	void *context = admin->options.context;
	arena_init(&arena, PERSON_BYTES);
	bool ok = person_request_read(buffer_slice(&visit->body), &arena, &request, &err);
	if (ok && only_find) {
		reply->content_type = "application/x-ndjson";
		ok = find(admin, &request.who, reply, &err);
	} else if (ok && request.unsuppress) {
		ok = admin->options.unsuppress(context, &request.who, &reply->body, &err);
	} else if (ok) {
		ok = admin->options.erase(context, &request.who, request.suppress, &reply->body, &err);
	}
	if (!ok) {
		reply->content_type = "application/json";
		refuse_error(reply, &err);
	}
	arena_fini(&arena);
}

static void answer_find(struct admin *admin, struct visit *visit, struct reply *reply)
{
	answer_person(admin, visit, reply, true);
}

static void answer_erase(struct admin *admin, struct visit *visit, struct reply *reply)
{
	answer_person(admin, visit, reply, false);
}

/* Thread: the task's. */
static void answer_replay(struct admin *admin, struct visit *visit, struct reply *reply)
{
	struct error err = { 0 };
	if (!admin->options.replay(admin->options.context, buffer_slice(&visit->body), &reply->body, &err))
		refuse_error(reply, &err);
}

static const struct {
	const char *path, *method;
	bool needs_token, is_task;
	answer_fn answer;
} routes[] = {
	{ "/livez", "GET", false, false, answer_livez },
	{ "/readyz", "GET", false, false, answer_readyz },
	{ "/metrics", "GET", false, false, answer_metrics },
	{ "/status", "GET", false, false, answer_status },
	{ "/reload", "POST", true, false, answer_reload },
	{ "/v1/validate", "POST", true, false, answer_validate },
	{ "/find", "POST", true, true, answer_find },
	{ "/erase", "POST", true, true, answer_erase },
	{ "/journal/replay", "POST", true, true, answer_replay },
};

static struct slice header(struct MHD_Connection *connection, const char *name)
{
	return slice_of(MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name));
}

/* The name without its port; brackets of an IPv6 address stay. */
static struct slice host_name(struct slice host)
{
	size_t end;
	if (host.len && host.at[0] == '[')
		end = slice_find(host, ']') + 1;
	else
		end = slice_find(host, ':');
	return (struct slice) { host.at, end < host.len ? end : host.len };
}

static bool serves_host(const struct admin *admin, struct slice host)
{
	static const char *const loopback[] = { "localhost", "127.0.0.1", "[::1]" };
	struct slice name = host_name(host);
	for (size_t i = 0; i < sizeof loopback / sizeof loopback[0]; i++)
		if (slice_equal_nocase(name, slice_of(loopback[i])))
			return true;
	for (size_t i = 0; i < admin->options.hosts.count; i++)
		if (slice_equal_nocase(name, admin->options.hosts.at[i]) ||
		    slice_equal_nocase(host, admin->options.hosts.at[i]))
			return true;
	return slice_equal_nocase(name, slice_of(admin->host));
}

static bool has_token(const struct admin *admin, struct MHD_Connection *connection)
{
	static const struct slice scheme = { "Bearer ", 7 };
	struct slice given = header(connection, "Authorization");
	if (given.len <= scheme.len || !slice_equal_nocase((struct slice) { given.at, scheme.len }, scheme))
		return false;
	return admin_token_matches(admin->token, (struct slice) { given.at + scheme.len, given.len - scheme.len });
}

static void route(struct admin *admin, struct MHD_Connection *connection, const char *url, const char *method,
                  struct visit *visit, struct reply *reply)
{
	bool is_head = strcmp(method, "HEAD") == 0;
	if (!serves_host(admin, header(connection, "Host"))) {
		refuse(reply, 403, "unknown_host", "this Host is not served; see admin.hosts");
		return;
	}
	for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
		if (strcmp(url, routes[i].path) != 0)
			continue;
		if (strcmp(is_head ? "GET" : method, routes[i].method) != 0) {
			reply->allow = routes[i].method;
			refuse(reply, 405, "method_not_allowed", "see the header Allow");
		} else if (routes[i].needs_token && !has_token(admin, connection)) {
			refuse(reply, 401, "unauthorized",
			       "Authorization: Bearer with the token of admin.token_file is required");
		} else if (visit->too_large) {
			refuse(reply, 413, "body_too_large", "the body is larger than 4 MiB");
		} else if (routes[i].is_task) {
			visit->task = routes[i].answer;
		} else {
			routes[i].answer(admin, visit, reply);
		}
		return;
	}
	refuse(reply, 404, "not_found", "no such path");
}

static enum MHD_Result queue(struct MHD_Connection *connection, struct reply *reply)
{
	struct stat st = { 0 };
	if (reply->body.failed || (reply->fd >= 0 && fstat(reply->fd, &st) != 0))
		return MHD_NO;
	struct MHD_Response *response =
	        reply->fd >= 0
	                ? MHD_create_response_from_fd64((uint64_t)st.st_size, reply->fd)
	                : MHD_create_response_from_buffer(reply->body.len, reply->body.at, MHD_RESPMEM_MUST_COPY);
	if (!response)
		return MHD_NO;
	reply->fd = -1; /* the response's */
	MHD_add_response_header(response, "Content-Type", reply->content_type);
	MHD_add_response_header(response, "Cache-Control", "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	if (reply->allow)
		MHD_add_response_header(response, "Allow", reply->allow);
	if (reply->status == 401)
		MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
	enum MHD_Result queued = MHD_queue_response(connection, reply->status, response);
	MHD_destroy_response(response);
	return queued;
}

/* Thread: the task's. */
static void run_task(void *subject)
{
	struct visit *visit = subject;
	visit->task(visit->admin, visit, &visit->reply);
	atomic_store(&visit->answered, true);
}

/* The answer comes when the connection is resumed. */
static enum MHD_Result begin_task(struct admin *admin, struct MHD_Connection *connection, struct visit *visit)
{
	struct error err = { 0 };
	visit->admin = admin;
	if (task_start(&admin->tasks, connection, run_task, visit, &err))
		return MHD_YES;
	refuse_error(&visit->reply, &err);
	return queue(connection, &visit->reply);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_size, void **request)
{
	struct admin *admin = context;
	struct visit *visit = *request;
	(void)version;
	if (!visit) {
		visit = calloc(1, sizeof *visit);
		if (!visit)
			return MHD_NO;
		visit->magic = VISIT_MAGIC;
		visit->reply = (struct reply) { .status = 200, .content_type = "application/json", .fd = -1 };
		*request = visit;
		return MHD_YES;
	}
	if (*upload_size) {
		if (visit->body.len + *upload_size > BODY_BYTES_MAX)
			visit->too_large = true;
		else
			buffer_append(&visit->body, (struct slice) { upload, *upload_size });
		*upload_size = 0;
		return MHD_YES;
	}
	if (atomic_load(&visit->answered))
		return queue(connection, &visit->reply);
	route(admin, connection, url, method, visit, &visit->reply);
	return visit->task ? begin_task(admin, connection, visit) : queue(connection, &visit->reply);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **request,
                         enum MHD_RequestTerminationCode how)
{
	struct visit *visit = *request;
	(void)context;
	(void)connection;
	(void)how;
	if (!visit || visit->magic != VISIT_MAGIC)
		return;
	buffer_fini(&visit->body);
	buffer_fini(&visit->reply.body);
	if (visit->reply.fd >= 0)
		close(visit->reply.fd);
	free(visit);
	*request = NULL;
}

static void on_panic(void *context, const char *file, unsigned line, const char *reason)
{
	(void)context;
	log_error("microhttpd_panic", "file=%s line=%u reason=%s", file, line, reason ? reason : "");
	_exit(error_exit_code(ERROR_INTERNAL));
}

static void ignore_log(void *context, const char *format, va_list args)
{
	(void)context;
	(void)format;
	(void)args;
}

static bool make_address(const struct config_address *listen, struct sockaddr_storage *to, struct admin *admin)
{
	char host[INET6_ADDRSTRLEN];
	if (listen->host.len >= sizeof host)
		return false;
	memcpy(host, listen->host.at, listen->host.len);
	host[listen->host.len] = '\0';
	bool is_v6 = strchr(host, ':') != NULL;
	snprintf(admin->host, sizeof admin->host, "%s%s%s", is_v6 ? "[" : "", host, is_v6 ? "]" : "");
	memset(to, 0, sizeof *to);
	if (is_v6) {
		struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(listen->port);
		return inet_pton(AF_INET6, host, &v6->sin6_addr) == 1;
	}
	struct sockaddr_in *v4 = (struct sockaddr_in *)to;
	v4->sin_family = AF_INET;
	v4->sin_port = htons(listen->port);
	return inet_pton(AF_INET, host, &v4->sin_addr) == 1;
}

struct admin *admin_start(const struct admin_options *options, struct error *err)
{
	struct sockaddr_storage address;
	struct admin *admin = calloc(1, sizeof *admin);
	if (!admin) {
		error_set(err, ERROR_MEMORY, "no memory for the admin listener");
		return NULL;
	}
	admin->options = *options;
	if (!make_address(&options->listen, &address, admin)) {
		error_set(err, ERROR_CONFIG, "admin.listen: expected a numeric address");
		goto failed;
	}
	if (!admin_token_load(options->token_file.at, admin->token, err))
		goto failed;
	MHD_set_panic_func(on_panic, NULL);
	unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL | MHD_USE_ERROR_LOG | MHD_ALLOW_SUSPEND_RESUME;
	task_runner_init(&admin->tasks);
	if (address.ss_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	admin->daemon =
	        MHD_start_daemon(flags, 0, NULL, NULL, on_request, admin, MHD_OPTION_EXTERNAL_LOGGER, ignore_log, NULL,
	                         MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
	                         MHD_OPTION_LISTEN_SOCKET, options->inherited_fd ? options->inherited_fd : -1,
	                         MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
	                         (unsigned)IDLE_SECONDS, MHD_OPTION_END);
	if (!admin->daemon) {
		error_set(err, ERROR_BUSY, "admin.listen: cannot listen on %s port %u", admin->host,
		          options->listen.port);
		goto failed;
	}
	return admin;
failed:
	free(admin);
	return NULL;
}

uint16_t admin_port(const struct admin *admin)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(admin->daemon, MHD_DAEMON_INFO_BIND_PORT);
	return info ? info->port : 0;
}

/* The daemon would shut the socket down for whoever comes next. What it has accepted gets a moment for its answer. */
static void let_go_of_socket(struct admin *admin)
{
	MHD_quiesce_daemon(admin->daemon);
	for (int i = 0; i < LAST_LOOKS; i++) {
		poll(NULL, 0, LAST_LOOK_MS);
		const union MHD_DaemonInfo *info =
		        MHD_get_daemon_info(admin->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
		if (!info || info->num_connections == 0)
			return;
	}
}

void admin_stop(struct admin **admin)
{
	if (!*admin)
		return;
	if ((*admin)->options.inherited_fd)
		let_go_of_socket(*admin);
	task_runner_fini(&(*admin)->tasks); /* a daemon with suspended connections cannot be stopped */
	MHD_stop_daemon((*admin)->daemon);
	explicit_bzero((*admin)->token, sizeof(*admin)->token);
	free(*admin);
	*admin = NULL;
}
