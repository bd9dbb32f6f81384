/* One event on its way through the pipeline, and the forms it leaves in: canonical event and dead letter. */
#ifndef HEADGATE_EVENT_EVENT_H
#define HEADGATE_EVENT_EVENT_H

#include "base/slice.h"
#include "catalog/catalog.h"
#include "json/json.h"

enum event_member {
#define MEMBER(id, name) EVENT_MEMBER_##id,
#include "event/members.def"
#undef MEMBER
	EVENT_MEMBER_count
};

enum reject_reason {
#define REASON(id, name, text) REASON_##id,
#include "event/reasons.def"
#undef REASON
	REASON_count
};

/* PENDING is not an outcome: it waits for the journal or for another copy. */
enum verdict { VERDICT_PENDING, VERDICT_ACCEPTED, VERDICT_DUPLICATE, VERDICT_REJECTED, VERDICT_DROPPED, VERDICT_RETRY, VERDICT_count };

#define EVENT_WARNINGS_MAX 8

struct event_warning {
	struct slice path, rule;
};

/* Facts of the connection that events of browser and app sources take over. Empty: not known. */
struct event_connection {
	struct slice ip, user_agent;
	bool gpc; /* Sec-GPC: 1 */
};

struct event {
	/* as sent: an object within a scanned document; member[] holds the values' nodes, 0 = absent (or null, or "") */
	const struct json_doc *doc;
	uint32_t node;
	uint32_t index; /* place in the request */
	uint32_t member[EVENT_MEMBER_count];
	struct slice bytes; /* the event's own bytes (envelope defaults merged), also where it did not parse */

	/* decided by the steps */
	enum verdict verdict;
	enum reject_reason reason;
	struct violations *errors; /* NULL: none; arena of the request */
	const struct event_schema *schema;
	struct slice name;             /* member `event`; empty if unreadable */
	struct slice event_id;         /* the one in force */
	struct slice client_event_id;  /* the client's, where it was replaced */
	bool event_id_given;           /* by the server: returned in the answer */
	int64_t received_ms, event_ms, sent_ms;
	struct slice client_time;      /* original event_time where it was corrected, raw string or number */
	bool has_sent_at, late, repeat, unverified;
	bool payload_allowed;          /* a dead letter may carry the payload */
	struct event_warning warnings[EVENT_WARNINGS_MAX];
	uint32_t warning_count;
};

const char *verdict_name(enum verdict verdict);
const char *reject_reason_name(enum reject_reason reason);
const char *reject_reason_text(enum reject_reason reason);

#endif
