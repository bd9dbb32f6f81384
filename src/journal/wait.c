/* How a commit wakes the forwarder: a number that grows, and a futex on it that is only touched when someone waits.
 *
 * The waker takes the waiting flag down, so one wait costs the lanes one system call at most; and after a wake-up the
 * forwarder rests a moment, so that at 50,000 commits a second it is woken about a thousand times. */
#include "journal/internal.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define REST_MS 1

static void futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t timeout_ms)
{
	struct timespec timeout = { .tv_sec = timeout_ms / 1000, .tv_nsec = (timeout_ms % 1000) * 1000000 };
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, &timeout, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void journal_wait_notify(struct journal *journal)
{
	atomic_fetch_add(&journal->sequence, 1);
	if (atomic_load(&journal->waiting) && atomic_exchange(&journal->waiting, false))
		futex_wake(&journal->sequence);
}

void journal_wake(struct journal *journal)
{
	atomic_fetch_add(&journal->woken, 1);
	atomic_fetch_add(&journal->sequence, 1);
	atomic_store(&journal->waiting, false);
	futex_wake(&journal->sequence);
	futex_wake(&journal->woken);
}

void journal_wait(struct journal *journal, int timeout_ms)
{
	int64_t until_ms = clock_monotonic_ms() + timeout_ms;
	bool slept = false;
	for (;;) {
		/* The flag goes up before the number is read, the waker reads it after the number has grown: one of
		 * the two sees the other. */
		atomic_store(&journal->waiting, true);
		int64_t left_ms = until_ms - clock_monotonic_ms();
		if (atomic_load(&journal->sequence) != journal->seen || left_ms <= 0)
			break;
		futex_wait(&journal->sequence, journal->seen, left_ms);
		slept = true;
	}
	atomic_store(&journal->waiting, false);
	if (slept && atomic_load(&journal->sequence) != journal->seen && timeout_ms > REST_MS &&
	    atomic_load(&journal->woken) == journal->seen_woken)
		futex_wait(&journal->woken, journal->seen_woken, REST_MS);
	journal->seen_woken = atomic_load(&journal->woken);
	journal->seen = atomic_load(&journal->sequence);
}
