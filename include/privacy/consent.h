/* The person's consent for one event: what everything that speaks of it comes to, and how far the event may go. */
#ifndef HEADGATE_PRIVACY_CONSENT_H
#define HEADGATE_PRIVACY_CONSENT_H

#include "event/event.h"
#include "privacy/consent_cookie.h"

struct consent_context {
	const struct config *cfg;
	const struct source *source;
	const struct event_connection *connection;
	const struct consent_cookie *cookie; /* what the person's browser brought; NULL: none */
	const struct consent_signer *signer; /* of the cookie that an update is answered with; NULL: none is written */
	struct arena *arena;
	bool dry; /* nothing is counted */
};

/* Checks the form of the member `consent` (violations are added to the event) and fills ev->consent and
 * ev->payload_allowed. An event whose consent cannot be read counts as refused. ev->schema is known by then, or NULL. */
void consent_decide(struct event *ev, const struct consent_context *context);
/* For an event that is kept although its schema refuses it: the strictest rules. */
void consent_tighten(struct event *ev, const struct source *source);
/* CONSENT_UNKNOWN if nothing says anything, or the purpose is not configured. */
enum consent_state consent_state_of(const struct event_consent *consent, struct slice purpose);

#endif
