#include "json/text.h"

#include <assert.h>

#include "base/hex.h"
#include "base/utf8.h"

/* Four digits that the scanner has seen. */
static uint32_t code_unit(const char *at)
{
	uint32_t value = 0;
	for (int i = 0; i < 4; i++)
		value = value << 4 | (uint32_t)hex_value(at[i]);
	return value;
}

/* The code point of the \u escape at the start of `rest`; *used is the bytes it takes. */
static uint32_t unicode_escape(struct slice rest, size_t *used)
{
	assert(rest.len >= 6);
	uint32_t point = code_unit(rest.at + 2);
	*used = 6;
	if ((point & 0xfc00) == 0xd800 && rest.len >= 12 && rest.at[6] == '\\' && rest.at[7] == 'u') {
		uint32_t low = code_unit(rest.at + 8);
		if ((low & 0xfc00) == 0xdc00) {
			*used = 12;
			return 0x10000 + ((point & 0x3ff) << 10 | (low & 0x3ff));
		}
	}
	return point;
}

static char short_escape(char c)
{
	switch (c) {
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	default:
		return c; /* quote, backslash, slash */
	}
}

bool text_next(struct slice *rest, struct text_step *step)
{
	size_t used = slice_find(*rest, '\\');
	if (rest->len == 0)
		return false;
	if (used > 0) {
		step->bytes = (struct slice) { rest->at, used };
	} else if (rest->at[1] == 'u') {
		uint32_t point = unicode_escape(*rest, &used);
		step->bytes = (struct slice) { step->unescaped, utf8_write(step->unescaped, point) };
	} else {
		used = 2;
		step->unescaped[0] = short_escape(rest->at[1]);
		step->bytes = (struct slice) { step->unescaped, 1 };
	}
	rest->at += used;
	rest->len -= used;
	return true;
}

size_t text_unescape(struct slice inner, char *to)
{
	struct text_step step;
	size_t len = 0;
	while (text_next(&inner, &step)) {
		memcpy(to + len, step.bytes.at, step.bytes.len);
		len += step.bytes.len;
	}
	return len;
}

bool text_equals(struct slice inner, struct slice plain)
{
	struct text_step step;
	while (text_next(&inner, &step)) {
		if (!slice_starts(plain, step.bytes))
			return false;
		plain.at += step.bytes.len;
		plain.len -= step.bytes.len;
	}
	return plain.len == 0;
}
