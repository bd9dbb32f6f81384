/* Output goes in steps of 16 KiB to a buffer that doubles, so that a bomb is noticed after one step too many and never
 * takes more memory than the limit. The zlib state is made once per lane: inflateReset does not allocate. */
#include "http/gzip.h"

#include <stdlib.h>
#include <zlib.h>

#include "base/buffer.h"

#define STEP_BYTES ((size_t)16 * 1024)
#define RATIO_MAX 100
#define RATIO_FROM_BYTES ((size_t)64 * 1024)
#define WINDOW_BITS_GZIP (15 + 16)

struct gzip {
	z_stream stream;
};

struct gzip *gzip_create(struct error *err)
{
	struct gzip *gzip = calloc(1, sizeof(*gzip));

	if (gzip && inflateInit2(&gzip->stream, WINDOW_BITS_GZIP) == Z_OK)
		return gzip;
	free(gzip);
	error_set(err, ERROR_MEMORY, "no memory for inflating");
	return NULL;
}

void gzip_destroy(struct gzip **gzip)
{
	if (!*gzip)
		return;
	inflateEnd(&(*gzip)->stream);
	free(*gzip);
	*gzip = NULL;
}

static bool is_bomb(const z_stream *stream, size_t out_len, size_t body_len)
{
	size_t in_len = body_len - stream->avail_in;

	return out_len > RATIO_FROM_BYTES && out_len / RATIO_MAX > in_len;
}

enum refusal gzip_inflate(struct gzip *gzip, struct slice body, size_t limit_bytes, struct arena *arena,
                          struct slice *out)
{
	z_stream *stream = &gzip->stream;
	struct buffer buf;
	int result = Z_OK;

	buffer_init(&buf, arena);
	if (body.len > UINT32_MAX || inflateReset(stream) != Z_OK)
		return REFUSAL_BAD_GZIP;
	stream->next_in = (z_const Bytef *)(uintptr_t)body.at;
	stream->avail_in = (uInt)body.len;
	while (result == Z_OK) {
		char *to = buffer_reserve(&buf, STEP_BYTES);
		if (!to)
			return REFUSAL_NO_MEMORY;
		stream->next_out = (Bytef *)to;
		stream->avail_out = (uInt)STEP_BYTES;
		result = inflate(stream, Z_NO_FLUSH);
		buf.len += STEP_BYTES - stream->avail_out;
		if (buf.len > limit_bytes || is_bomb(stream, buf.len, body.len))
			return REFUSAL_INFLATED_TOO_LARGE;
	}
	if (result == Z_MEM_ERROR)
		return REFUSAL_NO_MEMORY;
	if (result != Z_STREAM_END || stream->avail_in)
		return REFUSAL_BAD_GZIP;
	*out = buffer_slice(&buf);
	return REFUSAL_NONE;
}
