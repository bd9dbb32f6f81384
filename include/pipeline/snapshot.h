/* Config and catalog as one refcounted whole that a reload swaps: what a request began with, it ends with. */
#ifndef HEADGATE_PIPELINE_SNAPSHOT_H
#define HEADGATE_PIPELINE_SNAPSHOT_H

#include "base/error.h"
#include "catalog/catalog.h"
#include "config/config.h"
#include "event/event.h"

struct enrich_rules;
struct shape_rules;

struct snapshot {
	_Atomic uint32_t references;
	uint64_t generation;
	struct config *cfg;
	struct catalog *cat;
	struct shape_rules *shape_rules;   /* of both, for privacy */
	struct enrich_rules *enrich_rules; /* of the config */
	/* Metric series, 1 + id, 0 until the first is counted: most combinations never come.
	 * headgate_events_total: [source][event, the last is "other"][verdict] */
	_Atomic uint32_t *event_series;
	/* headgate_consent_total: [source][applied][basis] */
	_Atomic uint32_t *consent_series;
};

/* Takes over cfg and cat (also on failure). */
struct snapshot *snapshot_create(struct config *cfg, struct catalog *cat, struct error *err);
struct snapshot *snapshot_acquire(struct snapshot *snap);
void snapshot_release(struct snapshot **snap);
uint32_t snapshot_event_series(const struct snapshot *snap, const struct source *source,
                               const struct event_schema *schema, enum verdict verdict);
uint32_t snapshot_consent_series(const struct snapshot *snap, const struct source *source,
                                 const struct event_consent *consent);

/* The current snapshot. Thread: publish by main, the rest by any. */
void snapshot_publish(struct snapshot *snap); /* takes over the reference; NULL at the end */
struct snapshot *snapshot_current(void);      /* a reference of its own for the caller; takes a lock */
uint64_t snapshot_generation(void);           /* of the current one; cheap, to notice a swap */

/* Loads the catalog that `cfg` names and makes the pair. Takes over cfg. */
struct snapshot *snapshot_load(struct config *cfg, struct error *err);

#endif
