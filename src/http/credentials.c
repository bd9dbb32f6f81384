/* A place that holds something that is no key (another Authorization scheme, say of a proxy) counts as empty, so that
 * the next place is looked at. */
#include "http/credentials.h"

#include <sodium.h>

#include "base/arena.h"
#include "base/percent.h"
#include "http/target.h"
#include "protocol/protocol.h"

#define KEY_BYTES_MAX 512

static bool take_scheme(struct slice *value, struct slice scheme)
{
	if (value->len <= scheme.len || !slice_equal_nocase((struct slice) { value->at, scheme.len }, scheme))
		return false;
	*value = slice_trim((struct slice) { value->at + scheme.len, value->len - scheme.len });
	return true;
}

static struct slice key_of_authorization(struct slice value, struct arena *arena)
{
	if (take_scheme(&value, SLICE("Bearer ")))
		return value;
	if (!take_scheme(&value, SLICE("Basic ")) || value.len > KEY_BYTES_MAX * 4 / 3)
		return SLICE_NONE;
	while (slice_ends(value, SLICE("="))) /* padding is optional */
		value.len--;
	char *to = arena_alloc(arena, value.len + 1);
	size_t len;
	if (!to || sodium_base642bin((unsigned char *)to, value.len, value.at, value.len, NULL, &len, NULL,
	                             sodium_base64_VARIANT_ORIGINAL_NO_PADDING) != 0)
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
