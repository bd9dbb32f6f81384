/* The rules between the keys about consent, and the table of purposes that is worked out of them. */
#include <stdio.h>

#include "config/consent_value.h"
#include "config/draft.h"

static const struct slice own_purposes[] = {
	{ "analytics", 9 }, { "ads", 3 }, { "personalization", 15 }, { "functional", 10 }
};
static const struct slice google_signals[GOOGLE_count] = { [GOOGLE_AD_STORAGE] = { "ad_storage", 10 },
	                                                   [GOOGLE_ANALYTICS_STORAGE] = { "analytics_storage", 17 },
	                                                   [GOOGLE_AD_USER_DATA] = { "ad_user_data", 12 },
	                                                   [GOOGLE_AD_PERSONALIZATION] = { "ad_personalization", 18 } };

#define OWN_COUNT (sizeof(own_purposes) / sizeof(own_purposes[0]))

static bool complain(const struct config_draft *draft, struct error *err, const char *key, struct slice found,
                     const char *expected)
{
	struct slice file = draft->cfg->file.at ? draft->cfg->file : SLICE("embedded default");
	return error_set(err, ERROR_CONFIG, "%.*s: %s: expected %s, found \"%.*s\"", SLICE_ARG(file), key, expected,
	                 found.len > 60 ? 60 : (int)found.len, found.at);
}

static struct config_purpose *find(struct config_purpose *table, size_t count, struct slice name)
{
	for (size_t i = 0; i < count; i++)
		if (slice_equal(table[i].name, name))
			return &table[i];
	return NULL;
}

static bool is_taken(struct slice name)
{
	static const char *const members[] = { "tcf", "gdpr", "gpp",  "gpp_sid", "us_privacy", "gcs",   "gcd",
		                               "gpc", "dnt",  "time", "version", "method",     "basis", "applied" };
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (slice_equal(name, slice_of(members[i])))
			return true;
	return false;
}

static bool name_purposes(struct config_draft *draft, struct config_purpose *table, struct error *err)
{
	const struct slices *further = &draft->cfg->consent.further_purposes;
	for (size_t i = 0; i < OWN_COUNT; i++)
		table[i].name = own_purposes[i];
	for (size_t i = 0; i < further->count; i++) {
		struct slice name = further->at[i];
		if (!config_purpose_is_name(name))
			return complain(draft, err, "consent.purposes", name,
			                "a purpose (a to z, digits and _, at most 32, a letter first)");
		if (slice_equal(name, SLICE("necessary")))
			return complain(draft, err, "consent.purposes", name, "a purpose that people can refuse");
		if (is_taken(name))
			return complain(draft, err, "consent.purposes", name,
			                "another name: members of consent that mean something else have this one");
		if (find(table, OWN_COUNT + i, name))
			return complain(draft, err, "consent.purposes", name, "each purpose once");
		table[OWN_COUNT + i].name = name;
	}
	return true;
}

static bool map_google(struct config_draft *draft, struct config_purpose *table, size_t count, struct error *err)
{
	const struct config_pairs *google = &draft->cfg->consent.google;
	for (size_t i = 0; i < google->count; i++) {
		size_t signal = 0;
		while (signal < GOOGLE_count && !slice_equal(google_signals[signal], google->at[i].name))
			signal++;
		if (signal == GOOGLE_count)
			return complain(draft, err, "consent.google", google->at[i].name,
			                "ad_storage, analytics_storage, ad_user_data or ad_personalization");
		if (!google->at[i].value.len)
			continue;
		struct config_purpose *purpose = find(table, count, google->at[i].value);
		if (!purpose)
			return complain(draft, err, "consent.google", google->at[i].value, "a configured purpose");
		purpose->google = (uint8_t)(purpose->google | 1u << signal);
	}
	return true;
}

static bool map_purposes(struct config_draft *draft, struct config_purpose *table, size_t count, struct error *err)
{
	const struct config *cfg = draft->cfg;
	for (size_t i = 0; i < cfg->consent.tcf_purposes_count; i++) {
		const struct config_tcf_purposes *tcf = &cfg->consent.tcf_purposes[i];
		struct config_purpose *purpose = find(table, count, tcf->purpose);
		if (!purpose)
			return complain(draft, err, "consent.tcf_purposes", tcf->purpose, "a configured purpose");
		purpose->tcf = tcf->mask;
	}
	for (size_t i = 0; i < cfg->consent.opt_out_purposes.count; i++) {
		struct config_purpose *purpose = find(table, count, cfg->consent.opt_out_purposes.at[i]);
		if (!purpose)
			return complain(draft, err, "consent.opt_out_purposes", cfg->consent.opt_out_purposes.at[i],
			                "a configured purpose");
		purpose->is_opt_out = true;
	}
	return map_google(draft, table, count, err);
}

bool config_finish_consent(struct config_draft *draft, struct error *err)
{
	size_t count = OWN_COUNT + draft->cfg->consent.further_purposes.count;
	struct config_purpose *table = arena_array(draft->arena, count, sizeof(*table));
	if (!table)
		return error_set(err, ERROR_MEMORY, "configuration: out of memory");
	if (!name_purposes(draft, table, err) || !map_purposes(draft, table, count, err))
		return false;
	draft->cfg->consent.purposes = table;
	draft->cfg->consent.purposes_count = count;
	return true;
}

static const char contract_refused[] = "contract is for server sources; expected granted, denied or unknown";

static bool has_contract(const struct config_consent_default *at, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (at[i].is_contract)
			return true;
	return false;
}

const char *config_source_consent_fault(const struct source *source, const char **key)
{
	*key = "consent_defaults";
	if (source->kind == SOURCE_SERVER && source->consent_defaults_count == 0)
		return "is needed for a server source, such as {\"analytics\": \"unknown\"}";
	*key = "daily_id";
	if (source->kind == SOURCE_SERVER)
		return source->daily_id ? "is for browser and app sources: a server's address is not a person's" : NULL;
	*key = "consent_defaults";
	if (has_contract(source->consent_defaults, source->consent_defaults_count))
		return contract_refused;
	*key = "consent_country_defaults";
	for (size_t i = 0; i < source->country_defaults_count; i++)
		if (has_contract(source->country_defaults[i].at, source->country_defaults[i].count))
			return contract_refused;
	return NULL;
}
