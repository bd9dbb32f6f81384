/* Several statements about one purpose become one outcome. Pure. */
#ifndef HEADGATE_PRIVACY_RESOLVE_H
#define HEADGATE_PRIVACY_RESOLVE_H

#include "event/event.h"

struct resolve_statement {
	enum consent_state state; /* UNKNOWN: silent, does not count */
	enum consent_basis basis;
	int64_t time_ms; /* 0: not dated */
};

/* If every statement that speaks is dated, the latest wins (of the same time the strictest), else the strictest; of equals
 * the first. NULL: none speaks. */
const struct resolve_statement *resolve_statements(const struct resolve_statement *at, size_t count);

#endif
