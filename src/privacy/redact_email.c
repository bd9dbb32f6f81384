/* E-mail addresses in running text and in URLs, where the sign may be percent-encoded, once or twice. */
#include "privacy/redact.h"

#define DOMAIN_BYTES_MAX 253
#define LOCAL_BYTES_MAX 128

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

/* Bytes of the sign at `at`: 1, 3 or 5; 0 if there is none. */
static size_t at_sign_len(const char *text, size_t len, size_t at)
{
	if (text[at] == '@')
		return 1;
	if (text[at] != '%')
		return 0;
	if (len - at >= 3 && memcmp(text + at, "%40", 3) == 0)
		return 3;
	return len - at >= 5 && memcmp(text + at, "%2540", 5) == 0 ? 5 : 0;
}

size_t redact_next_at(struct slice bytes, size_t from)
{
	const char *end = bytes.at + bytes.len, *at = bytes.at + from;
	const char *sign = from < bytes.len ? memchr(at, '@', (size_t)(end - at)) : NULL;
	const char *limit = sign ? sign : end;
	while (at < limit && (at = memchr(at, '%', (size_t)(limit - at)))) {
		if (at_sign_len(at, (size_t)(end - at), 0))
			return (size_t)(at - bytes.at);
		at++;
	}
	return sign ? (size_t)(sign - bytes.at) : bytes.len;
}

/* An encoded delimiter ends at `at`: what stands before it belongs to something else. */
static bool is_behind_delimiter(const char *text, size_t floor, size_t at)
{
	static const char encoded[] = "2F2f3A3a3D3d3F3f263B3b20";
	if (at < floor + 3 || text[at - 3] != '%')
		return false;
	for (size_t i = 0; i + 1 < sizeof encoded; i += 2)
		if (memcmp(text + at - 2, encoded + i, 2) == 0)
			return true;
	return false;
}

static size_t local_begin(const char *text, size_t floor, size_t at)
{
	size_t begin = at;
	while (begin > floor && at - begin < LOCAL_BYTES_MAX && text[begin - 1] &&
	       (is_word(text[begin - 1]) || strchr(".!#$'*+-^_`{|}~%", text[begin - 1])) &&
	       !is_behind_delimiter(text, floor, begin))
		begin--;
	return begin;
}

/* The end of a domain with a top level of letters, or `from`. */
static size_t domain_end(const char *text, size_t len, size_t from)
{
	size_t end = from, dot = from;
	while (end < len && end - from < DOMAIN_BYTES_MAX &&
	       (is_word(text[end]) || text[end] == '-' || text[end] == '.')) {
		if (text[end] == '.' && (end == from || text[end - 1] == '.'))
			break;
		if (text[end] == '.')
			dot = end;
		end++;
	}
	if (end > from && text[end - 1] == '.') { /* of the sentence */
		end--;
		dot = from;
		for (size_t i = from; i < end; i++)
			if (text[i] == '.')
				dot = i;
	}
	if (dot == from || end - dot < 3)
		return from;
	for (size_t i = dot + 1; i < end; i++)
		if (text[i] >= '0' && text[i] <= '9')
			return from;
	return end;
}

/* "logo@2x.png" */
static bool is_image_scale(const char *text, size_t len, size_t at)
{
	size_t i = at;
	while (i < len && i - at < 4 && ((text[i] >= '0' && text[i] <= '9') || text[i] == '.'))
		i++;
	return i > at && i < len && (text[i] == 'x' || text[i] == 'X') && i + 1 < len && text[i + 1] == '.';
}

/* Behind "//", before the host: the user part of a URL. Where it begins, or `at`. */
static size_t user_part_begin(const char *text, size_t floor, size_t at)
{
	size_t begin = at;
	while (begin > floor && at - begin < DOMAIN_BYTES_MAX && text[begin - 1] &&
	       !strchr("/?# \t\n", text[begin - 1]))
		begin--;
	return begin >= floor + 2 && text[begin - 1] == '/' && text[begin - 2] == '/' ? begin : at;
}

size_t redact_emails(char *text, size_t len, struct redact_found *found)
{
	size_t from = 0, to = 0; /* what lies before `from` was moved to before `to` */
	for (size_t at = redact_next_at((struct slice) { text, len }, 0); at < len;
	     at = redact_next_at((struct slice) { text, len }, at)) {
		size_t sign = at_sign_len(text, len, at);
		size_t begin = user_part_begin(text, from, at), end = begin < at ? at : at + sign;
		if (begin == at) {
			begin = local_begin(text, from, at);
			end = domain_end(text, len, at + sign);
			if (begin == at || end == at + sign || is_image_scale(text, len, at + sign)) {
				at += sign;
				continue;
			}
		}
		memmove(text + to, text + from, begin - from);
		to += begin - from;
		text[to++] = '*';
		from = end;
		at = end > at ? end : at + sign;
		found->count[REDACT_EMAIL]++;
	}
	memmove(text + to, text + from, len - from);
	return to + len - from;
}
