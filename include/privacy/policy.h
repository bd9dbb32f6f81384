/* How far an event goes with what the person allowed; only for privacy/. */
#ifndef HEADGATE_PRIVACY_POLICY_H
#define HEADGATE_PRIVACY_POLICY_H

#include "event/event.h"

/* Sets ev->consent.applied and .basis by the purposes that the catalog gives the event. Without a schema, or with
 * `strict`, every configured purpose must be granted, else it counts as denied. */
void policy_apply(struct event *ev, const struct source *source, bool strict);

#endif
