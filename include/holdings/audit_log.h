/* The audit log: `<data>/audit.ndjson` (0600), one line per act of an operator or of a start, never changed afterwards:
 *   {"at":"…","act":"erase","ok":true, further members}
 * Ids of persons stand in it as keyed hashes only. A full file becomes `audit-<time>.ndjson`. Thread: any. */
#ifndef HEADGATE_HOLDINGS_AUDIT_LOG_H
#define HEADGATE_HOLDINGS_AUDIT_LOG_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/hash.h"

struct audit_log;
struct journal;

/* Makes the file if need be; may be open in several processes. `key`: of the installation; NULL: no id will be put. */
struct audit_log *audit_log_open(const char *data_dir, const struct hash_key *key, struct error *err);
void audit_log_close(struct audit_log **log);
/* Appends one line and syncs it. `members`: what else there is to say, as JSON members with a comma before each, made
 * by the functions below or by hand; NULL: nothing. */
MUST_CHECK bool audit_log_write(struct audit_log *log, const char *act, bool ok, const struct buffer *members,
                                struct error *err);
/* Appends `,"<member>":"<text>"`. */
void audit_log_put_text(struct buffer *members, const char *member, struct slice text);
void audit_log_put_number(struct buffer *members, const char *member, uint64_t number);
/* Appends `,"id":{"name":…,"hash":…}`; without a name that member is left out. The same value always has the same hash
 * in one installation, whatever its name. */
void audit_log_put_id(const struct audit_log *log, struct buffer *members, struct slice name, struct slice value);
/* A line about a journal that had to mend something when it was opened; none if it had not. */
MUST_CHECK bool audit_log_note_recovery(struct audit_log *log, struct journal *journal, struct error *err);
/* Deletes full files last written before that. */
void audit_log_prune(struct audit_log *log, int64_t before_wall_ms);

#endif
