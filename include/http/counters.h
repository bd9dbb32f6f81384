/* Metric series of a lane, looked up once and kept. Thread: the lane's. */
#ifndef HEADGATE_HTTP_COUNTERS_H
#define HEADGATE_HTTP_COUNTERS_H

#include "base/error.h"
#include "protocol/protocol.h"

struct counters;

struct counters *counters_create(struct error *err);
void counters_destroy(struct counters **counters);
/* `route` NULL: none was found. */
void counters_request(struct counters *counters, const struct protocol_route *route, unsigned status);
/* Rare by nature: looks the series up. */
void counters_refused(const char *reason);
void counters_body_bytes(struct counters *counters, uint64_t bytes);

#endif
