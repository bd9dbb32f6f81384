/* What the words of `headgate journal` share: the files looked at, and the part of them that is wanted. */
#ifndef HEADGATE_COMMAND_JOURNAL_H
#define HEADGATE_COMMAND_JOURNAL_H

#include "journal/range.h"

struct journal_sight {
	struct journal_file_name *files;
	size_t count;
	bool was_named; /* on the command line */
	struct journal_range range;
};

struct journal_verdict {
	bool all_sound;
	bool has_before; /* verify: what the file before held */
	struct journal_scan before;
};

/* Scans the `i`-th file; one that the daemon has removed since the listing is no error (*gone). */
bool journal_sight_scan(const struct journal_sight *sight, size_t i,
                        bool (*fn)(void *context, const struct journal_record *record), void *context,
                        struct journal_scan *out, bool *gone, struct error *err);
/* Nothing sound follows, no file of the lane either: what an unclean stop or a batch in progress leaves. */
bool journal_sight_is_tail(const struct journal_sight *sight, size_t i, const struct journal_scan *scan);

/* One JSON object a line, to stdout, for each record inside the range. False: stdout failed. */
bool journal_export_file(const struct journal_sight *sight, size_t i, struct journal_verdict *verdict,
                         struct error *err);

#endif
