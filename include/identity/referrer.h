/* Where a visitor came from, by the referrer's host: search, social, email … Thread: any once made. */
#ifndef HEADGATE_IDENTITY_REFERRER_H
#define HEADGATE_IDENTITY_REFERRER_H

#include "base/arena.h"
#include "catalog/name_table.h"
#include "config/config.h"
#include "identity/campaign.h"

struct referrer_table {
	struct name_table hosts;
	const struct slice *classes; /* by the table's index */
};

/* The configured hosts, then the shipped list; the first of equal ones counts. `arena` and `own` must outlive it. False
 * after arena overflow. */
bool referrer_table_init(struct referrer_table *table, const struct config_pairs *own, struct arena *arena);
/* The host of a URL, without port; empty if there is none. */
struct slice referrer_host(struct slice url);
/* Class of a host or of the nearest domain above it; empty if none is listed. */
struct slice referrer_listed(const struct referrer_table *table, struct slice host);
/* The page's own site: the same host, or one below the other, "www." aside. */
bool referrer_is_internal(struct slice host, struct slice page_host);
/* How the page was reached: internal, paid, email, social, search, or what the list says of the referrer, "referral" for
 * one that it does not know, "direct" where nothing tells. */
struct slice referrer_class(const struct referrer_table *table, struct slice page_url, struct slice referrer,
                            const struct campaign *campaign);

#endif
