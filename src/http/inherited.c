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

static bool prepare(int fd, char address[INHERITED_ADDRESS_BYTES], struct error *err)
{
	int listens = 0, type = 0;
	socklen_t len = sizeof(int);
	bool is_right = getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens &&
	                getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM &&
	                read_address(fd, address);

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

bool inherited_take(struct inherited *out, struct error *err)
{
	bool ours = number_of("LISTEN_PID") == (uint64_t)getpid();
	uint64_t count = ours ? number_of("LISTEN_FDS") : 0;

	*out = (struct inherited) { 0 };
	if (ours) { /* not for whatever this process may start */
		unsetenv("LISTEN_PID");
		unsetenv("LISTEN_FDS");
		unsetenv("LISTEN_FDNAMES");
	}
	if (count > 1)
		return error_set(
		        err, ERROR_CONFIG,
		        "%u sockets were handed over, one is served: the public one (`[::]` takes IPv4 as well)",
		        (unsigned)count);
	if (count && !prepare(FIRST_FD, out->address, err))
		return false;
	out->fd = count ? FIRST_FD : 0;
	return true;
}
