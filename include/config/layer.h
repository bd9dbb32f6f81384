/* Puts values of a text onto a draft, by path. Used by each layer. */
#ifndef HEADGATE_CONFIG_LAYER_H
#define HEADGATE_CONFIG_LAYER_H

#include "config/draft.h"
#include "config/keys.h"
#include "config/text.h"

/* A struct that a table's keys are set in. */
struct config_target {
	const struct config_table *table;
	void *base;
	uint64_t *set;       /* NULL: nobody asks */
	struct slice prefix; /* of shown paths: "" or "sources.shop." */
};

struct config_target config_target_main(struct config_draft *draft);
struct config_target config_target_source(struct config_draft *draft, struct source_draft *source);
/* Sets the key at `path` within the target, or, for a level ("limits"), all keys that the object at `node` holds. */
MUST_CHECK bool config_target_apply(struct config_draft *draft, const struct config_target *target, struct slice path,
                                    const struct config_text *text, uint32_t node, struct error *err);
/* Takes over an object of sources by name. */
MUST_CHECK bool config_target_apply_sources(struct config_draft *draft, const struct config_text *text, uint32_t node,
                                            struct error *err);
/* "<place>: <path>: unknown key …". Always returns false. */
bool config_target_unknown(struct config_draft *draft, const struct config_target *target, struct slice level,
                           struct slice name, struct slice place, struct error *err);

#endif
