/* Work for a lane's thread that is no request: it runs at the end of a turn, when the batch is empty, with the lane's
 * writer. */
#ifndef HEADGATE_PIPELINE_ERRAND_H
#define HEADGATE_PIPELINE_ERRAND_H

#include <stdatomic.h>
#include <stddef.h>

#include "base/error.h"

struct journal_writer;

/* Embedded in what the errand is about; stays in place until it has run. */
struct errand {
	struct errand *next;
	/* The batch is empty before and must be after. False with SYNC_LOST: the lane must stop. */
	bool (*run)(struct errand *errand, struct journal_writer *writer, struct error *err);
};

struct errands {
	_Atomic(struct errand *) first; /* newest first */
};

/* True if the list was empty: whoever serves it must be woken. Thread: any. */
bool errands_add(struct errands *errands, struct errand *errand);
/* Runs all, in the order they came. False: SYNC_LOST. Thread: the lane's. */
bool errands_run(struct errands *errands, struct journal_writer *writer, struct error *err);
static inline bool errands_wait(const struct errands *errands)
{
	return atomic_load_explicit(&errands->first, memory_order_relaxed) != NULL;
}

#endif
