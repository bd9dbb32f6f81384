/* The lines of the event files, read for a search and erased from. Thread: any, while no sink works on the files (see
 * forwarder_pause), or for reading only. */
#ifndef HEADGATE_FORWARD_FILE_ERASE_H
#define HEADGATE_FORWARD_FILE_ERASE_H

#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"

/* `path`: below the events folder. */
typedef bool (*file_erase_line_fn)(void *context, const char *path, uint64_t number, struct slice line);

struct file_erase_calls {
	file_erase_line_fn matches;
	bool (*goes_on)(void *context); /* false: give up; may be NULL */
	void *context;
};

struct file_erased {
	uint64_t lines, files; /* files: rewritten or removed */
};

/* Erases the lines that match from every file below `<data>/events`, open, closed or compressed; each is replaced as a
 * whole by a synced copy. A file that cannot be read does not keep the others from it: it is the error returned. */
MUST_CHECK bool file_erase(const char *data_dir, const struct file_erase_calls *calls, struct file_erased *out,
                           struct error *err);
/* Calls `matches` for each line; files that vanish meanwhile are no error. */
MUST_CHECK bool file_erase_visit(const char *data_dir, const struct file_erase_calls *calls, struct error *err);
/* Erases from, or visits, one NDJSON file by itself; `path` is what the callback is told. */
MUST_CHECK bool file_erase_one(const char *whole, const char *path, const char *temporary,
                               const struct file_erase_calls *calls, struct file_erased *out, struct error *err);
MUST_CHECK bool file_erase_visit_one(const char *whole, const char *path, const struct file_erase_calls *calls,
                                     struct error *err);

#endif
