/* Reading the request header Cookie (RFC 6265 section 5.4): `name=value; name=value`, of any bytes and any length. */
#ifndef HEADGATE_BASE_COOKIES_H
#define HEADGATE_BASE_COOKIES_H

#include "base/slice.h"

/* Moves `rest`, the header's text, behind the next cookie of that name (case matters); false if there is none. The value
 * is SLICE_NONE where it is missing or holds bytes that RFC 6265 section 4.1.1 forbids (but for the comma, which
 * browsers send); a quoted one comes without its quotes. The same name may come more than once: host-only, for the
 * domain, by path. */
bool cookies_next(struct slice *rest, struct slice name, struct slice *value);
/* The value of the first cookie of that name; SLICE_NONE if there is none or it is malformed. */
struct slice cookies_find(struct slice header, struct slice name);

#endif
