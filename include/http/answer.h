/* Answers: headers that all of them carry, shared prebuilt responses for those that are the same each time. Thread: the
 * lane's. */
#ifndef HEADGATE_HTTP_ANSWER_H
#define HEADGATE_HTTP_ANSWER_H

#include "base/buffer.h"
#include "http/exchange.h"

struct answer_cache;

struct answer {
	unsigned status;
	const char *content_type;  /* NULL: no body */
	const char *cache_control; /* NULL: no-store */
	struct slice body;         /* lives as long as the exchange, or static if is_fixed */
	bool is_fixed;
	bool retry_after;
	uint32_t retry_after_s;    /* 0: a few seconds, not the same for all */
	bool challenge;            /* WWW-Authenticate */
	unsigned allow;            /* methods for the header Allow; 0: none */
	const char *allow_headers; /* a preflight's answer */
	bool closes;
	const char *const *cookies; /* values of Set-Cookie */
	uint32_t cookie_count;
};

struct answer_cache *answer_cache_create(struct error *err);
void answer_cache_destroy(struct answer_cache **cache);
/* Forgets all prebuilt responses: a new config may allow other origins. */
void answer_cache_clear(struct answer_cache *cache);

/* Queues the answer for the exchange's request; MHD_NO closes the connection. */
enum MHD_Result answer_send(struct exchange *ex, const struct answer *answer);
/* The general answer, or the protocol's own for that status. */
enum MHD_Result answer_refuse(struct exchange *ex, enum refusal refusal, bool closes);
/* Appends the bytes of a whole answer, for a request that is not complete, when the library takes none. `ex` NULL: not even
 * its first line has come. Nothing if there is no memory. */
void answer_raw(struct lane *lane, const struct exchange *ex, enum refusal refusal, struct buffer *to);

#endif
