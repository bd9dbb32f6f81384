/* The envelope {"events":[…], …}: its other members are defaults for every event; `context`, `consent` and `user` merge
 * one level deep, and the event wins. Merging makes a new text per event, which is then scanned like any other. */
#ifndef HEADGATE_PROTOCOL_NATIVE_ENVELOPE_H
#define HEADGATE_PROTOCOL_NATIVE_ENVELOPE_H

#include "protocol/protocol.h"

/* False if something outside of the events is unfit, so that the body must be refused whole. */
bool native_envelope_is_fit(const struct json_doc *doc, uint32_t events);
/* True if there are members besides `events`. */
bool native_envelope_has_defaults(const struct json_doc *doc);
/* Gives each fit event object of `out` the defaults. Overflow of the arena is left to the caller. */
void native_envelope_merge(const struct json_doc *doc, struct protocol_decoded *out, struct arena *arena);

#endif
