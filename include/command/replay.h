/* `headgate journal replay`: the command, and what the running daemon does for it. */
#ifndef HEADGATE_COMMAND_REPLAY_H
#define HEADGATE_COMMAND_REPLAY_H

#include "base/buffer.h"
#include "command/command.h"

/* Asks the running daemon, which alone can send; prints its answer. Returns the exit code. */
int replay_command(const struct command_line *line);
/* The answer to POST /journal/replay {"from":"…","to"?:"…"}: {"replayed":N}. `context`: the service. Returns when it is
 * done; thread: the admin task's. False: USAGE, BUSY, or it failed in the middle. */
MUST_CHECK bool replay_serve(void *context, struct slice body, struct buffer *json, struct error *err);

#endif
