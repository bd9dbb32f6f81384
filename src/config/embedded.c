#include "config/embedded.h"

#include "base/embed.h"

EMBED(config, "config/headgate.jsonc");

struct slice config_embedded(void)
{
	return EMBEDDED(config);
}
