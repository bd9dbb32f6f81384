/* The header Forwarded (RFC 7239): whom each proxy was asked by. */
#ifndef HEADGATE_HTTP_FORWARDED_H
#define HEADGATE_HTTP_FORWARDED_H

#include "base/slice.h"

#define FORWARDED_ELEMENTS_MAX 32

/* The values of `for` of all elements of all headers, in order, without quotes, at most FORWARDED_ELEMENTS_MAX; an
 * element without one gives an empty slice. 0 if there is none, a header is malformed, or there are more. */
size_t forwarded_read(const struct slice *headers, size_t count, struct slice *to);

#endif
