#include "base/percent.h"

#include "base/arena.h"
#include "base/hex.h"

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
