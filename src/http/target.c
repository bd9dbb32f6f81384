/* The target is checked byte by byte once; what passes has no byte that could end a C string or a log line early. */
#include "http/target.h"

static bool is_nul_escape(struct slice s, size_t at)
{
	return at + 2 < s.len && s.at[at + 1] == '0' && s.at[at + 2] == '0';
}

enum refusal target_parse(struct slice raw, size_t limit_bytes, struct http_target *out)
{
	*out = (struct http_target) { SLICE(""), SLICE("") };
	if (raw.len > limit_bytes)
		return REFUSAL_TARGET_TOO_LONG;
	if (!raw.len || raw.at[0] != '/')
		return REFUSAL_BAD_TARGET;
	for (size_t i = 0; i < raw.len; i++) {
		unsigned char c = (unsigned char)raw.at[i];
		if (c <= 0x20 || c == 0x7f || (c == '%' && is_nul_escape(raw, i)))
			return REFUSAL_BAD_TARGET;
	}
	size_t mark = slice_find(raw, '?');
	out->path = (struct slice) { raw.at, mark };
	if (mark < raw.len)
		out->query = (struct slice) { raw.at + mark + 1, raw.len - mark - 1 };
	return REFUSAL_NONE;
}

size_t target_argument_count(struct slice query)
{
	size_t count = 0;

	while (query.len)
		count += slice_split(&query, '&').len > 0;
	return count;
}

bool target_argument(struct slice query, struct slice name, struct slice *value)
{
	while (query.len) {
		struct slice rest = slice_split(&query, '&');
		struct slice key = slice_split(&rest, '=');
		if (slice_equal(key, name)) {
			*value = rest;
			return true;
		}
	}
	return false;
}
