/* Regular expressions of ECMA-262 (with the flag u), read by its grammar and written in PCRE2's. */
#ifndef HEADGATE_CATALOG_PATTERN_SYNTAX_H
#define HEADGATE_CATALOG_PATTERN_SYNTAX_H

#include "base/buffer.h"

struct pattern_fault {
	const char *reason;
	size_t at; /* byte in the pattern */
};

/* False with the fault if `text` is no regular expression. `out` may be NULL: then nothing is allocated. With `strict`
 * the grammar holds to the letter; else a backslash may stand before any punctuation, and braces and brackets without
 * a partner stand for themselves, as browsers had it before the flag u. */
bool pattern_translate(struct slice text, bool strict, struct buffer *out, struct pattern_fault *fault);

#endif
