/* What systemd does for a socket unit, as far as hand-over needs it: opens the listening sockets, passes them to
 * the command as descriptors 3 and 4 (LISTEN_FDS), and starts it again each time it ends. For tests.
 *
 *   supervise PUBLIC|BOTH COMMAND ARG...      BOTH: the admin listener's as well
 *
 * Prints `socket PORT ADMIN_PORT` (0: none), then `started PID` and `ended PID STATUS` (128 + N: signal N) as it happens. When
 * stdin ends, it sends SIGTERM to the command, waits for it and ends. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PUBLIC_FD = 10, ADMIN_FD }; /* not where the command's are */

static int listen_on_any(unsigned *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, 4096) != 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
		perror("socket");
		exit(1);
	}
	*port = ntohs(address.sin_port);
	return fd;
}

static pid_t start(char **command, bool both)
{
	pid_t pid = fork();
	if (pid != 0) {
		printf("started %d\n", (int)pid);
		fflush(stdout);
		return pid;
	}
	char text[16];
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(PUBLIC_FD, 3);
	if (both)
		dup2(ADMIN_FD, 4);
	snprintf(text, sizeof(text), "%d", (int)getpid());
	setenv("LISTEN_PID", text, 1);
	setenv("LISTEN_FDS", both ? "2" : "1", 1);
	setenv("LISTEN_FDNAMES", both ? "headgate.socket:admin" : "headgate.socket", 1);
	execvp(command[0], command);
	perror(command[0]);
	_exit(127);
}

static void tell_end(pid_t pid, int status)
{
	printf("ended %d %d\n", (int)pid, WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char **command = argv + 2;
	unsigned port = 0, admin_port = 0;
	int status = 0;
	if (argc < 3)
		return 64;
	bool both = strcmp(argv[1], "BOTH") == 0;
	dup2(listen_on_any(&port), PUBLIC_FD);
	if (both)
		dup2(listen_on_any(&admin_port), ADMIN_FD);
	printf("socket %u %u\n", port, admin_port);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	pid_t pid = start(command, both);
	struct pollfd wait[] = { { .fd = 0, .events = POLLIN }, { .fd = signal_fd, .events = POLLIN } };
	for (;;) {
		struct signalfd_siginfo info;
		char byte;
		poll(wait, 2, -1);
		while (read(signal_fd, &info, sizeof(info)) > 0)
			;
		if (waitpid(pid, &status, WNOHANG) == pid) {
			tell_end(pid, status);
			pid = start(command, both);
		}
		if ((wait[0].revents & (POLLIN | POLLHUP)) && read(0, &byte, 1) <= 0)
			break;
	}
	kill(pid, SIGTERM);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	tell_end(pid, status);
	return 0;
}
