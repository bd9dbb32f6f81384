/* A header is read pair by pair and never refused as a whole: one broken cookie, which any script or any other site
 * under the domain can set, must not hide the others. Values that nobody asked for are not looked at. */
#include "base/cookies.h"

static bool is_octet(char c)
{
	return c > ' ' && c < 0x7f && c != '"' && c != ';' && c != '\\';
}

static struct slice checked_value(struct slice text)
{
	if (text.len >= 2 && text.at[0] == '"' && text.at[text.len - 1] == '"')
		text = (struct slice) { text.at + 1, text.len - 2 };
	for (size_t i = 0; i < text.len; i++)
		if (!is_octet(text.at[i]))
			return SLICE_NONE;
	return text;
}

bool cookies_next(struct slice *rest, struct slice name, struct slice *value)
{
	while (rest->len) {
		struct slice pair = slice_trim(slice_split(rest, ';'));
		if (!slice_starts(pair, name))
			continue;
		struct slice behind = slice_trim((struct slice) { pair.at + name.len, pair.len - name.len });
		if (behind.len && behind.at[0] != '=')
			continue; /* a longer name */
		*value = SLICE_NONE;
		if (behind.len)
			*value = checked_value(slice_trim((struct slice) { behind.at + 1, behind.len - 1 }));
		return true;
	}
	return false;
}

struct slice cookies_find(struct slice header, struct slice name)
{
	struct slice value;
	return cookies_next(&header, name, &value) ? value : SLICE_NONE;
}
