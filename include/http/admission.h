/* What may come in: the checks between the head and the body, in the order that the answers promise. */
#ifndef HEADGATE_HTTP_ADMISSION_H
#define HEADGATE_HTTP_ADMISSION_H

#include "http/exchange.h"

/* Framing: a refusal is to be answered at once, and the connection closed. */
enum refusal admission_check_framing(struct exchange *ex, const char *method, const char *version);
/* Route, method, key, origin, state, content: sets route, kind, source, is_gzip, body_limit. A refusal waits for the
 * end of the body. */
enum refusal admission_check_rights(struct exchange *ex);

#endif
