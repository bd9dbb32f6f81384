/* Names of cookies must be such that browsers take them, and differ; domains are brought into the form that hosts are
 * compared in. */
#include "config/draft.h"

#define NAME_BYTES_MAX 64
#define DOMAIN_BYTES_MAX 253

static bool complain(const struct config_draft *draft, struct error *err, const char *key, const char *message)
{
	struct slice file = draft->cfg->file.at ? draft->cfg->file : SLICE("embedded default");
	return error_set(err, ERROR_CONFIG, "%.*s: cookies.%s: %s", SLICE_ARG(file), key, message);
}

/* A token (RFC 9110 section 5.6.2). */
static bool is_name(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.at[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		if (!letter && !(c > ' ' && strchr("!#$%&'*+-.^_`|~", c)))
			return false;
	}
	return name.len > 0 && name.len <= NAME_BYTES_MAX;
}

/* Lower case, without a leading dot; SLICE_NONE if it is no domain name, or one label only: no browser takes a cookie
 * for a whole top-level domain. */
static struct slice normal_domain(struct slice text, struct arena *arena)
{
	struct slice domain = arena_copy(arena, text);
	if (domain.len && domain.at[0] == '.')
		domain = (struct slice) { domain.at + 1, domain.len - 1 };
	size_t dots = 0;
	char last = '.';
	for (size_t i = 0; i < domain.len; i++) {
		char *c = (char *)(uintptr_t)domain.at + i;
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c + 32);
		bool letter = (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9');
		bool inner = *c == '-' || *c == '_' || *c == '.';
		if (!letter && (!inner || last == '.'))
			return SLICE_NONE;
		dots += *c == '.';
		last = *c;
	}
	return dots > 0 && last != '.' && last != '-' && domain.len <= DOMAIN_BYTES_MAX ? domain : SLICE_NONE;
}

static bool check_domains(struct config_draft *draft, struct error *err)
{
	struct slices *domains = &draft->cfg->cookies.domains;
	struct slice *normal = arena_array(draft->arena, domains->count + 1, sizeof(*normal));
	if (!normal)
		return error_set(err, ERROR_MEMORY, "configuration: out of memory");
	for (size_t i = 0; i < domains->count; i++) {
		normal[i] = normal_domain(domains->at[i], draft->arena);
		if (!normal[i].at)
			return complain(draft, err, "domains",
			                "expected domain names such as \"shop.example\", without scheme and port");
	}
	domains->at = normal;
	return true;
}

bool config_check_cookies(struct config_draft *draft, struct error *err)
{
	const struct config *cfg = draft->cfg;
	static const char *const keys[] = { "id_name", "session_name", "consent_name" };
	const struct slice names[] = { cfg->cookies.id_name, cfg->cookies.session_name, cfg->cookies.consent_name };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!is_name(names[i]))
			return complain(draft, err, keys[i],
			                "expected 1 to 64 letters, digits or !#$%&'*+-.^_`|~, such as \"hg_id\"");
		for (size_t j = 0; j < i; j++)
			if (slice_equal(names[i], names[j]))
				return complain(draft, err, keys[i], "another cookie has this name");
	}
	return check_domains(draft, err);
}
