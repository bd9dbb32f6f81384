/* UTF-8 by the book (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef HEADGATE_BASE_UTF8_H
#define HEADGATE_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

#define UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* Bytes of the well-formed sequence at `at`, of which `len` >= 1 bytes may be read; 0 if there is none. */
static inline size_t utf8_length(const char *at, size_t len)
{
	const unsigned char *byte = (const unsigned char *)at;
	if (byte[0] < 0x80)
		return 1;
	if (byte[0] < 0xc2)
		return 0;
	if (byte[0] < 0xe0)
		return len >= 2 && (byte[1] & 0xc0) == 0x80 ? 2 : 0;
	if (byte[0] < 0xf0) {
		if (len < 3 || (byte[1] & 0xc0) != 0x80 || (byte[2] & 0xc0) != 0x80)
			return 0;
		/* Below U+0800 is overlong; U+D800 to U+DFFF are surrogates. */
		unsigned point = (byte[0] & 15u) << 12 | (byte[1] & 63u) << 6;
		return point >= 0x800 && (point & 0xf800) != 0xd800 ? 3 : 0;
	}
	if (byte[0] > 0xf4 || len < 4 || (byte[1] & 0xc0) != 0x80 || (byte[2] & 0xc0) != 0x80 ||
	    (byte[3] & 0xc0) != 0x80)
		return 0;
	unsigned high = (byte[0] & 7u) << 6 | (byte[1] & 63u);
	return high >= 0x10 && high <= 0x10f ? 4 : 0;
}

/* Writes the code point (a surrogate becomes U+FFFD), at most 4 bytes; their number. */
static inline size_t utf8_write(char *to, uint32_t point)
{
	if (point < 0x80) {
		to[0] = (char)point;
		return 1;
	}
	if (point < 0x800) {
		to[0] = (char)(0xc0 | point >> 6);
		to[1] = (char)(0x80 | (point & 63));
		return 2;
	}
	if ((point & 0xfffff800) == 0xd800 || point > 0x10ffff)
		point = 0xfffd;
	if (point < 0x10000) {
		to[0] = (char)(0xe0 | point >> 12);
		to[1] = (char)(0x80 | (point >> 6 & 63));
		to[2] = (char)(0x80 | (point & 63));
		return 3;
	}
	to[0] = (char)(0xf0 | point >> 18);
	to[1] = (char)(0x80 | (point >> 12 & 63));
	to[2] = (char)(0x80 | (point >> 6 & 63));
	to[3] = (char)(0x80 | (point & 63));
	return 4;
}

#endif
