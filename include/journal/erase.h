/* Erasing records from the journal: each becomes a GAP that keeps its position. Thread: any but a lane's and the keeper's;
 * one at a time. */
#ifndef HEADGATE_JOURNAL_ERASE_H
#define HEADGATE_JOURNAL_ERASE_H

#include "journal/journal.h"

struct journal_erase_calls {
	bool (*matches)(void *context, const struct journal_record *record); /* an event or a dead letter */
	bool (*holds)(void *context, struct slice bytes); /* bytes of a damaged range, no record any more */
	bool (*goes_on)(void *context);                   /* false: give up, with what is done so far; may be NULL */
	void *context;
};

struct journal_erased {
	uint64_t events, dead_letters;
	uint64_t damaged_ranges;
	uint64_t files; /* rewritten */
};

/* From here until journal_erase_end no covered file is used again by a lane, and those set aside for it are gone when
 * this returns. Between the two: each lane's writer is rolled by its thread, no reader is open, journal_erase is called. */
MUST_CHECK bool journal_erase_begin(struct journal *journal, struct error *err);
/* Erases from every closed file what matches, and whatever stands behind a file's end. Each file is replaced as a whole
 * by a synced copy: a crash leaves it as it was or as it shall be. False: some files are done, the others as they were. */
MUST_CHECK bool journal_erase(struct journal *journal, const struct journal_erase_calls *calls,
                              struct journal_erased *out, struct error *err);
void journal_erase_end(struct journal *journal);

#endif
