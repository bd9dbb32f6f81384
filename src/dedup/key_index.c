/* Key index files: a header with two checksums, then 24-byte entries sorted by hash and tag (merging several files is
 * then one pass). Written whole and renamed into place, so a torn one never has its final name; what is damaged later
 * fails its checksum and is told apart from a file that cannot be read. */
#include <assert.h>
#include <stdlib.h>

#include "base/arena.h"
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

/* ---- sorting ----
 * The hashes are keyed, so they spread evenly: one pass deals the entries out by their first bits, about four to a
 * bucket, and each bucket is put in order by insertion. Only equal hashes with many tags (one event id sent again and
 * again with other content) make a large bucket; it goes to qsort. */

#define BUCKET_ENTRIES 4
#define BUCKET_BITS_MAX 16
#define INSERTION_MAX 48

static uint64_t prefix_of(const struct dedup_entry *entry)
{
	uint64_t prefix;
	memcpy(&prefix, entry->key.hash, sizeof(prefix));
	return __builtin_bswap64(prefix);
}

static int compare_entries(const void *a, const void *b)
{
	const struct dedup_entry *one = a, *two = b;
	int order = memcmp(one->key.hash, two->key.hash, sizeof(one->key.hash));
	if (order)
		return order;
	/* Every slot that is sorted was dealt before; the analyzer loses the counts. */
	/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
	return one->tag < two->tag ? -1 : one->tag > two->tag;
}

static bool is_before(const struct dedup_entry *a, const struct dedup_entry *b)
{
	uint64_t one = prefix_of(a), two = prefix_of(b);
	return one != two ? one < two : compare_entries(a, b) < 0;
}

static void sort_bucket(struct dedup_entry *entries, size_t count)
{
	if (count > INSERTION_MAX) {
		qsort(entries, count, sizeof(*entries), compare_entries);
		return;
	}
	for (size_t i = 1; i < count; i++) {
		struct dedup_entry moving = entries[i];
		size_t at = i;
		for (; at > 0 && is_before(&moving, &entries[at - 1]); at--)
			entries[at] = entries[at - 1];
		entries[at] = moving;
	}
}

static unsigned bucket_bits(size_t count)
{
	unsigned bits = 1;
	while (bits < BUCKET_BITS_MAX && ((size_t)BUCKET_ENTRIES << bits) < count)
		bits++;
	return bits;
}

/* Deals those with a key out of `from` into `to`; returns how many, in order. False: no memory. */
static bool sort_entries(const char *from, size_t count, struct dedup_entry *to, size_t *kept)
{
	unsigned bits = bucket_bits(count), shift = 64 - bits;
	size_t buckets = (size_t)1 << bits;
	uint32_t *ends = calloc(buckets + 1, sizeof(*ends));
	if (!ends)
		return false;
	struct dedup_entry entry;
	for (size_t i = 0; i < count; i++) {
		memcpy(&entry, from + i * sizeof(entry), sizeof(entry));
		ends[(prefix_of(&entry) >> shift) + 1] += entry.key.bucket != 0;
	}
	for (size_t i = 1; i <= buckets; i++)
		ends[i] += ends[i - 1];
	*kept = ends[buckets];
	/* ends[b] is where bucket b begins; dealing moves it to where the bucket ends. */
	for (size_t i = 0; i < count; i++) {
		memcpy(&entry, from + i * sizeof(entry), sizeof(entry));
		if (entry.key.bucket)
			to[ends[prefix_of(&entry) >> shift]++] = entry;
	}
	for (size_t i = 0, begin = 0; i < buckets; begin = ends[i++])
		sort_bucket(to + begin, ends[i] - begin);
	free(ends);
	return true;
}

bool dedup_index_write(const char *path, const void *entries, size_t count, struct error *err)
{
	struct index_header header = { .written_ms = clock_wall_ms() };
	char *bytes = calloc(1, sizeof(header) + count * sizeof(struct dedup_entry));
	size_t kept = 0;
	if (!bytes || !sort_entries(entries, count, (struct dedup_entry *)(void *)(bytes + sizeof(header)), &kept)) {
		free(bytes);
		return error_set(err, ERROR_MEMORY, "%s: out of memory", path);
	}
	struct slice body = { bytes + sizeof(header), kept * sizeof(struct dedup_entry) };
	header.count = kept;
	memcpy(header.magic, magic, sizeof(magic));
	header.entries_crc = hash_crc32c(0, body.at, body.len);
	header.header_crc = hash_crc32c(0, &header, offsetof(struct index_header, header_crc));
	memcpy(bytes, &header, sizeof(header));
	bool ok = file_replace(path, (struct slice) { bytes, sizeof(header) + body.len }, err);
	free(bytes);
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
