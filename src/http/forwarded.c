/* Elements are separated by commas, parameters by semicolons, neither within quotes; so it is read from the left, and the
 * caller walks from the right. What cannot be read whole is not believed in part: where an element ends would be for its
 * writer to choose. */
#include "http/forwarded.h"

static bool is_token_char(char c)
{
	return c > ' ' && c < 0x7f && !strchr("\"(),/:;<=>?@[\\]{}", c);
}

static void skip_blanks(struct slice *rest)
{
	while (rest->len && (*rest->at == ' ' || *rest->at == '\t')) {
		rest->at++;
		rest->len--;
	}
}

static void advance(struct slice *rest, size_t len)
{
	rest->at += len;
	rest->len -= len;
}

static struct slice take_token(struct slice *rest)
{
	struct slice token = { rest->at, 0 };
	while (token.len < rest->len && is_token_char(rest->at[token.len]))
		token.len++;
	advance(rest, token.len);
	return token;
}

/* A token or a quoted string. An escape within one is refused: no address needs it. */
static bool take_value(struct slice *rest, struct slice *value)
{
	if (!rest->len || *rest->at != '"') {
		*value = take_token(rest);
		return value->len > 0;
	}
	advance(rest, 1);
	size_t end = 0;
	while (end < rest->len && rest->at[end] != '"' && rest->at[end] != '\\')
		end++;
	if (end == rest->len || rest->at[end] == '\\')
		return false;
	*value = (struct slice) { rest->at, end };
	advance(rest, end + 1);
	return true;
}

/* One element, up to its comma; false if it cannot be read. */
static bool take_element(struct slice *rest, struct slice *client)
{
	*client = SLICE_NONE;
	for (;;) {
		skip_blanks(rest);
		struct slice name = take_token(rest), value;
		if (name.len) {
			if (!rest->len || *rest->at != '=')
				return false;
			advance(rest, 1);
			if (!take_value(rest, &value))
				return false;
			if (slice_equal_nocase(name, SLICE("for")) && client->at)
				return false; /* which of the two? */
			if (slice_equal_nocase(name, SLICE("for")))
				*client = value;
		}
		skip_blanks(rest);
		if (!rest->len || *rest->at == ',')
			return true;
		if (*rest->at != ';')
			return false;
		advance(rest, 1);
	}
}

size_t forwarded_read(const struct slice *headers, size_t count, struct slice *to)
{
	size_t elements = 0;
	for (size_t i = 0; i < count; i++) {
		struct slice rest = headers[i];
		for (bool more = true; more;) {
			if (elements == FORWARDED_ELEMENTS_MAX || !take_element(&rest, &to[elements++]))
				return 0;
			more = rest.len > 0;
			if (more)
				advance(&rest, 1);
		}
	}
	return elements;
}
