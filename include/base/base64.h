/* Base64 with the alphabet for URLs, without padding (RFC 4648 section 5). */
#ifndef HEADGATE_BASE_BASE64_H
#define HEADGATE_BASE_BASE64_H

#include "base/slice.h"

/* Value of a character of the alphabet, or -1. */
int base64_url_value(char c);
/* Decodes all of `text` into exactly `len` bytes. False: another length, a character that is none of the alphabet's, or
 * bits left over that are not zero, so that a value has one text. Not in constant time. */
bool base64_url_decode(struct slice text, uint8_t *to, size_t len);

#endif
