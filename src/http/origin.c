/* CORS is no authentication: a page may send a simple POST without preflight, so that the origin is judged here for
 * every request of a public key. */
#include "http/origin.h"

static bool strip_scheme(struct slice *url, struct slice *scheme)
{
	static const struct slice schemes[] = { { "https://", 8 }, { "http://", 7 } };

	for (size_t i = 0; i < 2; i++) {
		struct slice s = schemes[i];
		if (url->len > s.len && slice_equal_nocase((struct slice) { url->at, s.len }, s)) {
			*url = (struct slice) { url->at + s.len, url->len - s.len };
			*scheme = s;
			return true;
		}
	}
	return false;
}

struct slice origin_of_url(struct slice url, char *to)
{
	struct slice scheme;

	if (!strip_scheme(&url, &scheme))
		return SLICE_NONE;
	size_t end = 0;
	while (end < url.len && url.at[end] != '/' && url.at[end] != '?' && url.at[end] != '#' && url.at[end] != '\\')
		end++;
	struct slice host = { url.at, end };
	size_t at_sign = slice_find(host, '@');
	while (at_sign < host.len) {
		host = (struct slice) { host.at + at_sign + 1, host.len - at_sign - 1 };
		at_sign = slice_find(host, '@');
	}
	struct slice port = scheme.len == 8 ? SLICE(":443") : SLICE(":80");
	if (slice_ends(host, port))
		host.len -= port.len;
	if (!host.len || scheme.len + host.len > ORIGIN_BYTES_MAX)
		return SLICE_NONE;
	memcpy(to, scheme.at, scheme.len);
	for (size_t i = 0; i < host.len; i++) {
		char c = host.at[i];
		to[scheme.len + i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
	}
	return (struct slice) { to, scheme.len + host.len };
}

bool origin_is_known(const struct config *cfg, struct slice origin)
{
	for (size_t i = 0; i < cfg->sources_count; i++) {
		const struct source *source = &cfg->sources[i];
		if (source->kind != SOURCE_SERVER && source_allows_origin(source, origin))
			return true;
	}
	return false;
}

enum refusal origin_check(const struct source *source, bool has_origin, struct slice origin, struct slice referer)
{
	char text[ORIGIN_BYTES_MAX];

	if (source->kind == SOURCE_SERVER)
		return has_origin ? REFUSAL_SERVER_KEY : REFUSAL_NONE;
	if (!has_origin) {
		origin = origin_of_url(referer, text);
		if (!origin.len)
			return REFUSAL_NONE;
	}
	return source_allows_origin(source, origin) ? REFUSAL_NONE : REFUSAL_ORIGIN;
}
