/* The step table: what happens to one event before anything is stored. Pure with regard to journal and dedup, so that
 * the dry run and the command line use the same. */
#ifndef HEADGATE_PIPELINE_STEPS_H
#define HEADGATE_PIPELINE_STEPS_H

#include "base/hash.h"
#include "identity/visitor.h"
#include "pipeline/snapshot.h"
#include "privacy/consent_cookie.h"

struct device_cache;

struct suppression;

enum step_outcome { STEP_PASS, STEP_DROP, STEP_REJECT };

struct step_context {
	const struct snapshot *snap;
	const struct source *source;
	const struct event_connection *connection;
	struct visitor *visitor; /* NULL: no cookies */
	const struct visitor_context *visitor_context;
	const struct consent_cookie *consent_cookie; /* NULL: none */
	const struct consent_signer *signer;         /* NULL: no consent cookie is written */
	struct slice idempotency_key;
	const struct hash_key *hash_key;
	struct suppression *suppression; /* NULL: nobody is suppressed */
	struct arena *arena;
	struct device_cache *devices; /* the lane's; NULL: none */
	int64_t received_ms;
	bool dry;
	bool translates; /* foreign names by the catalog's aliases */
};

/* Runs the steps over a decoded event and sets its verdict: PENDING (passed), REJECTED or DROPPED. */
void steps_judge(const struct step_context *context, struct event *ev);

#endif
