/* The shipped config/headgate.jsonc, built into the program so that it starts alone. */
#ifndef HEADGATE_CONFIG_EMBEDDED_H
#define HEADGATE_CONFIG_EMBEDDED_H

#include "base/slice.h"

struct slice config_embedded(void);

#endif
