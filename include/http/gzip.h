/* Inflating a gzip body with caps. Owner: a lane, which uses one inflater for all its requests. */
#ifndef HEADGATE_HTTP_GZIP_H
#define HEADGATE_HTTP_GZIP_H

#include "base/arena.h"
#include "base/error.h"
#include "http/refusal.h"

struct gzip;

struct gzip *gzip_create(struct error *err);
void gzip_destroy(struct gzip **gzip);
/* Exactly one intact member (RFC 1952) into the arena: BAD_GZIP for anything else, also for bytes behind it;
 * INFLATED_TOO_LARGE beyond the limit, or once more than 64 KiB came out at a ratio above 100; NO_MEMORY. */
enum refusal gzip_inflate(struct gzip *gzip, struct slice body, size_t limit_bytes, struct arena *arena,
                          struct slice *out);

#endif
