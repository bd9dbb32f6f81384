/* The consent cookie, in which a browser brings back what it said by consent_update:
 *
 *   1.<seconds in hex>.<purpose>+.<purpose>-~<seconds in hex>.….<tag>
 *
 * version and time, then each purpose with + (granted) or - (denied), and how much earlier than the time it was said if
 * an earlier update did, then 128 bits in base64url by which forged text is noticed. */
#ifndef HEADGATE_PRIVACY_CONSENT_COOKIE_H
#define HEADGATE_PRIVACY_CONSENT_COOKIE_H

#include "base/arena.h"
#include "config/config.h"

#define CONSENT_COOKIE_TAG_BYTES 16
#define CONSENT_COOKIE_MAX_AGE_S (180 * 24 * 3600)

/* Who vouches for cookies: the secrets are kept elsewhere. */
struct consent_signer {
	const void *keys;
	void (*sign)(const void *keys, struct slice text, uint8_t tag[CONSENT_COOKIE_TAG_BYTES]);
	bool (*verify)(const void *keys, struct slice text, const uint8_t tag[CONSENT_COOKIE_TAG_BYTES]);
};

struct consent_cookie {
	int64_t time_ms;
	struct slice purposes; /* as they stand in the text, its form checked */
};

struct consent_cookie_purpose {
	struct slice name;
	enum consent_state state; /* UNKNOWN: not written */
	int64_t time_ms;
};

/* False: not a cookie of ours, or its tag is wrong. Its time is not judged. */
bool consent_cookie_parse(struct slice text, const struct consent_signer *signer, struct consent_cookie *out);
/* The latest of the cookies of that name in the header Cookie that is signed, of a time that can be and not out of date:
 * a browser may hold several (for the host, for the domain). False: none. *ignored: how many were not such. */
bool consent_cookie_read(struct slice header, struct slice name, const struct consent_signer *signer, int64_t now_ms,
                         struct consent_cookie *out, uint32_t *ignored);
/* State and time of the purpose named in `out`; CONSENT_UNKNOWN if the cookie does not speak of it. */
void consent_cookie_find(const struct consent_cookie *cookie, struct consent_cookie_purpose *out);
/* The cookie's value; SLICE_NONE after arena overflow. */
struct slice consent_cookie_format(int64_t time_ms, const struct consent_cookie_purpose *purposes, size_t count,
                                   const struct consent_signer *signer, struct arena *arena);

#endif
