/* Regular expressions of schemas: the dialect of ECMA-262, run by PCRE2 with match, depth and
 * heap limits, so that no pattern can stall a lane. Compiled at load, matched by any thread. */
#ifndef HEADGATE_CATALOG_PATTERN_H
#define HEADGATE_CATALOG_PATTERN_H

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"

struct pattern;

enum pattern_result {
	PATTERN_FOUND,
	PATTERN_NOT_FOUND,
	PATTERN_GAVE_UP, /* a limit was met, or there was no memory: the subject must not pass */
};

/* NULL with the reason in `err`: what is wrong and at which character. The code is freed with the arena. */
struct pattern *pattern_compile(struct slice text, struct arena *arena, struct error *err);
/* Not anchored. `well_formed`: the subject is known to be UTF-8; otherwise it is checked, and NOT_FOUND if it is not. */
enum pattern_result pattern_search(const struct pattern *pattern, struct slice subject, bool well_formed);
/* What PCRE2 calls a property of ECMA-262's \p{…}, behind *prefix. */
struct slice pattern_property_name(struct slice name, const char **prefix);
struct slice pattern_text(const struct pattern *pattern);

#endif
