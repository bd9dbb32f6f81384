/* The answer's header Set-Cookie (RFC 6265 section 4.1, and Partitioned). */
#ifndef HEADGATE_IDENTITY_COOKIES_WRITE_H
#define HEADGATE_IDENTITY_COOKIES_WRITE_H

#include "base/arena.h"
#include "config/config.h"

/* Whom cookies are for: the same for all of one answer. */
struct cookies_scope {
	struct slice domain; /* of the configured list; empty: the host alone */
	bool secure;
	bool partitioned; /* with SameSite=None, else Lax */
};

/* `host` as the header Host has it. Plain http on localhost gets cookies that are not Secure, since some browsers keep
 * no others there. */
struct cookies_scope cookies_scope(struct slice host, bool is_https, const struct slices *domains,
                                   enum source_cookies cookies);
/* The header's value, NUL-terminated; max_age_s 0: the cookie is to be removed. NULL after arena overflow. */
const char *cookies_write(const struct cookies_scope *scope, struct slice name, struct slice value, uint32_t max_age_s,
                          struct arena *arena);

#endif
