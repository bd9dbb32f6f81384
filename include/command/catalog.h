/* `headgate catalog …`: tools for those who write and read the schemas. Each takes its arguments behind its name. */
#ifndef HEADGATE_COMMAND_CATALOG_H
#define HEADGATE_COMMAND_CATALOG_H

#include "command/command.h"

/* lint|diff|docs|types|schema. */
int command_catalog(const struct command_line *line);
/* OLD NEW: two schema files or two catalog folders. 65: numbered against what changed. */
int catalog_diff(const char *from, const char *to);

#endif
