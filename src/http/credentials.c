/* A place that holds something that is no key (another Authorization scheme, say of a proxy) counts as empty, so that
 * the next place is looked at. */
#include "http/credentials.h"

#include "base/arena.h"
#include "base/percent.h"
#include "http/target.h"
#include "protocol/protocol.h"

#define KEY_BYTES_MAX 512

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* RFC 4648 section 4, padding optional; false on any other character. */
static bool base64_decode(struct slice text, char *to, size_t *len)
{
	uint32_t bits = 0;
	unsigned held = 0;

	*len = 0;
	while (text.len && text.at[text.len - 1] == '=')
		text.len--;
	for (size_t i = 0; i < text.len; i++) {
		int value = base64_value(text.at[i]);
		if (value < 0)
			return false;
		bits = (bits << 6 | (uint32_t)value) & 0xffffff;
		held += 6;
		if (held >= 8) {
			held -= 8;
			to[(*len)++] = (char)(bits >> held & 0xff);
		}
	}
	return true;
}

static bool take_scheme(struct slice *value, struct slice scheme)
{
	if (value->len <= scheme.len || !slice_equal_nocase((struct slice) { value->at, scheme.len }, scheme))
		return false;
	*value = slice_trim((struct slice) { value->at + scheme.len, value->len - scheme.len });
	return true;
}

static struct slice key_of_authorization(struct slice value, struct arena *arena)
{
	size_t len;

	if (take_scheme(&value, SLICE("Bearer ")))
		return value;
	if (!take_scheme(&value, SLICE("Basic ")) || value.len > KEY_BYTES_MAX * 4 / 3)
		return SLICE_NONE;
	char *to = arena_alloc(arena, value.len + 1);
	if (!to || !base64_decode(value, to, &len))
		return SLICE_NONE;
	struct slice user = { to, len };
	user.len = slice_find(user, ':');
	return user;
}

struct slice credentials_key(const struct http_head *head, struct slice query, unsigned places, struct arena *arena)
{
	struct slice key = SLICE_NONE;

	if ((places & KEY_IN_AUTHORIZATION) && head->authorization.len)
		key = key_of_authorization(head->authorization, arena);
	if (!key.len && (places & KEY_IN_HEADER))
		key = slice_trim(head->write_key);
	if (!key.len && (places & KEY_IN_QUERY) && query.len && target_argument(query, SLICE("key"), &key))
		key = percent_decode(key, true, arena);
	return key.len && key.len <= KEY_BYTES_MAX ? key : SLICE_NONE;
}
