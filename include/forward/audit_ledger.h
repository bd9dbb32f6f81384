/* The books of an audit: which positions were seen in Kafka, where, and whether they are all there, once, in order. Pure:
 * no Kafka, no disk. Thread: the caller's. */
#ifndef HEADGATE_FORWARD_AUDIT_LEDGER_H
#define HEADGATE_FORWARD_AUDIT_LEDGER_H

#include "base/error.h"
#include "base/slice.h"
#include "journal/journal.h"

struct buffer;
struct audit_ledger;

struct audit_position {
	char log_id[JOURNAL_LOG_ID_TEXT + 1];
	uint32_t lane;
	struct journal_position at;
};

struct audit_verdict {
	uint64_t records, replayed, foreign; /* foreign: without a position */
	uint64_t twice, disorder, missing;
	uint64_t explained; /* counters without a record that the journal accounts for */
	uint64_t retired;   /* counters without a record that retention may have taken */
};

/* NULL: no memory. */
struct audit_ledger *audit_ledger_create(void);
void audit_ledger_destroy(struct audit_ledger **ledger);

/* "<log id>/<lane>/<epoch>/<counter>". */
bool audit_position_parse(struct slice text, struct audit_position *out);
/* A partition to be audited, by a number of the caller's from 0 on; `cut`: its oldest records are gone already. */
MUST_CHECK bool audit_ledger_add_partition(struct audit_ledger *ledger, uint32_t number, const char *topic,
                                           int32_t partition, bool cut);
/* A record met in a partition, in its order. False: no memory. */
MUST_CHECK bool audit_ledger_add(struct audit_ledger *ledger, uint32_t partition,
                                 const struct audit_position *position);
/* One sent again on an operator's order: counted apart. */
void audit_ledger_add_replayed(struct audit_ledger *ledger);
void audit_ledger_add_foreign(struct audit_ledger *ledger);
/* The lane's checkpoint, read before the records were: up to here, nothing may be missing; behind it nothing is judged
 * but order and repetition. */
MUST_CHECK bool audit_ledger_set_checkpoint(struct audit_ledger *ledger, const struct audit_position *position);
/* The journal knows that these counters have no record in Kafka: `why` is a word (burnt, erased, damaged). */
MUST_CHECK bool audit_ledger_explain(struct audit_ledger *ledger, const struct audit_position *first, uint64_t count,
                                     const char *why);
/* Appends one line per log, lane and epoch, and per breach, and adds up. False: some record is missing, twice or out of
 * order. */
bool audit_ledger_judge(struct audit_ledger *ledger, struct buffer *out, struct audit_verdict *verdict);

#endif
