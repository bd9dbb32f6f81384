/* What a pattern may cost: whether a text can be matched in exponentially many ways, and whether it bounds its text. */
#ifndef HEADGATE_CATALOG_PATTERN_RISK_H
#define HEADGATE_CATALOG_PATTERN_RISK_H

#include "base/arena.h"

struct pattern_risk {
	const char *danger; /* why the pattern must not be used; NULL: nothing is wrong */
	bool bounded;       /* matches no text longer than `longest` characters */
	size_t longest;
};

/* `text`: a pattern that PCRE2 takes. */
void pattern_risk_judge(struct slice text, struct arena *arena, struct pattern_risk *out);

#endif
