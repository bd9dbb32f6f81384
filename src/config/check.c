/* What no single key can tell: values that follow from others, and the rules between them. Runs once over the merged
 * layers, so that a rule holds whichever layer broke it. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/draft.h"
#include "config/keys.h"

#define KEY_MAX_BYTES 256
#define SECRET_MIN_BYTES 16
#define SECRETS_MAX 8

static bool out_of_memory(struct error *err)
{
	return error_set(err, ERROR_MEMORY, "configuration: out of memory");
}

static bool complain(const struct source_draft *source, struct error *err, const char *key, const char *message)
{
	return error_set(err, ERROR_CONFIG, "%.*s: sources.%.*s.%s: %s", SLICE_ARG(source->where),
	                 SLICE_ARG(source->source.name), key, message);
}

static bool was_set(const struct source_draft *source, const char *key)
{
	return (source->set >> config_key_find(&config_table_source, slice_of(key))) & 1;
}

static bool is_loopback(struct slice host)
{
	return slice_equal(host, SLICE("::1")) || slice_starts(host, SLICE("127."));
}

static bool is_folder(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The first of the usual places that is there; else "schemas", whose absence the catalog reports. */
static bool find_catalog(struct config_draft *draft)
{
	char exe[512];
	struct config *cfg = draft->cfg;
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	struct slice program = { exe, len > 0 ? (size_t)len : 0 };
	while (program.len && program.at[program.len - 1] != '/')
		program.len--;
	struct slice places[] = {
		cfg->file.at ? arena_print(draft->arena, "%.*s/../schemas", SLICE_ARG(cfg->folder)) : SLICE_NONE,
		SLICE("schemas"),
		program.len ? arena_print(draft->arena, "%.*s../schemas", SLICE_ARG(program)) : SLICE_NONE,
		program.len ? arena_print(draft->arena, "%.*s../share/headgate/schemas", SLICE_ARG(program))
		            : SLICE_NONE,
		SLICE("/usr/local/share/headgate/schemas"),
		SLICE("/usr/share/headgate/schemas"),
	};
	cfg->catalog.dir = SLICE("schemas");
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (!places[i].at || !is_folder(places[i].at))
			continue;
		cfg->catalog.dir = places[i];
		break;
	}
	return !draft->arena->overflowed;
}

static bool complete_paths(struct config_draft *draft, struct error *err)
{
	struct config *cfg = draft->cfg;
	if (!cfg->data_dir.len)
		cfg->data_dir = SLICE("data");
	if (!cfg->admin.token_file.len)
		cfg->admin.token_file = arena_print(draft->arena, "%.*s/admin.token", SLICE_ARG(cfg->data_dir));
	if (!cfg->admin.token_file.at || (!cfg->catalog.dir.len && !find_catalog(draft)))
		return out_of_memory(err);
	return true;
}

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

/* The port at the end of an authority: *host_len is where the host ends. False: not digits or "*". */
static bool split_port(struct slice authority, size_t *host_len, struct slice *port)
{
	size_t from = slice_starts(authority, SLICE("[")) ? slice_find(authority, ']') : 0;
	struct slice rest = { authority.at + from, authority.len - from };
	*host_len = from + slice_find(rest, ':');
	*port = SLICE_NONE;
	if (*host_len == authority.len)
		return from < authority.len;
	*port = (struct slice) { authority.at + *host_len + 1, authority.len - *host_len - 1 };
	uint64_t number;
	return slice_equal(*port, SLICE("*")) ||
	       (port->len <= 5 && slice_to_u64(*port, &number) && number > 0 && number <= UINT16_MAX);
}

static bool is_origin_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || strchr(".-_[]:", c) != NULL;
}

/* RFC 6454 serialisation: lower case, no default port, no path. SLICE_NONE: not an origin. */
static struct slice normal_origin(struct slice origin, struct arena *arena)
{
	struct slice copy = arena_copy(arena, origin), port;
	const char *colon = copy.at ? strstr(copy.at, "://") : NULL;
	if (slice_equal(origin, SLICE("null")))
		return origin;
	if (!colon || colon == copy.at)
		return SLICE_NONE;
	for (size_t i = 0; i < copy.len; i++)
		((char *)(uintptr_t)copy.at)[i] = lower(copy.at[i]);
	if (copy.at[copy.len - 1] == '/')
		copy.len--;
	struct slice scheme = { copy.at, (size_t)(colon - copy.at) };
	struct slice authority = { colon + 3,
		                   copy.at + copy.len > colon + 3 ? (size_t)(copy.at + copy.len - colon) - 3 : 0 };
	size_t host_len;
	if (!split_port(authority, &host_len, &port) || host_len == 0)
		return SLICE_NONE;
	for (size_t i = 0; i < scheme.len; i++)
		if (!(scheme.at[i] >= 'a' && scheme.at[i] <= 'z') && (i == 0 || !strchr("0123456789+.-", scheme.at[i])))
			return SLICE_NONE;
	for (size_t i = 0; i < host_len; i++)
		if (!is_origin_char(authority.at[i]))
			return SLICE_NONE;
	if ((slice_equal(scheme, SLICE("https")) && slice_equal(port, SLICE("443"))) ||
	    (slice_equal(scheme, SLICE("http")) && slice_equal(port, SLICE("80"))))
		copy.len -= port.len + 1;
	return copy;
}

static bool check_origins(struct config_draft *draft, struct source_draft *draft_source, struct error *err)
{
	struct source *source = &draft_source->source;
	if (source->kind == SOURCE_SERVER && source->origins.count)
		return complain(draft_source, err, "origins",
		                "a server source takes no request with an Origin; leave them out");
	struct slice *normal = arena_array(draft->arena, source->origins.count + 1, sizeof(*normal));
	if (!normal)
		return out_of_memory(err);
	for (size_t i = 0; i < source->origins.count; i++) {
		normal[i] = normal_origin(source->origins.at[i], draft->arena);
		if (normal[i].at)
			continue;
		char message[192];
		snprintf(message, sizeof(message),
		         "expected an origin such as \"https://shop.example\", \"http://localhost:*\" or \"null\", "
		         "found \"%.*s\"",
		         (int)(source->origins.at[i].len > 60 ? 60 : source->origins.at[i].len),
		         source->origins.at[i].at);
		return complain(draft_source, err, "origins", message);
	}
	source->origins.at = normal;
	return true;
}

static bool check_keys(const struct config_draft *draft, const struct source_draft *source, struct error *err)
{
	bool exposed = !is_loopback(draft->cfg->listen.host) && !draft->cfg->allow_dev_key;
	if (source->source.keys.count == 0)
		return complain(source, err, "keys", "expected at least one write key");
	for (size_t i = 0; i < source->source.keys.count; i++) {
		struct slice key = source->source.keys.at[i];
		bool printable = key.len <= KEY_MAX_BYTES;
		for (size_t j = 0; j < key.len; j++)
			printable = printable && key.at[j] > ' ' && key.at[j] < 0x7f;
		if (!printable)
			return complain(source, err, "keys",
			                "expected write keys of 1 to 256 printable ASCII characters without spaces");
		if (exposed && slice_equal(key, SLICE("dev")))
			return complain(
			        source, err, "keys",
			        "the key dev is served on loopback only: listen there, choose another key, or set "
			        "allow_dev_key");
	}
	return true;
}

static bool check_signing(const struct source_draft *source, struct error *err)
{
	const struct slices *secrets = &source->source.signing_secrets;
	if (secrets->count == 0)
		return true;
	if (source->source.kind == SOURCE_BROWSER)
		return complain(source, err, "signing_secrets",
		                "a browser cannot keep a secret; expected a source of kind app or server");
	if (secrets->count > SECRETS_MAX)
		return complain(source, err, "signing_secrets", "expected at most 8 secrets");
	for (size_t i = 0; i < secrets->count; i++)
		if (secrets->at[i].len < SECRET_MIN_BYTES || secrets->at[i].len > KEY_MAX_BYTES)
			return complain(source, err, "signing_secrets", "expected secrets of 16 to 256 bytes");
	/* a request can be replayed while its signature holds: so long its events must be known as seen */
	if (source->source.dedup_window_ms < (uint64_t)source->source.signature_tolerance_ms * 2)
		return complain(source, err, "dedup_window_ms",
		                "expected at least twice signature_tolerance_ms, or a request could be replayed");
	return true;
}

/* Quadratic, but over keys of which a daemon has a handful; thousands take milliseconds. */
static bool check_unique_keys(const struct config_draft *draft, struct error *err)
{
	for (size_t a = 0; a < draft->sources_count; a++)
		for (size_t i = 0; i < draft->sources[a].source.keys.count; i++)
			for (size_t b = 0; b <= a; b++)
				for (size_t j = 0; j < (b == a ? i : draft->sources[b].source.keys.count); j++) {
					char message[160];
					if (!slice_equal(draft->sources[a].source.keys.at[i],
					                 draft->sources[b].source.keys.at[j]))
						continue;
					snprintf(message, sizeof(message),
					         "write key %zu is also key %zu of source %.*s", i + 1, j + 1,
					         SLICE_ARG(draft->sources[b].source.name));
					return complain(&draft->sources[a], err, "keys", message);
				}
	return true;
}

static void inherit(uint32_t *own, uint32_t common)
{
	if (*own == 0)
		*own = common;
}

static void complete_source(const struct config *cfg, struct source_draft *draft_source, size_t index)
{
	struct source *source = &draft_source->source;
	source->index = (uint32_t)index;
	if (!source->dedup_group.len)
		source->dedup_group = source->name;
	if (!was_set(draft_source, "dedup_mode"))
		source->dedup_mode = source->kind == SOURCE_SERVER ? DEDUP_MODE_ID : DEDUP_MODE_ID_FINGERPRINT;
	inherit(&source->rate_limit.burst, source->rate_limit.per_second);
	inherit(&source->client_rate_limit.burst, source->client_rate_limit.per_second);
	if (!was_set(draft_source, "ip"))
		source->ip = cfg->privacy.ip;
	inherit(&source->body_bytes, cfg->limits.body_bytes);
	inherit(&source->inflated_bytes, cfg->limits.inflated_bytes);
	inherit(&source->event_bytes, cfg->limits.event_bytes);
	inherit(&source->events, cfg->limits.events);
}

static bool check_source(struct config_draft *draft, struct source_draft *draft_source, struct error *err)
{
	const struct config *cfg = draft->cfg;
	const struct source *source = &draft_source->source;
	if (!was_set(draft_source, "kind"))
		return complain(draft_source, err, "kind", "is missing; expected one of browser|app|server");
	const char *key, *fault = config_source_consent_fault(source, &key);
	if (fault)
		return complain(draft_source, err, key, fault);
	if (source->dead_letter_payload == PAYLOAD_ALWAYS && !is_loopback(cfg->listen.host))
		return complain(draft_source, err, "dead_letter_payload",
		                "always is allowed only with the listener on loopback; expected consented or never");
	/* A sealed event is the event and what is added to it; a refused one may be kept as base64. */
	if (source->event_bytes > (cfg->journal.file_bytes - 65536) / 2)
		return complain(draft_source, err, "limits.event_bytes",
		                "such an event would not fit a journal file; expected less than half of "
		                "journal.file_bytes");
	if (source->body_bytes > cfg->limits.bodies_bytes)
		return complain(draft_source, err, "limits.body_bytes",
		                "such a body would never be taken; expected at most limits.bodies_bytes");
	return check_keys(draft, draft_source, err) && check_signing(draft_source, err) &&
	       check_origins(draft, draft_source, err);
}

static bool keep_write_keys(struct config_draft *draft, const struct source *sources)
{
	size_t count = 0, at = 0;
	struct config *cfg = draft->cfg;
	for (size_t i = 0; i < draft->sources_count; i++)
		count += sources[i].keys.count;
	struct config_write_key *keys = arena_array(draft->arena, count, sizeof(*keys));
	if (!keys)
		return false;
	hash_random(&cfg->write_keys_secret, sizeof(cfg->write_keys_secret));
	for (size_t i = 0; i < draft->sources_count; i++)
		for (size_t j = 0; j < sources[i].keys.count; j++)
			keys[at++] = (struct config_write_key) { hash_keyed128(&cfg->write_keys_secret,
				                                               sources[i].keys.at[j]),
				                                 sources[i].keys.at[j], &sources[i] };
	cfg->write_keys = keys;
	cfg->write_keys_count = count;
	return true;
}

static bool keep_sources(struct config_draft *draft, struct error *err)
{
	struct source *sources = arena_array(draft->arena, draft->sources_count, sizeof(*sources));
	if (!sources)
		return out_of_memory(err);
	for (size_t i = 0; i < draft->sources_count; i++)
		sources[i] = draft->sources[i].source;
	draft->cfg->sources = sources;
	draft->cfg->sources_count = draft->sources_count;
	return keep_write_keys(draft, sources) ? true : out_of_memory(err);
}

bool config_finish(struct config_draft *draft, struct error *err)
{
	if (!complete_paths(draft, err) || !config_finish_consent(draft, err))
		return false;
	if (draft->sources_count == 0)
		return error_set(err, ERROR_CONFIG, "%.*s: sources: expected at least one source",
		                 SLICE_ARG(draft->cfg->file.at ? draft->cfg->file : SLICE("embedded default")));
	for (size_t i = 0; i < draft->sources_count; i++) {
		complete_source(draft->cfg, &draft->sources[i], i);
		if (!check_source(draft, &draft->sources[i], err))
			return false;
	}
	return config_check_cookies(draft, err) && check_unique_keys(draft, err) && keep_sources(draft, err);
}
