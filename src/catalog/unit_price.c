/* In 128 bits: 15 digits of total, 12 decimals more, divided by a whole number. */
#include "catalog/unit_price.h"

#include "catalog/decimal.h"

#define TOTAL_MAX 1000000000000000
#define PIECES_MAX 1000000000
#define EXACT_DECIMALS 12
#define ROUNDED_DECIMALS 6

__extension__ typedef __int128 wide;

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static size_t skip_digits(struct slice text, size_t i)
{
	while (i < text.len && is_digit(text.at[i]))
		i++;
	return i;
}

bool unit_price_is_number(struct slice text)
{
	size_t i = text.len > 0 && text.at[0] == '-', start = i;

	i = skip_digits(text, i);
	if (i == start || (text.at[start] == '0' && i > start + 1))
		return false;
	if (i < text.len && text.at[i] == '.') {
		start = i + 1;
		i = skip_digits(text, start);
		if (i == start)
			return false;
	}
	if (i < text.len && (text.at[i] == 'e' || text.at[i] == 'E')) {
		i++;
		i += i < text.len && (text.at[i] == '+' || text.at[i] == '-');
		start = i;
		i = skip_digits(text, i);
		if (i == start)
			return false;
	}
	return i == text.len;
}

static wide scale_up(wide value, uint32_t decimals)
{
	while (decimals--)
		value *= 10;
	return value;
}

/* value / 10^decimals; at most 28 digits. */
static struct slice print(wide value, uint32_t decimals, struct arena *arena)
{
	bool negative = value < 0;
	char text[48];
	size_t at = sizeof text;

	if (negative)
		value = -value;
	while (decimals && value % 10 == 0) {
		value /= 10;
		decimals--;
	}
	for (uint32_t digits = 0; value || digits <= decimals; digits++) {
		if (digits && digits == decimals)
			text[--at] = '.';
		text[--at] = (char)('0' + (int)(value % 10));
		value /= 10;
	}
	if (negative)
		text[--at] = '-';
	return arena_copy(arena, (struct slice) { text + at, sizeof text - at });
}

struct slice unit_price_compute(struct slice total, struct slice pieces, struct arena *arena)
{
	struct decimal sum = decimal_parse(total), count = decimal_parse(pieces);

	if (!total.len || !pieces.len || !sum.small || !count.small || sum.scale > EXACT_DECIMALS)
		return SLICE_NONE;
	if (sum.mantissa >= TOTAL_MAX || sum.mantissa <= -TOTAL_MAX || !decimal_is_integer(pieces))
		return SLICE_NONE;
	for (; count.scale; count.scale--)
		count.mantissa /= 10;
	if (count.mantissa < 1 || count.mantissa > PIECES_MAX)
		return SLICE_NONE;
	wide exact = scale_up(sum.mantissa, EXACT_DECIMALS - sum.scale);
	if (exact % count.mantissa == 0)
		return print(exact / count.mantissa, EXACT_DECIMALS, arena);
	wide divisor = scale_up(count.mantissa, EXACT_DECIMALS - ROUNDED_DECIMALS);
	wide half = exact < 0 ? -divisor / 2 : divisor / 2;
	return print((exact + half) / divisor, ROUNDED_DECIMALS, arena);
}
