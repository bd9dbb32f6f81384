/* Everything that speaks of a person's consent, gathered and read; only for privacy/. */
#ifndef HEADGATE_PRIVACY_HEARING_H
#define HEADGATE_PRIVACY_HEARING_H

#include "privacy/consent.h"
#include "privacy/consent_mode.h"
#include "privacy/gpp.h"
#include "privacy/resolve.h"
#include "privacy/statements.h"
#include "privacy/tcf.h"

#define HEARING_STATEMENTS_MAX 5

struct hearing {
	struct statements own;
	const struct consent_cookie *cookie; /* NULL: none */
	struct tcf tcf, gpp_tcf;
	struct consent_mode google; /* all UNKNOWN where it says nothing */
	bool has_tcf, has_gpp_tcf;
	bool gpc;
	enum consent_basis opt_out; /* of sale and sharing: the first there is; NONE: none */
	const struct config_consent_default *country_defaults;
	size_t country_defaults_count;
};

/* What cannot be read, or cannot be true, is ignored, counted, and warned of on the event. False after arena overflow. */
bool hearing_hold(struct event *ev, const struct consent_context *context, struct hearing *out);
/* What was said of one purpose; how much was written to `said`. */
size_t hearing_statements(const struct hearing *hearing, const struct config_purpose *purpose,
                          struct resolve_statement said[HEARING_STATEMENTS_MAX]);

#endif
