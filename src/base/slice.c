#include "base/slice.h"

static unsigned char lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

int slice_compare(struct slice a, struct slice b)
{
	size_t shorter = a.len < b.len ? a.len : b.len;
	int order = shorter ? memcmp(a.at, b.at, shorter) : 0;
	if (order)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}

bool slice_equal_nocase(struct slice a, struct slice b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (lower(a.at[i]) != lower(b.at[i]))
			return false;
	return true;
}

bool slice_starts(struct slice s, struct slice prefix)
{
	return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.at, prefix.at, prefix.len) == 0);
}

bool slice_ends(struct slice s, struct slice suffix)
{
	return s.len >= suffix.len &&
	       (suffix.len == 0 || memcmp(s.at + (s.len - suffix.len), suffix.at, suffix.len) == 0);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice slice_trim(struct slice s)
{
	while (s.len && is_space(s.at[0])) {
		s.at++;
		s.len--;
	}
	while (s.len && is_space(s.at[s.len - 1]))
		s.len--;
	return s;
}

struct slice slice_split(struct slice *rest, char separator)
{
	size_t i = slice_find(*rest, separator);
	struct slice part = { rest->at, i };
	if (i == rest->len) {
		*rest = SLICE_NONE;
	} else {
		rest->at += i + 1;
		rest->len -= i + 1;
	}
	return part;
}

size_t slice_find(struct slice s, char byte)
{
	const char *hit = s.len ? memchr(s.at, byte, s.len) : NULL;
	return hit ? (size_t)(hit - s.at) : s.len;
}

bool slice_to_u64(struct slice s, uint64_t *out)
{
	uint64_t value = 0;
	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] < '0' || s.at[i] > '9')
			return false;
		if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(s.at[i] - '0'), &value))
			return false;
	}
	*out = value;
	return true;
}
