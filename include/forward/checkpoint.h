/* The local checkpoint of a sink: a small text file in the data directory, replaced as a whole, that says per lane what
 * the sink has and how much that is since the log began, and (files sink) which output files are open and how long they
 * are.
 *
 *   headgate checkpoint 1
 *   log <log id>
 *   mode exactly_once                          (only if Kafka's own checkpoint is the truth, this file a hint)
 *   lane <lane> <epoch> <counter>
 *   books <lane> <events delivered> <dead letters delivered> <events poisoned> <dead letters poisoned>
 *         <events erased> <dead letters erased> <events quarantined> <dead letters quarantined>
 *         <events lost behind> <dead letters lost behind>
 *   file <length> <topic>/<date>/<hour>.ndjson
 *   crc32c <8 hex digits of all bytes before this line> */
#ifndef HEADGATE_FORWARD_CHECKPOINT_H
#define HEADGATE_FORWARD_CHECKPOINT_H

#include "base/error.h"
#include "forward/tally.h"
#include "journal/journal.h"

#define CHECKPOINT_PATH_BYTES 320
#define CHECKPOINT_BOOKS 10 /* numbers of a lane's books, in the order above */

struct checkpoint_file {
	char path[CHECKPOINT_PATH_BYTES]; /* below <data>/events */
	uint64_t length;
};

struct checkpoint {
	char log_id[JOURNAL_LOG_ID_TEXT + 1];
	bool exactly_once; /* by Kafka's transactions */
	struct tally_books books[JOURNAL_LANES_MAX];
	struct journal_position lanes[JOURNAL_LANES_MAX]; /* {0,0}: none */
	struct checkpoint_file *files;
	size_t file_count;
	size_t file_capacity;
};

struct sink_position;

void checkpoint_init(struct checkpoint *checkpoint, const char *log_id);
void checkpoint_fini(struct checkpoint *checkpoint);
/* False: no memory. */
MUST_CHECK bool checkpoint_add_file(struct checkpoint *checkpoint, const char *path, uint64_t length);
/* Reads one file. NOT_FOUND if there is none, DATA if it is damaged. */
MUST_CHECK bool checkpoint_read(const char *path, struct checkpoint *out, struct error *err);
MUST_CHECK bool checkpoint_write(const char *path, const struct checkpoint *checkpoint, struct error *err);
/* What a sink starts from: its own `<dir>/<own>.checkpoint`, and, since a sink goes on where another one stopped, the
 * positions and books of `<dir>/<other>.checkpoint` where they are further. One of another log counts for its files
 * only. Neither there: an empty one. The directory is synced first, so that what is read is there for good. */
MUST_CHECK bool checkpoint_load(const char *dir, const char *own, const char *other, const char *log_id,
                                struct checkpoint *out, struct error *err);
/* The same for a sink whose truth is elsewhere: `hint` is what `<dir>/kafka.checkpoint` says if it was written in mode
 * exactly_once, `base` what any other mode or sink had. */
MUST_CHECK bool checkpoint_load_hint(const char *dir, const char *log_id, struct checkpoint *hint,
                                     struct checkpoint *base, struct error *err);
void checkpoint_set_lanes(struct checkpoint *checkpoint, const struct sink_position *lanes, uint32_t lane_count);
void checkpoint_get_lanes(const struct checkpoint *checkpoint, struct sink_position *lanes, uint32_t lane_count);
/* <0, 0, >0 in journal order. */
int checkpoint_compare(struct journal_position a, struct journal_position b);

#endif
