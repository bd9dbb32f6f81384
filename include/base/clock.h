/* Time: wall clock and monotonic clock in milliseconds, RFC 3339 in and out. */
#ifndef HEADGATE_BASE_CLOCK_H
#define HEADGATE_BASE_CLOCK_H

#include "base/slice.h"

#define CLOCK_TEXT_BYTES 24 /* 2026-11-22T02:01:00.123Z */

int64_t clock_wall_ms(void);
int64_t clock_monotonic_ms(void);
int64_t clock_monotonic_us(void);
int64_t clock_boot_ms(void); /* monotonic, and counts the time a machine was suspended */
/* Writes exactly CLOCK_TEXT_BYTES, no NUL. Years 0000 to 9999; outside is clamped. */
void clock_format(int64_t wall_ms, char *to);
/* RFC 3339 date-time with any offset and fraction (rounded down to ms; leap second :60 becomes :59.999). */
bool clock_parse(struct slice text, int64_t *wall_ms);
/* Number of the day since 1970-01-01 in the process's time zone. */
int64_t clock_local_day(int64_t wall_ms);
/* Makes `name` ("Asia/Seoul", "UTC") the process's time zone; false if the system does not know it. Thread: main, before
 * there are others. */
bool clock_set_zone(struct slice name);

#endif
