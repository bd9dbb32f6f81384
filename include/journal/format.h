/* Layout of a journal file and its records, and the cursor that walks them. Everything is little-endian and 8-byte
 * aligned.
 *
 *   file    two equal copies of struct journal_file_header (at 0 and 4096: one lost sector does not lose the file's
 *           salt, without which no record of it could be proven), records from JOURNAL_HEADER_BYTES on, then zeros, or
 *           (flag RECYCLED) whatever the file held when it was another one.
 *   record  struct journal_record_header, topic, key, headers, value, zeros up to a multiple of 8.
 *
 * A record's CRC32C covers the file's salt and all bytes of the record after the CRC, padding included; so a stale byte
 * of another file, a record moved from elsewhere and a wrong length do not pass. The magic number of a record is that
 * of the format and the CRC of the salt, combined, so that what remains of a torn write can be told from what remains of
 * the file's past. Counters in a file only grow; within
 * an epoch they have no holes but those told by GAP records or made by damage. Two records stand for no event:
 *   SEAL    the file's last record; its counter is the first of the next file.
 *   GAP     `counter` and the 8-byte value (how many) name counters without a record. Flag JOURNAL_GAP_BURNT: their
 *           batch failed or was discarded, nothing was ever accepted under them, readers pass over it. Flag
 *           JOURNAL_GAP_ERASED: one record was erased on request; the GAP keeps its size, filled with zeros, and its
 *           dedup keys. Without: records were lost to damage. Readers return both.
 * Thread: a cursor belongs to one thread. */
#ifndef HEADGATE_JOURNAL_FORMAT_H
#define HEADGATE_JOURNAL_FORMAT_H

#include "journal/journal.h"

#define JOURNAL_FILE_MAGIC "HGJRNL\r\n"
#define JOURNAL_FORMAT_VERSION 1
#define JOURNAL_RECORD_MAGIC 0x7263a7d9U
#define JOURNAL_HEADER_COPY_AT 4096
#define JOURNAL_HEADER_BYTES 8192
#define JOURNAL_SPARE_MAGIC "HGSPARE\n"
#define JOURNAL_FILE_RECYCLED 2U  /* flag: behind the end stand bytes of an earlier use, not zeros */
#define JOURNAL_FILE_REWRITTEN 1U /* flag: recovery wrote this copy, synced, from a file of an unclean stop */

struct journal_file_header {
	char magic[8];
	uint32_t version;
	uint32_t lane;
	uint8_t log_id[16];
	uint64_t epoch;
	uint64_t first; /* counter of the first record */
	uint64_t salt;
	int64_t created_ms;
	uint64_t events_before; /* committed in this lane before this file, since the log began */
	uint64_t dead_letters_before;
	uint32_t flags;
	uint8_t reserved[40];
	uint32_t crc; /* of all above */
};
_Static_assert(sizeof(struct journal_file_header) == 128, "layout on disk");

struct journal_record_header {
	uint32_t magic;
	uint32_t crc;
	uint32_t length; /* header and variable part, without padding */
	uint8_t type;
	uint8_t flags;
	uint16_t topic_len;
	uint64_t counter;
	int64_t time_ms;
	int64_t received_ms;
	uint32_t key_len;
	uint32_t headers_len; /* what remains of length is the value */
	uint8_t key1[16];
	uint8_t key2[16];
	uint64_t tag1;
	uint64_t tag2;
};
_Static_assert(sizeof(struct journal_record_header) == 96, "layout on disk");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the layout on disk is the layout in memory");

#define JOURNAL_RECORD_BYTES sizeof(struct journal_record_header)
#define JOURNAL_SEAL_BYTES JOURNAL_RECORD_BYTES
#define JOURNAL_GAP_BYTES (JOURNAL_RECORD_BYTES + 8)

static inline size_t journal_padded(size_t length)
{
	return (length + 7) & ~(size_t)7;
}

/* Writes both copies, CRC included. */
MUST_CHECK bool journal_header_write(int fd, struct journal_file_header *header, struct error *err);
/* Reads the first copy that is sound. False: neither is (DATA), or the file cannot be read. */
MUST_CHECK bool journal_header_read(int fd, struct journal_file_header *out, struct error *err);
/* Marks a file as one that holds nothing; both copies. */
MUST_CHECK bool journal_spare_write(int fd, struct error *err);
/* True if a sound copy says so. */
bool journal_spare_is(int fd);
/* The start value of the CRC of each record in a file with this salt. */
uint32_t journal_salt_crc(uint64_t salt);

/* Fills header and padding at `at`; the variable part of `record` must stand behind the header already. The magic
 * number and the CRC are left to journal_record_stamp. Returns the padded size. */
size_t journal_record_close(char *at, const struct journal_record *record);
void journal_record_stamp(char *at, uint32_t salt_crc);
/* Padded size of the record whose (own, sound) header stands at `at`. */
size_t journal_record_size(const char *at);
/* Writes a whole record (any type) at `at`, not stamped; `at` has room for journal_record_need(record). */
size_t journal_record_put(char *at, const struct journal_record *record);
size_t journal_record_need(const struct journal_record *record);
/* First counter after those the record stands for. */
uint64_t journal_record_after(const struct journal_record *record);

/* A window on a file, filled by pread: a mapping would turn a bad sector or a concurrent truncation into SIGBUS. What
 * cannot be read appears as zeros, which no CRC accepts. */
struct journal_chunk;
struct journal_window {
	int fd;
	bool retain; /* chunks given out stay until journal_window_release */
	struct journal_chunk *chunk;
	struct journal_chunk *retained;
	struct journal_chunk *idle; /* released ones kept for use, a few */
	unsigned idle_count;
};
void journal_window_init(struct journal_window *window, int fd, bool retain);
void journal_window_fini(struct journal_window *window);
/* Forgets the chunks given out, but for the one in use. */
void journal_window_release(struct journal_window *window);
/* Turns to another file; what was given out stays valid where retained. */
void journal_window_turn(struct journal_window *window, int fd);
/* `need` bytes at `offset`; reads ahead, but never from `limit` on. NULL: out of memory. */
const char *journal_window_get(struct journal_window *window, uint64_t offset, size_t need, uint64_t limit);

/* Walks the records of one file up to `limit`. */
struct journal_cursor {
	struct journal_window window;
	uint64_t offset; /* of the next record */
	uint64_t limit;  /* bytes from here on are not looked at */
	uint64_t epoch;
	uint64_t expected; /* smallest counter the next record may have */
	uint32_t salt_crc;
	bool recycled; /* what lies behind the end and is not of this file means nothing */
};
enum journal_step { JOURNAL_STEP_RECORD, JOURNAL_STEP_END, JOURNAL_STEP_MEMORY };
/* At the first record; the limit is the owner's to set. The window stays as it is. */
void journal_cursor_start(struct journal_cursor *cursor, uint64_t epoch, uint64_t first, uint32_t salt_crc,
                          bool recycled);
/* The next sound record. `damage` tells what was passed over before it (length 0: nothing). END: nothing sound up to the
 * limit; `damage` then spans the torn tail, and the offset stays where it was. The torn tail reaches from `offset` to the
 * last byte that is not zero; in a recycled file to the end of the last record that begins with its magic number. */
enum journal_step journal_cursor_next(struct journal_cursor *cursor, struct journal_record *out,
                                      struct journal_damage *damage);

/* Scans an open file whose header was read. `on_damage` (may be NULL) sees each damaged range and the torn tail. */
struct journal_scan_calls {
	bool (*on_record)(void *context, const struct journal_record *record); /* false: stop; may be NULL */
	void (*on_damage)(void *context, const struct journal_damage *damage);
	void *context;
};
MUST_CHECK bool journal_scan_fd(int fd, const struct journal_file_header *header,
                                const struct journal_scan_calls *calls, struct journal_scan *out, struct error *err);

/* `<epoch>-<first>.log`, decimal with leading zeros, so that names sort as positions do. */
#define JOURNAL_NAME_BYTES 48
void journal_name_format(char *to, uint64_t epoch, uint64_t first);
bool journal_name_parse(const char *name, uint64_t *epoch, uint64_t *first);

/* Lists the log files of one lane folder in position order; the array is malloc'ed. A folder that is not there: none. */
struct journal_entry {
	uint64_t epoch, first;
	char name[JOURNAL_NAME_BYTES];
};
MUST_CHECK bool journal_list_lane(const char *lane_dir, struct journal_entry **out, size_t *count, struct error *err);

#endif
