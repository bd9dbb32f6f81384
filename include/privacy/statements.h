/* What an event's own member `consent` says, read and checked for its form; only for privacy/. */
#ifndef HEADGATE_PRIVACY_STATEMENTS_H
#define HEADGATE_PRIVACY_STATEMENTS_H

#include "privacy/consent.h"

/* Strings are unescaped, empty where absent. */
struct statements {
	struct event_purpose *purposes; /* by name; state is what was said. Room for all members and as many again */
	uint32_t purposes_count;
	struct slice tcf, gpp, us_privacy, gcs, gcd;
	bool gdpr_is_off; /* gdpr: 0 */
	bool gpc, dnt;
	bool has_gpp_sid; /* and it names sections */
	uint32_t gpp_sid; /* 1 << section id */
	int64_t time_ms;  /* of the purposes; 0: not dated */
	bool time_is_absurd;
};

/* Violations are added to the event. False after arena overflow. */
bool statements_read(struct event *ev, struct arena *arena, struct statements *out);
/* "granted", "denied", "unknown", true, false, null; false: anything else. */
bool statements_read_state(const struct json_doc *doc, uint32_t node, enum consent_state *state);
/* True for times at which consent can have been given: since the GDPR, and no more than a day ahead of `now_ms`. */
bool statements_is_sane_time(int64_t time_ms, int64_t now_ms);

#endif
