/* JSON numbers as exact decimals: compared by value, never by double, so that 10.10 equals 10.1 and integers beyond
 * 2^53 stay apart. Texts must be well-formed JSON numbers (the scanner's). No allocation. */
#ifndef HEADGATE_CATALOG_DECIMAL_H
#define HEADGATE_CATALOG_DECIMAL_H

#include "base/slice.h"

struct decimal {
	struct slice text; /* borrowed */
	int64_t mantissa;  /* value = mantissa / 10^scale, where `small` */
	uint32_t scale;
	bool small; /* at most 18 digits and no exponent: compared without walking the text */
};

struct decimal decimal_parse(struct slice text);
/* < 0, 0, > 0 as a is below, equal to, above b. Exponents beyond +-10^15 count as that. */
int decimal_compare(const struct decimal *a, const struct decimal *b);
/* By value: 1.0 and 12e2 are integers, 1.5 is not. */
bool decimal_is_integer(struct slice text);
/* Decimals that count: 2 for 1.250 and 12.5e-1, 0 for 59000.00 and 1e3; at most UINT32_MAX. */
uint32_t decimal_places(struct slice text);
bool decimal_is_zero(struct slice text);
/* The same for texts of the same value. */
uint64_t decimal_hash(struct slice text, uint64_t seed);
#define DECIMAL_DIVISOR_DIGITS 37
/* Sets *out where the value is a multiple of the divisor, exactly. False: the divisor is zero, or has more digits that
 * count than DECIMAL_DIVISOR_DIGITS. `out` may be NULL. */
bool decimal_divides(struct slice divisor, struct slice value, bool *out);

#endif
