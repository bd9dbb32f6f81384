/* The files sink: `<data>/events/<topic>/<date>/<hour>.ndjson`, one canonical event a line, exactly once also under
 * kill -9 by `<data>/files.checkpoint`. Thread: the forwarder's, but for status. */
#ifndef HEADGATE_FORWARD_FILE_SINK_H
#define HEADGATE_FORWARD_FILE_SINK_H

#include "base/error.h"
#include "forward/sink.h"

struct file_sink_options {
	const char *dir; /* the data directory */
	const char *log_id;
	uint64_t retention_ms;          /* closed files older than that are deleted; 0: kept for ever */
	struct slice dead_letter_topic; /* its files have a retention of their own */
	uint64_t dead_letter_retention_ms;
	bool compress;            /* closed files become .ndjson.gz */
	int64_t (*wall_ms)(void); /* NULL: clock_wall_ms; tests move it */
};

/* Reads the checkpoint (an error if it is damaged); touches no output file before recover. */
struct sink *file_sink_create(const struct file_sink_options *options, struct error *err);

#endif
