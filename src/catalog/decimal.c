/* Nearly every number of an event has fewer than 19 digits and no exponent: it fits an int64 with a scale, and two of
 * them are compared in 128 bits. All others are compared digit by digit on their texts: sign, then the power of ten of
 * the first digit that counts, then the digits. */
#include "catalog/decimal.h"

#define SMALL_DIGITS 18
#define EXPONENT_LIMIT 1000000000000000

__extension__ typedef __int128 wide;
__extension__ typedef unsigned __int128 unsigned_wide;

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

static unsigned digit_of(char c)
{
	return (unsigned)(c - '0');
}

bool decimal_is_zero(struct slice text)
{
	return !unpack(text).first;
}

uint64_t decimal_hash(struct slice text, uint64_t seed)
{
	struct unpacked u = unpack(text);
	uint64_t hash = seed;

	if (!u.first)
		return hash;
	hash ^= (uint64_t)u.first_power * 2 + u.negative;
	for (const char *at = u.first; at <= u.last; at++)
		if (*at != '.')
			hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001B3);
	return hash;
}

static unsigned_wide add_modulo(unsigned_wide a, unsigned_wide b, unsigned_wide modulus)
{
	return a >= modulus - b ? a - (modulus - b) : a + b;
}

static unsigned_wide multiply_modulo(unsigned_wide a, unsigned_wide b, unsigned_wide modulus)
{
	unsigned_wide product = 0;

	for (; b; b >>= 1) {
		if (b & 1)
			product = add_modulo(product, a, modulus);
		a = add_modulo(a, a, modulus);
	}
	return product;
}

/* 10^power modulo `modulus`, and times `value`. */
static unsigned_wide scale_modulo(unsigned_wide value, int64_t power, unsigned_wide modulus)
{
	unsigned_wide base = 10 % modulus;

	for (; power; power >>= 1) {
		if (power & 1)
			value = multiply_modulo(value, base, modulus);
		base = multiply_modulo(base, base, modulus);
	}
	return value;
}

/* The digits of one as an integer, modulo one of the other, and the powers of ten that both leave out: a value whose
 * last digit stands below the divisor's can be no multiple, as its digits do not end in zero. */
bool decimal_divides(struct slice divisor_text, struct slice value_text, bool *out)
{
	struct unpacked divisor = unpack(divisor_text), value = unpack(value_text);
	unsigned_wide modulus = 0, rest = 0;
	int digits = 0;

	for (const char *at = divisor.first; at && at <= divisor.last; at++) {
		if (*at == '.')
			continue;
		if (++digits > DECIMAL_DIVISOR_DIGITS)
			return false;
		modulus = modulus * 10 + digit_of(*at);
	}
	if (!modulus)
		return false;
	if (!out)
		return true;
	*out = !value.first;
	if (!value.first || value.last_power < divisor.last_power)
		return true;
	for (const char *at = value.first; at <= value.last; at++)
		if (*at != '.')
			rest = (rest * 10 + digit_of(*at)) % modulus;
	*out = scale_modulo(rest, value.last_power - divisor.last_power, modulus) == 0;
	return true;
}
