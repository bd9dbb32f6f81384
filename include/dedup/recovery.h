/* What ties the dedup table to the journal: keys of recovered records, key indexes of sealed files, both at start.
 * The functions fit struct journal_options; their context is the struct dedup_recovery. */
#ifndef HEADGATE_DEDUP_RECOVERY_H
#define HEADGATE_DEDUP_RECOVERY_H

#include "dedup/index_set.h"
#include "journal/journal.h"

struct dedup_recovery {
	struct dedup *dedup;
	struct index_set indexes;
	bool loaded;
	uint32_t unread_count; /* indexes that are there but could not be read: they do not count … */
	char unread[16][64];   /* … by name; beyond 16 none counts */
};

/* Thread of all but write_index: main, before anything else runs. */
bool dedup_recovery_init(struct dedup_recovery *recovery, struct dedup *dedup, const char *data_dir, struct error *err);
/* Inserts the keys of all indexes; of those that are damaged or cannot be read has_index says no, so that the journal
 * file is scanned where it is still there. Called by the others when it was not called yet: after the journal took the lock. */
void dedup_recovery_load(void *context);
void dedup_recovery_on_record(void *context, uint32_t lane, const struct journal_record *record);
bool dedup_recovery_has_index(void *context, uint32_t lane, const char *file_name);
/* At the end, after the keeper has stopped. */
void dedup_recovery_fini(struct dedup_recovery *recovery);
/* Merges and unlinks indexes. Thread: keeper. */
void dedup_recovery_tend(void *context, const struct journal_pace *pace);
/* Thread: keeper. */
bool dedup_recovery_write_index(void *context, uint32_t lane, const char *file_path, const char *file_name,
                                const struct journal_key_entry *entries, size_t count, struct error *err);

#endif
