/* User agents of robots, by the list of crawler-user-agents (src/identity/crawlers.txt). Thread: any. */
#ifndef HEADGATE_IDENTITY_BOTS_H
#define HEADGATE_IDENTITY_BOTS_H

#include "base/slice.h"

/* True if a pattern of the list finds something in it. The first call reads the list. */
bool bots_match(struct slice user_agent);
/* How many patterns there are. */
size_t bots_count(void);

#endif
