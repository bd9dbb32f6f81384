/* Without salt and CRC a record can still be told by its value, which begins in one way only, and ends where its JSON
 * does. What stands between two values is the header, topic, key and headers of the second. A span may be taken for the
 * person's that is not; none that is may be left: these bytes were given up as damaged before. */
#include "holdings/raw.h"

#define VALUE_BEGINS SLICE("{\"format\":1,")

/* Behind the object's last brace, or the end of the bytes. */
static size_t json_end(struct slice bytes, size_t at)
{
	unsigned depth = 0;
	bool in_string = false;
	for (; at < bytes.len; at++) {
		char c = bytes.at[at];
		if (in_string && c == '\\')
			at++;
		else if (c == '"')
			in_string = !in_string;
		else if (!in_string && c == '{')
			depth++;
		else if (!in_string && c == '}' && --depth == 0)
			return at + 1;
	}
	return bytes.len;
}

static size_t find_value(struct slice bytes, size_t from)
{
	const char *found =
	        from < bytes.len ? memmem(bytes.at + from, bytes.len - from, VALUE_BEGINS.at, VALUE_BEGINS.len) : NULL;
	return found ? (size_t)(found - bytes.at) : bytes.len;
}

void raw_visit(struct person_search *search, struct slice bytes, raw_span_fn fn, void *context)
{
	for (size_t at = 0; at < bytes.len;) {
		size_t begin = find_value(bytes, at);
		size_t end = begin < bytes.len ? json_end(bytes, begin) : bytes.len;
		/* a value that was cut off ends where the next one begins */
		size_t next = begin < bytes.len ? find_value(bytes, begin + 1) : bytes.len;
		end = next < end ? next : end;
		struct slice before = { bytes.at + at, begin - at }, value = { bytes.at + begin, end - begin };
		if (value.len && person_matches(search, value))
			fn(context, at, (struct slice) { bytes.at + at, end - at });
		else if (person_is_in(search, before))
			fn(context, at, before);
		at = end;
	}
}
