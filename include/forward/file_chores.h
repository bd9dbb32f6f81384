/* What is done to output files that are closed: retention and compression, a little at a time, so that the forwarder
 * that does it between rounds is never held up for long. */
#ifndef HEADGATE_FORWARD_FILE_CHORES_H
#define HEADGATE_FORWARD_FILE_CHORES_H

#include "base/slice.h"

struct file_chores;

/* True if the file of that path (below the events folder) is still written: it is left alone. */
typedef bool (*file_chores_open_fn)(void *context, const char *path);

struct file_chores_options {
	const char *data_dir;
	uint64_t retention_ms;          /* 0: nothing is deleted */
	struct slice dead_letter_topic; /* its files have a retention of their own; empty: there is none */
	uint64_t dead_letter_retention_ms;
	bool compress;
	file_chores_open_fn is_open; /* NULL: none is */
	void *context;
};

/* NULL: no memory. */
struct file_chores *file_chores_create(const struct file_chores_options *options);
void file_chores_destroy(struct file_chores **chores);
/* Works for a fraction of a second at most; returns true if there is more to do at once. */
bool file_chores_run(struct file_chores *chores, int64_t wall_ms);
/* Forgets what is under way: it begins anew with the next walk. */
void file_chores_drop(struct file_chores *chores);
/* A file was closed: look again at the next run, not after the usual interval. */
void file_chores_hint(struct file_chores *chores);

#endif
