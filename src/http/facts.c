/* What only a proxy can know (the client's address, the scheme, the country) is believed of trusted proxies alone: from
 * anybody else it is a claim of the client's. */
#include "http/facts.h"

#include "http/forwarded.h"

static bool is_behind_trusted_proxy(const struct exchange *ex)
{
	const struct config *cfg = ex->snap->cfg;

	return cfg->http.trusted_proxies_count &&
	       address_is_in(&ex->conn->peer, cfg->http.trusted_proxies, cfg->http.trusted_proxies_count);
}

/* The header that the configuration names. With auto an X-Forwarded-For goes first: who writes it writes it always,
 * while a Forwarded beside it may be the client's own. */
static bool uses_forwarded(const struct exchange *ex)
{
	enum forwarded_header which = ex->snap->cfg->http.forwarded_header;

	return which == FORWARDED_HEADER_RFC || (which == FORWARDED_HEADER_AUTO && !ex->head.forwarded_count);
}

static bool names_client(const struct exchange *ex)
{
	uint32_t count = uses_forwarded(ex) ? ex->head.forwarded_rfc_count : ex->head.forwarded_count;

	return ex->snap->cfg->http.trusted_proxies_count && count && count <= HEAD_FORWARDED_MAX;
}

struct address facts_client(const struct exchange *ex)
{
	const struct config *cfg = ex->snap->cfg;
	struct slice clients[FORWARDED_ELEMENTS_MAX];
	const struct slice *names = ex->head.forwarded_for;
	size_t count = ex->head.forwarded_count;

	if (!names_client(ex))
		return ex->conn->peer;
	if (uses_forwarded(ex)) {
		count = forwarded_read(ex->head.forwarded, ex->head.forwarded_rfc_count, clients);
		names = clients;
	}
	return address_of_client(&ex->conn->peer, names, count, cfg->http.trusted_proxies,
	                         cfg->http.trusted_proxies_count);
}

static struct slice client_address(struct exchange *ex)
{
	if (!names_client(ex))
		return ex->conn->peer_text;
	struct address client = facts_client(ex);
	char *text = arena_alloc(&ex->arena, ADDRESS_TEXT_BYTES);
	return text ? (struct slice) { text, address_format(&client, text) } : SLICE_NONE;
}

static char upper(char c)
{
	return (char)(c >= 'a' && c <= 'z' ? c - 32 : c);
}

/* Two letters; what else proxies say (XX, T1, nothing) names no country that a default could be for. */
static struct slice client_country(struct exchange *ex)
{
	struct slice name = ex->snap->cfg->http.country_header;
	const char *value = NULL;
	size_t len = 0;

	if (!name.len || !is_behind_trusted_proxy(ex) ||
	    MHD_lookup_connection_value_n(ex->handle, MHD_HEADER_KIND, name.at, name.len, &value, &len) != MHD_YES)
		return SLICE_NONE;
	struct slice told = slice_trim((struct slice) { value ? value : "", value ? len : 0 });
	char *country = told.len == 2 ? arena_alloc(&ex->arena, 2) : NULL;
	if (!country)
		return SLICE_NONE;
	for (size_t i = 0; i < 2; i++) {
		country[i] = upper(told.at[i]);
		if (country[i] < 'A' || country[i] > 'Z')
			return SLICE_NONE;
	}
	return (struct slice) { country, 2 };
}

void facts_collect(struct exchange *ex, struct event_connection *out)
{
	const struct http_head *head = &ex->head;

	out->ip = client_address(ex);
	out->user_agent = head->user_agent;
	out->cookies = head->cookie;
	out->host = head->host;
	out->referer = head->referer;
	out->hint_ua = head->hint_ua;
	out->hint_mobile = head->hint_mobile;
	out->hint_platform = head->hint_platform;
	out->gpc = slice_equal(slice_trim(head->gpc), SLICE("1"));
	out->dnt = slice_equal(slice_trim(head->dnt), SLICE("1"));
	out->country = client_country(ex);
	out->is_https =
	        is_behind_trusted_proxy(ex) && slice_equal_nocase(slice_trim(head->forwarded_proto), SLICE("https"));
}
