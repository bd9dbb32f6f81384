/* A request that may take minutes (a search, an erasure): it runs in a thread of its own while its connection is
 * suspended, so that probes are answered meanwhile. One at a time. */
#ifndef HEADGATE_ADMIN_TASK_H
#define HEADGATE_ADMIN_TASK_H

#include <microhttpd.h>
#include <pthread.h>

#include "base/error.h"

struct task_runner {
	pthread_mutex_t lock;
	pthread_t thread;
	bool has_thread; /* to be joined */
	bool busy;
	void (*run)(void *subject);
	void *subject;
	struct MHD_Connection *connection;
};

void task_runner_init(struct task_runner *runner);
/* Waits for the task under way, whose connection is resumed then. Before the daemon is stopped. */
void task_runner_fini(struct task_runner *runner);
/* Suspends the connection, runs `run(subject)`, resumes it. BUSY: there is one under way. Thread: the daemon's. */
MUST_CHECK bool task_start(struct task_runner *runner, struct MHD_Connection *connection, void (*run)(void *subject),
                           void *subject, struct error *err);

#endif
