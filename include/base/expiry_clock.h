/* The time by which things are kept and forgotten: retention, grace, windows of dedup. It is the wall clock, but a wall
 * clock that was set wrong must not delete what cannot be brought back: one that leaps ahead of the time that passed
 * (CLOCK_BOOTTIME, which counts a suspended machine's sleep too) is believed only when the leap has lasted for a day.
 * A clock set back is followed at once, since that only keeps things for longer. */
#ifndef HEADGATE_BASE_EXPIRY_CLOCK_H
#define HEADGATE_BASE_EXPIRY_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>

#define EXPIRY_CLOCK_LEAP_MS (INT64_C(3600) * 1000)       /* more than this ahead is not believed ... */
#define EXPIRY_CLOCK_DOUBT_MS (INT64_C(24) * 3600 * 1000) /* ... for so long */

/* Zeroed: nothing read yet; the first reading is believed. */
struct expiry_clock {
	_Atomic int64_t begun;    /* 0: not yet */
	_Atomic int64_t ahead_ms; /* the wall clock's lead over the time since boot that is believed */
	_Atomic int64_t doubt_ms; /* since when (of boot) the wall clock says more; 0: it does not */
};

/* Thread: any. */
int64_t expiry_clock_step(struct expiry_clock *clock, int64_t wall_ms, int64_t boot_ms);
/* The process's one. */
int64_t expiry_clock_ms(void);

#endif
