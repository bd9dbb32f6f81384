/* Strings and numbers as values. */
#include <assert.h>
#include <locale.h>
#include <pthread.h>
#include <stdlib.h>

#include "json/json.h"
#include "json/text.h"

/* An exponent past this is as good as infinite: no text of 4 GiB has digits enough to make up for it. */
#define EXPONENT_MAX INT64_C(1000000000000)
/* Up to 10^15 and 10^22 doubles are exact, and one operation on exact operands is rounded once. */
#define EXACT_DIGITS 15
#define EXACT_POWER 22

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

struct slice json_string(const struct json_doc *doc, uint32_t node, struct arena *arena)
{
	assert(json_type_of(doc, node) == JSON_STRING);
	struct slice inner = json_inner(doc, node);
	if (!(doc->nodes[node].flags & JSON_FLAG_ESCAPED))
		return inner;
	char *to = arena_alloc(arena, inner.len);
	return to ? (struct slice) { to, text_unescape(inner, to) } : SLICE_NONE;
}

bool json_string_equals(const struct json_doc *doc, uint32_t node, struct slice text)
{
	if (json_type_of(doc, node) != JSON_STRING)
		return false;
	struct slice inner = json_inner(doc, node);
	return doc->nodes[node].flags & JSON_FLAG_ESCAPED ? text_equals(inner, text) : slice_equal(inner, text);
}

size_t json_string_points(const struct json_doc *doc, uint32_t node)
{
	assert(json_type_of(doc, node) == JSON_STRING);
	struct slice inner = json_inner(doc, node);
	struct text_step step;
	size_t points = 0;
	while (text_next(&inner, &step))
		for (size_t i = 0; i < step.bytes.len; i++)
			points += (step.bytes.at[i] & 0xc0) != 0x80;
	return points;
}

/* The number as significant digits times a power of ten: digits before and after the point, without zeros at either
 * end, lie in text from `first` to `last` (a point among them is skipped). */
struct decimal {
	const char *first;
	const char *last; /* inclusive; NULL: the number is zero */
	int64_t digits;
	int64_t power; /* of the last digit */
	bool negative;
};

static int64_t read_exponent(const char *at, const char *end)
{
	bool negative = *at == '-';
	int64_t value = 0;
	for (at += *at == '-' || *at == '+'; at < end; at++)
		if (value < EXPONENT_MAX)
			value = value * 10 + (*at - '0');
	return negative ? -value : value;
}

static struct decimal decimal_of(struct slice text)
{
	struct decimal dec = { .negative = text.at[0] == '-' };
	const char *at = text.at + dec.negative;
	const char *end = text.at + text.len;
	int64_t index = 0, point = -1, first = 0, last = 0;
	for (; at < end && (*at | 0x20) != 'e'; at++) {
		if (*at == '.') {
			point = index;
			continue;
		}
		if (*at != '0') {
			if (!dec.first) {
				dec.first = at;
				first = index;
			}
			dec.last = at;
			last = index;
		}
		index++;
	}
	dec.digits = dec.last ? last - first + 1 : 0;
	dec.power = (point < 0 ? index : point) - 1 - last;
	if (at < end)
		dec.power += read_exponent(at + 1, end);
	return dec;
}

/* The significant digits as a number; at most 19 of them. */
static uint64_t digits_value(const struct decimal *dec)
{
	uint64_t value = 0;
	for (const char *at = dec->first; dec->last && at <= dec->last; at++)
		if (*at != '.')
			value = value * 10 + (uint64_t)(*at - '0');
	return value;
}

bool json_to_i64(const struct json_doc *doc, uint32_t node, int64_t *out)
{
	if (json_type_of(doc, node) != JSON_NUMBER)
		return false;
	struct decimal dec = decimal_of(json_raw(doc, node));
	if (!dec.last) {
		*out = 0;
		return true;
	}
	if (dec.power < 0 || dec.digits + dec.power > 19)
		return false;
	uint64_t value = digits_value(&dec);
	for (; dec.power > 0; dec.power--)
		value *= 10; /* below 10^19, hence below 2^64 */
	if (value > (uint64_t)INT64_MAX + dec.negative)
		return false;
	*out = (int64_t)(dec.negative ? 0 - value : value);
	return true;
}

static void make_c_locale(void)
{
	c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

static double parse_double(const char *text)
{
	pthread_once(&c_locale_once, make_c_locale);
	return c_locale ? strtod_l(text, NULL, c_locale) : strtod(text, NULL);
}

/* A number that is the whole text has nothing behind it at which strtod would stop. */
static double parse_copy(struct slice text)
{
	char small[128];
	char *copy = text.len < sizeof small ? small : malloc(text.len + 1);
	if (!copy) {
		copy = small;
		text.len = sizeof small - 1;
	}
	memcpy(copy, text.at, text.len);
	copy[text.len] = '\0';
	double value = parse_double(copy);
	if (copy != small)
		free(copy);
	return value;
}

double json_to_double(const struct json_doc *doc, uint32_t node)
{
	static const double POWERS[EXACT_POWER + 1] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
		                                        1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
		                                        1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
	assert(json_type_of(doc, node) == JSON_NUMBER);
	struct slice text = json_raw(doc, node);
	struct decimal dec = decimal_of(text);
	if (dec.digits <= EXACT_DIGITS && dec.power >= -EXACT_POWER && dec.power <= EXACT_POWER) {
		double value = (double)digits_value(&dec);
		value = dec.power < 0 ? value / POWERS[-dec.power] : value * POWERS[dec.power];
		return dec.negative ? -value : value;
	}
	return node == 0 ? parse_copy(text) : parse_double(text.at);
}

const char *json_type_name(enum json_type type)
{
	static const char *const NAMES[] = { "null", "boolean", "boolean", "number", "string", "array", "object" };
	return NAMES[type];
}
