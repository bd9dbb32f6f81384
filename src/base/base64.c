#include "base/base64.h"

int base64_url_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool base64_url_decode(struct slice text, uint8_t *to, size_t len)
{
	uint32_t bits = 0;
	unsigned held = 0;

	if (text.len != (len * 8 + 5) / 6)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		int value = base64_url_value(text.at[i]);
		if (value < 0)
			return false;
		bits = (bits << 6 | (uint32_t)value) & 0xffff;
		held += 6;
		if (held >= 8) {
			held -= 8;
			*to++ = (uint8_t)(bits >> held);
		}
	}
	return (bits & ((1u << held) - 1)) == 0;
}
