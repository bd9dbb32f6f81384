/* What may come in: the checks between the head and the body, in the order that the answers promise. */
#ifndef HEADGATE_HTTP_ADMISSION_H
#define HEADGATE_HTTP_ADMISSION_H

#include "http/exchange.h"

/* Sets route (NULL: none), route_path and req.input.path from the raw target, whatever else is wrong with the request:
 * it decides in which form that is told. */
void admission_find_route(struct exchange *ex, const struct config *cfg);
/* Framing: a refusal is to be answered at once, and the connection closed. */
enum refusal admission_check_framing(struct exchange *ex, const char *method, const char *version);
/* Method, key, origin, state, content, for the route found: sets kind, source, is_gzip, body_limit. A refusal waits for the
 * end of the body. */
enum refusal admission_check_rights(struct exchange *ex);

#endif
