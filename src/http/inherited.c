#include "http/inherited.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/slice.h"

#define FIRST_FD 3

static bool read_address(int fd, char to[INHERITED_ADDRESS_BYTES])
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address = { .any.sa_family = AF_UNSPEC };
	socklen_t len = sizeof(address);
	char host[INET6_ADDRSTRLEN];

	if (getsockname(fd, &address.any, &len) != 0)
		return false;
	if (address.any.sa_family == AF_INET && inet_ntop(AF_INET, &address.v4.sin_addr, host, sizeof(host)))
		snprintf(to, INHERITED_ADDRESS_BYTES, "%s:%u", host, ntohs(address.v4.sin_port));
	else if (address.any.sa_family == AF_INET6 && inet_ntop(AF_INET6, &address.v6.sin6_addr, host, sizeof(host)))
		snprintf(to, INHERITED_ADDRESS_BYTES, "[%s]:%u", host, ntohs(address.v6.sin6_port));
	else
		return false;
	return true;
}

static bool prepare(struct inherited_socket *socket, struct error *err)
{
	int fd = socket->fd;
	int listens = 0, type = 0;
	socklen_t len = sizeof(int);
	bool is_right = getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens &&
	                getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM &&
	                read_address(fd, socket->address);

	if (!is_right)
		return error_set(err, ERROR_CONFIG, "inherited descriptor %d is not a listening TCP socket", fd);
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
		return error_set_errno(err, "inherited descriptor %d", fd);
	return true;
}

static uint64_t number_of(const char *name)
{
	const char *text = getenv(name);
	uint64_t number;

	return text && slice_to_u64(slice_of(text), &number) ? number : 0;
}

/* Which of them is whose, before any is looked at. */
static bool assign(struct inherited *out, uint64_t count, struct slice names, struct error *err)
{
	for (uint64_t i = 0; i < count; i++) {
		bool is_admin = slice_equal(slice_split(&names, ':'), SLICE("admin"));
		struct inherited_socket *to = is_admin ? &out->admin : &out->public;

		if (to->fd)
			return error_set(err, ERROR_CONFIG,
			                 "two sockets were handed over for the %s listener, one is served (`[::]` "
			                 "takes IPv4 as well; the admin listener's is named admin)",
			                 is_admin ? "admin" : "public");
		to->fd = FIRST_FD + (int)i;
	}
	return true;
}

bool inherited_take(struct inherited *out, struct error *err)
{
	bool ours = number_of("LISTEN_PID") == (uint64_t)getpid();
	uint64_t count = ours ? number_of("LISTEN_FDS") : 0;
	const char *names = getenv("LISTEN_FDNAMES");

	*out = (struct inherited) { 0 };
	bool done = assign(out, count, names ? slice_of(names) : SLICE_NONE, err);
	if (ours) { /* not for whatever this process may start */
		unsetenv("LISTEN_PID");
		unsetenv("LISTEN_FDS");
		unsetenv("LISTEN_FDNAMES");
	}
	return done && (!out->public.fd || prepare(&out->public, err)) && (!out->admin.fd || prepare(&out->admin, err));
}
