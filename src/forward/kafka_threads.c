/* ThreadSanitizer builds only. librdkafka starts and orders its threads by C11 <threads.h>, which gcc's ThreadSanitizer
 * does not know: a thread that it did not see start crashes in the first intercepted call, and locks that it does not
 * see look like races on every buffer that passes between the library and us. glibc builds these functions on the
 * pthread ones with the same objects underneath, so here they are again, in terms of functions it does know. */
#include "forward/kafka_threads.h"

#if defined(__SANITIZE_THREAD__)

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

_Static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t), "glibc's mtx_t is a pthread_mutex_t");
_Static_assert(sizeof(cnd_t) == sizeof(pthread_cond_t), "glibc's cnd_t is a pthread_cond_t");
_Static_assert(sizeof(thrd_t) == sizeof(pthread_t), "glibc's thrd_t is a pthread_t");

const bool KAFKA_THREADS_SEEN = true;

/* The library's reference counts are atomics that ThreadSanitizer cannot see, so what it frees looks raced for. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "race:librdkafka.so";
}

struct start {
	thrd_start_t run;
	void *argument;
};

static int result(int code)
{
	return code == 0           ? thrd_success
	       : code == EBUSY     ? thrd_busy
	       : code == ETIMEDOUT ? thrd_timedout
	       : code == ENOMEM    ? thrd_nomem
	                           : thrd_error;
}

static void *begin(void *argument)
{
	struct start start = *(struct start *)argument;
	free(argument);
	return (void *)(intptr_t)start.run(start.argument);
}

int thrd_create(thrd_t *thread, thrd_start_t run, void *argument)
{
	struct start *start = malloc(sizeof *start);
	if (!start)
		return thrd_nomem;
	*start = (struct start) { run, argument };
	int code = pthread_create(thread, NULL, begin, start);
	if (code)
		free(start);
	return result(code);
}

int thrd_join(thrd_t thread, int *out)
{
	void *value;
	int code = pthread_join(thread, &value);
	if (code == 0 && out)
		*out = (int)(intptr_t)value;
	return result(code);
}

int thrd_detach(thrd_t thread)
{
	return result(pthread_detach(thread));
}

int mtx_init(mtx_t *mutex, int type)
{
	pthread_mutexattr_t attr;
	pthread_mutexattr_init(&attr);
	if (type & mtx_recursive)
		pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	int code = pthread_mutex_init((pthread_mutex_t *)mutex, &attr);
	pthread_mutexattr_destroy(&attr);
	return result(code);
}

void mtx_destroy(mtx_t *mutex)
{
	pthread_mutex_destroy((pthread_mutex_t *)mutex);
}

int mtx_lock(mtx_t *mutex)
{
	return result(pthread_mutex_lock((pthread_mutex_t *)mutex));
}

int mtx_trylock(mtx_t *mutex)
{
	return result(pthread_mutex_trylock((pthread_mutex_t *)mutex));
}

int mtx_unlock(mtx_t *mutex)
{
	return result(pthread_mutex_unlock((pthread_mutex_t *)mutex));
}

int cnd_init(cnd_t *condition)
{
	return result(pthread_cond_init((pthread_cond_t *)condition, NULL));
}

void cnd_destroy(cnd_t *condition)
{
	pthread_cond_destroy((pthread_cond_t *)condition);
}

int cnd_signal(cnd_t *condition)
{
	return result(pthread_cond_signal((pthread_cond_t *)condition));
}

int cnd_broadcast(cnd_t *condition)
{
	return result(pthread_cond_broadcast((pthread_cond_t *)condition));
}

int cnd_wait(cnd_t *condition, mtx_t *mutex)
{
	return result(pthread_cond_wait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex));
}

int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *restrict until)
{
	return result(pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, until));
}

#else

const bool KAFKA_THREADS_SEEN = false;

#endif
