/* Each format is a small hand-written reader over the bytes: exact, linear, and without a pattern engine. */
#include "catalog/format.h"

#include "base/uuid.h"

static const struct format formats[] = {
	{ { "date-time", 9 }, format_is_date_time, { "2026-11-22T02:01:00Z", 20 } },
	{ { "date", 4 }, format_is_date, { "2026-11-22", 10 } },
	{ { "email", 5 }, format_is_email, { "name@example.com", 16 } },
	{ { "uri", 3 }, format_is_uri, { "https://shop.example/page", 25 } },
	{ { "uuid", 4 }, uuid_is_valid, { "0190b6a2-7c1e-7000-8000-0123456789ab", 36 } },
	{ { "ipv4", 4 }, format_is_ipv4, { "203.0.113.7", 11 } },
	{ { "ipv6", 4 }, format_is_ipv6, { "2001:db8::7", 11 } },
};

const struct format *format_find(struct slice name)
{
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
		if (slice_equal(formats[i].name, name))
			return &formats[i];
	return NULL;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

/* Exactly `count` digits at `at`, or -1. */
static int read_digits(struct slice text, size_t at, size_t count)
{
	int value = 0;

	if (at + count > text.len)
		return -1;
	for (size_t i = at; i < at + count; i++) {
		if (!is_digit(text.at[i]))
			return -1;
		value = value * 10 + (text.at[i] - '0');
	}
	return value;
}

bool format_is_date(struct slice text)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int year = read_digits(text, 0, 4), month = read_digits(text, 5, 2), day = read_digits(text, 8, 2);

	if (text.len != 10 || text.at[4] != '-' || text.at[7] != '-' || year < 0 || month < 1 || month > 12 || day < 1)
		return false;
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return day <= days[month - 1] + (month == 2 && leap);
}

/* "Z" or "+09:00" at `at` to the end; minutes east of UTC. */
static bool read_offset(struct slice text, size_t at, int *minutes)
{
	*minutes = 0;
	if (at + 1 == text.len && (text.at[at] == 'Z' || text.at[at] == 'z'))
		return true;
	if (at + 6 != text.len || (text.at[at] != '+' && text.at[at] != '-') || text.at[at + 3] != ':')
		return false;
	int hour = read_digits(text, at + 1, 2), minute = read_digits(text, at + 4, 2);
	if (hour < 0 || hour > 23 || minute < 0 || minute > 59)
		return false;
	*minutes = (hour * 60 + minute) * (text.at[at] == '-' ? -1 : 1);
	return true;
}

bool format_is_date_time(struct slice text)
{
	size_t at = 19;
	int offset;

	if (text.len < 20 || !format_is_date((struct slice) { text.at, 10 }) ||
	    (text.at[10] != 'T' && text.at[10] != 't') || text.at[13] != ':' || text.at[16] != ':')
		return false;
	int hour = read_digits(text, 11, 2), minute = read_digits(text, 14, 2), second = read_digits(text, 17, 2);
	if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
		return false;
	if (text.at[at] == '.') {
		size_t from = ++at;
		while (at < text.len && is_digit(text.at[at]))
			at++;
		if (at == from)
			return false;
	}
	if (!read_offset(text, at, &offset))
		return false;
	return second < 60 || ((hour * 60 + minute - offset) % 1440 + 1440) % 1440 == 1439;
}

bool format_is_ipv4(struct slice text)
{
	size_t i = 0;

	for (int part = 0; part < 4; part++) {
		int value = 0;
		if (part > 0 && (i >= text.len || text.at[i] != '.'))
			return false;
		i += part > 0;
		size_t from = i;
		for (; i < text.len && is_digit(text.at[i]) && i - from < 3; i++)
			value = value * 10 + (text.at[i] - '0');
		if (i == from || value > 255 || (i - from > 1 && text.at[from] == '0'))
			return false;
	}
	return i == text.len;
}

bool format_is_ipv6(struct slice text)
{
	size_t i = 0, groups = 0;
	bool gap = false;

	if (text.len >= 2 && text.at[0] == ':' && text.at[1] == ':') {
		gap = true;
		i = 2;
	}
	while (i < text.len) {
		size_t from = i;
		while (i < text.len && is_hex(text.at[i]))
			i++;
		if (i < text.len && text.at[i] == '.') {
			struct slice quad = { text.at + from, text.len - from };
			groups += 2;
			return format_is_ipv4(quad) && (gap ? groups <= 7 : groups == 8);
		}
		if (i == from || i - from > 4 || ++groups > 8)
			return false;
		if (i == text.len)
			break;
		if (text.at[i++] != ':' || i == text.len)
			return false;
		if (text.at[i] == ':') {
			if (gap)
				return false;
			gap = true;
			i++;
		}
	}
	return gap ? groups <= 7 : groups == 8;
}

static bool is_host_name(struct slice text)
{
	if (text.len == 0 || text.len > 253)
		return false;
	for (struct slice rest = text; rest.at;) {
		size_t len = slice_find(rest, '.');
		if (len == 0 || len > 63 || rest.at[0] == '-' || rest.at[len - 1] == '-')
			return false;
		for (size_t i = 0; i < len; i++)
			if (!is_alpha(rest.at[i]) && !is_digit(rest.at[i]) && rest.at[i] != '-')
				return false;
		if (len == rest.len)
			return true;
		rest = (struct slice) { rest.at + len + 1, rest.len - len - 1 };
	}
	return false;
}

static bool is_mail_domain(struct slice text)
{
	if (text.len < 2 || text.at[0] != '[')
		return is_host_name(text);
	if (text.at[text.len - 1] != ']')
		return false;
	struct slice inner = { text.at + 1, text.len - 2 };
	if (inner.len > 5 && slice_equal_nocase((struct slice) { inner.at, 5 }, SLICE("IPv6:")))
		return format_is_ipv6((struct slice) { inner.at + 5, inner.len - 5 });
	return format_is_ipv4(inner);
}

static bool is_quoted_local(struct slice text)
{
	for (size_t i = 1; i + 1 < text.len; i++) {
		char c = text.at[i];
		if (c == '\\' && ++i + 1 >= text.len)
			return false;
		if (c == '"' || text.at[i] < 32 || text.at[i] > 126)
			return false;
	}
	return text.len > 2 && text.at[text.len - 1] == '"';
}

static bool is_dotted_local(struct slice text)
{
	if (text.at[0] == '.' || text.at[text.len - 1] == '.')
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];
		if (c == '.' && text.at[i - 1] == '.')
			return false;
		if (!is_alpha(c) && !is_digit(c) && !is_one_of(c, "!#$%&'*+-/=?^_`{|}~."))
			return false;
	}
	return true;
}

bool format_is_email(struct slice text)
{
	size_t at = text.len;

	while (at > 0 && text.at[at - 1] != '@')
		at--;
	if (at < 2 || at > 65)
		return false;
	struct slice local = { text.at, at - 1 };
	if (!(local.at[0] == '"' ? is_quoted_local(local) : is_dotted_local(local)))
		return false;
	return is_mail_domain((struct slice) { text.at + at, text.len - at });
}

/* unreserved, sub-delims, percent-encoded, and what `more` allows. */
static bool is_uri_text(struct slice text, const char *more)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];
		if (c == '%') {
			if (i + 2 >= text.len || !is_hex(text.at[i + 1]) || !is_hex(text.at[i + 2]))
				return false;
			i += 2;
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
		if (!is_hex(text.at[i]))
			return false;
	struct slice rest = { text.at + dot + 1, text.len - dot - 1 };
	return slice_find(rest, '%') == rest.len && is_uri_text(rest, ":");
}

static bool is_uri_authority(struct slice text)
{
	size_t user = slice_find(text, '@');

	if (user < text.len) {
		if (!is_uri_text((struct slice) { text.at, user }, ":"))
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
		if (!is_uri_text((struct slice) { text.at, end }, ""))
			return false;
	}
	for (size_t i = end + 1; i < text.len; i++)
		if (!is_digit(text.at[i]))
			return false;
	return true;
}

bool format_is_uri(struct slice text)
{
	size_t scheme = slice_find(text, ':');

	if (scheme == 0 || scheme == text.len || !is_alpha(text.at[0]))
		return false;
	for (size_t i = 1; i < scheme; i++)
		if (!is_alpha(text.at[i]) && !is_digit(text.at[i]) && !is_one_of(text.at[i], "+-."))
			return false;
	struct slice rest = { text.at + scheme + 1, text.len - scheme - 1 };
	size_t hash = slice_find(rest, '#');
	if (hash < rest.len && !is_uri_text((struct slice) { rest.at + hash + 1, rest.len - hash - 1 }, ":@/?"))
		return false;
	rest.len = hash;
	size_t query = slice_find(rest, '?');
	if (query < rest.len && !is_uri_text((struct slice) { rest.at + query + 1, rest.len - query - 1 }, ":@/?"))
		return false;
	rest.len = query;
	if (slice_starts(rest, SLICE("//"))) {
		rest = (struct slice) { rest.at + 2, rest.len - 2 };
		size_t path = slice_find(rest, '/');
		if (!is_uri_authority((struct slice) { rest.at, path }))
			return false;
		rest = (struct slice) { rest.at + path, rest.len - path };
	}
	return is_uri_text(rest, ":@/");
}
