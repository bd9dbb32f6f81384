/* The event catalog for browsers and tools: `/v1/catalog` and `/v1/catalog/<event>/<version>`. */
#ifndef HEADGATE_HTTP_CATALOG_ROUTES_H
#define HEADGATE_HTTP_CATALOG_ROUTES_H

#include "http/answer.h"

/* `path` begins with `base`. NOT_FOUND for what the catalog does not have. */
enum refusal catalog_routes_answer(const struct catalog *cat, struct slice base, struct slice path, struct arena *arena,
                                   struct answer *out);

#endif
