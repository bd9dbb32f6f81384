#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"

#define GROWTH_MIN_BYTES 256

void buffer_init(struct buffer *buf, struct arena *arena)
{
	*buf = (struct buffer) { .arena = arena };
}

void buffer_fini(struct buffer *buf)
{
	if (!buf->arena)
		free(buf->at);
	*buf = (struct buffer) { .arena = buf->arena };
}

static char *fail(struct buffer *buf)
{
	buf->failed = true;
	return NULL;
}

char *buffer_reserve_slow(struct buffer *buf, size_t size)
{
	if (buf->failed || size > SIZE_MAX / 4 || buf->len > SIZE_MAX / 4)
		return fail(buf);
	size_t cap = buf->cap < GROWTH_MIN_BYTES / 2 ? GROWTH_MIN_BYTES : buf->cap * 2;
	if (cap < buf->len + size)
		cap = buf->len + size;
	char *at = buf->arena ? arena_alloc(buf->arena, cap) : realloc(buf->at, cap);
	if (!at)
		return fail(buf);
	if (buf->arena && buf->at)
		memcpy(at, buf->at, buf->len);
	buf->at = at;
	buf->cap = cap;
	return at + buf->len;
}

void buffer_append_u64(struct buffer *buf, uint64_t value)
{
	char digits[20];
	size_t at = sizeof digits;
	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	buffer_append(buf, (struct slice) { digits + at, sizeof digits - at });
}

void buffer_append_i64(struct buffer *buf, int64_t value)
{
	if (value < 0)
		buffer_append_char(buf, '-');
	buffer_append_u64(buf, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void buffer_append_formatted(struct buffer *buf, const char *format, va_list args)
{
	va_list again;
	va_copy(again, args);
	int len = vsnprintf(NULL, 0, format, args);
	/* One byte more than counted: vsnprintf ends with a NUL. */
	char *to = len >= 0 ? buffer_reserve(buf, (size_t)len + 1) : fail(buf);
	if (to) {
		vsnprintf(to, (size_t)len + 1, format, again);
		buf->len += (size_t)len;
	}
	va_end(again);
}

void buffer_append_format(struct buffer *buf, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	buffer_append_formatted(buf, format, args);
	va_end(args);
}
