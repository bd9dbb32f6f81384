/* What `validate` does with a file of documents, one a line, whatever they are judged by. */
#ifndef HEADGATE_COMMAND_JUDGE_LINES_H
#define HEADGATE_COMMAND_JUDGE_LINES_H

#include <stdio.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"

/* Appends the verdict of the line (blank ones are not counted) as one JSON object; the arena is the line's own. */
typedef void (*judge_line_fn)(void *context, struct slice line, uint32_t index, struct arena *arena,
                              struct buffer *out);

/* Writes one verdict a line to stdout. False: reading, writing or memory failed; `name` is the file's, for messages. */
MUST_CHECK bool judge_lines(FILE *file, const char *name, size_t memory_bytes, judge_line_fn judge, void *context,
                            struct error *err);

#endif
