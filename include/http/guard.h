/* The request guard: decides about a head before anything else looks at it, so that no other HTTP implementation in the
 * path can read the same bytes as another request (RFC 9112 sections 3.2, 6.1 and 11.2). Pure. */
#ifndef HEADGATE_HTTP_GUARD_H
#define HEADGATE_HTTP_GUARD_H

#include "http/head.h"

struct http_framing {
	unsigned method; /* enum protocol_method, or 0: a token that is none of ours */
	bool has_body;   /* a length above 0, or chunked */
	bool is_chunked;
	bool expects_continue;
	uint64_t length; /* of a body that is not chunked */
};

/* A refusal of the guard is answered at once and the connection closed: what follows such a head cannot be trusted to
 * be a request. */
enum refusal guard_check(const struct http_head *head, struct slice method, struct slice version,
                         size_t header_limit_bytes, struct http_framing *out);

#endif
