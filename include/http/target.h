/* The raw request target: path and query, single query arguments. libmicrohttpd decodes in place and
 * cuts at %00, so the target is taken as it came. */
#ifndef HEADGATE_HTTP_TARGET_H
#define HEADGATE_HTTP_TARGET_H

#include "base/slice.h"
#include "http/refusal.h"

struct http_target {
	struct slice path;  /* raw, from the slash to the question mark */
	struct slice query; /* raw, without the question mark */
};

/* BAD_TARGET unless it begins with a slash and holds neither spaces, control characters nor %00; TARGET_TOO_LONG. */
enum refusal target_parse(struct slice raw, size_t limit_bytes, struct http_target *out);
/* Number of arguments; empty ones, as between two '&', are none. */
size_t target_argument_count(struct slice query);
/* Value of the first argument of that name, still encoded; false if there is none. */
bool target_argument(struct slice query, struct slice name, struct slice *value);
#endif
