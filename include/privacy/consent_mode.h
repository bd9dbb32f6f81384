/* Google's consent mode as its tags send it: `gcs` and `gcd`. Pure. */
#ifndef HEADGATE_PRIVACY_CONSENT_MODE_H
#define HEADGATE_PRIVACY_CONSENT_MODE_H

#include "config/config.h"

struct consent_mode {
	enum consent_state at[GOOGLE_count]; /* UNKNOWN: not said */
	bool gpc;                            /* the tag saw Global Privacy Control */
};

/* "G1" and a digit each for ad_storage and analytics_storage. False: not such a string. */
bool consent_mode_parse_gcs(struct slice text, struct consent_mode *out);
/* What was said outright counts, the later before the earlier; what the tag only presumes (by region) may deny, never
 * grant. False: not such a string. */
bool consent_mode_parse_gcd(struct slice text, struct consent_mode *out);
/* Of both strings the stricter, signal by signal. */
void consent_mode_merge(struct consent_mode *into, const struct consent_mode *other);

#endif
