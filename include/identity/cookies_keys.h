/* The secrets that cookies are signed with: HMAC-SHA256 (RFC 2104), cut to 128 bits. Read once at start; immutable. */
#ifndef HEADGATE_IDENTITY_COOKIES_KEYS_H
#define HEADGATE_IDENTITY_COOKIES_KEYS_H

#include <sodium.h>

#include "base/error.h"
#include "base/hash.h"

#define COOKIES_TAG_BYTES 16
#define COOKIES_KEYS_MAX 8

struct cookies_keys {
	crypto_auth_hmacsha256_state states[COOKIES_KEYS_MAX]; /* each has its key absorbed; the first one signs */
	uint32_t count;
	struct hash_key memory_key; /* of what was verified lately */
};

/* Without a file the installation's own key signs. With one its first line does, the others and the installation's own
 * key are still believed, so that a secret can be changed without losing all visitors. The file is at most 4 KiB, its
 * lines 32 bytes or more. */
MUST_CHECK bool cookies_keys_load(struct cookies_keys *keys, const struct hash_key *own, struct slice secret_file,
                                  struct error *err);
void cookies_keys_sign(const struct cookies_keys *keys, struct slice text, uint8_t tag[COOKIES_TAG_BYTES]);
/* Which key made the tag, 0 being the one that signs; -1: none. Constant time with regard to the tag's bytes. */
int cookies_keys_verify(const struct cookies_keys *keys, struct slice text, const uint8_t tag[COOKIES_TAG_BYTES]);

#endif
