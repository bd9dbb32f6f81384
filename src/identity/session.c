/* Inactivity is counted from the activity that was noted last, plus the time within which none is noted: what lies
 * between the two is not known, and a visit that is cut in two is worse than one that ends a minute late. */
#include "identity/session.h"

#define NOTED_PART 30 /* of the timeout */
#define DAY_MS INT64_C(86400000)

static bool goes_on(const struct session *session, const struct session_rules *rules, uint32_t campaign, int64_t now_ms)
{
	int64_t idle_ms = now_ms - session->last_ms;
	if (!session->id[0] || idle_ms < -DAY_MS || idle_ms > rules->timeout_ms + rules->timeout_ms / NOTED_PART)
		return false;
	if (rules->day_of && idle_ms > 0 && rules->day_of(session->last_ms) != rules->day_of(now_ms))
		return false;
	return !rules->by_campaign || !campaign || campaign == session->campaign;
}

enum session_step session_advance(struct session *session, const struct session_rules *rules, uint32_t campaign,
                                  int64_t now_ms)
{
	bool going = goes_on(session, rules, campaign, now_ms);
	int64_t idle_ms = now_ms - session->last_ms;
	int64_t unnoted_ms = rules->timeout_ms / NOTED_PART;
	bool is_new_campaign = rules->by_campaign && campaign && campaign != session->campaign;
	if (going && idle_ms < unnoted_ms && idle_ms > -unnoted_ms && !is_new_campaign)
		return SESSION_UNCHANGED;
	session->last_ms = now_ms;
	if (is_new_campaign)
		session->campaign = campaign;
	if (going)
		return SESSION_NOTED;
	uuid_v7(now_ms, session->id);
	if (session->number && session->number < UINT32_MAX)
		session->number++;
	return SESSION_BEGUN;
}

static bool names_campaign(struct slice name, const struct slices *click_ids)
{
	for (size_t i = 0; i < click_ids->count; i++) {
		struct slice known = click_ids->at[i];
		bool is_stem = slice_ends(known, SLICE("*"));
		known.len -= is_stem;
		if (is_stem ? slice_starts(name, known) : slice_equal(name, known))
			return true;
	}
	return slice_starts(name, SLICE("utm_"));
}

/* FNV-1a: nothing depends on it but whether two campaigns look the same. */
static uint32_t mix(uint32_t hash, struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		hash = (hash ^ (uint8_t)text.at[i]) * 16777619u;
	return hash;
}

uint32_t session_campaign(struct slice url, const struct slices *click_ids)
{
	struct slice fragment = url, query = slice_split(&fragment, '#');
	size_t mark = slice_find(query, '?');
	uint32_t hash = 0;
	if (mark == query.len)
		return 0;
	query = (struct slice) { query.at + mark + 1, query.len - mark - 1 };
	while (query.len) {
		struct slice pair = slice_split(&query, '&'), value = pair;
		if (names_campaign(slice_split(&value, '='), click_ids) && value.len)
			hash = mix(hash ? hash : 2166136261u, pair);
	}
	return hash;
}
