/* The public listening socket, where a supervisor opened it and hands it over at the start: systemd's socket activation
 * (sd_listen_fds(3); LISTEN_PID, LISTEN_FDS). It stays open in the supervisor, so a restart refuses no connection: what
 * comes in between waits in the kernel's queue for the next process. Thread: main, before any other starts. */
#ifndef HEADGATE_HTTP_INHERITED_H
#define HEADGATE_HTTP_INHERITED_H

#include "base/error.h"

#define INHERITED_ADDRESS_BYTES 64

struct inherited {
	int fd;                                /* 0: none */
	char address[INHERITED_ADDRESS_BYTES]; /* as for --listen */
};

/* Takes what is meant for this process out of the environment. More than one socket, or what is no listening TCP socket,
 * is an error. The admin listener always opens its own. */
MUST_CHECK bool inherited_take(struct inherited *out, struct error *err);

#endif
