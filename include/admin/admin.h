/* The admin listener: health, metrics, status, reload, on an address of its own (loopback by default) with a small
 * libmicrohttpd daemon and one thread. Owner: main. */
#ifndef HEADGATE_ADMIN_ADMIN_H
#define HEADGATE_ADMIN_ADMIN_H

#include "base/error.h"
#include "config/config.h"

struct admin;
struct buffer;
struct person;

struct admin_options {
	struct config_address listen;
	int inherited_fd;        /* a listening socket handed over, of that address; 0: it is bound */
	struct slice token_file; /* made with mode 0600 at the first start */
	struct slices hosts;     /* further values of Host that are served */
	void *context;
	/* The callbacks run in the admin thread. */
	void (*set_gauges)(void *context); /* before /metrics is rendered */
	bool (*readyz)(void *context, struct buffer *reason);
	void (*status)(void *context, struct buffer *json);
	bool (*reload)(void *context, struct error *err);
	/* These run in a thread of their own, one at a time (admin/task.h). `fd`: NDJSON goes there. */
	bool (*find)(void *context, const struct person *who, int fd, struct error *err);
	bool (*erase)(void *context, const struct person *who, bool suppress, struct buffer *json, struct error *err);
	bool (*unsuppress)(void *context, const struct person *who, struct buffer *json, struct error *err);
	bool (*replay)(void *context, struct slice body, struct buffer *json, struct error *err);
};

struct admin *admin_start(const struct admin_options *options, struct error *err);
uint16_t admin_port(const struct admin *admin);
void admin_stop(struct admin **admin);

#endif
