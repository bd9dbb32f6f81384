/* Routes times statuses make a small table that fills as statuses occur. */
#include "http/counters.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/metrics.h"

#define STATUS_MIN 200
#define STATUS_MAX 599
#define NO_SERIES UINT32_MAX

struct counters {
	uint32_t body_bytes;
	uint32_t requests[][STATUS_MAX - STATUS_MIN + 1]; /* by route, the last for none */
};

struct counters *counters_create(struct error *err)
{
	struct counters *counters =
	        malloc(sizeof(*counters) + (protocol_route_count + 1) * sizeof(counters->requests[0]));

	if (!counters) {
		error_set(err, ERROR_MEMORY, "no memory for counters");
		return NULL;
	}
	counters->body_bytes = metrics_series0(METRIC_BODY_BYTES);
	memset(counters->requests, 0xff, (protocol_route_count + 1) * sizeof(counters->requests[0]));
	return counters;
}

void counters_destroy(struct counters **counters)
{
	free(*counters);
	*counters = NULL;
}

static uint32_t request_series(const struct protocol_route *route, unsigned status)
{
	char code[8];
	int len = snprintf(code, sizeof(code), "%u", status);
	struct slice labels[2] = { slice_of(route ? route->name : "none"), { code, (size_t)len } };

	return metrics_series(METRIC_REQUESTS, labels);
}

void counters_request(struct counters *counters, const struct protocol_route *route, unsigned status)
{
	size_t row = route ? (size_t)(route - protocol_routes) : protocol_route_count;

	if (status < STATUS_MIN || status > STATUS_MAX)
		return;
	uint32_t *series = &counters->requests[row][status - STATUS_MIN];
	if (*series == NO_SERIES)
		*series = request_series(route, status);
	metrics_add(*series, 1);
}

void counters_refused(const char *reason)
{
	metrics_add(metrics_series1(METRIC_REFUSED, reason), 1);
}

void counters_body_bytes(struct counters *counters, uint64_t bytes)
{
	metrics_add(counters->body_bytes, bytes);
}
