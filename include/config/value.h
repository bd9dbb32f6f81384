/* JSON values to fields of the configuration, each by the type that the table gives its key. */
#ifndef HEADGATE_CONFIG_VALUE_H
#define HEADGATE_CONFIG_VALUE_H

#include "config/config.h"
#include "config/keys.h"
#include "config/text.h"

/* Sets the key's field in the struct at `base`. Types whose members are named by the user take over each member of the
 * object, over those already there. Strings are copied to or borrowed from memory that lives as long as the arena. */
MUST_CHECK bool config_value_set(const struct config_key *key, void *base, const struct config_value *value,
                                 struct arena *arena, struct error *err);
/* Sets one member of such a type. */
MUST_CHECK bool config_value_set_member(const struct config_key *key, void *base, struct slice name,
                                        const struct config_value *value, struct arena *arena, struct error *err);
/* "127.0.0.1:8080", "[::1]:8080"; localhost stands for 127.0.0.1. The host is borrowed. */
MUST_CHECK bool config_address_parse(struct slice text, struct config_address *out);
/* "10.0.0.0/8", "::1"; bits beyond the prefix are cleared. */
MUST_CHECK bool config_network_parse(struct slice text, struct config_network *out);
/* "30d", "64KiB", "12" by the units of the type (times in ms, sizes in bytes). */
MUST_CHECK bool config_number_parse(enum config_type type, struct slice text, uint64_t *out);

#endif
