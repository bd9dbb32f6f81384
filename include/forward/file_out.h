/* One output file of the files sink: the lines of one topic and one UTC hour. Lines are gathered as pointers and written
 * many at a time; nothing counts before file_out_sync. Thread: the forwarder's. */
#ifndef HEADGATE_FORWARD_FILE_OUT_H
#define HEADGATE_FORWARD_FILE_OUT_H

#include <sys/uio.h>

#include "base/error.h"
#include "base/slice.h"
#include "forward/checkpoint.h"

#define FILE_OUT_HOUR_MS INT64_C(3600000)
#define FILE_OUT_VECTORS 1024 /* IOV_MAX of Linux */

struct file_out {
	char path[CHECKPOINT_PATH_BYTES]; /* "<topic>/<date>/<hour>[-n].ndjson", below the events folder */
	struct slice topic;               /* the first part of path */
	int64_t hour;                     /* hours since 1970 */
	int fd;                           /* -1: listed, not created yet */
	uint64_t committed_bytes;         /* what the checkpoint says */
	uint64_t written_bytes;
	uint64_t gathered_bytes;
	int vector_count;
	bool dirty;
	int64_t touched_ms; /* by the sink's clock: made, reopened or last written */
	struct iovec vectors[FILE_OUT_VECTORS];
};

/* Takes topic and hour from a listed path. NULL: not such a path, or no memory. */
struct file_out *file_out_create(const char *path, uint64_t committed_bytes);
/* Closes without writing what was gathered. */
void file_out_destroy(struct file_out **out);
/* Opens a listed file and cuts it to its committed length. NOT_FOUND or DATA: it is gone or shorter than that, and
 * must not be written any more. A file listed with length 0 may be missing. */
MUST_CHECK bool file_out_reopen(struct file_out *out, const char *events_dir, struct error *err);
/* Creates the file, its folders, and syncs these. The file must be listed before. */
MUST_CHECK bool file_out_make(struct file_out *out, const char *events_dir, struct error *err);
/* Gathers one line; `value` stays valid until flush. Writes when many are gathered. */
MUST_CHECK bool file_out_append(struct file_out *out, struct slice value, struct error *err);
MUST_CHECK bool file_out_flush(struct file_out *out, struct error *err);
/* Flush and fdatasync, if there is anything. */
MUST_CHECK bool file_out_sync(struct file_out *out, struct error *err);

/* "<topic>/<date>/<hour>.ndjson", "-2" and so on behind the hour for n > 1. */
void file_out_name(struct slice topic, int64_t hour, unsigned n, char path[CHECKPOINT_PATH_BYTES]);
/* The inverse, also for names that end in .ndjson.gz. False: not such a path. */
bool file_out_parse(const char *path, size_t *topic_len, int64_t *hour);
/* What may be a folder's name and a Kafka topic: 1 to 249 of [A-Za-z0-9._-], neither "." nor "..". */
bool file_out_topic_is_valid(struct slice topic);

#endif
