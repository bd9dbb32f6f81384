/* Percent-encoding (RFC 3986 section 2.1), as queries and paths carry it. */
#ifndef HEADGATE_BASE_PERCENT_H
#define HEADGATE_BASE_PERCENT_H

#include "base/slice.h"

struct arena;

/* %XX resolved, and + to a space where asked for (forms, queries); what is no valid escape stays as it is. Borrowed
 * when there is nothing to resolve; SLICE_NONE after arena overflow. */
struct slice percent_decode(struct slice text, bool plus_is_space, struct arena *arena);
/* The same, but escapes that do not stand for UTF-8 (of old pages in EUC-KR) stay as they are. */
struct slice percent_decode_text(struct slice text, bool plus_is_space, struct arena *arena);

#endif
