/* Key index files: a header with two checksums, then 24-byte entries sorted by hash and tag (merging several files is
 * then one pass, and the table's slots are filled in order). Written whole and renamed into place, so a torn one never
 * has its final name; what is damaged later fails its checksum and is told apart from a file that cannot be read. */
#include "dedup/key_index.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/expiry_clock.h"
#include "base/file.h"

#define READ_ENTRIES ((size_t)16384)
#define BUCKETS 65536

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

void key_index_header_close(struct key_index_header *header)
{
	memcpy(header->magic, magic, sizeof(magic));
	header->header_crc = hash_crc32c(0, header, offsetof(struct key_index_header, header_crc));
}

/* ---- reading ---- */

static bool check_header(struct key_index_reader *reader, off_t size)
{
	const struct key_index_header *header = &reader->header;
	return memcmp(header->magic, magic, sizeof(magic)) == 0 &&
	       header->header_crc == hash_crc32c(0, header, offsetof(struct key_index_header, header_crc)) &&
	       header->count <= INT64_MAX / sizeof(struct dedup_entry) - 2 &&
	       (uint64_t)size == sizeof(*header) + header->count * sizeof(struct dedup_entry);
}

bool key_index_open(struct key_index_reader *reader, const char *path, struct error *err)
{
	struct stat st;
	*reader = (struct key_index_reader) { .fd = open(path, O_RDONLY | O_CLOEXEC) };
	if (reader->fd < 0)
		return error_set_errno(err, "%s", path);
	ssize_t got = pread(reader->fd, &reader->header, sizeof(reader->header), 0);
	reader->entries = malloc(READ_ENTRIES * sizeof(*reader->entries));
	bool ok = true;
	if (got < 0 || fstat(reader->fd, &st) != 0)
		ok = error_set_errno(err, "%s", path);
	else if (!reader->entries)
		ok = error_set(err, ERROR_MEMORY, "%s: out of memory", path);
	else if (got != sizeof(reader->header) || !check_header(reader, st.st_size))
		ok = error_set(err, ERROR_DATA, "%s: damaged key index", path);
	if (!ok) {
		key_index_close(reader);
		return false;
	}
	reader->written = reader->header.written_ms / DEDUP_BUCKET_MS;
	reader->left = reader->header.count;
	return true;
}

void key_index_close(struct key_index_reader *reader)
{
	if (reader->fd >= 0)
		close(reader->fd);
	free(reader->entries);
	*reader = (struct key_index_reader) { .fd = -1 };
}

bool key_index_read(struct key_index_reader *reader, const struct dedup_entry **entries, size_t *count,
                    struct error *err)
{
	size_t wanted = reader->left < READ_ENTRIES ? (size_t)reader->left : READ_ENTRIES;
	size_t bytes = wanted * sizeof(**entries), done = 0;
	uint64_t offset = sizeof(reader->header) + (reader->header.count - reader->left) * sizeof(**entries);
	*count = 0;
	while (done < bytes) {
		ssize_t got = pread(reader->fd, (char *)reader->entries + done, bytes - done, (off_t)(offset + done));
		if (got < 0)
			return error_set_errno(err, "reading a key index");
		if (got == 0)
			return error_set(err, ERROR_DATA, "a key index was cut while it was read");
		done += (size_t)got;
	}
	reader->crc = hash_crc32c(reader->crc, reader->entries, bytes);
	reader->left -= wanted;
	*entries = reader->entries;
	*count = wanted;
	return true;
}

bool key_index_is_sound(const struct key_index_reader *reader)
{
	return reader->left == 0 && reader->crc == reader->header.entries_crc;
}

/* ---- facts ---- */

bool key_index_census_init(struct key_index_census *census, int64_t base)
{
	*census = (struct key_index_census) { .base = base, .at = calloc(BUCKETS, sizeof(*census->at)) };
	return census->at != NULL;
}

void key_index_census_fini(struct key_index_census *census)
{
	free(census->at);
	census->at = NULL;
}

void key_index_census_add(struct key_index_census *census, int64_t expiry)
{
	int64_t place = expiry - census->base + BUCKETS / 2;
	census->count++;
	census->at[place < 0 ? 0 : place < BUCKETS ? place : BUCKETS - 1]++;
}

struct key_index_facts key_index_census_facts(const struct key_index_census *census)
{
	struct key_index_facts facts = { .count = census->count };
	uint64_t seen = 0;
	for (int64_t place = 0; place < BUCKETS; place++) {
		if (!census->at[place])
			continue;
		int64_t expiry = census->base + place - BUCKETS / 2;
		if (seen * 2 < census->count)
			facts.half = expiry;
		facts.latest = expiry;
		seen += census->at[place];
	}
	return facts;
}

/* ---- writing ---- */

static bool take_facts(const char *entries, size_t count, int64_t written, struct key_index_facts *facts)
{
	struct key_index_census census;
	if (!key_index_census_init(&census, written))
		return false;
	for (size_t i = 0; i < count; i++) {
		struct dedup_entry entry;
		memcpy(&entry, entries + i * sizeof(entry), sizeof(entry));
		if (entry.key.bucket)
			key_index_census_add(&census, key_index_expiry(written, entry.key.bucket));
	}
	*facts = key_index_census_facts(&census);
	key_index_census_fini(&census);
	return true;
}

bool key_index_write(const char *path, const void *entries, size_t count, struct key_index_facts *facts,
                     struct error *err)
{
	struct key_index_header header = { .written_ms = expiry_clock_ms() };
	char *bytes = calloc(1, sizeof(header) + count * sizeof(struct dedup_entry));
	size_t kept = 0;
	if (!bytes || !take_facts(entries, count, header.written_ms / DEDUP_BUCKET_MS, facts) ||
	    !sort_entries(entries, count, (struct dedup_entry *)(void *)(bytes + sizeof(header)), &kept)) {
		free(bytes);
		return error_set(err, ERROR_MEMORY, "%s: out of memory", path);
	}
	struct slice body = { bytes + sizeof(header), kept * sizeof(struct dedup_entry) };
	header.count = kept;
	header.entries_crc = hash_crc32c(0, body.at, body.len);
	key_index_header_close(&header);
	memcpy(bytes, &header, sizeof(header));
	bool ok = file_replace(path, (struct slice) { bytes, sizeof(header) + body.len }, err);
	free(bytes);
	return ok;
}

bool dedup_index_write(const char *path, const void *entries, size_t count, struct error *err)
{
	struct key_index_facts facts;
	return key_index_write(path, entries, count, &facts, err);
}

/* ---- loading ---- */

static bool read_through(struct key_index_reader *reader, struct error *err)
{
	const struct dedup_entry *entries;
	size_t count;
	do
		if (!key_index_read(reader, &entries, &count, err))
			return false;
	while (count);
	return true;
}

/* Those that have expired are not handed on: what is left of the piece is moved together. */
static size_t take_census(struct key_index_reader *reader, struct key_index_census *census, size_t count, int64_t now)
{
	size_t kept = 0;
	for (size_t i = 0; i < count; i++) {
		int64_t expiry = key_index_expiry(reader->written, reader->entries[i].key.bucket);
		key_index_census_add(census, expiry);
		if (expiry > now && reader->entries[i].key.bucket)
			reader->entries[kept++] = reader->entries[i];
	}
	return kept;
}

static bool insert_all(struct dedup *dedup, struct key_index_reader *reader, int64_t wall_ms,
                       struct key_index_facts *facts, struct error *err)
{
	struct key_index_census census;
	if (!key_index_census_init(&census, reader->written))
		return error_set(err, ERROR_MEMORY, "key index: out of memory");
	const struct dedup_entry *entries;
	size_t count = 0;
	bool ok;
	reader->left = reader->header.count;
	while ((ok = key_index_read(reader, &entries, &count, err)) && count) {
		count = take_census(reader, &census, count, wall_ms / DEDUP_BUCKET_MS);
		dedup_insert_many(dedup, entries, count, wall_ms);
	}
	*facts = key_index_census_facts(&census);
	key_index_census_fini(&census);
	return ok;
}

bool key_index_load(struct dedup *dedup, const char *path, int64_t wall_ms, bool salvage, struct key_index_facts *facts,
                    struct error *err)
{
	struct key_index_reader reader;
	*facts = (struct key_index_facts) { 0 };
	if (!key_index_open(&reader, path, err))
		return false;
	bool ok = read_through(&reader, err);
	bool sound = ok && key_index_is_sound(&reader);
	if (sound || (ok && salvage))
		ok = insert_all(dedup, &reader, wall_ms, facts, err);
	if (ok && !sound)
		ok = error_set(err, ERROR_DATA, "%s: damaged key index", path);
	key_index_close(&reader);
	return ok;
}

bool dedup_index_load(struct dedup *dedup, const char *path, int64_t wall_ms, bool *all_expired, struct error *err)
{
	struct key_index_facts facts;
	bool ok = key_index_load(dedup, path, wall_ms, false, &facts, err);
	*all_expired = ok && facts.latest <= wall_ms / dedup_bucket_ms(dedup);
	return ok;
}
