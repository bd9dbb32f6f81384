/* The write key of a request: where it may stand is the protocol's, how it is read stands here. Pure. */
#ifndef HEADGATE_HTTP_CREDENTIALS_H
#define HEADGATE_HTTP_CREDENTIALS_H

#include "http/head.h"

struct arena;

/* First of the places (enum protocol_key_place) that holds one: Authorization (Bearer K, Basic base64(K:)),
 * X-Write-Key, the query argument `key`. SLICE_NONE if none does. Borrowed from head and query, or in the arena. */
struct slice credentials_key(const struct http_head *head, struct slice query, unsigned places, struct arena *arena);

#endif
