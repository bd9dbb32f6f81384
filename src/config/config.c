/* Loading from end to end, and the questions that the running daemon asks of its configuration. */
#include "config/config.h"

#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "config/draft.h"
#include "config/embedded.h"
#include "config/keys.h"

#define CONFIG_FILE_MAX_BYTES (1u << 20)
#define CONFIG_MEMORY_BYTES (32u << 20)

/* The file to read, or NULL for the embedded default. A file that is named must be there. */
static const char *find_file(const struct config_options *options)
{
	static const char *const places[] = { "config/headgate.jsonc", "/etc/headgate/headgate.jsonc" };
	if (options->file)
		return options->file;
	const char *named = config_environment_get(options->environment, "HEADGATE_CONFIG");
	if (named && named[0])
		return named;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (access(places[i], F_OK) == 0)
			return places[i];
	return NULL;
}

static bool layer_file(struct config_draft *draft, const char *path, struct error *err)
{
	struct config *cfg = draft->cfg;
	struct slice bytes;
	if (!path)
		return config_layer_file(draft, SLICE("embedded default"), SLICE_NONE, config_embedded(), err);
	if (!file_read(draft->scratch, path, CONFIG_FILE_MAX_BYTES, &bytes, err)) {
		if (err)
			err->code = ERROR_CONFIG;
		return false;
	}
	cfg->file = arena_copy(draft->arena, slice_of(path));
	cfg->folder = cfg->file;
	while (cfg->folder.len && cfg->folder.at[cfg->folder.len - 1] != '/')
		cfg->folder.len--;
	cfg->folder = cfg->folder.len == 0   ? SLICE(".")
	              : cfg->folder.len == 1 ? SLICE("/")
	                                     : (struct slice) { cfg->folder.at, cfg->folder.len - 1 };
	if (!cfg->file.at)
		return error_set(err, ERROR_MEMORY, "%s: out of memory", path);
	return config_layer_file(draft, cfg->file, cfg->folder, bytes, err);
}

static bool load(struct config_draft *draft, const struct config_options *options, struct error *err)
{
	return config_layer_defaults(draft, err) && layer_file(draft, find_file(options), err) &&
	       config_layer_environment(draft, options->environment, err) &&
	       config_layer_option(draft, "--data-dir", SLICE("data_dir"), options->data_dir, err) &&
	       config_layer_option(draft, "--listen", SLICE("listen"), options->listen, err) &&
	       config_layer_option(draft, "--admin", SLICE("admin.listen"), options->admin, err) &&
	       config_finish(draft, err);
}

struct config *config_load(const struct config_options *options, struct error *err)
{
	struct arena scratch;
	struct config *cfg = calloc(1, sizeof(*cfg));
	if (!cfg) {
		error_set(err, ERROR_MEMORY, "configuration: out of memory");
		return NULL;
	}
	arena_init(&cfg->arena, CONFIG_MEMORY_BYTES);
	arena_init(&scratch, CONFIG_MEMORY_BYTES);
	struct config_draft draft = { .cfg = cfg, .arena = &cfg->arena, .scratch = &scratch };
	if (!load(&draft, options, err))
		config_destroy(&cfg);
	arena_fini(&scratch);
	return cfg;
}

void config_destroy(struct config **cfg)
{
	if (!*cfg)
		return;
	arena_fini(&(*cfg)->arena);
	free(*cfg);
	*cfg = NULL;
}

/* All keys are looked at, and only hashes under a secret decide how long that takes; the one that fits is then compared
 * as a whole, so that a collision of hashes lets nobody in. */
const struct source *config_source_by_key(const struct config *cfg, struct slice key)
{
	const struct config_write_key *found = NULL;
	struct hash128 hash = hash_keyed128(&cfg->write_keys_secret, key);
	for (size_t i = 0; i < cfg->write_keys_count; i++) {
		uint64_t difference =
		        (cfg->write_keys[i].hash.low ^ hash.low) | (cfg->write_keys[i].hash.high ^ hash.high);
		found = difference == 0 ? &cfg->write_keys[i] : found;
	}
	if (!found || found->key.len != key.len || sodium_memcmp(found->key.at, key.at, key.len) != 0)
		return NULL;
	return found->source;
}

static bool is_port(struct slice s)
{
	uint64_t number;
	return s.len > 1 && s.len <= 6 && s.at[0] == ':' &&
	       slice_to_u64((struct slice) { s.at + 1, s.len - 1 }, &number) && number <= UINT16_MAX;
}

bool source_allows_origin(const struct source *source, struct slice origin)
{
	for (size_t i = 0; i < source->origins.count; i++) {
		struct slice allowed = source->origins.at[i];
		if (slice_equal_nocase(allowed, origin))
			return true;
		if (!slice_ends(allowed, SLICE(":*")))
			continue;
		struct slice stem = { allowed.at, allowed.len - 2 }, begin = origin;
		if (origin.len < stem.len)
			continue;
		begin.len = stem.len;
		struct slice port = { origin.at + stem.len, origin.len - stem.len };
		if (slice_equal_nocase(stem, begin) && (port.len == 0 || is_port(port)))
			return true;
	}
	return false;
}

bool config_network_contains(const struct config_network *network, const uint8_t address[16])
{
	size_t whole = network->bits / 8, rest = network->bits % 8;
	if (memcmp(network->address, address, whole) != 0)
		return false;
	uint8_t mask = (uint8_t)(0xff00u >> rest);
	return rest == 0 || ((network->address[whole] ^ address[whole]) & mask) == 0;
}

const char *source_kind_name(enum source_kind kind)
{
	static const char *const names[] = { "browser", "app", "server" };
	return names[kind];
}

const char *durability_name(enum durability durability)
{
	return durability == DURABILITY_DISK ? "disk" : "os";
}

static bool equal_slices(const struct slices *a, const struct slices *b)
{
	for (size_t i = 0; i < a->count && a->count == b->count; i++)
		if (!slice_equal(a->at[i], b->at[i]))
			return false;
	return a->count == b->count;
}

static bool equal_pairs(const struct config_pairs *a, const struct config_pairs *b)
{
	for (size_t i = 0; i < a->count && a->count == b->count; i++)
		if (!slice_equal(a->at[i].name, b->at[i].name) || !slice_equal(a->at[i].value, b->at[i].value))
			return false;
	return a->count == b->count;
}

/* Fields of keys that take effect at start only; types that no such key has count as equal. */
static bool equal_field(const struct config_key *key, const void *a, const void *b)
{
	const struct config_address *one, *two;
	switch (key->type) {
	case CONFIG_TEXT:
	case CONFIG_PATH:
		return slice_equal(*(const struct slice *)a, *(const struct slice *)b);
	case CONFIG_SWITCH:
		return *(const bool *)a == *(const bool *)b;
	case CONFIG_CHOICE:
	case CONFIG_COUNT:
	case CONFIG_LANES:
	case CONFIG_SIZE32:
	case CONFIG_TIME32:
		return memcmp(a, b, sizeof(uint32_t)) == 0;
	case CONFIG_SIZE64:
	case CONFIG_TIME64:
		return memcmp(a, b, sizeof(uint64_t)) == 0;
	case CONFIG_ADDRESS:
		one = a;
		two = b;
		return slice_equal(one->host, two->host) && one->port == two->port;
	case CONFIG_TEXTS:
		return equal_slices(a, b);
	case CONFIG_PAIRS:
		return equal_pairs(a, b);
	case CONFIG_NETWORKS:
	case CONFIG_ROUTES:
	case CONFIG_CONSENT:
	case CONFIG_COUNTRIES:
	case CONFIG_TCF:
		break;
	}
	return true;
}

const char *config_unreloadable(const struct config *old, const struct config *cfg)
{
	for (size_t i = 0; i < config_table_main.count; i++) {
		const struct config_key *key = &config_table_main.keys[i];
		if (!key->live && !equal_field(key, (const char *)old + key->offset, (const char *)cfg + key->offset))
			return key->path;
	}
	return NULL;
}
