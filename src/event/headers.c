/* Record headers as bytes, so that the journal can store them without knowing what they are. */
#include "event/headers.h"

#define VALUE_BYTES_MAX 65535

void event_headers_put(struct buffer *out, struct slice name, struct slice value)
{
	if (value.len > VALUE_BYTES_MAX)
		value.len = VALUE_BYTES_MAX;
	char *to = buffer_reserve(out, 1 + name.len + 2 + value.len);
	if (!to)
		return;
	*to++ = (char)(unsigned char)name.len;
	memcpy(to, name.at, name.len);
	to += name.len;
	*to++ = (char)(unsigned char)(value.len & 0xff);
	*to++ = (char)(unsigned char)(value.len >> 8);
	if (value.len)
		memcpy(to, value.at, value.len);
	out->len += 1 + name.len + 2 + value.len;
}

bool event_headers_next(struct slice *rest, struct slice *name, struct slice *value)
{
	const unsigned char *at = (const unsigned char *)rest->at;
	if (rest->len < 3 || rest->len < (size_t)at[0] + 3)
		return false;
	size_t name_len = at[0];
	size_t value_len = (size_t)at[1 + name_len] | (size_t)at[2 + name_len] << 8;
	size_t whole = 1 + name_len + 2 + value_len;
	if (rest->len < whole)
		return false;
	*name = (struct slice) { rest->at + 1, name_len };
	*value = (struct slice) { rest->at + 3 + name_len, value_len };
	rest->at += whole;
	rest->len -= whole;
	return true;
}
