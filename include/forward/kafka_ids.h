/* Every transactional id that this data directory ever used, in `<data>/kafka.transactional_ids`, one a line: what a
 * producer under an earlier one left open is ended before anything is read. Thread: the forwarder's. */
#ifndef HEADGATE_FORWARD_KAFKA_IDS_H
#define HEADGATE_FORWARD_KAFKA_IDS_H

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"

/* Adds `id`, if it is not there, for good: before its first use. `*ids`: all of them, lines as they stand in the file,
 * in the arena. */
MUST_CHECK bool kafka_ids_remember(const char *data_dir, struct slice id, struct arena *arena, struct slice *ids,
                                   struct error *err);

#endif
