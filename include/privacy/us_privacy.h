/* The US Privacy string (IAB, CCPA): "1", notice, opt-out of sale, LSPA. Pure. */
#ifndef HEADGATE_PRIVACY_US_PRIVACY_H
#define HEADGATE_PRIVACY_US_PRIVACY_H

#include "base/slice.h"

/* False: not such a string. */
bool us_privacy_parse(struct slice text, bool *is_opted_out);

#endif
