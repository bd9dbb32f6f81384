/* URIs of RFC 3986, IRIs of RFC 3987 (any character beyond ASCII where URIs have letters), templates of RFC 6570. */
#include "catalog/format.h"

#include "base/hex.h"

enum charset { CHARSET_URI, CHARSET_IRI };

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

/* unreserved, sub-delims, percent-encoded, and what `more` allows. */
static bool is_uri_text(struct slice text, const char *more, enum charset charset)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];
		if (c == '%') {
			if (i + 2 >= text.len || !hex_is_digit(text.at[i + 1]) || !hex_is_digit(text.at[i + 2]))
				return false;
			i += 2;
		} else if ((unsigned char)c > 127 && charset == CHARSET_IRI) {
			continue;
		} else if (!is_alpha(c) && !is_digit(c) && !is_one_of(c, "-._~!$&'()*+,;=") && !is_one_of(c, more)) {
			return false;
		}
	}
	return true;
}

/* IPvFuture of RFC 3986: "v" hex "." text. */
static bool is_ip_future(struct slice text)
{
	size_t dot = slice_find(text, '.');

	if (dot < 2 || dot + 1 >= text.len || (text.at[0] != 'v' && text.at[0] != 'V'))
		return false;
	for (size_t i = 1; i < dot; i++)
		if (!hex_is_digit(text.at[i]))
			return false;
	struct slice rest = { text.at + dot + 1, text.len - dot - 1 };
	return slice_find(rest, '%') == rest.len && is_uri_text(rest, ":", CHARSET_URI);
}

static bool is_uri_authority(struct slice text, enum charset charset)
{
	size_t user = slice_find(text, '@');

	if (user < text.len) {
		if (!is_uri_text((struct slice) { text.at, user }, ":", charset))
			return false;
		text = (struct slice) { text.at + user + 1, text.len - user - 1 };
	}
	size_t end;
	if (text.len && text.at[0] == '[') {
		end = slice_find(text, ']');
		if (end == text.len)
			return false;
		struct slice address = { text.at + 1, end - 1 };
		if (!format_is_ipv6(address) && !is_ip_future(address))
			return false;
		end++;
		if (end < text.len && text.at[end] != ':')
			return false;
	} else {
		end = slice_find(text, ':');
		if (!is_uri_text((struct slice) { text.at, end }, "", charset))
			return false;
	}
	for (size_t i = end + 1; i < text.len; i++)
		if (!is_digit(text.at[i]))
			return false;
	return true;
}

/* What follows the scheme, or a whole relative reference. */
static bool is_hier_part(struct slice rest, enum charset charset)
{
	size_t hash = slice_find(rest, '#');

	if (hash < rest.len &&
	    !is_uri_text((struct slice) { rest.at + hash + 1, rest.len - hash - 1 }, ":@/?", charset))
		return false;
	rest.len = hash;
	size_t query = slice_find(rest, '?');
	if (query < rest.len &&
	    !is_uri_text((struct slice) { rest.at + query + 1, rest.len - query - 1 }, ":@/?", charset))
		return false;
	rest.len = query;
	if (slice_starts(rest, SLICE("//"))) {
		rest = (struct slice) { rest.at + 2, rest.len - 2 };
		size_t path = slice_find(rest, '/');
		if (!is_uri_authority((struct slice) { rest.at, path }, charset))
			return false;
		rest = (struct slice) { rest.at + path, rest.len - path };
	}
	return is_uri_text(rest, ":@/", charset);
}

static bool is_absolute(struct slice text, enum charset charset)
{
	size_t scheme = slice_find(text, ':');

	if (scheme == 0 || scheme == text.len || !is_alpha(text.at[0]))
		return false;
	for (size_t i = 1; i < scheme; i++)
		if (!is_alpha(text.at[i]) && !is_digit(text.at[i]) && !is_one_of(text.at[i], "+-."))
			return false;
	return is_hier_part((struct slice) { text.at + scheme + 1, text.len - scheme - 1 }, charset);
}

/* A relative reference has no colon in its first segment. */
static bool is_reference(struct slice text, enum charset charset)
{
	size_t colon = slice_find(text, ':'), end = 0;

	while (end < text.len && !is_one_of(text.at[end], "/?#"))
		end++;
	return is_absolute(text, charset) || (colon >= end && is_hier_part(text, charset));
}

bool format_is_uri(struct slice text)
{
	return is_absolute(text, CHARSET_URI);
}

bool format_is_uri_reference(struct slice text)
{
	return is_reference(text, CHARSET_URI);
}

bool format_is_iri(struct slice text)
{
	return is_absolute(text, CHARSET_IRI);
}

bool format_is_iri_reference(struct slice text)
{
	return is_reference(text, CHARSET_IRI);
}

/* "var", "var:3", "var*" of RFC 6570. */
static bool is_variable(struct slice text)
{
	size_t colon = slice_find(text, ':');

	if (colon < text.len) {
		struct slice digits = { text.at + colon + 1, text.len - colon - 1 };
		if (digits.len == 0 || digits.len > 4 || digits.at[0] == '0')
			return false;
		for (size_t i = 0; i < digits.len; i++)
			if (!is_digit(digits.at[i]))
				return false;
		text.len = colon;
	} else if (text.len && text.at[text.len - 1] == '*') {
		text.len--;
	}
	if (!text.len || text.at[0] == '.' || text.at[text.len - 1] == '.')
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];
		bool encoded =
		        c == '%' && i + 2 < text.len && hex_is_digit(text.at[i + 1]) && hex_is_digit(text.at[i + 2]);
		if (c == '.' && text.at[i - 1] == '.')
			return false;
		if (!is_alpha(c) && !is_digit(c) && c != '_' && c != '.' && !encoded)
			return false;
		i += encoded ? 2 : 0;
	}
	return true;
}

static bool is_expression(struct slice text)
{
	if (text.len && is_one_of(text.at[0], "+#./;?&=,!@|"))
		text = (struct slice) { text.at + 1, text.len - 1 };
	for (struct slice rest = text;;) {
		size_t end = slice_find(rest, ',');
		if (!is_variable((struct slice) { rest.at, end }))
			return false;
		if (end == rest.len)
			return true;
		rest = (struct slice) { rest.at + end + 1, rest.len - end - 1 };
	}
}

bool format_is_uri_template(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.at[i];
		if (c == '{') {
			struct slice rest = { text.at + i + 1, text.len - i - 1 };
			size_t end = slice_find(rest, '}');
			if (end == rest.len || !is_expression((struct slice) { rest.at, end }))
				return false;
			i += end + 1;
		} else if (c == '%') {
			if (i + 2 >= text.len || !hex_is_digit(text.at[i + 1]) || !hex_is_digit(text.at[i + 2]))
				return false;
		} else if (c <= ' ' || c == 127 || is_one_of((char)c, "\"<>\\^`|}")) {
			return false;
		}
	}
	return true;
}
