/* Tables of the keys, lookups in them, and what is said about a key that is not there. */
#include "config/keys.h"

#include "base/spelling.h"
#include "config/config.h"

/* More than any name of ours has bytes; longer ones are not compared. */

#define LIVE true
#define START false

static const struct config_key main_keys[] = {
#define CONFIG_KEY(path, type, field, default_text, range, reload, doc) \
	{ path, default_text, range, doc, offsetof(struct config, field), CONFIG_##type, reload },
#include "config/config_keys.def"
};

static const struct config_key source_keys[] = {
#define SOURCE_KEY(path, type, field, default_text, range, reload, doc) \
	{ path, default_text, range, doc, offsetof(struct source, field), CONFIG_##type, reload },
#include "config/config_keys.def"
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const struct config_table config_table_main = { main_keys, COUNT(main_keys) };
const struct config_table config_table_source = { source_keys, COUNT(source_keys) };

size_t config_key_find(const struct config_table *table, struct slice path)
{
	size_t i = 0;
	while (i < table->count && !slice_equal(slice_of(table->keys[i].path), path))
		i++;
	return i;
}

bool config_key_is_level(const struct config_table *table, struct slice path)
{
	for (size_t i = 0; i < table->count; i++) {
		struct slice key = slice_of(table->keys[i].path);
		if (path.len == 0 || (slice_starts(key, path) && key.len > path.len && key.at[path.len] == '.'))
			return true;
	}
	return false;
}

bool config_key_has_members(const struct config_key *key)
{
	return key->type == CONFIG_PAIRS || key->type == CONFIG_ROUTES || key->type == CONFIG_CONSENT ||
	       key->type == CONFIG_COUNTRIES || key->type == CONFIG_TCF;
}

/* The next name below `level` from *i on, each once; SLICE_NONE at the end. Keys of one level stand together. */
static struct slice next_name(const struct config_table *table, struct slice level, size_t *i, struct slice last)
{
	for (; *i < table->count; (*i)++) {
		struct slice key = slice_of(table->keys[*i].path);
		if (level.len) {
			if (!slice_starts(key, level) || key.len <= level.len || key.at[level.len] != '.')
				continue;
			key.at += level.len + 1;
			key.len -= level.len + 1;
		}
		key = slice_split(&key, '.');
		if (!slice_equal(key, last))
			return key;
	}
	return SLICE_NONE;
}

void config_key_suggest(const struct config_table *table, struct slice level, struct slice name, struct buffer *out)
{
	struct slice found = SLICE_NONE, best = SLICE_NONE;
	size_t best_distance = name.len < 5 ? 2 : 4; /* one slip in a short name, up to three in a longer one */
	struct buffer list;
	bool with_sources = table == &config_table_main && level.len == 0;
	buffer_init(&list, NULL);
	for (size_t i = 0;;) {
		bool last = false;
		found = next_name(table, level, &i, found);
		if (!found.at) {
			if (!with_sources)
				break;
			found = SLICE("sources");
			last = true;
		}
		size_t d = spelling_distance(name, found);
		if (d < best_distance) {
			best_distance = d;
			best = found;
		}
		buffer_append_format(&list, "%s%.*s", list.len ? ", " : "", SLICE_ARG(found));
		if (last)
			break;
	}
	buffer_append(out, SLICE("unknown key"));
	if (best.at)
		buffer_append_format(out, " (did you mean %.*s?)", SLICE_ARG(best));
	buffer_append(out, SLICE("; expected one of "));
	buffer_append(out, buffer_slice(&list));
	buffer_fini(&list);
}

const char *config_type_text(enum config_type type)
{
	static const char *const texts[] = {
		[CONFIG_TEXT] = "string",
		[CONFIG_PATH] = "path",
		[CONFIG_SWITCH] = "true or false",
		[CONFIG_CHOICE] = "choice",
		[CONFIG_COUNT] = "number",
		[CONFIG_LANES] = "number or \"auto\"",
		[CONFIG_SIZE32] = "size",
		[CONFIG_SIZE64] = "size",
		[CONFIG_TIME32] = "duration",
		[CONFIG_TIME64] = "duration",
		[CONFIG_ADDRESS] = "address:port",
		[CONFIG_TEXTS] = "list of strings",
		[CONFIG_NETWORKS] = "list of networks",
		[CONFIG_PAIRS] = "object",
		[CONFIG_ROUTES] = "object",
		[CONFIG_CONSENT] = "object",
		[CONFIG_COUNTRIES] = "object",
		[CONFIG_TCF] = "object",
	};
	return texts[type];
}

static void describe(const struct config_table *table, const char *prefix, struct buffer *out)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct config_key *key = &table->keys[i];
		bool words = key->type == CONFIG_TEXT || key->type == CONFIG_TEXTS;
		buffer_append_format(out, "%s%s  (%s", prefix, key->path, config_type_text(key->type));
		if (key->range[0] && !words)
			buffer_append_format(out, ", %s", key->range);
		if (key->default_text)
			buffer_append_format(out, ", default %s", key->default_text);
		buffer_append_format(out, "%s)\n    %s\n", key->live ? "" : ", at start only", key->doc);
	}
}

void config_describe(struct buffer *out)
{
	describe(&config_table_main, "", out);
	describe(&config_table_source, "sources.<name>.", out);
}
