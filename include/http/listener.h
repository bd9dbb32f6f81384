/* A listening socket of one lane. */
#ifndef HEADGATE_HTTP_LISTENER_H
#define HEADGATE_HTTP_LISTENER_H

#include "base/error.h"
#include "config/config.h"

/* Non-blocking, listening, SO_REUSEPORT. `is_first`: nobody else may have the address (BUSY). Port 0: any; the one
 * bound is told. -1 on failure. */
int listener_open(const struct config_address *address, bool is_first, uint16_t *port, struct error *err);
/* A descriptor of the same inherited socket (non-blocking, listening already): one for each lane. */
int listener_share(int inherited_fd, uint16_t *port, struct error *err);

#endif
