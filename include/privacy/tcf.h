/* The TC string of the IAB's Transparency and Consent Framework, v2.2 and v2.3: what it says of consent. Legitimate
 * interest is not consent and is passed over. Pure. */
#ifndef HEADGATE_PRIVACY_TCF_H
#define HEADGATE_PRIVACY_TCF_H

#include "base/slice.h"

struct tcf {
	int64_t updated_ms;
	uint32_t purposes;      /* consented to: bit n - 1 for purpose n; with a vendor those that hold for it */
	bool vendor_is_granted; /* true if no vendor was asked for */
};

/* `vendor`: an id of the global vendor list, 0: none. False: not a string that can be relied on (another version, cut
 * off, global scope, characters outside the alphabet); then nothing of it counts. */
bool tcf_parse(struct slice text, uint32_t vendor, struct tcf *out);

#endif
