/* Foreign names of events and properties become the catalog's, as the schemas' `aliases` say. */
#ifndef HEADGATE_CATALOG_NORMALISE_H
#define HEADGATE_CATALOG_NORMALISE_H

#include "base/buffer.h"
#include "catalog/catalog.h"

/* Writes the event (an object without duplicate names, NUL escapes or bad UTF-8) under our names to `out`, one JSON
 * object without white space, and returns true; false, with nothing to use in `out`, where there is nothing to
 * translate. Numbers keep their text but for computed ones; text that is exactly a JSON number becomes one where the
 * schema asks for a number. Nothing is lost but by the schema's `drop`: what finds its place taken by another value
 * keeps its name. Overflow of the arena shows in `out->failed`. */
bool catalog_normalise(const struct catalog *cat, const struct json_doc *doc, uint32_t node, struct arena *arena,
                       struct buffer *out);

#endif
