/* Bits out of base64url text (RFC 4648 section 5), as the IAB's strings are made: six to a character, the highest first.
 * Reads in place. */
#ifndef HEADGATE_PRIVACY_BITS_H
#define HEADGATE_PRIVACY_BITS_H

#include "base/slice.h"

struct bits {
	struct slice text;
	size_t at;   /* in bits */
	bool failed; /* sticky: read beyond the end, or a character that is none of the alphabet's */
};

/* 64 at most; 0 once failed. */
uint64_t bits_read(struct bits *bits, unsigned count);
void bits_skip(struct bits *bits, size_t count);
/* True if all characters are of the alphabet. */
bool bits_is_text(struct slice text);

#endif
