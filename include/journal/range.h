/* A part of the journal as operators name it: from and to, each a position or a time. For `journal export` and
 * `journal replay`. Pure functions; any thread. */
#ifndef HEADGATE_JOURNAL_RANGE_H
#define HEADGATE_JOURNAL_RANGE_H

#include "journal/journal.h"

enum journal_bound_kind { JOURNAL_BOUND_NONE, JOURNAL_BOUND_POSITION, JOURNAL_BOUND_TIME };

struct journal_bound {
	enum journal_bound_kind kind;
	char log_id[JOURNAL_LOG_ID_TEXT + 1];
	uint32_t lane;
	struct journal_position position;
	int64_t time_ms; /* compared with a record's received_ms */
};

/* Both ends belong to it. A position names a lane: with one, records of other lanes are outside. */
struct journal_range {
	struct journal_bound from, to;
};

/* `<log id>/<lane>/<epoch>/<counter>`, RFC 3339, or milliseconds since 1970 (as in events, below 10^11 is refused: it
 * looks like seconds). False: USAGE. */
MUST_CHECK bool journal_bound_parse(struct slice text, struct journal_bound *out, struct error *err);
/* Parses both; NULL: open at that end. False (USAGE) also if positions of two lanes or logs are given, or `to` lies
 * before `from`. */
MUST_CHECK bool journal_range_parse(const char *from, const char *to, struct journal_range *out, struct error *err);
/* False if none of that log and lane can be inside. */
bool journal_range_has_lane(const struct journal_range *range, const char *log_id, uint32_t lane);
/* True if the record (a GAP: any of its counters) of that log and lane lies inside. */
bool journal_range_has(const struct journal_range *range, const char *log_id, uint32_t lane,
                       const struct journal_record *record);

#endif
