/* The inside of a catalog, shared by the loader and the look-ups. */
#ifndef HEADGATE_CATALOG_CATALOG_STATE_H
#define HEADGATE_CATALOG_CATALOG_STATE_H

#include "catalog/catalog.h"
#include "catalog/name_table.h"

/* One event: its versions stand together in catalog.schemas, oldest first. */
struct catalog_event {
	size_t first, count;
	size_t default_schema; /* the newest of the default model */
};

struct catalog {
	struct arena arena;
	struct event_schema *schemas; /* by event's name, then by version */
	size_t schemas_count;
	struct catalog_event *events; /* as names.names */
	struct name_table names;
	struct name_table foreign;      /* events' names by aliases … */
	const uint32_t *foreign_events; /* … and the place of each one's event in `events` */
	const struct schema *user;
	const struct schema *context;
	struct slice fingerprint;
};

/* "1-0-0", three parts without signs or leading zeros; with fewer, *parts tells how many. */
bool catalog_parse_version(struct slice text, struct schema_version *out, unsigned *parts);
int catalog_compare_versions(const struct schema_version *a, const struct schema_version *b);

#endif
