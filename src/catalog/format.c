/* Each format is a small hand-written reader over the bytes: exact, linear, and without a pattern engine but for names
 * in other scripts. */
#include "catalog/format.h"

#include "base/uuid.h"
#include "catalog/pattern_syntax.h"

#define WORD(text)                    \
	{                             \
		text, sizeof text - 1 \
	}

static const struct format formats[] = {
	{ WORD("date-time"), format_is_date_time, WORD("2026-11-22T02:01:00Z") },
	{ WORD("date"), format_is_date, WORD("2026-11-22") },
	{ WORD("time"), format_is_time, WORD("02:01:00Z") },
	{ WORD("duration"), format_is_duration, WORD("P1DT12H") },
	{ WORD("email"), format_is_email, WORD("name@example.com") },
	{ WORD("idn-email"), format_is_idn_email, WORD("name@example.com") },
	{ WORD("hostname"), format_is_hostname, WORD("shop.example") },
	{ WORD("idn-hostname"), format_is_idn_hostname, WORD("shop.example") },
	{ WORD("uri"), format_is_uri, WORD("https://shop.example/page") },
	{ WORD("uri-reference"), format_is_uri_reference, WORD("/page?id=1") },
	{ WORD("uri-template"), format_is_uri_template, WORD("/items/{id}") },
	{ WORD("iri"), format_is_iri, WORD("https://shop.example/page") },
	{ WORD("iri-reference"), format_is_iri_reference, WORD("/page?id=1") },
	{ WORD("uuid"), uuid_is_valid, WORD("0190b6a2-7c1e-7000-8000-0123456789ab") },
	{ WORD("ipv4"), format_is_ipv4, WORD("203.0.113.7") },
	{ WORD("ipv6"), format_is_ipv6, WORD("2001:db8::7") },
	{ WORD("json-pointer"), format_is_json_pointer, WORD("/items/0/price") },
	{ WORD("relative-json-pointer"), format_is_relative_json_pointer, WORD("1/price") },
	{ WORD("regex"), format_is_regex, WORD("^[a-z]+$") },
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

bool format_is_time(struct slice text)
{
	size_t at = 8;
	int offset;

	if (text.len < 9 || text.at[2] != ':' || text.at[5] != ':')
		return false;
	int hour = read_digits(text, 0, 2), minute = read_digits(text, 3, 2), second = read_digits(text, 6, 2);
	if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
		return false;
	if (text.at[at] == '.') {
		size_t from = ++at;
		while (at < text.len && is_digit(text.at[at]))
			at++;
		if (at == from)
			return false;
	}
	if (at >= text.len || !read_offset(text, at, &offset))
		return false;
	return second < 60 || ((hour * 60 + minute - offset) % 1440 + 1440) % 1440 == 1439;
}

bool format_is_date_time(struct slice text)
{
	return text.len >= 20 && format_is_date((struct slice) { text.at, 10 }) &&
	       (text.at[10] == 'T' || text.at[10] == 't') &&
	       format_is_time((struct slice) { text.at + 11, text.len - 11 });
}

/* Numbers with units that follow each other in the order of `units` without a gap: "1Y2M", not "1Y2D". */
static bool read_amounts(struct slice text, const char *units)
{
	const char *next = NULL;

	for (size_t i = 0; i < text.len; i++) {
		size_t from = i;
		while (i < text.len && is_digit(text.at[i]))
			i++;
		if (i == from || i == text.len)
			return false;
		const char *unit = units;
		while (*unit && *unit != text.at[i])
			unit++;
		if (!*unit || (next && unit != next))
			return false;
		next = unit + 1;
	}
	return text.len > 0;
}

/* RFC 3339 appendix A. */
bool format_is_duration(struct slice text)
{
	if (text.len < 3 || text.at[0] != 'P')
		return false;
	struct slice date = { text.at + 1, text.len - 1 }, time = date;
	date = slice_split(&time, 'T');
	bool has_time = date.len < text.len - 1;
	if (!has_time && read_amounts(date, "W"))
		return true;
	return (date.len == 0 ? has_time : read_amounts(date, "YMD")) && (!has_time || read_amounts(time, "HMS"));
}

bool format_is_json_pointer(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] == '~' && (i + 1 >= text.len || (text.at[i + 1] != '0' && text.at[i + 1] != '1')))
			return false;
	return text.len == 0 || text.at[0] == '/';
}

bool format_is_relative_json_pointer(struct slice text)
{
	size_t i = 0;

	while (i < text.len && is_digit(text.at[i]))
		i++;
	if (i == 0 || (i > 1 && text.at[0] == '0'))
		return false;
	struct slice rest = { text.at + i, text.len - i };
	return slice_equal(rest, SLICE("#")) || format_is_json_pointer(rest);
}

bool format_is_regex(struct slice text)
{
	struct pattern_fault fault;

	return pattern_translate(text, true, NULL, &fault);
}
