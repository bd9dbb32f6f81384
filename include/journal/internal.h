/* What the parts of the journal share: the journal, its lanes, their files. Only for journal/.
 *
 * Who may touch what: a file is written by its lane's thread alone until it is closed; it is synced in the background,
 * closed as a descriptor, indexed, unlinked and freed by the keeper alone; readers hold it by `readers`. What crosses
 * threads is atomic or under the lane's mutex, which is never held across I/O. */
#ifndef HEADGATE_JOURNAL_INTERNAL_H
#define HEADGATE_JOURNAL_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "journal/format.h"
#include "journal/meta.h"

#define JOURNAL_PATH_BYTES 512
#define JOURNAL_DIR_MAX 400                  /* length of options->dir, so that every path fits */
#define JOURNAL_FIRST_FILE_BYTES (1U << 20)  /* quickly made: a start must not wait for 64 MiB of zeros */
#define JOURNAL_INLINE_FILE_BYTES (4U << 20) /* made by the lane itself when the keeper is late */
#define JOURNAL_MARGIN_BYTES (2U << 20)
#define JOURNAL_BATCH_BYTES ((size_t)256 * 1024)
#define JOURNAL_KEYS_BYTES_PER_LANE ((size_t)12 << 20) /* for all files not yet indexed */

/* The keys of what was written to a file. Lane thread; the keeper's once the file is closed. */
struct journal_keys {
	struct journal_key_entry *entries;
	size_t count, capacity;
	size_t committed; /* those behind belong to the batch being written */
	bool unknown;     /* a recovered file, or given up */
};

struct journal_file {
	struct journal_file *next;  /* lane mutex */
	struct journal_file *chain; /* lane thread: next file made within the commit in progress */
	uint64_t epoch, first;
	_Atomic uint64_t capacity; /* bytes of the file; records end before capacity - JOURNAL_SEAL_BYTES */
	uint32_t salt_crc;
	bool recycled;         /* see JOURNAL_FILE_RECYCLED */
	uint64_t written;      /* lane thread: end of what was written */
	uint64_t written_last; /* lane thread: last counter written, first - 1: none */
	_Atomic uint64_t end;  /* end of what is committed; readers go no further */
	_Atomic uint64_t last; /* last counter committed; final once closed */
	struct journal_keys keys;
	uint64_t dead_letter_written;       /* lane thread: bytes of dead letters written */
	_Atomic uint64_t dead_letter_bytes; /* of dead letters committed */
	_Atomic bool closed;                /* nothing will be added */
	_Atomic uint64_t synced;            /* up to here, by the keeper */
	int fd;                             /* -1: not open. Closed by the keeper */
	unsigned readers;                   /* lane mutex */
	bool indexed;                       /* keeper */
	bool name_synced;                   /* keeper: the folder was fsynced since the file got its name */
	int64_t index_retry_ms;             /* keeper: not before */
	struct journal_counts before;       /* in this lane before this file, since the log began */
	uint64_t covered_bytes;             /* keeper: counted as grace copy */
	int64_t written_ms;                 /* of a recovered file: its last write */
	int64_t covered_ms;                 /* keeper: wall clock since when the sink has it all; 0: not yet */
	char name[JOURNAL_NAME_BYTES];
};

struct journal_lane {
	struct journal *journal;
	uint32_t index;
	bool active; /* written in this run */
	pthread_mutex_t mutex;
	struct journal_file *head;             /* mutex; oldest first */
	struct journal_file *tail;             /* mutex */
	struct journal_position checkpoint;    /* mutex */
	struct journal_position gaps_counted;  /* reader: GAPs up to here are in the statistics */
	struct journal_file *_Atomic prepared; /* put by the keeper, taken by the lane */
	_Atomic bool preparing;                /* the keeper is making one */
	struct journal_file *spares;           /* keeper: by ->chain */
	unsigned spare_count;                  /* keeper */
	_Atomic bool needs_file;               /* the last file was abandoned: no headroom before the next one stands */
	_Atomic bool
	        stuck; /* the last file could not be made: whatever the measure says, there is room once one could */
	_Atomic bool headroom;
	_Atomic int64_t retry_at_ms;           /* after a failure: no file is taken or prepared before */
	_Atomic int64_t sync_since_ms;         /* a sync on the answer path runs since; 0: none */
	_Atomic uint64_t events, dead_letters; /* committed since the log began */
	char dir[JOURNAL_PATH_BYTES];
};

struct journal_writer {
	struct journal *journal;
	struct journal_lane *lane;
	struct journal_file *file; /* NULL after a failure, until the next commit finds a new one */
	char *bytes;               /* the batch */
	size_t len, cap;
	size_t open_size;     /* of the record begun; 0: none */
	uint64_t next;        /* counter */
	uint64_t batch_first; /* first counter in the batch */
	uint64_t burnt_first; /* counters from here to the batch are burnt and not yet told by a GAP; 0: none */
};

struct journal {
	struct journal_options options; /* dir points to `dir` */
	char dir[JOURNAL_DIR_MAX + 1];
	char dead_letter_dir[JOURNAL_PATH_BYTES]; /* "": nowhere */
	int lock_fd;
	struct meta meta;
	char log_id[JOURNAL_LOG_ID_TEXT + 1];
	uint64_t epoch;
	uint32_t file_bytes; /* options->file_bytes, less where the budget is small */
	uint32_t lane_count;
	struct journal_lane *lanes;     /* lane_count */
	struct journal_writer *writers; /* options.lanes */
	_Atomic uint64_t used_bytes;    /* of the data directory: last walk, plus files made since */
	_Atomic uint64_t free_bytes;
	_Atomic uint64_t
	        dead_letter_bytes; /* in the journal and dead_letter_dir: last measured, plus what was committed since */
	_Atomic uint64_t grace_bytes, grace_files;       /* of used_bytes: what the sink has, kept for replay */
	_Atomic uint64_t serial;                         /* of prepared files */
	_Atomic size_t keys_bytes;                       /* held for files not yet indexed */
	_Atomic uint64_t lost_events, lost_dead_letters; /* see journal_set_lost_behind */
	_Atomic bool failed;                             /* SYNC_LOST */
	_Atomic bool erasing;                            /* no file may be used again */
	_Atomic uint32_t scrubs_wanted, scrubs_done;
	bool unclean; /* how the run before this one ended; set by the start */
	_Atomic uint64_t quarantined_bytes, torn_tails, gaps;
	_Atomic int64_t sync_since_ms; /* a background sync runs since; 0: none */
	_Atomic uint32_t sequence;     /* futex word: grows with each commit */
	_Atomic uint32_t woken;        /* futex word: grows with each journal_wake */
	_Atomic bool waiting;
	uint32_t seen, seen_woken; /* forwarder */
	pthread_t keeper;
	bool keeper_runs;
	bool stop, chores;                                    /* keeper_mutex */
	int64_t measured_ms, measure_rest_ms, chores_done_ms; /* keeper */
	pthread_mutex_t keeper_mutex;
	pthread_cond_t keeper_cond;
	uint32_t series_bytes, series_commits, series_events, series_dead_letters, series_sync_us;
};

/* ---- files.c ---- */
/* A file that was left behind before its first record has passed its name on to the one behind it, which begins with the
 * same counter: what lies under that name is not this file any more. Under the lane's mutex, or by the keeper. */
static inline bool journal_file_has_passed_its_name(const struct journal_file *file)
{
	return file->next && strcmp(file->next->name, file->name) == 0;
}

static inline uint64_t journal_file_payload(uint64_t capacity)
{
	return capacity - JOURNAL_HEADER_BYTES - JOURNAL_SEAL_BYTES;
}
static inline uint64_t journal_smallest_file(const struct journal *journal)
{
	return journal->file_bytes < JOURNAL_FIRST_FILE_BYTES ? journal->file_bytes : JOURNAL_FIRST_FILE_BYTES;
}
/* Room that a lane without prospect of another file must have to take more: for the requests under way. */
static inline uint64_t journal_margin(const struct journal *journal)
{
	return journal->file_bytes / 2 < JOURNAL_MARGIN_BYTES ? journal->file_bytes / 2 : JOURNAL_MARGIN_BYTES;
}
struct journal_file *journal_file_new(const char *name, uint64_t epoch, uint64_t first);
/* Closes and frees what nobody knows any more; the file on disk stays. */
void journal_file_free(struct journal *journal, struct journal_file **file);
/* Creates a zero-filled file without a header; `pause` (may be NULL) is called between pieces, false ends the attempt. */
MUST_CHECK struct journal_file *journal_file_prepare(struct journal_lane *lane, uint64_t size,
                                                     bool (*pause)(struct journal *journal), struct error *err);
/* Writes the header and gives the file its name. */
MUST_CHECK bool journal_file_activate(struct journal_lane *lane, struct journal_file *file, uint64_t first,
                                      uint64_t events_before, uint64_t dead_letters_before, struct error *err);
/* Unlinks and frees a file that no one else knows. */
void journal_file_drop(struct journal_lane *lane, struct journal_file **file);
void journal_file_path(const struct journal_lane *lane, const struct journal_file *file, char *to);
/* Appends to the lane's list. */
void journal_lane_publish(struct journal_lane *lane, struct journal_file *file);
/* More is used by so much, and less is free, or the other way round; not below 0 (the last walk may not have seen all of
 * it). What the next walk finds replaces it. */
void journal_grow_used(struct journal *journal, uint64_t bytes);
void journal_shrink_used(struct journal *journal, uint64_t bytes);
/* True while a failed write keeps the lane from its next attempt. */
bool journal_lane_waits(const struct journal_lane *lane);
/* True if `size` more bytes keep budget and reserve, by the last measure. */
bool journal_can_grow(const struct journal *journal, uint64_t size);
/* … and the lane's last attempt to make a file did not fail. */
bool journal_lane_can_grow(const struct journal_lane *lane, uint64_t size);
/* fdatasync, timed and counted; `since` shows it while it runs. On failure the journal is marked failed: final. */
MUST_CHECK bool journal_sync_fd(struct journal *journal, int fd, _Atomic int64_t *since, struct error *err);
void journal_count_failure(const char *call);

/* ---- keys.c ---- */
/* Takes the keys of a record, if it is an event. */
void journal_keys_add(struct journal *journal, struct journal_keys *keys, const struct journal_record_header *header);
/* Gives the memory back; the keys are unknown then. */
void journal_keys_fini(struct journal *journal, struct journal_keys *keys);
/* NULL: unknown. */
const struct journal_key_entry *journal_keys_get(const struct journal_keys *keys, size_t *count);

/* ---- spare.c. Thread: the keeper. ---- */
/* Keeps a covered file that nobody knows any more for the lane's use; it is gone then. False: the caller unlinks it, by
 * the name that it has now. */
bool journal_spare_keep(struct journal_lane *lane, struct journal_file *file);
/* NULL: there is none. */
struct journal_file *journal_spare_take(struct journal_lane *lane);
/* Unlinks all of them. */
void journal_spare_scrub(struct journal_lane *lane);
/* Unlinks one where the disk budget runs out; true: it did. */
bool journal_spare_trim(struct journal_lane *lane);

/* ---- grace.c. Thread: the keeper. ---- */
/* The sink has the whole file: its grace begins, if it has not. */
void journal_grace_enter(struct journal *journal, struct journal_file *file);
/* Drops what the page cache has of it. */
void journal_grace_cool(const struct journal_lane *lane, const struct journal_file *file);
/* The file goes. */
void journal_grace_leave(struct journal *journal, struct journal_file *file);
bool journal_grace_is_over(const struct journal *journal, const struct journal_file *file);
/* True if files must go before their time. */
bool journal_grace_is_pressed(const struct journal *journal);
/* The lane whose first file has waited longest; NULL: none has any. `except`: bits of lanes to pass over. */
struct journal_lane *journal_grace_oldest(struct journal *journal, uint64_t except);

/* ---- quarantine.c ---- */
/* Copies a damaged range to `<data>/quarantine/<lane>-<name>-<offset>.bad` and syncs it; counts it if it is new. A copy
 * that fails is logged and counted, never an error: recovery must not be blocked by it. */
void journal_quarantine_range(struct journal *journal, uint32_t lane, const char *name, int fd,
                              const struct journal_damage *damage);
/* Moves a whole file to quarantine. */
MUST_CHECK bool journal_quarantine_file(struct journal *journal, const struct journal_lane *lane, const char *name,
                                        uint64_t size, struct error *err);

/* ---- recover.c ---- */
/* Recovers the lane's folder: its files stand in the list afterwards, closed. */
MUST_CHECK bool journal_recover_lane(struct journal *journal, struct journal_lane *lane, bool clean, struct error *err);

/* ---- keeper.c ---- */
MUST_CHECK bool journal_keeper_start(struct journal *journal, struct error *err);
void journal_keeper_stop(struct journal *journal);
/* There is something to do now. Thread: any. */
void journal_keeper_poke(struct journal *journal);
/* Walks the data directory, then decides headroom. Thread: main before the keeper runs, then the keeper. */
void journal_measure(struct journal *journal);

/* ---- writer.c ---- */
MUST_CHECK bool journal_writer_init(struct journal_writer *writer, struct journal *journal, struct journal_lane *lane,
                                    struct error *err);
void journal_writer_fini(struct journal_writer *writer);

/* ---- wait.c ---- */
void journal_wait_notify(struct journal *journal);

#endif
