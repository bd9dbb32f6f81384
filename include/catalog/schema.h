/* Compiling one schema that belongs to no catalog: a draft that somebody tries, or a test's. */
#ifndef HEADGATE_CATALOG_SCHEMA_H
#define HEADGATE_CATALOG_SCHEMA_H

#include "catalog/catalog.h"

/* References that begin with `prefix` are read from `dir`: never from the network. */
struct schema_map {
	struct slice prefix, dir;
};

struct schema_options {
	struct slice root; /* folder that `$ref` may read files in and never leaves; empty: refused */
	struct slice path; /* where the text stands, or would stand, below root: "events/purchase/1-0-1.json" */
	struct slice uri;  /* where the text was retrieved from; empty: below root */
	struct slice name; /* what messages call the document: "purchase" */
	bool draft7;       /* the dialect where `$schema` names none; else 2020-12 */
	/* The standard's rules: unknown keywords are ignored, and formats checked only where `assert_format` or the
	 * metaschema says so. Else the catalog's: unknown keywords are refused, formats checked. */
	bool specification, assert_format;
	const struct schema_map *maps;
	size_t maps_count;
};

/* `text` must outlive the arena's contents, which hold the program. NULL with "<path>#<pointer>: reason" in `err`. An
 * `x-headgate` member at the root is allowed where path begins with "events/", and checked. */
const struct schema *schema_compile_text(struct slice text, const struct schema_options *options, struct arena *arena,
                                         struct error *err);

#endif
