/* The listening sockets, where a supervisor opened them and hands them over at the start: systemd's socket activation
 * (sd_listen_fds(3); LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES). They stay open in the supervisor, so a restart refuses no
 * connection: what comes in between waits in the kernel's queue for the next process. Thread: main, before any other starts. */
#ifndef HEADGATE_HTTP_INHERITED_H
#define HEADGATE_HTTP_INHERITED_H

#include "base/error.h"

#define INHERITED_ADDRESS_BYTES 64

struct inherited_socket {
	int fd;                                /* 0: none */
	char address[INHERITED_ADDRESS_BYTES]; /* as for --listen and --admin */
};

struct inherited {
	struct inherited_socket public; /* any name */
	struct inherited_socket admin;  /* named admin */
};

/* Takes what is meant for this process out of the environment. Two sockets for one listener, or what is no listening
 * TCP socket, are an error. */
MUST_CHECK bool inherited_take(struct inherited *out, struct error *err);

#endif
