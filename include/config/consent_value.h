/* Values of the keys about consent, each a member named by the user. `field` is the pointer and count of the list. */
#ifndef HEADGATE_CONFIG_CONSENT_VALUE_H
#define HEADGATE_CONFIG_CONSENT_VALUE_H

#include "config/config.h"
#include "config/text.h"

/* A purpose's name: lower case letters, digits and underscores, a letter first, 32 at most. */
bool config_purpose_is_name(struct slice name);
/* "analytics": "granted" | "denied" | "unknown" | "contract" | true | false */
MUST_CHECK bool config_consent_set(void *field, struct slice name, const struct config_value *value,
                                   struct arena *arena, struct error *err);
/* "DE": { "analytics": "denied" } */
MUST_CHECK bool config_country_set(void *field, struct slice name, const struct config_value *value,
                                   struct arena *arena, struct error *err);
/* "ads": [1, 2, 7] */
MUST_CHECK bool config_tcf_set(void *field, struct slice name, const struct config_value *value, struct arena *arena,
                               struct error *err);

#endif
