/* A request's head as slices: the headers that matter, collected in one pass, each checked on the way. Knows no
 * library: names and values come in one by one. */
#ifndef HEADGATE_HTTP_HEAD_H
#define HEADGATE_HTTP_HEAD_H

#include "base/slice.h"
#include "http/refusal.h"

#define HEAD_FORWARDED_MAX 16

struct http_head {
	struct slice host, origin, referer, authorization, write_key;
	struct slice content_type, content_length, content_encoding, transfer_encoding, expect;
	struct slice user_agent, gpc, dnt, request_id, idempotency_key, cookie, forwarded_proto;
	struct slice signature;
	struct slice hint_ua, hint_mobile, hint_platform; /* client hints */
	struct slice forwarded_for[HEAD_FORWARDED_MAX];   /* X-Forwarded-For headers in their order */
	uint32_t forwarded_count;                         /* HEAD_FORWARDED_MAX + 1: there were more */
	struct slice forwarded[HEAD_FORWARDED_MAX];       /* Forwarded headers in their order */
	uint32_t forwarded_rfc_count;                     /* the same of them */
	bool has_host, has_origin, has_content_length, has_transfer_encoding, has_expect;
	size_t bytes;       /* names and values, and four for each line's separators */
	enum refusal fault; /* the first thing wrong */
};

/* Adds one header. Refused: a name that is no RFC 9110 token, control characters in a value, a repeated header of those
 * that must stand once, and names that begin with Content-Length or Transfer-Encoding and go on: libmicrohttpd glues a
 * folded line to the name of the header before it. */
void head_add(struct http_head *head, struct slice name, struct slice value);

#endif
