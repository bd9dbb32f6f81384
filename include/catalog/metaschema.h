/* The metaschemas of draft-07 and 2020-12, built into the program. */
#ifndef HEADGATE_CATALOG_METASCHEMA_H
#define HEADGATE_CATALOG_METASCHEMA_H

#include "base/slice.h"

#define METASCHEMA_DRAFT7 "http://json-schema.org/draft-07/schema"
#define METASCHEMA_2020_12 "https://json-schema.org/draft/2020-12/schema"

/* The text of the metaschema with that URI (without fragment); SLICE_NONE if it is none. */
struct slice metaschema_find(struct slice uri);

#endif
