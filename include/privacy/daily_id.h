/* An id without a cookie: a hash of address and user agent under a salt that nobody learns, that no disk sees, and that
 * is overwritten by the next day's. Within a day (UTC) it tells one visitor from another; over days, and after a restart,
 * nothing connects two of them. Thread: any. */
#ifndef HEADGATE_PRIVACY_DAILY_ID_H
#define HEADGATE_PRIVACY_DAILY_ID_H

#include "base/slice.h"

#define DAILY_ID_BYTES 32

/* Writes DAILY_ID_BYTES hexadecimal digits. The day is that of `wall_ms`, or the salt's if that is later already. */
void daily_id_make(int64_t wall_ms, struct slice source, struct slice ip, struct slice user_agent, char *to);

#endif
