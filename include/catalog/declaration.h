/* The `x-headgate` member at the root of an event's schema: what the event is for, where it goes, what is unique. */
#ifndef HEADGATE_CATALOG_DECLARATION_H
#define HEADGATE_CATALOG_DECLARATION_H

#include "catalog/compiler.h"

/* Fills purposes, topic, key, unique, dedup, aliases and owner of `out`, with defaults where the file has none.
 * False: err names file, pointer and reason. */
bool declaration_read(struct compiler *c, struct schema_file *file, struct event_schema *out);

#endif
