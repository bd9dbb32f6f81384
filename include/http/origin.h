/* Web origins of a request (RFC 6454) and what the sources of the config say about them. Pure. */
#ifndef HEADGATE_HTTP_ORIGIN_H
#define HEADGATE_HTTP_ORIGIN_H

#include "config/config.h"
#include "http/refusal.h"

#define ORIGIN_BYTES_MAX 320

/* The origin of an http or https URL as a browser would serialise it (lower case, no default port) into `to` of
 * ORIGIN_BYTES_MAX; SLICE_NONE if the URL has none. */
struct slice origin_of_url(struct slice url, char *to);
/* True if any source lists it: then a preflight is answered, and answers given before the source is known carry CORS
 * headers. */
bool origin_is_known(const struct config *cfg, struct slice origin);
/* The rule of the source's kind. `has_origin`: the request has the header Origin. */
enum refusal origin_check(const struct source *source, bool has_origin, struct slice origin, struct slice referer);

#endif
