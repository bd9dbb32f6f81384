/* Records and file headers as bytes. A record is built in place: the caller writes the variable part, then the header
 * is filled in front of it; the CRC comes last, at commit, because it depends on the file that the record lands in.
 *
 * Failure modes: a header of which both copies are damaged makes the file unreadable (its salt is gone). */
#include "journal/format.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"

#define CRC_END (offsetof(struct journal_record_header, crc) + sizeof(uint32_t))

static uint32_t header_crc(const struct journal_file_header *header)
{
	return hash_crc32c(0, header, offsetof(struct journal_file_header, crc));
}

static bool write_copies(int fd, struct journal_file_header *header, const char *magic, struct error *err)
{
	char bytes[JOURNAL_HEADER_COPY_AT + sizeof(*header)] = { 0 };
	memcpy(header->magic, magic, sizeof(header->magic));
	header->version = JOURNAL_FORMAT_VERSION;
	header->crc = header_crc(header);
	memcpy(bytes, header, sizeof(*header));
	memcpy(bytes + JOURNAL_HEADER_COPY_AT, header, sizeof(*header));
	return file_write_at(fd, (struct slice) { bytes, sizeof(bytes) }, 0, err);
}

bool journal_header_write(int fd, struct journal_file_header *header, struct error *err)
{
	return write_copies(fd, header, JOURNAL_FILE_MAGIC, err);
}

bool journal_spare_write(int fd, struct error *err)
{
	struct journal_file_header header = { .version = JOURNAL_FORMAT_VERSION };
	return write_copies(fd, &header, JOURNAL_SPARE_MAGIC, err);
}

static bool header_is_sound(const struct journal_file_header *header)
{
	return memcmp(header->magic, JOURNAL_FILE_MAGIC, sizeof(header->magic)) == 0 &&
	       header->version == JOURNAL_FORMAT_VERSION && header->crc == header_crc(header) && header->first > 0;
}

static bool read_copy(int fd, int which, struct journal_file_header *out)
{
	static const off_t copies[] = { 0, JOURNAL_HEADER_COPY_AT };
	ssize_t n;
	do
		n = pread(fd, out, sizeof(*out), copies[which]);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*out);
}

bool journal_header_read(int fd, struct journal_file_header *out, struct error *err)
{
	for (int i = 0; i < 2; i++)
		if (read_copy(fd, i, out) && header_is_sound(out))
			return true;
	return error_set(err, ERROR_DATA, "no sound journal file header");
}

bool journal_spare_is(int fd)
{
	struct journal_file_header header;
	for (int i = 0; i < 2; i++)
		if (read_copy(fd, i, &header) && memcmp(header.magic, JOURNAL_SPARE_MAGIC, sizeof(header.magic)) == 0 &&
		    header.crc == header_crc(&header))
			return true;
	return false;
}

uint32_t journal_salt_crc(uint64_t salt)
{
	return hash_crc32c(0, &salt, sizeof(salt));
}

size_t journal_record_close(char *at, const struct journal_record *record)
{
	size_t length =
	        JOURNAL_RECORD_BYTES + record->topic.len + record->key.len + record->headers.len + record->value.len;
	assert(record->topic.len <= UINT16_MAX && length <= UINT32_MAX);
	struct journal_record_header header = {
		.length = (uint32_t)length,
		.type = (uint8_t)record->type,
		.flags = record->flags,
		.topic_len = (uint16_t)record->topic.len,
		.counter = record->position.counter,
		.time_ms = record->time_ms,
		.received_ms = record->received_ms,
		.key_len = (uint32_t)record->key.len,
		.headers_len = (uint32_t)record->headers.len,
		.tag1 = record->tag1,
		.tag2 = record->tag2,
	};
	memcpy(header.key1, record->key1, sizeof(header.key1));
	memcpy(header.key2, record->key2, sizeof(header.key2));
	memcpy(at, &header, sizeof(header));
	memset(at + length, 0, journal_padded(length) - length);
	return journal_padded(length);
}

size_t journal_record_size(const char *at)
{
	uint32_t length;
	memcpy(&length, at + offsetof(struct journal_record_header, length), sizeof(length));
	return journal_padded(length);
}

void journal_record_stamp(char *at, uint32_t salt_crc)
{
	uint32_t magic = JOURNAL_RECORD_MAGIC ^ salt_crc;
	memcpy(at + offsetof(struct journal_record_header, magic), &magic, sizeof(magic));
	uint32_t crc = hash_crc32c(salt_crc, at + CRC_END, journal_record_size(at) - CRC_END);
	memcpy(at + offsetof(struct journal_record_header, crc), &crc, sizeof(crc));
}

size_t journal_record_need(const struct journal_record *record)
{
	size_t variable = record->type == JOURNAL_GAP
	                          ? sizeof(record->gap_count)
	                          : record->topic.len + record->key.len + record->headers.len + record->value.len;
	return journal_padded(JOURNAL_RECORD_BYTES + variable);
}

static char *put(char *to, struct slice s)
{
	if (s.len)
		memcpy(to, s.at, s.len);
	return to + s.len;
}

size_t journal_record_put(char *at, const struct journal_record *record)
{
	struct journal_record r = *record;
	if (r.type == JOURNAL_GAP) {
		r.topic = r.key = r.headers = SLICE_NONE;
		r.value = (struct slice) { (const char *)&record->gap_count, sizeof(record->gap_count) };
	}
	char *to = put(at + JOURNAL_RECORD_BYTES, r.topic);
	to = put(to, r.key);
	to = put(to, r.headers);
	put(to, r.value);
	return journal_record_close(at, &r);
}

void journal_counts_add(struct journal_counts *counts, const struct journal_record *record)
{
	bool is_gap = record->type == JOURNAL_GAP && !(record->flags & JOURNAL_GAP_BURNT);
	if (record->type == JOURNAL_EVENT)
		counts->events++;
	else if (record->type == JOURNAL_DEAD_LETTER)
		counts->dead_letters++;
	else if (is_gap && (record->flags & JOURNAL_GAP_LETTER))
		counts->dead_letters += record->gap_count;
	else if (is_gap)
		counts->events += record->gap_count;
}

uint64_t journal_record_after(const struct journal_record *record)
{
	switch (record->type) {
	case JOURNAL_GAP:
		return record->position.counter + record->gap_count;
	case JOURNAL_SEAL:
		return record->position.counter;
	default:
		return record->position.counter + 1;
	}
}

void journal_name_format(char *to, uint64_t epoch, uint64_t first)
{
	snprintf(to, JOURNAL_NAME_BYTES, "%012" PRIu64 "-%016" PRIu64 ".log", epoch, first);
}

bool journal_name_parse(const char *name, uint64_t *epoch, uint64_t *first)
{
	struct slice rest = slice_of(name);
	if (rest.len >= JOURNAL_NAME_BYTES || !slice_ends(rest, SLICE(".log")))
		return false;
	rest.len -= 4;
	struct slice head = slice_split(&rest, '-');
	return slice_to_u64(head, epoch) && slice_to_u64(rest, first) && *first > 0;
}
