/* All of it are characters that RFC 6265 allows in a cookie's value and that nothing on the way escapes. */
#include "privacy/consent_cookie.h"

#include <sodium.h>

#include "base/base64.h"
#include "base/buffer.h"
#include "base/cookies.h"
#include "base/hex.h"
#include "privacy/statements.h"

#define COOKIES_MAX 8
#define COOKIE_BYTES_MAX 2048
#define SECONDS_DIGITS_MAX 9
#define PURPOSE_BYTES_MAX 32
#define ELEMENT_BYTES_MAX (PURPOSE_BYTES_MAX + SECONDS_DIGITS_MAX + 3)
#define TAG_TEXT_BYTES 22
#define SIGNED_PREFIX "consent."

static bool read_seconds(struct slice text, int64_t *ms)
{
	int64_t seconds = 0;
	if (text.len == 0 || text.len > SECONDS_DIGITS_MAX)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		int digit = hex_value(text.at[i]);
		if (digit < 0)
			return false;
		seconds = seconds * 16 + digit;
	}
	*ms = seconds * 1000;
	return true;
}

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

static bool read_purpose(struct slice text, int64_t time_ms, struct consent_cookie_purpose *out)
{
	size_t len = 0;
	int64_t earlier_ms = 0;
	while (len < text.len && is_name_char(text.at[len]))
		len++;
	if (len == 0 || len > PURPOSE_BYTES_MAX || len == text.len || (text.at[len] != '+' && text.at[len] != '-'))
		return false;
	struct slice rest = { text.at + len + 1, text.len - len - 1 };
	if (rest.len && (rest.at[0] != '~' || !read_seconds((struct slice) { rest.at + 1, rest.len - 1 }, &earlier_ms)))
		return false;
	*out = (struct consent_cookie_purpose) { { text.at, len },
		                                 text.at[len] == '+' ? CONSENT_GRANTED : CONSENT_DENIED,
		                                 time_ms - earlier_ms };
	return true;
}

static bool are_purposes(struct slice text)
{
	struct consent_cookie_purpose purpose;
	while (text.len)
		if (!read_purpose(slice_split(&text, '.'), 0, &purpose))
			return false;
	return true;
}

/* Index of the last dot, or 0. */
static size_t last_dot(struct slice text)
{
	size_t at = text.len;
	while (at && text.at[--at] != '.')
		;
	return at;
}

/* Under the same keys other cookies are signed: none must pass for another. */
static struct slice signed_text(struct slice text, char *to)
{
	memcpy(to, SIGNED_PREFIX, sizeof SIGNED_PREFIX - 1);
	memcpy(to + sizeof SIGNED_PREFIX - 1, text.at, text.len);
	return (struct slice) { to, sizeof SIGNED_PREFIX - 1 + text.len };
}

static bool is_signed(struct slice text, struct slice tag_text, const struct consent_signer *signer)
{
	char whole[sizeof SIGNED_PREFIX + COOKIE_BYTES_MAX];
	uint8_t tag[CONSENT_COOKIE_TAG_BYTES];
	if (text.len > COOKIE_BYTES_MAX || !base64_url_decode(tag_text, tag, sizeof tag))
		return false;
	return signer->verify(signer->keys, signed_text(text, whole), tag);
}

bool consent_cookie_parse(struct slice text, const struct consent_signer *signer, struct consent_cookie *out)
{
	size_t dot = last_dot(text);
	struct slice body = { text.at, dot }, tag = { text.at + dot + 1, dot < text.len ? text.len - dot - 1 : 0 };
	struct slice rest = body;
	*out = (struct consent_cookie) { .time_ms = 0 };
	if (!slice_equal(slice_split(&rest, '.'), SLICE("1")) ||
	    !read_seconds(slice_split(&rest, '.'), &out->time_ms) || !are_purposes(rest) ||
	    !is_signed(body, tag, signer))
		return false;
	out->purposes = rest;
	return true;
}

/* Clocks differ a little: what is ahead is of now, not later than what others say now. */
static bool take_time(struct consent_cookie *cookie, int64_t now_ms)
{
	if (!statements_is_sane_time(cookie->time_ms, now_ms) ||
	    cookie->time_ms < now_ms - CONSENT_COOKIE_MAX_AGE_S * 1000LL)
		return false;
	cookie->time_ms = cookie->time_ms < now_ms ? cookie->time_ms : now_ms;
	return true;
}

bool consent_cookie_read(struct slice header, struct slice name, const struct consent_signer *signer, int64_t now_ms,
                         struct consent_cookie *out, uint32_t *ignored)
{
	struct slice value;
	bool found = false;
	*ignored = 0;
	for (size_t i = 0; i < COOKIES_MAX && cookies_next(&header, name, &value); i++) {
		struct consent_cookie cookie;
		if (value.len == 0)
			continue;
		if (!consent_cookie_parse(value, signer, &cookie) || !take_time(&cookie, now_ms)) {
			++*ignored;
			continue;
		}
		if (!found || cookie.time_ms > out->time_ms)
			*out = cookie;
		found = true;
	}
	return found;
}

void consent_cookie_find(const struct consent_cookie *cookie, struct consent_cookie_purpose *out)
{
	struct slice rest = cookie->purposes;
	struct consent_cookie_purpose one;
	out->state = CONSENT_UNKNOWN;
	while (rest.len && read_purpose(slice_split(&rest, '.'), cookie->time_ms, &one))
		if (slice_equal(one.name, out->name) && (out->state == CONSENT_UNKNOWN || one.state == CONSENT_DENIED))
			*out = one;
}

struct slice consent_cookie_format(int64_t time_ms, const struct consent_cookie_purpose *purposes, size_t count,
                                   const struct consent_signer *signer, struct arena *arena)
{
	char whole[sizeof SIGNED_PREFIX + COOKIE_BYTES_MAX], tag_text[TAG_TEXT_BYTES + 1];
	uint8_t tag[CONSENT_COOKIE_TAG_BYTES];
	int64_t seconds = time_ms > 0 ? time_ms / 1000 : 0;
	struct buffer out;
	buffer_init(&out, arena);
	buffer_append_format(&out, "1.%llx", (unsigned long long)seconds);
	for (size_t i = 0; i < count; i++) {
		if (purposes[i].state == CONSENT_UNKNOWN)
			continue;
		if (out.len + ELEMENT_BYTES_MAX > COOKIE_BYTES_MAX)
			break; /* dozens of purposes: of those left out nothing is known */
		int64_t earlier = seconds - purposes[i].time_ms / 1000;
		buffer_append_char(&out, '.');
		buffer_append(&out, purposes[i].name);
		buffer_append_char(&out, purposes[i].state == CONSENT_GRANTED ? '+' : '-');
		if (earlier > 0)
			buffer_append_format(&out, "~%llx", (unsigned long long)earlier);
	}
	if (out.failed)
		return SLICE_NONE;
	signer->sign(signer->keys, signed_text(buffer_slice(&out), whole), tag);
	sodium_bin2base64(tag_text, sizeof tag_text, tag, sizeof tag, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	buffer_append_char(&out, '.');
	buffer_append(&out, (struct slice) { tag_text, TAG_TEXT_BYTES });
	return out.failed ? SLICE_NONE : buffer_slice(&out);
}
