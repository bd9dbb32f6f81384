#include "base/percent.h"

#include "base/arena.h"
#include "base/hex.h"
#include "base/utf8.h"

struct slice percent_decode(struct slice text, bool plus_is_space, struct arena *arena)
{
	if (slice_find(text, '%') == text.len && (!plus_is_space || slice_find(text, '+') == text.len))
		return text;
	char *to = arena_alloc(arena, text.len);
	if (!to)
		return SLICE_NONE;
	size_t len = 0;
	for (size_t i = 0; i < text.len; i++) {
		int high = -1, low = -1;
		if (text.at[i] == '%' && i + 2 < text.len) {
			high = hex_value(text.at[i + 1]);
			low = hex_value(text.at[i + 2]);
		}
		if (high >= 0 && low >= 0) {
			to[len++] = (char)(high * 16 + low);
			i += 2;
		} else {
			to[len++] = plus_is_space && text.at[i] == '+' ? ' ' : text.at[i];
		}
	}
	return (struct slice) { to, len };
}

/* The byte that an escape at `at` stands for, or -1. */
static int escaped_byte(struct slice text, size_t at)
{
	if (text.len < 3 || at > text.len - 3 || text.at[at] != '%')
		return -1;
	int high = hex_value(text.at[at + 1]), low = hex_value(text.at[at + 2]);
	return high >= 0 && low >= 0 ? high * 16 + low : -1;
}

/* Bytes of the character that the escapes from `at` on stand for, at most 4; 0 if it is none. */
static size_t escaped_character(struct slice text, size_t at, char *to)
{
	size_t count = 0;
	for (int byte; count < 4 && (byte = escaped_byte(text, at + 3 * count)) >= 0;)
		to[count++] = (char)byte;
	return count ? utf8_length(to, count) : 0;
}

struct slice percent_decode_text(struct slice text, bool plus_is_space, struct arena *arena)
{
	if (slice_find(text, '%') == text.len && (!plus_is_space || slice_find(text, '+') == text.len))
		return text;
	char *to = arena_alloc(arena, text.len);
	if (!to)
		return SLICE_NONE;
	size_t len = 0;
	for (size_t i = 0; i < text.len;) {
		char character[4];
		size_t bytes = escaped_character(text, i, character);
		if (bytes) {
			memcpy(to + len, character, bytes);
			len += bytes;
			i += 3 * bytes;
		} else {
			to[len++] = plus_is_space && text.at[i] == '+' ? ' ' : text.at[i];
			i++;
		}
	}
	return (struct slice) { to, len };
}
