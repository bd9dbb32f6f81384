/* The key indexes of a data directory: one per sealed journal file, and those that came of merging. What keeps them few:
 * as soon as its journal file is gone an index may be merged with others of its size (eight make one of the next size);
 * one whose entries have expired is unlinked, one of whose entries half have is written anew. Where the table had to forget
 * keys for lack of memory, they are left out of what is written, and all is written anew before it is more than twice what
 * the table holds: a start would forget them again.
 *
 * Names: `<lane>-<epoch>-<first>.idx`, `merged-<number>.idx`. Thread: main at start, then the keeper; the figures: any. */
#ifndef HEADGATE_DEDUP_INDEX_SET_H
#define HEADGATE_DEDUP_INDEX_SET_H

#include <stdatomic.h>

#include "dedup/key_index.h"

#define INDEX_SET_NAME_BYTES 72

struct index_file {
	char name[INDEX_SET_NAME_BYTES];
	struct key_index_facts facts;
	bool is_free;  /* its journal file is gone */
	bool is_apart; /* not sound: never merged, unlinked when all of it has expired */
};

struct index_set {
	char dir[512];       /* <data>/dedup */
	char journal[512];   /* <data>/journal */
	struct dedup *dedup; /* from the load on */
	struct index_file *files;
	size_t count, capacity;
	uint64_t number;                     /* of the last merged file */
	int64_t retry_at_ms, retry_after_ms; /* after a merge that failed; 0: none has */
	_Atomic int64_t looked_ms;           /* when it was tended last, monotonic; 0: never */
	_Atomic uint64_t file_count, bytes, merges, expired, load_ms, damaged; /* figures */
};

MUST_CHECK bool index_set_init(struct index_set *set, const char *data_dir, struct error *err);
void index_set_fini(struct index_set *set);
/* Loads all indexes into the table and unlinks those that are expired. `unread` is told of each that could not be read
 * or is not sound. */
void index_set_load(struct index_set *set, struct dedup *dedup, int64_t wall_ms,
                    void (*unread)(void *context, const char *name), void *context);
/* Takes note of a file just written. */
void index_set_add(struct index_set *set, const char *name, const struct key_index_facts *facts);
/* Unlinks what there is to unlink, and merges once, where there is something to merge and the room for it. Cheap where
 * there is nothing. */
void index_set_tend(struct index_set *set, int64_t wall_ms, const struct journal_pace *pace);

#endif
