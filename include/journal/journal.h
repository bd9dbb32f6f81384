/* The journal: files of records per lane, the only queue and the only hand-over between intake and sink. It stores
 * bytes and knows no events.
 *
 * `<data>/LOCK` (flock), `<data>/meta`, `<data>/journal/<lane>/<epoch>-<first>.log`, `<data>/quarantine/`.
 * Layout of a file and a record, recovery and durability modes: see journal/format.h. */
#ifndef HEADGATE_JOURNAL_JOURNAL_H
#define HEADGATE_JOURNAL_JOURNAL_H

#include "base/error.h"
#include "base/hash.h"
#include "base/slice.h"

#define JOURNAL_LANES_MAX 64
#define JOURNAL_LOG_ID_TEXT 32 /* hex digits */

struct journal;
struct journal_writer; /* one lane's end for writing; owned by the journal */
struct journal_reader; /* one lane's end for reading; owned by the caller */

enum journal_record_type { JOURNAL_EVENT = 1, JOURNAL_DEAD_LETTER = 2, JOURNAL_GAP = 3, JOURNAL_SEAL = 4 };

/* Flag of a GAP record: its counters were burnt by a failed or discarded batch; nothing was accepted under them. Readers
 * pass over such gaps; journal_scan_file shows them. */
#define JOURNAL_GAP_BURNT 1
/* Flags of a GAP record in the place of one that was accepted and erased on request (journal/erase.h); with LETTER it was
 * a dead letter. Readers return it. Its dedup keys stay: they are keyed hashes, and a late copy is still one. */
#define JOURNAL_GAP_ERASED 2
#define JOURNAL_GAP_LETTER 4

struct journal_position {
	uint64_t epoch;
	uint64_t counter; /* within the epoch and lane, from 1; 0: before the first */
};

/* What a record carries besides its position. The slices are borrowed. */
struct journal_record {
	enum journal_record_type type;
	uint8_t flags;       /* the caller's */
	int64_t time_ms;     /* record timestamp for the sink (event time, clamped) */
	int64_t received_ms; /* decides the hour in the files sink */
	uint8_t key1[16];    /* dedup keys as struct dedup_key; zero: none */
	uint8_t key2[16];
	uint64_t tag1; /* fingerprint */
	uint64_t tag2; /* source of the declared key */
	struct slice topic, key, headers, value;
	uint32_t lane;                    /* set by readers and scans */
	struct journal_position position; /* likewise */
	uint64_t gap_count;               /* JOURNAL_GAP: how many counters from position.counter on are missing */
};

/* Records that were accepted, by kind. */
struct journal_counts {
	uint64_t events, dead_letters;
};
/* Adds what the record stands for: itself, or those that a GAP names, but for burnt counters. */
void journal_counts_add(struct journal_counts *counts, const struct journal_record *record);

/* A dedup key as a record carried it. */
struct journal_key_entry {
	uint8_t key[16];
	uint64_t tag;
};

/* What the keeper gives to longer work of others that it does. */
struct journal_pace {
	/* To be called every few milliseconds: does what cannot wait. False: give it up for now. */
	bool (*go_on)(void *context);
	/* Do the disk budget and the reserve allow so much more? */
	bool (*has_room)(void *context, uint64_t bytes);
	void *context;
};

struct journal_options {
	const char *dir; /* the data directory */
	uint32_t lanes;
	bool sync_on_commit; /* durability `disk` */
	uint32_t file_bytes;
	uint32_t sync_interval_ms; /* background sync in mode `os` */
	uint64_t disk_budget_bytes;
	uint64_t reserve_bytes;
	/* What the sink has is kept so long for replay, as far as a quarter of the budget goes and intake does not need
	 * the room. 0: not at all. */
	uint64_t grace_ms;
	/* Recovery hands over every valid record, and what is left of the erased ones, of the files that have no key
	 * index (in order, per lane). */
	void (*on_recovered)(void *context, uint32_t lane, const struct journal_record *record);
	/* May be NULL: called once all lanes are recovered, before the keeper runs. */
	void (*recovered_all)(void *context);
	/* True if the sealed file's keys are durable elsewhere already (start) … */
	bool (*has_index)(void *context, uint32_t lane, const char *file_name);
	/* … and makes it so (keeper thread). `entries`: the keys of all its events, in order of record, those that are
	 * zero left out. NULL: they are not known (a recovered file), read it with journal_scan_file. */
	bool (*write_index)(void *context, uint32_t lane, const char *file_path, const char *file_name,
	                    const struct journal_key_entry *entries, size_t count, struct error *err);
	/* May be NULL: called by the keeper each round, for what is to be done about the indexes. write_index may be called
	 * within pace->go_on. */
	void (*tend)(void *context, const struct journal_pace *pace);
	const char *dead_letter_dir; /* where the files sink keeps them; NULL: nowhere */
	void *context;
};

/* Locks the directory (BUSY if another process has it), makes or reads meta, takes a new epoch, recovers each lane
 * folder found, rewrites what an unclean stop left unproven, opens fresh files for lanes 0 … lanes-1, starts the keeper
 * thread. */
struct journal *journal_open(const struct journal_options *options, struct error *err);
/* Seals nothing: commits what is pending, syncs, marks the stop as clean, stops the keeper, gives the lock back. */
void journal_close(struct journal **journal);

const char *journal_log_id(const struct journal *journal); /* JOURNAL_LOG_ID_TEXT hex digits and NUL */
uint64_t journal_epoch(const struct journal *journal);
const struct hash_key *journal_hash_key(const struct journal *journal); /* random per installation, kept in meta */

/* ---- writing. Thread: the lane's own. ---- */
struct journal_writer *journal_writer_get(struct journal *journal, uint32_t lane);
/* True if new records may be taken: budget and reserve hold, no failure waits for its retry. Cheap; any thread. */
bool journal_has_headroom(const struct journal *journal);
/* False while dead letters, in the journal and in the folder options.dead_letter_dir, hold more than a tenth of the disk
 * budget: further ones are counted by the caller and not kept. Any thread. */
bool journal_has_dead_letter_room(const struct journal *journal);
bool journal_writer_has_headroom(const struct journal_writer *writer);
/* Position that the next appended record will have (its text stands inside the value, so it is asked first). */
struct journal_position journal_writer_next(const struct journal_writer *writer);
/* Room of `size` bytes in the batch buffer to build the record's variable part in place: topic, key, headers, value
 * back to back. NULL: out of memory, or more than a file may hold. Only one open at a time. */
char *journal_writer_begin(struct journal_writer *writer, size_t size);
/* Closes the record begun: lengths of topic, key, headers, value are taken from `record` (the slices' bytes were written
 * in place), the rest of its fields is stored, the CRC computed. */
void journal_writer_end(struct journal_writer *writer, const struct journal_record *record);
/* Takes back all records appended since the last commit (their counters are burnt). */
void journal_writer_discard(struct journal_writer *writer);
/* Closes the file in use, so that all that was committed lies in closed files, and goes on in one that holds nothing of an
 * earlier use. The batch must be empty. False: NO_SPACE (the file in use stays) or IO or SYNC_LOST, as for a commit. */
MUST_CHECK bool journal_writer_roll(struct journal_writer *writer, struct error *err);
bool journal_writer_is_dirty(const struct journal_writer *writer);
/* Writes all appended records with one write, and in mode `disk` one fdatasync; on success they are committed and the
 * reader may see them. On failure none of them counts: error IO/NO_SPACE: the file was abandoned and headroom is false
 * until a retry (each second) succeeds; error SYNC_LOST: final, the process must stop taking events and exit 74. */
MUST_CHECK bool journal_writer_commit(struct journal_writer *writer, struct error *err);
/* A number that grows with each successful commit of any lane can be waited on by the forwarder: see below. */

/* ---- reading. Thread: the forwarder (each reader by one thread). ---- */
/* Number of lane folders, also of lanes no longer written. Stable after journal_open. */
uint32_t journal_lane_count(const struct journal *journal);
/* Reads strictly after `after` ({0,0}: from the oldest record kept). */
struct journal_reader *journal_reader_open(struct journal *journal, uint32_t lane, struct journal_position after,
                                           struct error *err);
void journal_reader_close(struct journal_reader **reader);
/* How many records the lane was given from its beginning up to where the reader stands, as the files' headers tell it,
 * with the holes (taken for events) and gaps in between. */
struct journal_counts journal_reader_counts(const struct journal_reader *reader);
enum journal_read { JOURNAL_READ_RECORD, JOURNAL_READ_END, JOURNAL_READ_ERROR };
/* The next committed record; its slices stay valid until the reader has moved on by journal_reader_release. END: nothing
 * committed yet beyond. SEAL records are passed over; GAPs are returned. */
enum journal_read journal_reader_next(struct journal_reader *reader, struct journal_record *out, struct error *err);
/* Passes over what lies before the first record to be returned, and tells when that one was received; 0: there is none
 * yet. False: reading failed. */
MUST_CHECK bool journal_reader_peek(struct journal_reader *reader, int64_t *received_ms, struct error *err);
/* The bytes of all records returned so far may be forgotten. */
void journal_reader_release(struct journal_reader *reader);
/* Waits until something was committed after the last call returned, or timeout, or journal_wake. */
void journal_wait(struct journal *journal, int timeout_ms);
void journal_wake(struct journal *journal);
/* The sink has everything up to here: files wholly covered (and indexed, and past the grace) are unlinked by the keeper. */
void journal_set_checkpoint(struct journal *journal, uint32_t lane, struct journal_position position);
/* The sink has records that a power cut took from the journal afterwards (mode `os`): so many were accepted besides
 * those that the journal knows of. Of all lanes, since the log began; part of the statistics. Thread: the forwarder. */
void journal_set_lost_behind(struct journal *journal, struct journal_counts lost);
/* True if this directory ever ran under that epoch (meta keeps the list). */
bool journal_knows_epoch(const struct journal *journal, uint64_t epoch);

/* ---- state, for /status, /readyz and metrics. Thread: any. ---- */
struct journal_stats {
	uint64_t disk_bytes, budget_bytes, free_bytes;
	uint64_t files;                    /* grace copies included */
	uint64_t grace_files, grace_bytes; /* kept although the sink has them */
	uint64_t quarantined_bytes, torn_tails, gaps;
	bool headroom;
	bool unclean;                                    /* the run before this one was not stopped in order */
	bool failed;                                     /* SYNC_LOST */
	int64_t sync_running_ms;                         /* how long the sync in progress lasts; 0: none */
	uint64_t accepted_events, accepted_dead_letters; /* committed since the log began */
};
void journal_stats(struct journal *journal, struct journal_stats *out);

/* ---- files on their own (command line, tests, index building). Read-only, no lock. ---- */
#define JOURNAL_DAMAGE_MAX 16
struct journal_damage {
	uint64_t offset, length;
	bool torn; /* nothing sound behind it */
};
struct journal_scan {
	uint32_t lane;
	char log_id[JOURNAL_LOG_ID_TEXT + 1];
	uint64_t epoch, first;
	uint64_t last; /* last counter, those of gaps included; first - 1: none */
	int64_t created_ms;
	uint64_t records; /* events and dead letters */
	uint64_t events, dead_letters;
	uint64_t dead_letter_bytes;
	uint64_t erased_events, erased_dead_letters; /* accepted here, erased since; not among `records` */
	uint64_t events_before, dead_letters_before; /* in this lane before this file, since the log began */
	struct journal_counts gone;                  /* named by GAP records, those erased too, but for burnt ones */
	uint64_t missing;                            /* counters without a record that no GAP record explains */
	uint64_t file_bytes, valid_bytes, damaged_bytes, torn_bytes;
	size_t damage_count; /* may be more than are listed */
	struct journal_damage damage[JOURNAL_DAMAGE_MAX];
	bool sealed;
	bool stopped; /* fn returned false */
};
/* Calls fn (may be NULL) for each valid event, dead letter and GAP record; fn returns false to stop. Damage is passed
 * over and counted. The file of a running daemon may show its last batch half written. A file without a sound header is
 * an error of code DATA, one that the daemon has done with and reused meanwhile one of code NOT_FOUND. */
MUST_CHECK bool journal_scan_file(const char *path, bool (*fn)(void *context, const struct journal_record *record),
                                  void *context, struct journal_scan *out, struct error *err);
struct journal_file_name {
	uint32_t lane;
	char path[512];
};
/* Lists the log files of a data directory in lane and position order; the array is malloc'ed. */
MUST_CHECK bool journal_list_files(const char *data_dir, struct journal_file_name **out, size_t *count,
                                   struct error *err);

#endif
