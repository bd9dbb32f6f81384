/* The string of the IAB's Global Privacy Platform: opt-outs of the US sections, and the TC string it may hold. Pure. */
#ifndef HEADGATE_PRIVACY_GPP_H
#define HEADGATE_PRIVACY_GPP_H

#include "base/slice.h"

struct gpp {
	bool is_opted_out; /* of sale, sharing or targeted advertising, or GPC, in a section that applies */
	struct slice tcf;  /* section tcfeuv2, if it applies; empty: none */
};

/* `applicable`: gpp_sid as 1 << section id; 0: not known, then all sections count. False: the string cannot be read as a
 * whole, though what was read of it before that stands in `out`: an opt-out is one even in a broken string. */
bool gpp_parse(struct slice text, uint32_t applicable, struct gpp *out);

#endif
