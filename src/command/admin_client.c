/* One request on a connection of its own, HTTP/1.1 with Connection: close. The answers of our own listener are simple: a
 * status line, headers, a body of a length that is told. */
#include "command/admin_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/token.h"
#include "json/json.h"

#define HEAD_BYTES_MAX 16384
#define ERROR_BYTES_MAX ((size_t)64 << 10)
#define READ_BYTES 65536

bool admin_client_is_needed(const struct config *cfg, struct error *err)
{
	char path[4096];
	*err = (struct error) { 0 };
	if (access(cfg->data_dir.at, F_OK) != 0)
		return error_set_errno(err, "%s", cfg->data_dir.at);
	snprintf(path, sizeof path, "%.*s/LOCK", SLICE_ARG(cfg->data_dir));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? false : error_set_errno(err, "%s", path);
	bool taken = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
	close(fd);
	return taken;
}

/* An address to listen on is no address to go to: any means loopback. */
static socklen_t address_of(const struct config_address *listen, struct sockaddr_storage *to, char text[96])
{
	char host[INET6_ADDRSTRLEN] = "";
	struct sockaddr_in *v4 = (struct sockaddr_in *)to;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;
	memset(to, 0, sizeof *to);
	if (listen->host.len < sizeof host)
		memcpy(host, listen->host.at, listen->host.len);
	if (strcmp(host, "0.0.0.0") == 0)
		strcpy(host, "127.0.0.1");
	if (strcmp(host, "::") == 0)
		strcpy(host, "::1");
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(listen->port);
		snprintf(text, 96, "%s:%u", host, listen->port);
		return sizeof *v4;
	}
	if (inet_pton(AF_INET6, host, &v6->sin6_addr) != 1)
		return 0;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(listen->port);
	snprintf(text, 96, "[%s]:%u", host, listen->port);
	return sizeof *v6;
}

static int dial(const struct config *cfg, char text[96], struct error *err)
{
	struct sockaddr_storage address;
	socklen_t size = address_of(&cfg->admin.listen, &address, text);
	if (!size || !cfg->admin.listen.port) {
		error_set(err, ERROR_CONFIG,
		          "admin.listen has no fixed port: give --admin ADDR:PORT, as the daemon "
		          "announced it");
		return -1;
	}
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, size) == 0)
		return fd;
	error_set(err, ERROR_UNAVAILABLE, "the daemon's admin listener at %s does not answer: %s", text,
	          strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool send_all(int fd, struct slice bytes, struct error *err)
{
	while (bytes.len) {
		ssize_t sent = send(fd, bytes.at, bytes.len, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return error_set_errno(err, "admin listener");
		bytes.at += sent;
		bytes.len -= (size_t)sent;
	}
	return true;
}

static bool send_request(int fd, const struct config *cfg, const char *host, const char *path, struct slice body,
                         struct error *err)
{
	char token[ADMIN_TOKEN_BYTES + 1];
	struct buffer request;
	if (access(cfg->admin.token_file.at, F_OK) != 0) /* reading it would make it */
		return error_set_errno(err, "%s", cfg->admin.token_file.at);
	if (!admin_token_load(cfg->admin.token_file.at, token, err))
		return false;
	buffer_init(&request, NULL);
	buffer_append_format(&request,
	                     "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nConnection: close\r\n"
	                     "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
	                     path, host, token, body.len);
	buffer_append(&request, body);
	bool ok =
	        request.failed ? error_set(err, ERROR_MEMORY, "a request") : send_all(fd, buffer_slice(&request), err);
	if (request.at)
		explicit_bzero(request.at, request.len);
	explicit_bzero(token, sizeof token);
	buffer_fini(&request);
	return ok;
}

static ssize_t receive(int fd, char *to, size_t size)
{
	ssize_t got;
	do
		got = recv(fd, to, size, 0);
	while (got < 0 && errno == EINTR);
	return got;
}

struct head {
	unsigned status;
	uint64_t length;
	size_t size; /* of the head within the bytes read */
};

static bool parse_head(struct slice bytes, struct head *out)
{
	char text[HEAD_BYTES_MAX + 1];
	memcpy(text, bytes.at, bytes.len);
	text[bytes.len] = '\0';
	const char *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "\r\nContent-Length:");
	uint64_t status;
	if (!end || !length || length > end || !slice_starts(slice_of(text), SLICE("HTTP/1.")) ||
	    !slice_to_u64((struct slice) { text + sizeof "HTTP/1.1", 3 }, &status))
		return false;
	out->status = (unsigned)status;
	length += sizeof "\r\nContent-Length:" - 1;
	length += strspn(length, " ");
	out->size = (size_t)(end - text) + 4;
	return slice_to_u64((struct slice) { length, strspn(length, "0123456789") }, &out->length);
}

static bool read_head(int fd, char bytes[HEAD_BYTES_MAX], size_t *len, struct head *out, struct error *err)
{
	*len = 0;
	for (;;) {
		ssize_t got = *len < HEAD_BYTES_MAX ? receive(fd, bytes + *len, HEAD_BYTES_MAX - *len) : 0;
		if (got <= 0)
			return error_set(err, ERROR_UNAVAILABLE, "the daemon ended the connection without an answer");
		*len += (size_t)got;
		if (memmem(bytes, *len, "\r\n\r\n", 4))
			return parse_head((struct slice) { bytes, *len }, out) ||
			       error_set(err, ERROR_UNAVAILABLE, "not an answer of headgate");
	}
}

static bool copy_body(int fd, struct slice first, uint64_t left, FILE *out, struct error *err)
{
	char bytes[READ_BYTES];
	for (;;) {
		if (fwrite(first.at, 1, first.len, out) != first.len)
			return error_set_errno(err, "standard output");
		left -= first.len < left ? first.len : left;
		if (left == 0)
			return fflush(out) == 0 || error_set_errno(err, "standard output");
		ssize_t got = receive(fd, bytes, left < sizeof bytes ? (size_t)left : sizeof bytes);
		if (got <= 0)
			return error_set(err, ERROR_IO, "the daemon's answer was cut off");
		first = (struct slice) { bytes, (size_t)got };
	}
}

static enum error_code code_of(unsigned status)
{
	switch (status) {
	case 400:
		return ERROR_USAGE;
	case 401:
	case 403:
		return ERROR_DENIED;
	case 404:
		return ERROR_NOT_FOUND;
	case 503:
		return ERROR_BUSY;
	default:
		return ERROR_INTERNAL;
	}
}

/* {"error":{"code","message"}} */
static bool take_error(int fd, struct slice first, const struct head *head, struct error *err)
{
	struct arena arena;
	struct json_doc doc = { 0 };
	struct buffer body;
	size_t at;
	buffer_init(&body, NULL);
	buffer_append(&body, first);
	while (body.len < head->length && body.len < ERROR_BYTES_MAX) {
		char bytes[4096];
		ssize_t got = receive(fd, bytes, sizeof bytes);
		if (got <= 0)
			break;
		buffer_append(&body, (struct slice) { bytes, (size_t)got });
	}
	arena_init(&arena, ERROR_BYTES_MAX * 8);
	const struct json_options options = { .depth_max = 8, .nodes_max = 1000 };
	uint32_t node = 0;
	if (!body.failed && json_scan(&doc, buffer_slice(&body), &options, &arena, &at) == JSON_OK)
		node = json_pointer_get(&doc, 0, SLICE("/error/message"));
	struct slice message = SLICE("no reason given");
	if (node && json_type_of(&doc, node) == JSON_STRING)
		message = json_string(&doc, node, &arena);
	error_set(err, code_of(head->status), "%.*s", SLICE_ARG(message));
	arena_fini(&arena);
	buffer_fini(&body);
	return false;
}

bool admin_client_post(const struct config *cfg, const char *path, struct slice body, FILE *out, struct error *err)
{
	char host[96], bytes[HEAD_BYTES_MAX];
	size_t len;
	struct head head;
	int fd = dial(cfg, host, err);
	if (fd < 0)
		return false;
	bool ok = send_request(fd, cfg, host, path, body, err) && read_head(fd, bytes, &len, &head, err);
	if (ok) {
		struct slice first = { bytes + head.size, len - head.size };
		ok = head.status == 200 ? copy_body(fd, first, head.length, out, err)
		                        : take_error(fd, first, &head, err);
	}
	close(fd);
	return ok;
}
