/* Key index files, read and written in pieces: for loading, merging and the first index of a journal file. Entries are
 * sorted by hash and tag. Thread: whoever owns the reader or writer. */
#ifndef HEADGATE_DEDUP_KEY_INDEX_H
#define HEADGATE_DEDUP_KEY_INDEX_H

#include "dedup/dedup.h"
#include "journal/journal.h"

/* As it lies in the file, little-endian like the journal. */
struct key_index_header {
	char magic[8];
	uint64_t count;
	int64_t written_ms; /* wall time: the 16 bits of a bucket are read relative to it */
	uint32_t entries_crc;
	uint32_t header_crc; /* of the bytes before it */
};
_Static_assert(sizeof(struct key_index_header) == 32, "file format");

/* When the entries of a file expire, in absolute buckets (wall time / DEDUP_BUCKET_MS). */
struct key_index_facts {
	uint64_t count;
	int64_t half; /* by then half of them have */
	int64_t latest;
};

struct key_index_reader {
	int fd;
	int64_t written; /* bucket of header.written_ms */
	struct key_index_header header;
	uint64_t left; /* entries not yet read into the buffer */
	uint32_t crc;  /* of what was read */
	struct dedup_entry *entries;
	size_t at, filled;
};
/* DATA: no sound header, or not as long as it says. */
MUST_CHECK bool key_index_open(struct key_index_reader *reader, const char *path, struct error *err);
void key_index_close(struct key_index_reader *reader);
/* The next entries, at least one; they stay valid until the next call. *count 0: the end, or, with `err` set (false), a
 * failure. */
MUST_CHECK bool key_index_read(struct key_index_reader *reader, const struct dedup_entry **entries, size_t *count,
                               struct error *err);
/* At the end: were the entries what the header says? */
bool key_index_is_sound(const struct key_index_reader *reader);
static inline int64_t key_index_expiry(int64_t written, uint16_t bucket)
{
	return written + (int16_t)(uint16_t)(bucket - (uint16_t)written);
}

/* Counts expiries, for the facts. */
struct key_index_census {
	int64_t base;
	uint64_t count;
	uint32_t *at; /* 65536 */
};
MUST_CHECK bool key_index_census_init(struct key_index_census *census, int64_t base);
void key_index_census_fini(struct key_index_census *census);
void key_index_census_add(struct key_index_census *census, int64_t expiry);
struct key_index_facts key_index_census_facts(const struct key_index_census *census);

/* As dedup_index_write, and tells the facts. */
MUST_CHECK bool key_index_write(const char *path, const void *entries, size_t count, struct key_index_facts *facts,
                                struct error *err);

/* Inserts all unexpired entries. One whose entries are not what the header says is an error of code DATA, and nothing of
 * it is inserted, unless `salvage`: a key that was hit by chance belongs to no event, the others are as good as ever. */
MUST_CHECK bool key_index_load(struct dedup *dedup, const char *path, int64_t wall_ms, bool salvage,
                               struct key_index_facts *facts, struct error *err);

/* Fills in what tells a sound header: magic number and checksum. */
void key_index_header_close(struct key_index_header *header);

#define KEY_INDEX_MERGE_MAX 16

struct key_index_job {
	const char *const *from;
	size_t count; /* at most KEY_INDEX_MERGE_MAX */
	const char *to;
	int64_t wall_ms;
	struct dedup *known_to; /* what it does not know is left out; NULL: nothing is */
	const struct journal_pace *pace;
};
/* Merges files into a new one (tmp, synced, renamed, folder synced): each hash and tag once, with its latest expiry;
 * expired ones left out. UNAVAILABLE: the pace said to give it up. DATA: *bad is the source that is not sound. The
 * sources stay. */
MUST_CHECK bool key_index_merge(const struct key_index_job *job, struct key_index_facts *facts, size_t *bad,
                                struct error *err);

#endif
