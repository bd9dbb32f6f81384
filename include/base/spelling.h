/* How far a misspelt name is from a known one, for "did you mean". */
#ifndef HEADGATE_BASE_SPELLING_H
#define HEADGATE_BASE_SPELLING_H

#include "base/slice.h"

#define SPELLING_BYTES_MAX 128

/* Levenshtein distance; SPELLING_BYTES_MAX if one of them is longer than that. */
size_t spelling_distance(struct slice a, struct slice b);

#endif
