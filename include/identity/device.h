/* What a user agent tells: the kind of device, system, browser, and whether it is a robot. Looked up once for each user
 * agent that a lane sees often. */
#ifndef HEADGATE_IDENTITY_DEVICE_H
#define HEADGATE_IDENTITY_DEVICE_H

#include "base/slice.h"

struct device {
	struct slice class, os, browser; /* literals; empty: not known */
	bool bot;
};

struct device_cache; /* Thread: its owner's */

struct device_cache *device_cache_create(void); /* NULL without memory, which device_look takes */
void device_cache_destroy(struct device_cache **cache);
/* Without `cache` it is worked out each time. */
void device_look(struct device_cache *cache, struct slice user_agent, struct device *out);

#endif
