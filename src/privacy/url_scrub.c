#include "privacy/url_scrub.h"

#include "base/query.h"
#include "base/uuid.h"

#define SCHEME_BYTES_MAX 32

/* Bytes of "scheme://" or "//" at the beginning; 0 if there is no authority. */
static size_t authority_at(struct slice url)
{
	size_t i = 0;
	while (i < url.len && i <= SCHEME_BYTES_MAX &&
	       ((url.at[i] >= 'a' && url.at[i] <= 'z') || (url.at[i] >= 'A' && url.at[i] <= 'Z') ||
	        (i && ((url.at[i] >= '0' && url.at[i] <= '9') || strchr("+-.", url.at[i])) && url.at[i])))
		i++;
	if (i && (i == url.len || url.at[i] != ':'))
		return 0;
	size_t slashes = i ? i + 1 : 0;
	return url.len - slashes >= 2 && memcmp(url.at + slashes, "//", 2) == 0 ? slashes + 2 : 0;
}

bool url_is_like(struct slice text)
{
	return text.len && (text.at[0] == '/' || text.at[0] == '?' || authority_at(text));
}

/* Of two bytes; the same one twice for one. */
static size_t find_any(struct slice s, size_t from, char a, char b)
{
	size_t i = from;
	while (i < s.len && s.at[i] != a && s.at[i] != b)
		i++;
	return i;
}

/* An @, plain or percent-encoded once or twice. */
static bool has_at_sign(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] == '@' ||
		    (s.at[i] == '4' && i && s.at[i - 1] == '%' && i + 1 < s.len && s.at[i + 1] == '0') ||
		    (s.at[i] == '%' && s.len - i >= 5 && memcmp(s.at + i, "%2540", 5) == 0))
			return true;
	return false;
}

static bool is_personal(struct slice segment)
{
	size_t digits = 0;
	while (digits < segment.len && segment.at[digits] >= '0' && segment.at[digits] <= '9')
		digits++;
	if (segment.len && digits == segment.len)
		return true;
	return has_at_sign(segment) || uuid_is_valid(segment);
}

/* What stands before the path: without user and password. The path's place. */
static size_t write_authority(struct slice url, struct buffer *out)
{
	size_t host = authority_at(url);
	if (!host)
		return 0;
	size_t end = find_any(url, host, '/', '?'), backslash = find_any(url, host, '\\', '#');
	if (backslash < end)
		end = backslash;
	buffer_append(out, (struct slice) { url.at, host });
	for (size_t i = end; i-- > host;)
		if (url.at[i] == '@') {
			host = i + 1;
			break;
		}
	buffer_append(out, (struct slice) { url.at + host, end - host });
	return end;
}

void url_write_origin(struct slice url, struct buffer *out)
{
	(void)write_authority(url, out);
}

void url_write_stripped(struct slice url, struct buffer *out)
{
	size_t at = write_authority(url, out), end = find_any(url, at, '?', '#');
	while (at < end) {
		size_t next = at;
		while (next < end && url.at[next] != '/')
			next++;
		struct slice segment = { url.at + at, next - at };
		segment.len = find_any(segment, 0, ';', ';');
		buffer_append(out, is_personal(segment) ? SLICE("*") : segment);
		if (next < end)
			buffer_append_char(out, '/');
		at = next + 1;
	}
}

static bool is_named(struct slice parameter, const struct name_set *names)
{
	parameter.len = slice_find(parameter, '=');
	return name_set_has(names, parameter);
}

bool url_write_without(struct slice url, const struct name_set *names, struct buffer *out)
{
	size_t query = find_any(url, 0, '?', '#');
	struct slice rest = query_of_url(url), name, value;
	bool has = false;
	while (!has && query_next(&rest, &name, &value))
		has = name_set_has(names, name);
	if (!has)
		return false;
	buffer_append(out, (struct slice) { url.at, query });
	char before = 0; /* the delimiter that stands before the next one that is kept */
	for (rest = (struct slice) { url.at + query, url.len - query }; rest.len;) {
		char delimiter = *rest.at;
		rest.at++;
		rest.len--;
		size_t end = find_any(rest, 0, '&', '#'), mark = find_any((struct slice) { rest.at, end }, 0, '?', '?');
		end = mark < end ? mark : end;
		struct slice parameter = { rest.at, end };
		rest = (struct slice) { rest.at + end, rest.len - end };
		if (before != '?' || delimiter != '&') /* the first one that stays takes the place of the first */
			before = delimiter;
		if (is_named(parameter, names))
			continue;
		buffer_append_char(out, before);
		buffer_append(out, parameter);
		before = 0;
	}
	return true;
}
