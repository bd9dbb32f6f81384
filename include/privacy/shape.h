/* What an event may carry out: applied to every event before it is stored, accepted or refused, by edits, so that the
 * bytes that stay are those that came. Consent has decided how far (ev->consent.applied); rules for personal data and
 * what no event may carry hold besides. Thread: any. */
#ifndef HEADGATE_PRIVACY_SHAPE_H
#define HEADGATE_PRIVACY_SHAPE_H

#include "base/error.h"
#include "catalog/catalog.h"
#include "event/event.h"

struct shape_rules; /* what config and catalog ask for; belongs to a snapshot */

struct shape_facts {
	const struct config *cfg;
	const struct source *source;
	const struct event_connection *connection;
	const struct shape_rules *rules;
	const struct hash_key *hash_key; /* of the installation */
	struct arena *arena;
	struct slice agent_family; /* of the user agent: all that a stripped event keeps of it; empty: nothing */
	bool dry;                  /* nothing is counted */
};

/* NULL with `err` set. Config and catalog must outlive it. */
struct shape_rules *shape_rules_create(const struct config *cfg, const struct catalog *cat, struct error *err);
void shape_rules_destroy(struct shape_rules **rules);

/* How much goes out. */
enum shape_extent {
	SHAPE_KEPT,
	SHAPE_REDUCED,
	SHAPE_STRIPPED,
	SHAPE_NECESSARY /* a change of consent: ids and statements, but not where and with what */
};
enum shape_extent shape_extent_of(const struct event *ev);
/* Sets edits, ids, ip, user_agent, user_hashed; ev->verdict must be set. The keys of deduplication are to be computed
 * from ev->doc, not from what this leaves. */
void privacy_shape(const struct shape_facts *facts, struct event *ev);
/* The path of a request as a dead letter may tell it. */
struct slice shape_path(struct slice path, struct arena *arena);

#endif
