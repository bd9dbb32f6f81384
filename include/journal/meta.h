/* `<data>/meta`: who this log is. Read once at start; replaced atomically. Thread: main while opening and closing, the
 * keeper in between. */
#ifndef HEADGATE_JOURNAL_META_H
#define HEADGATE_JOURNAL_META_H

#include "journal/journal.h"

/* Epochs beyond this are forgotten oldest first; those older than the list then count as known. */
#define META_EPOCHS_MAX 8192

struct meta {
	uint8_t log_id[16];
	struct hash_key hash_key;
	bool clean; /* the last stop was in order: everything written was synced */
	struct {
		uint64_t events, dead_letters; /* committed since the log began, as far as known */
	} totals[JOURNAL_LANES_MAX];
	uint32_t epoch_count;
	uint64_t epochs[META_EPOCHS_MAX]; /* ascending */
};

/* NOT_FOUND: there is none. DATA: damaged, or of a newer version. */
MUST_CHECK bool meta_read(const char *data_dir, struct meta *out, struct error *err);
/* A new log: random id and key. */
void meta_init(struct meta *meta);
MUST_CHECK bool meta_write(const char *data_dir, const struct meta *meta, struct error *err);
/* Adds max(last + 1, unix seconds) to the list and returns it. */
uint64_t meta_add_epoch(struct meta *meta, int64_t wall_ms);
bool meta_knows_epoch(const struct meta *meta, uint64_t epoch);

#endif
