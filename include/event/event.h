/* One event on its way through the pipeline, and the forms it leaves in: canonical event and dead letter. */
#ifndef HEADGATE_EVENT_EVENT_H
#define HEADGATE_EVENT_EVENT_H

#include "base/buffer.h"
#include "base/slice.h"
#include "config/config.h"
#include "json/json.h"
#include "json/violation.h"

struct event_schema; /* the catalog's */

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
enum verdict {
	VERDICT_PENDING,
	VERDICT_ACCEPTED,
	VERDICT_DUPLICATE,
	VERDICT_REJECTED,
	VERDICT_DROPPED,
	VERDICT_RETRY,
	VERDICT_count
};

#define EVENT_WARNINGS_MAX 8
#define EVENT_IDS_MAX 16
#define EVENT_IDS_ADDED_MAX 3 /* given by the server, beyond those */

struct event_warning {
	struct slice path, rule;
};

/* One identifier: a member of `ids`, one of the top-level ids, or one that the server gave. */
struct event_id_pair {
	struct slice name;
	uint32_t value;    /* node: a string or an integer; 0: `text` instead */
	struct slice text; /* nothing in it needs escaping */
};

/* A change to the event's own bytes on their way out: the value at `node` is written as `text` (JSON), or, where text.at
 * is NULL, left out together with its name. */
struct event_edit {
	uint32_t node;
	struct slice text;
};

struct event_limits {
	uint32_t event_bytes, depth, id_bytes, event_id_bytes;
	bool event_id_required;
};

/* What decided. NONE: nothing did. */
enum consent_basis {
#define BASIS(id, name) BASIS_##id,
#include "event/bases.def"
#undef BASIS
	BASIS_count
};

/* What is known of the person's consent for one purpose. */
struct event_purpose {
	struct slice purpose;
	enum consent_state state;
	enum consent_basis basis;
	enum consent_state stated; /* by the person's own statements, before opt-outs and defaults */
	int64_t stated_ms;         /* when; 0: not known */
	bool is_configured;        /* else it passes through and controls nothing */
};

/* How far consent lets an event go: `applied` of the wire contract. */
enum consent_applied { CONSENT_KEPT, CONSENT_REDUCED, CONSENT_STRIPPED, CONSENT_DROPPED };

struct event_consent {
	struct event_purpose *at; /* the configured ones first, in the order of the configuration */
	uint32_t count;
	bool gpc;
	enum consent_applied applied;
	enum consent_basis basis; /* of `applied`: that of the purpose which decided it */
	bool any_granted;         /* a configured purpose is, and nothing that was said is unreadable */
	bool user_denied;         /* Google's ad_user_data was denied: `user` is not for passing on */
	bool is_update;           /* consent_update: keeps the ids the person had; no IP, user agent or URL */
	int64_t time_ms;          /* when the event's own statements were made; 0: not known */
	struct slice cookie;      /* of an update from a browser: the value of the consent cookie to set; else empty */
};

/* Facts of the connection that events of browser and app sources take over. Empty: not known. */
struct event_connection {
	struct slice ip, user_agent;
	struct slice cookies; /* the header Cookie */
	struct slice host;    /* the header Host */
	struct slice referer;
	struct slice country;                             /* ISO 3166-1 alpha-2, told by a trusted proxy */
	struct slice hint_ua, hint_mobile, hint_platform; /* Sec-CH-UA, -Mobile, -Platform */
	bool is_https;                                    /* as a trusted proxy says */
	bool gpc;                                         /* Sec-GPC: 1 */
	bool dnt;                                         /* DNT: 1 */
};

/* The objects of `context` that gain members at the door; the event's own members stay. */
enum event_context_part {
	CONTEXT_PART_PAGE,
	CONTEXT_PART_CAMPAIGN,
	CONTEXT_PART_CLICK_IDS,
	CONTEXT_PART_CLIENT_HINTS,
	CONTEXT_PART_DEVICE,
	CONTEXT_PART_GEO,
	CONTEXT_PART_count
};

/* A visit: what the canonical event's `session` says. */
struct event_session {
	bool known; /* else none of it is written */
	bool start, first;
	uint32_t number; /* 0: not known */
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
	enum reject_reason reason; /* the first */
	uint32_t reasons;          /* 1 << reason for each that was met */
	struct violations *errors; /* NULL: none; arena of the request */
	const struct event_schema *schema;
	struct slice name;             /* member `event`; empty if unreadable */
	struct slice version;          /* resolved, "1-0-0"; empty: not in the catalog */
	struct slice dataschema;       /* URI of the canonical schema */
	struct slice event_id;         /* the one in force, by which copies are known and which answers tell */
	struct slice written_event_id; /* stands for it in all that is stored; empty: it stands there itself */
	struct slice client_event_id;  /* the client's, where it was replaced */
	bool client_event_id_withheld; /* told in the answer, never written */
	bool event_id_given;           /* by the server: returned in the answer */
	bool event_id_random;          /* given and not derived from anything: no copy of it can come */
	int64_t received_ms, event_ms, sent_ms;
	int64_t client_ms;   /* event_time as it came; meaningful with has_event_time */
	bool time_corrected; /* client_ms goes into client_time */
	bool has_event_time, has_sent_at, late, repeat, unverified, test;
	struct event_consent consent;
	bool payload_allowed; /* a dead letter may carry the payload */
	struct event_id_pair ids[EVENT_IDS_MAX + EVENT_IDS_ADDED_MAX];
	uint32_t id_count;
	bool ids_overflowed; /* told once */
	bool ids_linked;     /* the first event on which user_id and anonymous_id meet */
	struct event_session session;
	struct event_edit *edits; /* by node; arena */
	uint32_t edit_count, edit_capacity;
	struct slice ip, user_agent; /* what of the connection's is written into `context`; of server sources: none */
	struct slice context_parts[CONTEXT_PART_count]; /* members added to each, `"name":value,…`; empty: none */
	struct slice sdk;                               /* what sent it, "name/version"; empty: not told */
	struct slice added_context;     /* further members of `context`, `"name":value,…`; empty: none */
	struct slice user_hashed;       /* the object `user.hashed`; empty: none */
	struct event_warning *warnings; /* arena; EVENT_WARNINGS_MAX of them, NULL: none */
	uint32_t warning_count;
	uint32_t more_warnings; /* for which there was no room */
};

/* Reads the members of the object at ev->node: fills member[], name, ids, times and test, checks types, forms and
 * bounds. What is wrong is added to ev->errors (the first one gives ev->reason); reading goes on, so that all of it is
 * told at once. received_ms must be set. False: it is not judged any further (no object, too large, too deep, unfit); of an object
 * member[], name and id were read, so that its refusal can name it. */
bool event_read(struct event *ev, const struct event_limits *limits, struct arena *arena);
/* Marks the event as wrong. `path` and `message` are literals or lie in the arena. */
void event_refuse(struct event *ev, struct arena *arena, enum reject_reason reason, struct slice path,
                  struct slice rule, struct slice message);
/* ev->errors, made if there is none yet; NULL after arena overflow. */
struct violations *event_errors(struct event *ev, struct arena *arena);
void event_warn(struct event *ev, struct arena *arena, struct slice path, struct slice rule);
/* The event_id that is stored. */
struct slice event_stored_id(const struct event *ev);
/* The identifier of that name, or SLICE_NONE: raw inner text of the string, or the integer's digits. */
struct slice event_id_find(const struct event *ev, struct slice name);
/* Takes the identifier of that name out of the event; false: it has none. */
bool event_id_drop(struct event *ev, struct slice name);
/* The same of one pair. */
struct slice event_id_text(const struct event *ev, const struct event_id_pair *pair);
/* The value at `node` goes out as `text`, JSON that lies in the arena; SLICE_NONE: it is left out with its name. The last
 * edit of a node counts; within a value that is replaced or left out none does. */
void event_edit(struct event *ev, uint32_t node, struct slice text, struct arena *arena);
/* Leaves out what says nothing: members of `user` and `context` that headgate knows and that are null or "", flags that are
 * false. What the sender named itself stays as it came. */
void event_leave_out_silent(struct event *ev, struct arena *arena);
/* The edit of that node, or NULL. */
const struct event_edit *event_edit_find(const struct event *ev, uint32_t node);

const char *consent_applied_name(enum consent_applied applied);
const char *consent_basis_name(enum consent_basis basis);
const char *verdict_name(enum verdict verdict);
const char *reject_reason_name(enum reject_reason reason);
const char *reject_reason_text(enum reject_reason reason);

#endif
