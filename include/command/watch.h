/* Notices changes below the catalog's folder (inotify). Owner and thread: main. */
#ifndef HEADGATE_COMMAND_WATCH_H
#define HEADGATE_COMMAND_WATCH_H

#include "base/error.h"
#include "base/slice.h"

struct watch {
	int fd;                    /* to be polled for reading; -1: nothing is watched */
	char dir[4096];            /* asked for last; "": none */
	int64_t first_ms, last_ms; /* of changes not yet acted upon; 0: none */
};

void watch_init(struct watch *watch);
void watch_fini(struct watch *watch);
/* From now on watches this folder and those below it, or nothing, if `dir` is empty. Changes noticed are forgotten. */
MUST_CHECK bool watch_set(struct watch *watch, struct slice dir, struct error *err);
/* Takes what the kernel has to tell. */
void watch_read(struct watch *watch, int64_t now_ms);
/* How long to wait until the changes are old enough to act upon: an editor writes in several steps, a deployment many
 * files. -1: there are none; 0: now. */
int watch_due_ms(const struct watch *watch, int64_t now_ms);

#endif
