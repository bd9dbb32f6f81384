/* A visit: when it goes on, when another one begins. Pure: the clock and the midnights come from the caller. */
#ifndef HEADGATE_IDENTITY_SESSION_H
#define HEADGATE_IDENTITY_SESSION_H

#include "base/slice.h"
#include "base/uuid.h"
#include "config/config.h"

struct session {
	char id[UUID_TEXT_BYTES]; /* a UUIDv7: it tells the begin */
	int64_t last_ms;          /* latest activity that was noted */
	uint32_t number;          /* of the visitor's visits, from 1; 0: not known */
	uint32_t campaign;        /* what the visitor came by last, hashed; 0: nothing */
};

struct session_rules {
	uint32_t timeout_ms;
	bool by_campaign;
	int64_t (*day_of)(int64_t wall_ms); /* number of the day there; NULL: midnight ends nothing */
};

enum session_step {
	SESSION_UNCHANGED, /* goes on, and what is stored of it is still good */
	SESSION_NOTED,     /* goes on; it must be stored anew */
	SESSION_BEGUN      /* another one */
};

/* Activity at `now_ms` by `campaign` (0: none told). `session` is what was stored, all zero if nothing was; number is
 * then left 0 unless the caller sets it. An activity is noted when the last one is a thirtieth of the timeout old (a
 * minute of 30), so that not every answer carries a cookie; a visit ends at most so much late, never early. A clock that
 * was set back by up to a day ends nothing. */
enum session_step session_advance(struct session *session, const struct session_rules *rules, uint32_t campaign,
                                  int64_t now_ms);
/* What a page's address tells of where its visitor came from (utm_* and click ids of its query, as context.click_ids
 * lists them), hashed; 0: nothing. */
uint32_t session_campaign(struct slice url, const struct slices *click_ids);

#endif
