/* Suspended first, then the thread: a resume that came before its suspend would be lost. */
#include "admin/task.h"

#include <signal.h>

#include "base/metrics.h"

void task_runner_init(struct task_runner *runner)
{
	*runner = (struct task_runner) { 0 };
	pthread_mutex_init(&runner->lock, NULL);
}

static void join(struct task_runner *runner)
{
	if (runner->has_thread)
		pthread_join(runner->thread, NULL);
	runner->has_thread = false;
}

void task_runner_fini(struct task_runner *runner)
{
	join(runner);
	pthread_mutex_destroy(&runner->lock);
}

static void *run(void *argument)
{
	struct task_runner *runner = argument;
	pthread_setname_np(pthread_self(), "admin-task");
	metrics_register_thread();
	runner->run(runner->subject);
	struct MHD_Connection *connection = runner->connection;
	pthread_mutex_lock(&runner->lock);
	runner->busy = false;
	pthread_mutex_unlock(&runner->lock);
	MHD_resume_connection(connection);
	return NULL;
}

static bool start(struct task_runner *runner)
{
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	runner->has_thread = pthread_create(&runner->thread, NULL, run, runner) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return runner->has_thread;
}

bool task_start(struct task_runner *runner, struct MHD_Connection *connection, void (*fn)(void *subject), void *subject,
                struct error *err)
{
	pthread_mutex_lock(&runner->lock);
	bool busy = runner->busy;
	pthread_mutex_unlock(&runner->lock);
	if (busy)
		return error_set(err, ERROR_BUSY, "another search or erasure is under way");
	join(runner); /* it is done, but for its last breath */
	runner->run = fn;
	runner->subject = subject;
	runner->connection = connection;
	runner->busy = true;
	MHD_suspend_connection(connection);
	if (start(runner))
		return true;
	runner->busy = false;
	MHD_resume_connection(connection);
	return error_set(err, ERROR_OS, "no thread for it");
}
