/* The version that was built. */
#ifndef HEADGATE_COMMAND_VERSION_H
#define HEADGATE_COMMAND_VERSION_H

const char *version_text(void);

#endif
