/* What the files that write the canonical event share; only for event/. Each writes members of the open object, a comma
 * before each, nothing where there is nothing to say. */
#ifndef HEADGATE_EVENT_CANONICAL_H
#define HEADGATE_EVENT_CANONICAL_H

#include "event/write.h"

#define PUT(out, literal) buffer_append((out), SLICE(literal))

/* `name` comes as ,"name": */
void canonical_put_member(struct buffer *out, struct slice name, const struct event *ev, enum event_member member);
/* A pointer as a JSON string. With `withhold` names that neither events nor the schema have become `*`. */
void canonical_put_path(struct buffer *out, const struct event *ev, struct slice path,
                        const struct event_origin *withhold);
void canonical_put_ids(struct buffer *out, const struct event *ev);
void canonical_put_consent(struct buffer *out, const struct event *ev);
void canonical_put_context(struct buffer *out, const struct event *ev, const struct event_origin *origin);

#endif
