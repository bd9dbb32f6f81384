/* What is done to output files that are closed: retention and compression, a little at a time, so that the forwarder
 * that does it between rounds is never held up for long. */
#ifndef HEADGATE_FORWARD_FILE_CHORES_H
#define HEADGATE_FORWARD_FILE_CHORES_H

#include <stdbool.h>
#include <stdint.h>

struct file_chores;

/* True if the file of that path (below the events folder) is still written: it is left alone. */
typedef bool (*file_chores_open_fn)(void *context, const char *path);

/* NULL: no memory. `retention_ms` 0: nothing is deleted. */
struct file_chores *file_chores_create(const char *data_dir, uint64_t retention_ms, bool compress,
                                       file_chores_open_fn is_open, void *context);
void file_chores_destroy(struct file_chores **chores);
/* Works for a fraction of a second at most; returns true if there is more to do at once. */
bool file_chores_run(struct file_chores *chores, int64_t wall_ms);
/* A file was closed: look again at the next run, not after the usual interval. */
void file_chores_hint(struct file_chores *chores);

#endif
