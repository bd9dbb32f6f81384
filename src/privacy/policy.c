/* Every purpose of the event denied: stripped, or dropped where the source says so. All of them granted and ads too:
 * kept. Between the two: reduced. What is not known counts as denied. */
#include "privacy/policy.h"

#include "catalog/catalog.h"

static const struct event_purpose *find(const struct event_consent *consent, struct slice name)
{
	for (uint32_t i = 0; i < consent->count && consent->at[i].is_configured; i++)
		if (slice_equal(consent->at[i].purpose, name))
			return &consent->at[i];
	return NULL;
}

static bool is_necessary(struct slice name)
{
	return slice_equal(name, SLICE("necessary"));
}

/* A withdrawal is never dropped. */
static enum consent_applied denied(const struct event *ev, const struct source *source)
{
	return source->denied_events == DENIED_EVENTS_DROPPED && !ev->consent.is_update ? CONSENT_DROPPED
	                                                                                : CONSENT_STRIPPED;
}

static void set(struct event *ev, enum consent_applied applied, const struct event_purpose *decided)
{
	ev->consent.applied = applied;
	ev->consent.basis = decided ? decided->basis : BASIS_NONE;
}

/* Nobody knows what such an event is for, or what is in it. */
static void apply_strictest(struct event *ev, const struct source *source)
{
	const struct event_consent *consent = &ev->consent;
	for (uint32_t i = 0; i < consent->count && consent->at[i].is_configured; i++) {
		if (consent->at[i].state == CONSENT_GRANTED)
			continue;
		set(ev, denied(ev, source), &consent->at[i]);
		return;
	}
	set(ev, CONSENT_KEPT, consent->count ? &consent->at[0] : NULL);
}

void policy_apply(struct event *ev, const struct source *source, bool strict)
{
	const struct event_purpose *granted = NULL, *refused = NULL;
	bool any = false, all = true;
	if (!ev->schema || strict) {
		apply_strictest(ev, source);
		return;
	}
	for (size_t i = 0; i < ev->schema->purposes_count; i++) {
		const struct event_purpose *purpose = find(&ev->consent, ev->schema->purposes[i]);
		bool is_granted = purpose ? purpose->state == CONSENT_GRANTED : is_necessary(ev->schema->purposes[i]);
		is_granted = is_granted || ev->consent.is_update; /* whatever its schema says */
		any = any || is_granted;
		all = all && is_granted;
		if (is_granted && !granted)
			granted = purpose;
		if (!is_granted && !refused)
			refused = purpose;
	}
	const struct event_purpose *ads = find(&ev->consent, SLICE("ads"));
	if (!any)
		set(ev, denied(ev, source), refused);
	else if (all && ads && ads->state == CONSENT_GRANTED)
		set(ev, CONSENT_KEPT, granted);
	else
		set(ev, CONSENT_REDUCED, all ? ads : refused);
}
