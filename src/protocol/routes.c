/* The public paths. */
#include "protocol/protocol.h"

#define ROUTE_PATH(text)               \
	{                              \
		text, sizeof(text) - 1 \
	}

const struct protocol_route protocol_routes[] = {
	{ ROUTE_PATH("/v1/events"), "events", METHOD_POST, &protocol_native, false, false },
	{ ROUTE_PATH("/v1/pixel.gif"), "pixel", METHOD_GET | METHOD_HEAD, &protocol_pixel, false, false },
	{ ROUTE_PATH("/v1/validate"), "validate", METHOD_POST, &protocol_native, true, false },
	{ ROUTE_PATH("/v1/catalog"), "catalog", METHOD_GET | METHOD_HEAD, NULL, false, true },
};
const size_t protocol_route_count = sizeof protocol_routes / sizeof protocol_routes[0];

const struct protocol_route *protocol_route_find(struct slice path)
{
	for (size_t i = 0; i < protocol_route_count; i++) {
		const struct protocol_route *route = &protocol_routes[i];
		if (slice_equal(path, route->path))
			return route;
		if (route->is_prefix && slice_starts(path, route->path) && path.at[route->path.len] == '/')
			return route;
	}
	return NULL;
}
