/* A version is numbered by what changed since the one before it. */
#ifndef HEADGATE_TRACKING_NUMBERING_H
#define HEADGATE_TRACKING_NUMBERING_H

#include "tracking/diff.h"
#include "tracking/lint.h"

/* What grew from `before` to `after`, which is the newer one. */
enum version_part numbering_part(const struct schema_version *before, const struct schema_version *after);
/* Reports `after` if less grew than its changes ask for. Both files are read from lint->src. */
void numbering_check(struct lint *lint, const struct event_schema *before, const struct event_schema *after);

#endif
