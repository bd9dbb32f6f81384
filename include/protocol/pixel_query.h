/* A query of dotted keys as a JSON text: `context.page.url=…&properties.items.0.price=9.5`. */
#ifndef HEADGATE_PROTOCOL_PIXEL_QUERY_H
#define HEADGATE_PROTOCOL_PIXEL_QUERY_H

#include "protocol/protocol.h"

enum pixel_query_result {
	PIXEL_QUERY_OK,
	PIXEL_QUERY_TOO_MANY,
	PIXEL_QUERY_CONFLICT,
	PIXEL_QUERY_TOO_DEEP,
	PIXEL_QUERY_NO_MEMORY
};

/* `data` is set if the query holds that argument (percent-decoded, still base64url). The argument `key` is passed over.
 * Values become numbers and booleans where the catalog's schema of the event asks for them. */
enum pixel_query_result pixel_query_to_json(struct slice query, uint32_t arguments_max, const struct catalog *cat,
                                            struct arena *arena, struct buffer *json, struct slice *data);

#endif
