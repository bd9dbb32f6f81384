/* Nearly every number of an event has fewer than 19 digits and no exponent: it fits an int64 with a scale, and two of
 * them are compared in 128 bits. All others are compared digit by digit on their texts: sign, then the power of ten of
 * the first digit that counts, then the digits. */
#include "catalog/decimal.h"

#define SMALL_DIGITS 18
#define EXPONENT_LIMIT 1000000000000000

__extension__ typedef __int128 wide;

/* The digits that count, from the first to the last that is not zero; a '.' may stand among them. */
struct unpacked {
	bool negative;
	const char *first, *last;        /* NULL: zero */
	int64_t first_power, last_power; /* powers of ten of those two digits */
};

struct decimal decimal_parse(struct slice text)
{
	struct decimal d = { text, 0, 0, false };
	size_t i = text.len && text.at[0] == '-';
	bool negative = i == 1, fraction = false;
	size_t digits = 0;

	for (; i < text.len; i++) {
		char c = text.at[i];
		if (c == '.') {
			fraction = true;
			continue;
		}
		if (c < '0' || c > '9' || ++digits > SMALL_DIGITS)
			return d;
		d.mantissa = d.mantissa * 10 + (c - '0');
		d.scale += fraction;
	}
	if (negative)
		d.mantissa = -d.mantissa;
	d.small = true;
	return d;
}

static int64_t read_exponent(const char *at, const char *end)
{
	bool negative = at < end && *at == '-';
	int64_t value = 0;

	if (at < end && (*at == '-' || *at == '+'))
		at++;
	for (; at < end && value < EXPONENT_LIMIT; at++)
		value = value * 10 + (*at - '0');
	if (value > EXPONENT_LIMIT)
		value = EXPONENT_LIMIT;
	return negative ? -value : value;
}

static struct unpacked unpack(struct slice text)
{
	struct unpacked u = { 0 };
	const char *at = text.at, *end = text.at + text.len, *point = NULL, *stop;

	u.negative = at < end && *at == '-';
	at += u.negative;
	for (stop = at; stop < end && *stop != 'e' && *stop != 'E'; stop++) {
		if (*stop == '.') {
			point = stop;
		} else if (*stop != '0') {
			u.last = stop;
			if (!u.first)
				u.first = stop;
		}
	}
	if (!u.first)
		return u;
	if (!point)
		point = stop;
	int64_t exponent = stop < end ? read_exponent(stop + 1, end) : 0;
	u.first_power = exponent + (u.first < point ? point - u.first - 1 : point - u.first);
	u.last_power = exponent + (u.last < point ? point - u.last - 1 : point - u.last);
	return u;
}

static int compare_digits(const struct unpacked *a, const struct unpacked *b)
{
	const char *x = a->first, *y = b->first;

	for (;;) {
		if (x <= a->last && *x == '.')
			x++;
		if (y <= b->last && *y == '.')
			y++;
		if (x > a->last || y > b->last)
			return (x <= a->last) - (y <= b->last);
		if (*x != *y)
			return *x < *y ? -1 : 1;
		x++;
		y++;
	}
}

static int compare_texts(struct slice left, struct slice right)
{
	struct unpacked a = unpack(left), b = unpack(right);
	int sign_a = !a.first ? 0 : a.negative ? -1 : 1;
	int sign_b = !b.first ? 0 : b.negative ? -1 : 1;

	if (sign_a != sign_b || sign_a == 0)
		return (sign_a > sign_b) - (sign_a < sign_b);
	if (a.first_power != b.first_power)
		return a.first_power < b.first_power ? -sign_a : sign_a;
	return sign_a * compare_digits(&a, &b);
}

int decimal_compare(const struct decimal *a, const struct decimal *b)
{
	if (!a->small || !b->small)
		return compare_texts(a->text, b->text);
	if (a->scale == b->scale)
		return (a->mantissa > b->mantissa) - (a->mantissa < b->mantissa);
	wide x = a->mantissa, y = b->mantissa;
	for (uint32_t s = a->scale; s < b->scale; s++)
		x *= 10;
	for (uint32_t s = b->scale; s < a->scale; s++)
		y *= 10;
	return (x > y) - (x < y);
}

bool decimal_is_integer(struct slice text)
{
	struct unpacked u = unpack(text);

	return !u.first || u.last_power >= 0;
}

uint32_t decimal_places(struct slice text)
{
	struct unpacked u = unpack(text);

	if (!u.first || u.last_power >= 0)
		return 0;
	return u.last_power < -(int64_t)UINT32_MAX ? UINT32_MAX : (uint32_t)-u.last_power;
}
