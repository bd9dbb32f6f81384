/* Several tags serve a client that changes over from one secret to the next, several secrets a server that does. All
 * pairs are compared, whatever the first ones gave. What is wrong with form and time is told apart, since the sender knows
 * both; of a tag that does not fit nothing is told. */
#include "http/signature.h"

#include <sodium.h>

#include "base/hex.h"
#include "config/config.h"

#define TIME_DIGITS_MAX 12

static bool read_time(struct slice value, struct signature *out)
{
	uint64_t seconds;

	if (out->time_text.len || !value.len || value.len > TIME_DIGITS_MAX || !slice_to_u64(value, &seconds))
		return false;
	out->time_text = value;
	out->time_s = (int64_t)seconds;
	return true;
}

static bool read_tag(struct slice value, struct signature *out)
{
	if (out->tag_count == SIGNATURE_TAGS_MAX || value.len != (size_t)2 * SIGNATURE_TAG_BYTES)
		return false;
	uint8_t *tag = out->tags[out->tag_count++];
	for (size_t i = 0; i < SIGNATURE_TAG_BYTES; i++) {
		int high = hex_value(value.at[2 * i]), low = hex_value(value.at[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		tag[i] = (uint8_t)(high * 16 + low);
	}
	return true;
}

enum refusal signature_parse(struct slice header, struct signature *out)
{
	*out = (struct signature) { .tag_count = 0 };
	if (!slice_trim(header).len)
		return REFUSAL_SIGNATURE_MISSING;
	while (header.len) {
		struct slice value = slice_trim(slice_split(&header, ','));
		struct slice name = slice_split(&value, '=');
		bool good = name.len > 0;
		if (slice_equal(name, SLICE("t")))
			good = read_time(value, out);
		else if (slice_equal(name, SLICE("v1")))
			good = read_tag(value, out);
		if (!good)
			return REFUSAL_SIGNATURE_MALFORMED;
	}
	return out->time_text.len && out->tag_count ? REFUSAL_NONE : REFUSAL_SIGNATURE_MALFORMED;
}

enum refusal signature_check_time(const struct signature *signature, int64_t now_ms, uint32_t tolerance_ms)
{
	int64_t apart_ms = now_ms - signature->time_s * 1000;

	/* the time has whole seconds: one signed within this second is not from the future */
	bool fits = apart_ms < 0 ? -apart_ms <= (int64_t)tolerance_ms : apart_ms < (int64_t)tolerance_ms + 1000;
	return fits ? REFUSAL_NONE : REFUSAL_SIGNATURE_TIME;
}

enum refusal signature_check_body(const struct signature *signature, const struct slices *secrets, struct slice body)
{
	unsigned fits = 0;

	for (size_t i = 0; i < secrets->count; i++) {
		crypto_auth_hmacsha256_state state;
		uint8_t own[crypto_auth_hmacsha256_BYTES];
		const struct slice parts[] = { signature->time_text, SLICE("."), body };
		crypto_auth_hmacsha256_init(&state, (const unsigned char *)secrets->at[i].at, secrets->at[i].len);
		for (size_t p = 0; p < sizeof parts / sizeof *parts; p++)
			crypto_auth_hmacsha256_update(&state, (const unsigned char *)parts[p].at, parts[p].len);
		crypto_auth_hmacsha256_final(&state, own);
		for (uint32_t t = 0; t < signature->tag_count; t++)
			fits |= sodium_memcmp(own, signature->tags[t], sizeof own) == 0;
	}
	return fits ? REFUSAL_NONE : REFUSAL_SIGNATURE_WRONG;
}
