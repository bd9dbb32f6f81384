/* The visitor behind one request of a browser source: what its cookies say, which ids its events get, which cookies the
 * answer sets. Thread: the lane's. */
#ifndef HEADGATE_IDENTITY_VISITOR_H
#define HEADGATE_IDENTITY_VISITOR_H

#include "event/event.h"
#include "identity/cookies_keys.h"
#include "identity/session.h"

enum visitor_cookie { VISITOR_COOKIE_ID, VISITOR_COOKIE_SESSION, VISITOR_COOKIE_CONSENT, VISITOR_COOKIE_count };
enum visitor_outcome { VISITOR_NEW, VISITOR_RENEWED, VISITOR_FORGED, VISITOR_EXPIRED, VISITOR_OUTCOME_count };

/* Series of headgate_cookies_total. */
struct visitor_series {
	uint32_t at[VISITOR_COOKIE_count][VISITOR_OUTCOME_count];
};

/* What one event's consent leaves. */
enum visitor_leave {
	VISITOR_UNSEEN, /* no cookie is read or set for it */
	VISITOR_AS_IS,  /* it gets the ids that are there already */
	VISITOR_FREE    /* and new ones where there are none */
};

struct visitor_context {
	const struct config *cfg;
	const struct source *source;
	const struct event_connection *connection;
	const struct cookies_keys *keys;
	const struct visitor_series *series; /* NULL: nothing is counted */
	struct arena *arena;
	int64_t now_ms;
};

/* All zero before the first event. Must not move: events borrow its ids. */
struct visitor {
	bool is_read;        /* the cookies were looked at */
	bool has_id;         /* by its cookie, or a new one */
	bool is_new;         /* no cookie told of this visitor */
	bool is_id_stale;    /* the cookie must be set (anew) */
	bool has_session;    /* decided for the whole request: all its events share one visit */
	bool is_visit_stale; /* the visit's cookie is signed with an older secret */
	bool is_start_told;  /* an event carries session.start */
	uint16_t id_day;     /* days since 1970 when the id's cookie was issued */
	char id[UUID_TEXT_BYTES];
	struct session session;
	enum session_step step;
};

struct visitor_answer {
	const char *cookies[VISITOR_COOKIE_count]; /* values of Set-Cookie; arena */
	uint32_t cookie_count;
	struct slice anonymous_id, session_id; /* inner text of JSON strings; empty: not told */
};

void visitor_series_init(struct visitor_series *series);
/* Sets the event's cookie_id, and anonymous_id and session_id where the event has none of its own. */
void visitor_identify(struct visitor *visitor, const struct visitor_context *context, enum visitor_leave leave,
                      struct event *ev);
/* For an event that is about to be stored: tells what visit it belongs to; the first one carries its begin. */
void visitor_tell_session(struct visitor *visitor, struct event *ev);
/* Adds the cookies that the accepted ones of the events need: what is new or due, and nothing for events that were
 * refused or had been seen before. */
void visitor_write_cookies(const struct visitor *visitor, const struct visitor_context *context,
                           const struct event *events, uint32_t events_count, struct visitor_answer *out);
/* Adds the consent cookie, and the removal of the two others where consent was refused. */
void visitor_write_consent(const struct visitor_context *context, struct slice value, bool is_refused,
                           struct visitor_answer *out);

#endif
