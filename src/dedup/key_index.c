/* Key index files: a header with two checksums, then 24-byte entries sorted by hash and tag (merging several files is
 * then one pass). Written whole and renamed into place, so a torn one never has its final name; what is damaged later
 * fails its checksum and is told apart from a file that cannot be read. */
#include <assert.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "dedup/dedup.h"

#define INDEX_FILE_MAX_BYTES ((size_t)1 << 30)

/* As it lies in the file, little-endian like the journal. */
struct index_header {
	char magic[8];
	uint64_t count;
	int64_t written_ms; /* wall time: the 16 bits of a bucket are read relative to it */
	uint32_t entries_crc;
	uint32_t header_crc; /* of the bytes before it */
};

static_assert(sizeof(struct index_header) == 32, "file format");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "file format");

static const char magic[8] = "HGINDEX1";

static int compare_entries(const void *a, const void *b)
{
	const struct dedup_entry *one = a, *two = b;
	int order = memcmp(one->key.hash, two->key.hash, sizeof(one->key.hash));
	if (order)
		return order;
	return one->tag < two->tag ? -1 : one->tag > two->tag;
}

static size_t drop_zero_keys(struct dedup_entry *entries, size_t count)
{
	size_t kept = 0;
	for (size_t i = 0; i < count; i++)
		if (entries[i].key.bucket)
			entries[kept++] = entries[i];
	return kept;
}

bool dedup_index_write(const char *path, struct dedup_entry *entries, size_t count, struct error *err)
{
	struct buffer out;
	count = drop_zero_keys(entries, count);
	if (count)
		qsort(entries, count, sizeof(*entries), compare_entries);
	struct index_header header = { .count = count, .written_ms = clock_wall_ms() };
	struct slice body = { (const char *)entries, count * sizeof(*entries) };
	memcpy(header.magic, magic, sizeof(magic));
	header.entries_crc = hash_crc32c(0, body.at, body.len);
	header.header_crc = hash_crc32c(0, &header, offsetof(struct index_header, header_crc));
	buffer_init(&out, NULL);
	buffer_append(&out, (struct slice) { (const char *)&header, sizeof(header) });
	buffer_append(&out, body);
	bool ok = out.failed ? error_set(err, ERROR_MEMORY, "%s: out of memory", path)
	                     : file_replace(path, buffer_slice(&out), err);
	buffer_fini(&out);
	return ok;
}

static bool read_header(struct slice bytes, struct index_header *header)
{
	if (bytes.len < sizeof(*header))
		return false;
	memcpy(header, bytes.at, sizeof(*header));
	struct slice body = { bytes.at + sizeof(*header), bytes.len - sizeof(*header) };
	return memcmp(header->magic, magic, sizeof(magic)) == 0 &&
	       header->header_crc == hash_crc32c(0, header, offsetof(struct index_header, header_crc)) &&
	       body.len % sizeof(struct dedup_entry) == 0 && header->count == body.len / sizeof(struct dedup_entry) &&
	       header->entries_crc == hash_crc32c(0, body.at, body.len);
}

static bool insert_all(struct dedup *dedup, const struct index_header *header, const char *at, int64_t wall_ms)
{
	int64_t bucket_ms = dedup_bucket_ms(dedup), now = wall_ms / bucket_ms, written = header->written_ms / bucket_ms;
	bool all_expired = true;
	for (uint64_t i = 0; i < header->count; i++, at += sizeof(struct dedup_entry)) {
		struct dedup_entry entry;
		memcpy(&entry, at, sizeof(entry));
		int64_t expiry = written + (int16_t)(uint16_t)(entry.key.bucket - (uint16_t)written);
		if (expiry <= now)
			continue;
		all_expired = false;
		dedup_insert(dedup, &entry.key, entry.tag, wall_ms);
	}
	return all_expired;
}

bool dedup_index_load(struct dedup *dedup, const char *path, int64_t wall_ms, bool *all_expired, struct error *err)
{
	struct arena arena;
	struct slice bytes = SLICE_NONE;
	struct index_header header = { 0 };
	*all_expired = false;
	arena_init(&arena, INDEX_FILE_MAX_BYTES + 65536);
	bool ok = file_read(&arena, path, INDEX_FILE_MAX_BYTES, &bytes, err);
	if (ok && !read_header(bytes, &header))
		ok = error_set(err, ERROR_DATA, "%s: damaged key index", path);
	if (ok)
		*all_expired = insert_all(dedup, &header, bytes.at + sizeof(header), wall_ms);
	arena_fini(&arena);
	return ok;
}
