/* Every cookie is for the whole host and for no script: Path=/, HttpOnly. */
#include "identity/cookies_write.h"

#include "base/buffer.h"

#define PUT(out, literal) buffer_append((out), SLICE(literal))
#define TEXT_BYTES 320 /* enough for nearly all: names, values and domains are short */

/* Without port and the root's dot. */
static struct slice host_name(struct slice host)
{
	if (slice_starts(host, SLICE("[")))
		host.len = slice_find(host, ']') < host.len ? slice_find(host, ']') + 1 : host.len;
	else
		host.len = slice_find(host, ':');
	if (host.len && host.at[host.len - 1] == '.')
		host.len--;
	return host;
}

static bool is_below(struct slice host, struct slice domain)
{
	if (host.len < domain.len)
		return false;
	size_t before = host.len - domain.len;
	return slice_equal_nocase((struct slice) { host.at + before, domain.len }, domain) &&
	       (before == 0 || host.at[before - 1] == '.');
}

static bool is_localhost(struct slice host)
{
	return is_below(host, SLICE("localhost")) || slice_starts(host, SLICE("127.")) ||
	       slice_equal(host, SLICE("[::1]"));
}

struct cookies_scope cookies_scope(struct slice host, bool is_https, const struct slices *domains,
                                   enum source_cookies cookies)
{
	struct slice name = host_name(host);
	struct cookies_scope scope = { .partitioned = cookies == SOURCE_COOKIES_NONE };
	/* the longest: a shop below another's domain keeps to itself */
	for (size_t i = 0; i < domains->count; i++)
		if (domains->at[i].len > scope.domain.len && is_below(name, domains->at[i]))
			scope.domain = domains->at[i];
	/* browsers drop SameSite=None without Secure */
	scope.secure = is_https || scope.partitioned || !is_localhost(name);
	return scope;
}

const char *cookies_write(const struct cookies_scope *scope, struct slice name, struct slice value, uint32_t max_age_s,
                          struct arena *arena)
{
	struct buffer out;
	buffer_init(&out, arena);
	(void)buffer_reserve(&out, TEXT_BYTES);
	buffer_append(&out, name);
	PUT(&out, "=");
	buffer_append(&out, value);
	PUT(&out, "; Path=/; Max-Age=");
	buffer_append_u64(&out, max_age_s);
	if (!max_age_s)
		PUT(&out, "; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
	if (scope->domain.len) {
		PUT(&out, "; Domain=");
		buffer_append(&out, scope->domain);
	}
	PUT(&out, "; HttpOnly");
	if (scope->secure)
		PUT(&out, "; Secure");
	PUT(&out, "; SameSite=");
	buffer_append(&out, scope->partitioned ? SLICE("None; Partitioned") : SLICE("Lax"));
	buffer_append_char(&out, '\0');
	return out.failed ? NULL : out.at;
}
