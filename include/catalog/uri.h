/* URI references of RFC 3986, as far as schemas need them: resolving against a base, percent-decoding. */
#ifndef HEADGATE_CATALOG_URI_H
#define HEADGATE_CATALOG_URI_H

#include "base/arena.h"
#include "base/slice.h"

struct uri_result {
	struct slice uri;      /* without fragment; SLICE_NONE: no memory */
	struct slice fragment; /* borrowed from the reference; at == NULL: it has none */
	bool left_root;        /* it had more ".." than folders */
};

/* Section 5.2 of RFC 3986. `base` is absolute and has no fragment. */
struct uri_result uri_resolve(struct arena *arena, struct slice base, struct slice reference);
/* With a scheme. */
bool uri_is_absolute(struct slice reference);
/* SLICE_NONE: malformed, a NUL byte, or no memory. */
struct slice uri_decode(struct arena *arena, struct slice text);

#endif
