/* A line of the list is a class and a host; "google.*" stands for google.com, google.co.kr and all their subdomains. */
#include "identity/referrer.h"

#include "base/embed.h"

#define HOST_BYTES_MAX 253
#define SCHEME_BYTES_MAX 40
#define ENTRIES_MAX 4096

EMBED(referrers, "src/identity/referrers.txt");

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static struct slice lower_copy(struct slice host, struct arena *arena)
{
	char *to = arena_alloc(arena, host.len);
	for (size_t i = 0; to && i < host.len; i++)
		to[i] = lower(host.at[i]);
	return to ? (struct slice) { to, host.len } : SLICE("");
}

bool referrer_table_init(struct referrer_table *table, const struct config_pairs *own, struct arena *arena)
{
	struct slice rest = EMBEDDED(referrers);
	struct slice *hosts = arena_array(arena, own->count + ENTRIES_MAX, sizeof *hosts);
	struct slice *classes = arena_array(arena, own->count + ENTRIES_MAX, sizeof *classes);
	size_t count = 0;
	if (!hosts || !classes)
		return false;
	for (; count < own->count; count++) {
		hosts[count] = lower_copy(own->at[count].name, arena);
		classes[count] = own->at[count].value;
	}
	while (rest.len && count < own->count + ENTRIES_MAX) {
		struct slice host = slice_split(&rest, '\n');
		struct slice class = slice_split(&host, ' ');
		if (!host.len || class.at[0] == '#')
			continue;
		hosts[count] = host;
		classes[count++] = class;
	}
	table->classes = classes;
	return name_table_init(&table->hosts, hosts, count, arena);
}

struct slice referrer_host(struct slice url)
{
	size_t at = 0;
	while (at + 1 < url.len && at < SCHEME_BYTES_MAX && (url.at[at] != '/' || url.at[at + 1] != '/'))
		at++;
	if (at + 1 >= url.len || at == SCHEME_BYTES_MAX)
		return SLICE_NONE;
	struct slice host = { url.at + at + 2, url.len - at - 2 };
	size_t end = 0;
	while (end < host.len && host.at[end] != '/' && host.at[end] != '?' && host.at[end] != '#') {
		if (host.at[end] == '@') {
			host.at += end + 1;
			host.len -= end + 1;
			end = 0;
		} else {
			end++;
		}
	}
	host.len = end;
	if (host.len && host.at[0] != '[')
		host.len = slice_find(host, ':');
	return host;
}

static struct slice class_of(const struct referrer_table *table, struct slice host)
{
	uint32_t index = name_table_find(&table->hosts, host);
	return index == NAME_TABLE_NONE ? SLICE_NONE : table->classes[index];
}

/* "google.co.kr" as "google.*", where at most two labels follow. */
static struct slice class_of_any_ending(const struct referrer_table *table, struct slice host)
{
	char text[HOST_BYTES_MAX + 2];
	struct slice rest = host, label = slice_split(&rest, '.');
	size_t dots = 0;
	for (size_t i = 0; i < rest.len; i++)
		dots += rest.at[i] == '.';
	if (!rest.len || dots > 1)
		return SLICE_NONE;
	memcpy(text, label.at, label.len);
	text[label.len] = '.';
	text[label.len + 1] = '*';
	return class_of(table, (struct slice) { text, label.len + 2 });
}

struct slice referrer_listed(const struct referrer_table *table, struct slice host)
{
	char text[HOST_BYTES_MAX];
	if (!host.len || host.len > sizeof text)
		return SLICE_NONE;
	for (size_t i = 0; i < host.len; i++)
		text[i] = lower(host.at[i]);
	struct slice rest = { text, host.len };
	while (rest.len) {
		struct slice class = class_of(table, rest);
		if (!class.len)
			class = class_of_any_ending(table, rest);
		if (class.len)
			return class;
		(void)slice_split(&rest, '.');
	}
	return SLICE_NONE;
}

static struct slice without_www(struct slice host)
{
	if (host.len > 4 && slice_equal_nocase((struct slice) { host.at, 4 }, SLICE("www.")))
		return (struct slice) { host.at + 4, host.len - 4 };
	return host;
}

static bool is_below(struct slice host, struct slice above)
{
	return host.len > above.len && host.at[host.len - above.len - 1] == '.' &&
	       slice_equal_nocase((struct slice) { host.at + host.len - above.len, above.len }, above);
}

bool referrer_is_internal(struct slice host, struct slice page_host)
{
	struct slice a = without_www(host), b = without_www(page_host);
	return a.len && b.len && (slice_equal_nocase(a, b) || is_below(a, b) || is_below(b, a));
}

static bool is_one_of(struct slice text, const char *const *words)
{
	for (; *words; words++)
		if (text.len == strlen(*words) && slice_equal_nocase(text, slice_of(*words)))
			return true;
	return false;
}

/* What the campaign calls itself. */
static struct slice class_of_medium(struct slice medium)
{
	static const char *const paid[] = { "cpc",         "ppc",         "paid",        "paidsearch",
		                            "paid_search", "cpm",         "cpv",         "cpa",
		                            "display",     "banner",      "paid_social", "paidsocial",
		                            "paid-social", "retargeting", "affiliate",   NULL };
	static const char *const email[] = { "email", "e-mail", "mail", "newsletter", NULL };
	static const char *const social[] = { "social", "social-media", "social_media", "sns", NULL };
	if (!medium.len)
		return SLICE_NONE;
	if (is_one_of(medium, paid))
		return SLICE("paid");
	if (is_one_of(medium, email))
		return SLICE("email");
	return is_one_of(medium, social) ? SLICE("social") : SLICE_NONE;
}

struct slice referrer_class(const struct referrer_table *table, struct slice page_url, struct slice referrer,
                            const struct campaign *campaign)
{
	struct slice host = referrer_host(referrer);
	if (referrer_is_internal(host, referrer_host(page_url)))
		return SLICE("internal");
	if (campaign->is_paid)
		return SLICE("paid");
	struct slice class = class_of_medium(campaign->values[CAMPAIGN_MEDIUM]);
	if (!class.len)
		class = referrer_listed(table, host);
	if (!class.len)
		class = host.len || campaign->member_count ? SLICE("referral") : SLICE("direct");
	return class;
}
