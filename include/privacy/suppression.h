/* Who must not be collected any more: keyed hashes of ids, in `<data>/suppressed`, looked up for each id of an event.
 * Thread: any. */
#ifndef HEADGATE_PRIVACY_SUPPRESSION_H
#define HEADGATE_PRIVACY_SUPPRESSION_H

#include "base/error.h"
#include "base/hash.h"
#include "event/event.h"

struct suppression;

/* Reads the file, if there is one. One that is damaged is an error (DATA): to go on without it would collect those who
 * said no. `key`: of the installation. */
struct suppression *suppression_open(const char *data_dir, const struct hash_key *key, struct error *err);
void suppression_close(struct suppression **suppression);
/* In force and durable when it returns true. An empty name: the value under any name. Adding twice is no error. */
MUST_CHECK bool suppression_add(struct suppression *suppression, struct slice name, struct slice value,
                                struct error *err);
/* Takes back; *was: it was there. */
MUST_CHECK bool suppression_remove(struct suppression *suppression, struct slice name, struct slice value, bool *was,
                                   struct error *err);
/* True if the value, unescaped, is listed under that name or under any; *since_ms: when it was added (may be NULL). */
bool suppression_holds(struct suppression *suppression, struct slice name, struct slice value, int64_t *since_ms);
/* True if one of the event's ids, or its event_id, is listed. Nothing is done while nobody is. */
bool suppression_covers(struct suppression *suppression, const struct event *ev, struct arena *arena);
size_t suppression_count(struct suppression *suppression);

#endif
