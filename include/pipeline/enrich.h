/* What is added to an event's context at the door: campaign and click ids from the page's URL, how the page was reached,
 * the device, robots, the shop's own people. What the event says itself stays. Before privacy cuts anything, and with
 * nothing that it would cut. */
#ifndef HEADGATE_PIPELINE_ENRICH_H
#define HEADGATE_PIPELINE_ENRICH_H

#include "pipeline/steps.h"

struct enrich_rules; /* what the configuration asks for; belongs to a snapshot */

struct enrich_rules *enrich_rules_create(const struct config *cfg, struct error *err);
void enrich_rules_destroy(struct enrich_rules **rules);

/* Fills ev->context_parts and ev->added_context; returns the family of the user agent, all that a stripped event keeps
 * of it. */
struct slice enrich_event(const struct step_context *context, struct event *ev);

#endif
