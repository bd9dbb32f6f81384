/* The tables of config_keys.def as data. */
#ifndef HEADGATE_CONFIG_KEYS_H
#define HEADGATE_CONFIG_KEYS_H

#include "base/buffer.h"
#include "base/slice.h"

enum config_type {
	CONFIG_TEXT,      /* struct slice */
	CONFIG_PATH,      /* struct slice */
	CONFIG_SWITCH,    /* bool */
	CONFIG_CHOICE,    /* an enum, counted in the order of the range */
	CONFIG_COUNT,     /* uint32_t */
	CONFIG_LANES,     /* uint32_t, "auto" is 0 */
	CONFIG_SIZE32,    /* uint32_t */
	CONFIG_SIZE64,    /* uint64_t */
	CONFIG_TIME32,    /* uint32_t */
	CONFIG_TIME64,    /* uint64_t */
	CONFIG_ADDRESS,   /* struct config_address */
	CONFIG_TEXTS,     /* struct slices */
	CONFIG_NETWORKS,  /* pointer and count */
	CONFIG_PAIRS,     /* struct config_pairs; any members */
	CONFIG_ROUTES,    /* pointer and count; any members */
	CONFIG_CONSENT,   /* pointer and count; any members */
	CONFIG_COUNTRIES, /* pointer and count; any members */
	CONFIG_TCF        /* pointer and count; any members */
};

struct config_key {
	const char *path;
	const char *default_text; /* JSON; NULL: worked out later */
	const char *range;
	const char *doc;
	size_t offset;
	enum config_type type;
	bool live; /* takes effect on reload */
};

/* A table, and the struct that its offsets count in. */
struct config_table {
	const struct config_key *keys;
	size_t count;
};

extern const struct config_table config_table_main;
extern const struct config_table config_table_source;

/* Index of the key with this path, or table->count. */
size_t config_key_find(const struct config_table *table, struct slice path);
/* True if keys stand below the path: "limits" for "limits.events". "" is one. */
bool config_key_is_level(const struct config_table *table, struct slice path);
/* True for the types whose members are named by the user. */
bool config_key_has_members(const struct config_key *key);
/* Appends "unknown key (did you mean kind?); expected one of …" for a name that does not stand below `level`. */
void config_key_suggest(const struct config_table *table, struct slice level, struct slice name, struct buffer *out);
const char *config_type_text(enum config_type type);
/* Both tables as text, for `headgate help config`. */
void config_describe(struct buffer *out);

#endif
