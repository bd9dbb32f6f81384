#include "command/version.h"

#ifndef HEADGATE_VERSION
#define HEADGATE_VERSION "unknown"
#endif

const char *version_text(void)
{
	return HEADGATE_VERSION;
}
