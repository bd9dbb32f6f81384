/* What became of the records that left the journal, per lane, in numbers that must survive a restart: part of the sink's
 * checkpoint, and the start of the counters.
 *
 * The journal has its own account of a lane: files' headers and records say how many were accepted up to a position. At
 * each commit both must agree; where they do not (damage, a power cut in mode `os`, a checkpoint without books) the books
 * are set right. Thread: the forwarder's. */
#ifndef HEADGATE_FORWARD_TALLY_H
#define HEADGATE_FORWARD_TALLY_H

#include "journal/journal.h"

enum tally_kind { TALLY_EVENTS, TALLY_DEAD_LETTERS, TALLY_KINDS };

#define TALLY_TOPICS_MAX 64
#define TALLY_TOPIC_BYTES 250 /* Kafka allows 249 */

/* Of one lane, since the log began. */
struct tally_books {
	uint64_t delivered[TALLY_KINDS];
	uint64_t poisoned[TALLY_KINDS];
	uint64_t erased[TALLY_KINDS];      /* by request, before they were delivered */
	uint64_t quarantined[TALLY_KINDS]; /* missing from the journal: damaged; where the kind is not known: events */
	uint64_t lost_behind[TALLY_KINDS]; /* delivered, and then lost by the journal: it does not count them itself */
};

struct tally_topic {
	char name[TALLY_TOPIC_BYTES];
	size_t name_len;
	uint32_t series;
	uint64_t round;
};

struct tally {
	struct tally_books lanes[JOURNAL_LANES_MAX]; /* up to the last commit */
	struct tally_books round[JOURNAL_LANES_MAX]; /* since then */
	struct tally_books total;                    /* sum of `lanes` */
	uint32_t delivered_series[TALLY_KINDS];
	uint32_t poisoned_series[TALLY_KINDS];
	uint32_t erased_series[TALLY_KINDS];
	uint32_t quarantined_series[TALLY_KINDS];
	struct tally_topic topics[TALLY_TOPICS_MAX]; /* the last one stands for all that found no place */
	uint32_t topic_count;
	uint32_t topic_last;
};

void tally_init(struct tally *tally);
/* The books as the sink's checkpoint tells them; the round does not count. */
void tally_load(struct tally *tally, const struct tally_books books[JOURNAL_LANES_MAX]);
/* Brings a lane's books in line with the journal's account: what the lane was given up to where the round stands. A lane
 * that delivered something and has no books takes them from there. */
void tally_reconcile(struct tally *tally, uint32_t lane, struct journal_counts counts, bool has_position);
/* A record of the round, or a gap that the round passes over. */
void tally_add(struct tally *tally, const struct journal_record *record);
/* A record of the round, added before, turned out to be poison. */
void tally_poison(struct tally *tally, const struct journal_record *record);
/* What the lane's books will be once the round is committed: goes into the checkpoint. */
struct tally_books tally_after(const struct tally *tally, uint32_t lane);
/* The same of every lane. */
void tally_all_after(const struct tally *tally, struct tally_books books[JOURNAL_LANES_MAX]);
/* Adds `more` to `to`, lane or sum. */
void tally_books_add(struct tally_books *to, const struct tally_books *more);
/* The round is safe: into totals and counters. */
void tally_commit(struct tally *tally);
/* The round does not count. */
void tally_discard(struct tally *tally);

#endif
