/* An undated statement may be older or newer than any other, so that beside one only the strictest is safe. */
#include "privacy/resolve.h"

static bool is_stricter(const struct resolve_statement *a, const struct resolve_statement *b)
{
	return a->state == CONSENT_DENIED && b->state != CONSENT_DENIED;
}

const struct resolve_statement *resolve_statements(const struct resolve_statement *at, size_t count)
{
	const struct resolve_statement *latest = NULL, *strictest = NULL;
	bool all_dated = true;
	for (size_t i = 0; i < count; i++) {
		const struct resolve_statement *one = &at[i];
		if (one->state == CONSENT_UNKNOWN)
			continue;
		all_dated = all_dated && one->time_ms;
		if (!strictest || is_stricter(one, strictest))
			strictest = one;
		if (!latest || one->time_ms > latest->time_ms ||
		    (one->time_ms == latest->time_ms && is_stricter(one, latest)))
			latest = one;
	}
	return all_dated ? latest : strictest;
}
