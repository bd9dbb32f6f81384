/* Consent cookies of any bytes, with a signer that believes everything (an even first byte) or nothing: a cookie grants
 * only what stands in it, and what is written anew from it says the same. */
#include <stdlib.h>

#include "privacy/consent_cookie.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void sign(const void *keys, struct slice text, uint8_t tag[CONSENT_COOKIE_TAG_BYTES])
{
	(void)keys;
	memset(tag, (int)text.len & 0xff, CONSENT_COOKIE_TAG_BYTES);
}

static bool verify(const void *keys, struct slice text, const uint8_t tag[CONSENT_COOKIE_TAG_BYTES])
{
	(void)text;
	(void)tag;
	return keys != NULL;
}

static void check_granted(struct slice text, struct slice name)
{
	char granted[64];
	if (name.len + 1 > sizeof granted)
		abort();
	memcpy(granted, name.at, name.len);
	granted[name.len] = '+';
	if (!memmem(text.at, text.len, granted, name.len + 1))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static struct arena arena;
	struct consent_cookie cookie, again;
	struct consent_cookie_purpose purposes[4] = { { .name = SLICE("analytics") },
		                                      { .name = SLICE("ads") },
		                                      { .name = SLICE("personalization") },
		                                      { .name = SLICE("functional") } };
	if (len < 1)
		return 0;
	if (!arena.limit_bytes)
		arena_init(&arena, 1 << 20);
	arena_reset(&arena);
	const struct consent_signer signer = { bytes[0] & 1 ? NULL : bytes, sign, verify };
	const struct slice text = { (const char *)bytes + 1, len - 1 };
	if (!consent_cookie_parse(text, &signer, &cookie))
		return 0;
	if (!signer.keys)
		abort();
	for (size_t i = 0; i < 4; i++) {
		consent_cookie_find(&cookie, &purposes[i]);
		if (purposes[i].state == CONSENT_GRANTED)
			check_granted(text, purposes[i].name);
	}
	struct slice written = consent_cookie_format(cookie.time_ms, purposes, 4, &signer, &arena);
	if (!consent_cookie_parse(written, &signer, &again) || again.time_ms != cookie.time_ms)
		abort();
	for (size_t i = 0; i < 4; i++) {
		struct consent_cookie_purpose one = { .name = purposes[i].name };
		consent_cookie_find(&again, &one);
		if (one.state != purposes[i].state || (one.state && one.time_ms != purposes[i].time_ms))
			abort();
	}
	return 0;
}
