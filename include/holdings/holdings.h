/* Everything the data directory holds of a person: journal with its grace copies, event files, dead letters in both,
 * quarantine. Finding it and erasing it. Thread: one at a time; see the callbacks. */
#ifndef HEADGATE_HOLDINGS_HOLDINGS_H
#define HEADGATE_HOLDINGS_HOLDINGS_H

#include "base/buffer.h"
#include "holdings/audit_log.h"
#include "holdings/person.h"
#include "journal/journal.h"

struct suppression;

struct holdings {
	const char *data_dir;
	const char *log_id;
	struct journal *journal; /* not needed for finding */
	struct suppression *suppression;
	struct audit_log *audit;
	const char *via;       /* who asked: "admin", "command" */
	struct slice erasures; /* topic */
	void *context;
	/* Each lane closes the file in use. */
	bool (*roll)(void *context, struct error *err);
	/* Nothing reads the journal or writes event files between the two. */
	bool (*pause)(void *context, struct error *err);
	void (*resume)(void *context);
	/* Appends and commits one event record; its slices are copied. Sets its position. */
	bool (*append)(void *context, struct journal_record *record, struct error *err);
	bool (*goes_on)(void *context); /* false: the process is ending */
	uint64_t found_bytes_max;       /* of what is found, where it takes memory; 0: any */
};

/* Writes NDJSON to `fd`, one line for each thing held, `store` naming where; *found: how many lines. */
MUST_CHECK bool holdings_find(const struct holdings *holdings, const struct person *who, int fd, uint64_t *found,
                              struct error *err);
/* Erases; with `suppress` later events of the id are refused from now on. Where it fails, what was erased is erased, and
 * it may be asked for again. `json` gets an object that says what was done. */
MUST_CHECK bool holdings_erase(const struct holdings *holdings, const struct person *who, bool suppress,
                               struct buffer *json, struct error *err);
/* Takes the id off the list of the suppressed. */
MUST_CHECK bool holdings_unsuppress(const struct holdings *holdings, const struct person *who, struct buffer *json,
                                    struct error *err);

#endif
