/* Who sent a request: identity's part of the pipeline. Browser sources have cookies; of all others the ids are the
 * client's. Thread: the lane's. */
#ifndef HEADGATE_PIPELINE_VISIT_H
#define HEADGATE_PIPELINE_VISIT_H

#include "pipeline/pipeline.h"
#include "privacy/consent_cookie.h"

/* What the lane's pipeline keeps for it. */
struct visits {
	struct cookies_keys keys;
	struct visitor_series series;
};

/* The visitor of a request that is about to be judged, or NULL: no cookies there. */
struct visitor *visit_begin(const struct request *req);
struct visitor_context visit_context(const struct visits *visits, const struct request *req);
/* Consent as the browser brought it and as it will be given back. Read once for all events of the request. */
struct visit_consent {
	struct consent_signer signer;
	struct consent_cookie cookie;
	bool takes_cookies, has_cookie;
};
struct visit_consent visit_consent(const struct visits *visits, const struct request *req);
/* Gives an event its ids, as far as its consent allows. */
void visit_identify(struct visitor *visitor, const struct visitor_context *context, struct event *ev);
/* Of a settled request whose connection is still there: fills req->identity, what the answer tells and sets. A request
 * of which nothing was accepted sets and tells nothing, except that a consent_update that comes again is obeyed again:
 * its first answer may not have arrived. */
void visit_answer(const struct visits *visits, struct request *req);

#endif
