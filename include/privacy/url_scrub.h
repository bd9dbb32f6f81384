/* URLs with less in them. They are cut by eye, not by a parser: whatever a page sends must come out with no more than was
 * asked for, also where it is no URL at all. Nothing is decoded or encoded. Thread: any. */
#ifndef HEADGATE_PRIVACY_URL_SCRUB_H
#define HEADGATE_PRIVACY_URL_SCRUB_H

#include "base/buffer.h"
#include "base/name_set.h"
#include "base/slice.h"

/* A URL, or a path: "scheme://…", "//…", "/…", "?…". */
bool url_is_like(struct slice text);
/* Without query, fragment, user part and path parameters; segments that are digits, a UUID or hold an @ (or %40) become
 * `*`. */
void url_write_stripped(struct slice url, struct buffer *out);
/* Scheme, host and port; nothing if there is no host. */
void url_write_origin(struct slice url, struct buffer *out);
/* The URL without the parameters of these names; false (nothing is written) if it has none of them. */
bool url_write_without(struct slice url, const struct name_set *names, struct buffer *out);

#endif
