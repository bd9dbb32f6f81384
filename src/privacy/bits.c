/* The strings are short and read once, so a loop over characters is enough. */
#include "privacy/bits.h"

#include "base/base64.h"

#define CHAR_BITS 6

bool bits_is_text(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (base64_url_value(text.at[i]) < 0)
			return false;
	return true;
}

static bool reaches(struct bits *bits, size_t count)
{
	size_t all = bits->text.len * CHAR_BITS;
	if (bits->failed || count > all - bits->at)
		bits->failed = true;
	return !bits->failed;
}

uint64_t bits_read(struct bits *bits, unsigned count)
{
	uint64_t value = 0;
	if (!reaches(bits, count))
		return 0;
	while (count) {
		int character = base64_url_value(bits->text.at[bits->at / CHAR_BITS]);
		if (character < 0) {
			bits->failed = true;
			return 0;
		}
		unsigned left = CHAR_BITS - (unsigned)(bits->at % CHAR_BITS);
		unsigned take = count < left ? count : left;
		uint64_t part = ((uint64_t)character >> (left - take)) & ((1u << take) - 1);
		value = value << take | part;
		bits->at += take;
		count -= take;
	}
	return value;
}

void bits_skip(struct bits *bits, size_t count)
{
	if (reaches(bits, count))
		bits->at += count;
}
