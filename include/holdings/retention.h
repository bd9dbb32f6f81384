/* What is deleted by age without being asked: quarantine, the audit log's full files, and, where no files sink does it,
 * event files. Thread: main's. */
#ifndef HEADGATE_HOLDINGS_RETENTION_H
#define HEADGATE_HOLDINGS_RETENTION_H

#include "base/error.h"
#include "holdings/audit_log.h"

struct config;
struct retention;

/* `cfg`: of the start. */
struct retention *retention_create(const struct config *cfg, struct error *err);
void retention_destroy(struct retention **retention);
/* Looks once a minute; `cfg`: the current one. */
void retention_run(struct retention *retention, const struct config *cfg, struct audit_log *audit);

#endif
