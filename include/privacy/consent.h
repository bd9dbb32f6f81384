/* The person's consent for one event. In this version statements are carried as they came: the event's own purposes,
 * then the source's defaults for what it leaves open. Nothing is stripped yet (`applied: kept`). */
#ifndef HEADGATE_PRIVACY_CONSENT_H
#define HEADGATE_PRIVACY_CONSENT_H

#include "event/event.h"

/* Checks the form of the member `consent` (violations are added to the event) and fills ev->consent and
 * ev->payload_allowed. */
void consent_decide(struct event *ev, const struct source *source, const struct event_connection *connection,
                    struct arena *arena);
/* CONSENT_UNKNOWN if nothing says anything. */
enum consent_state consent_state_of(const struct event_consent *consent, struct slice purpose);

#endif
