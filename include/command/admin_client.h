/* A command's end of the admin listener of the running daemon: address and token from the configuration. */
#ifndef HEADGATE_COMMAND_ADMIN_CLIENT_H
#define HEADGATE_COMMAND_ADMIN_CLIENT_H

#include <stdio.h>

#include "base/buffer.h"
#include "base/error.h"
#include "config/config.h"

/* POSTs JSON, waits as long as it takes, writes the body of a 200 to `out`. False: what the daemon said instead (USAGE,
 * DENIED, BUSY, UNAVAILABLE …), or that it cannot be reached. */
MUST_CHECK bool admin_client_post(const struct config *cfg, const char *path, struct slice body, FILE *out,
                                  struct error *err);
/* True if a daemon uses the data directory: what changes state goes through it. False with no error: none does. */
MUST_CHECK bool admin_client_is_needed(const struct config *cfg, struct error *err);

#endif
