/* A byte buffer that grows, on the heap or in an arena. Failure to grow is sticky: appends do nothing from then on
 * and the owner checks `failed` once. */
#ifndef HEADGATE_BASE_BUFFER_H
#define HEADGATE_BASE_BUFFER_H

#include <stdarg.h>

#include "base/slice.h"

struct arena;

struct buffer {
	char *at;
	size_t len;
	size_t cap;
	struct arena *arena; /* NULL: heap */
	bool failed;
};

/* `arena` NULL: heap, to be ended by buffer_fini. Allocates nothing yet. */
void buffer_init(struct buffer *buf, struct arena *arena);
void buffer_fini(struct buffer *buf);
/* Room for `size` more bytes; NULL after failure. The bytes count only once added to `len` by the caller. */
char *buffer_reserve_slow(struct buffer *buf, size_t size);
void buffer_append_u64(struct buffer *buf, uint64_t value);
void buffer_append_i64(struct buffer *buf, int64_t value);
void buffer_append_format(struct buffer *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buffer_append_formatted(struct buffer *buf, const char *format, va_list args)
        __attribute__((format(printf, 2, 0)));

static inline char *buffer_reserve(struct buffer *buf, size_t size)
{
	if (buf->at && buf->cap - buf->len >= size && !buf->failed)
		return buf->at + buf->len;
	return buffer_reserve_slow(buf, size);
}

static inline void buffer_append(struct buffer *buf, struct slice s)
{
	char *to = buffer_reserve(buf, s.len);
	if (to && s.len) {
		memcpy(to, s.at, s.len);
		buf->len += s.len;
	}
}

static inline void buffer_append_char(struct buffer *buf, char c)
{
	char *to = buffer_reserve(buf, 1);
	if (to) {
		*to = c;
		buf->len++;
	}
}

static inline struct slice buffer_slice(const struct buffer *buf)
{
	return (struct slice) { buf->at, buf->len };
}

#endif
