/* Lanes share the address by SO_REUSEPORT, and so would a second daemon, silently taking half of the traffic: therefore
 * the first socket is bound without it once, for trial. SO_REUSEADDR stands on all of them, or connections in TIME_WAIT
 * would block a restart. */
#include "http/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096

union socket_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t address_length(const union socket_address *address)
{
	return address->any.sa_family == AF_INET6 ? sizeof(address->v6) : sizeof(address->v4);
}

static bool read_address(const struct config_address *from, union socket_address *to, struct error *err)
{
	char host[INET6_ADDRSTRLEN + 1];

	memset(to, 0, sizeof(*to));
	if (from->host.len && from->host.len < sizeof(host)) {
		memcpy(host, from->host.at, from->host.len);
		host[from->host.len] = 0;
		if (inet_pton(AF_INET, host, &to->v4.sin_addr) == 1) {
			to->v4.sin_family = AF_INET;
			to->v4.sin_port = htons(from->port);
			return true;
		}
		if (inet_pton(AF_INET6, host, &to->v6.sin6_addr) == 1) {
			to->v6.sin6_family = AF_INET6;
			to->v6.sin6_port = htons(from->port);
			return true;
		}
	}
	return error_set(err, ERROR_CONFIG, "listen: %.*s is not a numeric address", SLICE_ARG(from->host));
}

static bool bind_failed(const struct config_address *address, struct error *err)
{
	enum error_code code = errno == EADDRINUSE ? ERROR_BUSY : errno == EACCES ? ERROR_DENIED : ERROR_OS;

	return error_set(err, code, "listen %.*s:%u: %s", SLICE_ARG(address->host), address->port, strerror(errno));
}

static int open_bound(const struct config_address *from, const union socket_address *address, bool shared,
                      struct error *err)
{
	static const int on = 1;
	int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		error_set_errno(err, "socket");
		return -1;
	}
	bool ok = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	          (!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0);
	if (!ok)
		error_set_errno(err, "setsockopt");
	else if (bind(fd, &address->any, address_length(address)) != 0)
		ok = bind_failed(from, err);
	if (ok)
		return fd;
	close(fd);
	return -1;
}

int listener_open(const struct config_address *address, bool is_first, uint16_t *port, struct error *err)
{
	union socket_address bound;
	socklen_t len = sizeof(bound);

	if (!read_address(address, &bound, err))
		return -1;
	if (is_first && address->port) {
		int trial = open_bound(address, &bound, false, err);
		if (trial < 0)
			return -1;
		close(trial);
	}
	int fd = open_bound(address, &bound, true, err);
	if (fd < 0)
		return -1;
	if (listen(fd, BACKLOG) != 0 || getsockname(fd, &bound.any, &len) != 0) {
		bind_failed(address, err);
		close(fd);
		return -1;
	}
	*port = ntohs(bound.any.sa_family == AF_INET6 ? bound.v6.sin6_port : bound.v4.sin_port);
	return fd;
}

int listener_share(int inherited_fd, uint16_t *port, struct error *err)
{
	union socket_address bound = { .any.sa_family = AF_UNSPEC };
	socklen_t len = sizeof(bound);
	int fd = fcntl(inherited_fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0 || getsockname(fd, &bound.any, &len) != 0) {
		error_set_errno(err, "inherited socket");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	*port = ntohs(bound.any.sa_family == AF_INET6 ? bound.v6.sin6_port : bound.v4.sin_port);
	return fd;
}
