/* Walks the records of a file: decode at an offset, and where that fails search for the next sound record, 8 bytes at a
 * time. Nothing of a record is believed before its CRC has passed: its length is bounded by the limit first, so that a
 * damaged length cannot lead anywhere.
 *
 * A sound record can only stem from this file: the salt is random and never leaves it, so a caller who writes bytes that
 * look like a record into his payload cannot make recovery invent one. */
#include "journal/format.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define CHUNK_BYTES ((size_t)256 * 1024)
#define SECTOR_BYTES 4096
#define IDLE_MAX 2                    /* chunks: mapping and clearing fresh memory costs more than reading into it */
#define COUNTER_MAX (UINT64_MAX >> 2) /* far from where adding would wrap */

struct journal_chunk {
	struct journal_chunk *next;
	uint64_t start;
	size_t len, cap;
	char bytes[];
};

void journal_window_init(struct journal_window *window, int fd, bool retain)
{
	*window = (struct journal_window) { .fd = fd, .retain = retain };
}

static void free_chunks(struct journal_chunk *chunk)
{
	while (chunk) {
		struct journal_chunk *next = chunk->next;
		free(chunk);
		chunk = next;
	}
}

void journal_window_release(struct journal_window *window)
{
	while (window->retained) {
		struct journal_chunk *chunk = window->retained;
		window->retained = chunk->next;
		if (window->idle_count == IDLE_MAX || chunk->cap > CHUNK_BYTES) {
			free(chunk);
			continue;
		}
		chunk->next = window->idle;
		window->idle = chunk;
		window->idle_count++;
	}
}

static struct journal_chunk *take_chunk(struct journal_window *window, size_t cap)
{
	struct journal_chunk *chunk = window->idle;
	if (!chunk || chunk->cap < cap)
		return malloc(sizeof(*chunk) + cap);
	window->idle = chunk->next;
	window->idle_count--;
	return chunk;
}

void journal_window_fini(struct journal_window *window)
{
	free_chunks(window->retained);
	free_chunks(window->idle);
	free(window->chunk);
	window->retained = window->idle = window->chunk = NULL;
	window->idle_count = 0;
}

static void put_chunk_away(struct journal_window *window)
{
	struct journal_chunk *chunk = window->chunk;
	if (!chunk)
		return;
	window->chunk = NULL;
	if (window->retain) {
		chunk->next = window->retained;
		window->retained = chunk;
	} else {
		free(chunk);
	}
}

void journal_window_turn(struct journal_window *window, int fd)
{
	put_chunk_away(window);
	window->fd = fd;
}

/* Reads exactly `len` bytes; what the disk or the file does not give is zero. */
static void read_or_zero(int fd, char *to, size_t len, uint64_t offset)
{
	while (len) {
		ssize_t n = pread(fd, to, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			size_t skip = n == 0 ? len : SECTOR_BYTES - (size_t)(offset % SECTOR_BYTES);
			n = (ssize_t)(skip < len ? skip : len);
			memset(to, 0, (size_t)n);
		}
		to += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
}

static void extend(struct journal_window *window, uint64_t limit)
{
	struct journal_chunk *chunk = window->chunk;
	uint64_t at = chunk->start + chunk->len;
	if (limit <= at)
		return;
	size_t more = chunk->cap - chunk->len;
	if (more > limit - at)
		more = (size_t)(limit - at);
	read_or_zero(window->fd, chunk->bytes + chunk->len, more, at);
	chunk->len += more;
}

static bool replace_chunk(struct journal_window *window, uint64_t offset, size_t need)
{
	size_t cap = need > CHUNK_BYTES ? need : CHUNK_BYTES;
	if (!window->retain && window->chunk && window->chunk->cap >= cap) {
		window->chunk->start = offset;
		window->chunk->len = 0;
		return true;
	}
	struct journal_chunk *chunk = take_chunk(window, cap);
	if (!chunk)
		return false;
	*chunk = (struct journal_chunk) { .start = offset, .cap = cap };
	put_chunk_away(window);
	window->chunk = chunk;
	return true;
}

static const char *refill(struct journal_window *window, uint64_t offset, size_t need, uint64_t limit)
{
	struct journal_chunk *chunk = window->chunk;
	bool reaches = chunk && offset >= chunk->start && offset <= chunk->start + chunk->len &&
	               offset + need <= chunk->start + chunk->cap;
	if (!reaches && !replace_chunk(window, offset, need))
		return NULL;
	extend(window, limit);
	return window->chunk->bytes + (offset - window->chunk->start);
}

const char *journal_window_get(struct journal_window *window, uint64_t offset, size_t need, uint64_t limit)
{
	struct journal_chunk *chunk = window->chunk;
	if (chunk && offset >= chunk->start && offset + need <= chunk->start + chunk->len)
		return chunk->bytes + (offset - chunk->start);
	return refill(window, offset, need, limit);
}

enum decoded { DECODED_SOUND, DECODED_BAD, DECODED_MEMORY };

static void fill_record(struct journal_record *out, const struct journal_record_header *header, const char *at,
                        uint64_t epoch)
{
	const char *variable = at + JOURNAL_RECORD_BYTES;
	size_t value_at = (size_t)header->topic_len + header->key_len + header->headers_len;
	*out = (struct journal_record) {
		.type = (enum journal_record_type)header->type,
		.flags = header->flags,
		.time_ms = header->time_ms,
		.received_ms = header->received_ms,
		.tag1 = header->tag1,
		.tag2 = header->tag2,
		.topic = { variable, header->topic_len },
		.key = { variable + header->topic_len, header->key_len },
		.headers = { variable + header->topic_len + header->key_len, header->headers_len },
		.value = { variable + value_at, header->length - JOURNAL_RECORD_BYTES - value_at },
		.position = { epoch, header->counter },
	};
	memcpy(out->key1, header->key1, sizeof(out->key1));
	memcpy(out->key2, header->key2, sizeof(out->key2));
	if (out->type == JOURNAL_GAP) {
		memcpy(&out->gap_count, out->value.at, sizeof(out->gap_count));
		out->value = SLICE_NONE;
	}
}

static uint32_t record_magic(const struct journal_cursor *cursor)
{
	return JOURNAL_RECORD_MAGIC ^ cursor->salt_crc;
}

static bool header_is_plausible(const struct journal_record_header *header, const struct journal_cursor *cursor,
                                uint64_t room)
{
	if (header->magic != record_magic(cursor) || header->length < JOURNAL_RECORD_BYTES)
		return false;
	if (journal_padded(header->length) > room || header->counter < cursor->expected ||
	    header->counter > COUNTER_MAX)
		return false;
	if (header->type < JOURNAL_EVENT || header->type > JOURNAL_SEAL)
		return false;
	bool erased = header->type == JOURNAL_GAP && (header->flags & JOURNAL_GAP_ERASED);
	if (header->type == JOURNAL_GAP && header->length != JOURNAL_GAP_BYTES &&
	    !(erased && header->length > JOURNAL_GAP_BYTES))
		return false;
	uint64_t parts = (uint64_t)header->topic_len + header->key_len + header->headers_len;
	return parts <= header->length - JOURNAL_RECORD_BYTES;
}

static enum decoded decode(struct journal_cursor *cursor, uint64_t offset, struct journal_record *out, size_t *size)
{
	uint64_t room = cursor->limit - offset;
	if (room < JOURNAL_RECORD_BYTES)
		return DECODED_BAD;
	const char *at = journal_window_get(&cursor->window, offset, JOURNAL_RECORD_BYTES, cursor->limit);
	if (!at)
		return DECODED_MEMORY;
	struct journal_record_header header;
	memcpy(&header, at, sizeof(header));
	if (!header_is_plausible(&header, cursor, room))
		return DECODED_BAD;
	*size = journal_padded(header.length);
	at = journal_window_get(&cursor->window, offset, *size, cursor->limit);
	if (!at)
		return DECODED_MEMORY;
	size_t from = offsetof(struct journal_record_header, length);
	if (hash_crc32c(cursor->salt_crc, at + from, *size - from) != header.crc)
		return DECODED_BAD;
	fill_record(out, &header, at, cursor->epoch);
	return out->type == JOURNAL_GAP && out->gap_count > COUNTER_MAX ? DECODED_BAD : DECODED_SOUND;
}

static void accept_record(struct journal_cursor *cursor, uint64_t offset, size_t size,
                          const struct journal_record *record)
{
	cursor->offset = offset + size;
	cursor->expected = journal_record_after(record);
}

/* Where a record that begins with this file's magic number, but is not sound, would have ended. */
static uint64_t torn_end(struct journal_cursor *cursor, uint64_t at)
{
	uint64_t room = cursor->limit - at;
	if (room < JOURNAL_RECORD_BYTES)
		return cursor->limit;
	struct journal_record_header header;
	const char *bytes = journal_window_get(&cursor->window, at, sizeof(header), cursor->limit);
	if (!bytes)
		return at + sizeof(header);
	memcpy(&header, bytes, sizeof(header));
	bool told = header.length >= sizeof(header) && journal_padded(header.length) <= room;
	return at + (told ? journal_padded(header.length) : sizeof(header));
}

/* From a bad record on: the next sound one, or the end and how far the torn tail reaches. */
static enum journal_step search(struct journal_cursor *cursor, struct journal_record *out,
                                struct journal_damage *damage)
{
	uint64_t begin = cursor->offset, used_end = begin;
	for (uint64_t at = begin; at < cursor->limit; at += 8) {
		size_t width = cursor->limit - at < 8 ? (size_t)(cursor->limit - at) : 8;
		const char *bytes = journal_window_get(&cursor->window, at, width, cursor->limit);
		if (!bytes)
			return JOURNAL_STEP_MEMORY;
		uint64_t word = 0;
		memcpy(&word, bytes, width);
		bool ours = (uint32_t)word == record_magic(cursor);
		if (word == 0 || (cursor->recycled && !ours))
			continue;
		size_t size = 0;
		if (at > begin && ours) {
			enum decoded decoded = decode(cursor, at, out, &size);
			if (decoded == DECODED_MEMORY)
				return JOURNAL_STEP_MEMORY;
			if (decoded == DECODED_SOUND) {
				*damage = (struct journal_damage) { .offset = begin, .length = at - begin };
				accept_record(cursor, at, size, out);
				return JOURNAL_STEP_RECORD;
			}
		}
		uint64_t end = cursor->recycled ? torn_end(cursor, at) : at + width;
		used_end = end > used_end ? end : used_end;
	}
	*damage = (struct journal_damage) { .offset = begin, .length = used_end - begin, .torn = used_end > begin };
	return JOURNAL_STEP_END;
}

void journal_cursor_start(struct journal_cursor *cursor, uint64_t epoch, uint64_t first, uint32_t salt_crc,
                          bool recycled)
{
	cursor->offset = JOURNAL_HEADER_BYTES;
	cursor->limit = JOURNAL_HEADER_BYTES;
	cursor->epoch = epoch;
	cursor->expected = first;
	cursor->salt_crc = salt_crc;
	cursor->recycled = recycled;
}

enum journal_step journal_cursor_next(struct journal_cursor *cursor, struct journal_record *out,
                                      struct journal_damage *damage)
{
	*damage = (struct journal_damage) { .offset = cursor->offset };
	if (cursor->offset >= cursor->limit)
		return JOURNAL_STEP_END;
	size_t size = 0;
	switch (decode(cursor, cursor->offset, out, &size)) {
	case DECODED_SOUND:
		accept_record(cursor, cursor->offset, size, out);
		return JOURNAL_STEP_RECORD;
	case DECODED_MEMORY:
		return JOURNAL_STEP_MEMORY;
	case DECODED_BAD:
		break;
	}
	return search(cursor, out, damage);
}
