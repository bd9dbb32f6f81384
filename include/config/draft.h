/* A configuration while it is being read: what the layers (defaults, file, environment, command line) have set so far. */
#ifndef HEADGATE_CONFIG_DRAFT_H
#define HEADGATE_CONFIG_DRAFT_H

#include "config/config.h"

struct source_draft {
	struct source source;
	struct slice where; /* first mention, for errors */
	uint64_t set;       /* bit per key of config_table_source: given by file or environment */
};

struct config_draft {
	struct config *cfg;
	struct arena *arena;   /* the configuration's own */
	struct arena *scratch; /* gone after reading */
	struct source_draft *sources;
	size_t sources_count, sources_capacity;
};

/* Sets the defaults of all keys. */
MUST_CHECK bool config_layer_defaults(struct config_draft *draft, struct error *err);
/* Takes over a file's text. */
MUST_CHECK bool config_layer_file(struct config_draft *draft, struct slice name, struct slice folder,
                                  struct slice bytes, struct error *err);
/* Takes over all HEADGATE_* variables but HEADGATE_CONFIG. */
MUST_CHECK bool config_layer_environment(struct config_draft *draft, char *const *environment, struct error *err);
/* Sets one key, as text from the command line. */
MUST_CHECK bool config_layer_option(struct config_draft *draft, const char *option, struct slice path, const char *text,
                                    struct error *err);
/* Works out what depends on other keys, checks the rules that concern more than one, and puts the sources in place. */
MUST_CHECK bool config_finish(struct config_draft *draft, struct error *err);
/* Checks the keys below `consent` and fills consent.purposes. */
MUST_CHECK bool config_finish_consent(struct config_draft *draft, struct error *err);
/* What is wrong with the source's keys about consent, and which key; NULL: nothing. */
const char *config_source_consent_fault(const struct source *source, const char **key);

/* The part of it that concerns cookies: names, domains. */
MUST_CHECK bool config_check_cookies(struct config_draft *draft, struct error *err);

/* The source of that name, made with its defaults if it is new; NULL on error. */
struct source_draft *config_draft_source(struct config_draft *draft, struct slice name, struct slice where,
                                         struct error *err);
/* Value of an environment variable, or NULL. */
const char *config_environment_get(char *const *environment, const char *name);

#endif
