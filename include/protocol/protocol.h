/* Wire protocols as table entries: where a request's write key may stand, what it may carry, how it becomes events, and
 * how verdicts become an answer. Sees neither config nor HTTP: slices in, events and an answer out. */
#ifndef HEADGATE_PROTOCOL_PROTOCOL_H
#define HEADGATE_PROTOCOL_PROTOCOL_H

#include "base/arena.h"
#include "base/buffer.h"
#include "catalog/catalog.h"
#include "event/event.h"

enum protocol_method { METHOD_GET = 1, METHOD_HEAD = 2, METHOD_POST = 4, METHOD_OPTIONS = 8 };
enum protocol_key_place { KEY_IN_AUTHORIZATION = 1, KEY_IN_HEADER = 2, KEY_IN_QUERY = 4, KEY_IN_BODY = 8 };

struct protocol_limits {
	uint32_t event_bytes, events, depth, event_id_bytes, id_bytes, query_arguments;
};

struct protocol_input {
	enum protocol_method method;
	struct slice path, query;  /* query: raw, without the question mark */
	struct slice content_type; /* lower case, parameters cut */
	struct slice body;         /* inflated */
};

/* Why a request as a whole is refused after decoding began. */
enum protocol_result {
	PROTOCOL_OK,
	PROTOCOL_MALFORMED, /* 400: one received, one rejected */
	PROTOCOL_NO_EVENTS, /* 400 */
	PROTOCOL_TOO_MANY,  /* 413 */
	PROTOCOL_NO_MEMORY  /* 503 */
};

struct protocol_decoded {
	struct event *events; /* arena; doc, node, index, bytes set; those that cannot be read have their reason */
	uint32_t count;
	const char *problem; /* for a refused request: what is wrong, a fixed text */
	size_t problem_at;   /* byte offset in the body, or SIZE_MAX */
};

/* What an answer is written from. */
struct protocol_verdicts {
	const struct event *events;
	uint32_t count;
	uint32_t counts[VERDICT_count];
	enum protocol_result result;
	const char *problem;
	size_t problem_at;
	struct slice anonymous_id, session_id; /* who it was, inner text of JSON strings; empty: not to be told */
};

struct protocol_answer {
	unsigned status;
	const char *content_type;
	struct slice body; /* arena or static */
	bool is_fixed;     /* body is static and the same each time: a shared response may be used */
	const char *cache_control;
	bool retry_after;
};

struct protocol {
	const char *name;                 /* the canonical event's source.protocol */
	unsigned key_places;              /* enum protocol_key_place */
	const char *const *content_types; /* of POST bodies; "" stands for none given; NULL-ended */
	const char *cors_headers;         /* Access-Control-Allow-Headers */
	bool translates;                  /* names are foreign: the catalog's aliases apply, whatever the source says */
	enum protocol_result (*decode)(const struct protocol_input *input, const struct protocol_limits *limits,
	                               const struct catalog *cat, struct arena *arena, struct protocol_decoded *out);
	void (*answer)(const struct protocol_verdicts *verdicts, struct arena *arena, struct protocol_answer *out);
	/* An answer that carries a status of the general table instead (401, 413, 503 …), or NULL: the general JSON error. */
	void (*refuse)(unsigned status, struct protocol_answer *out);
};

struct protocol_route {
	struct slice path;               /* exact */
	const char *name;                /* metric label */
	unsigned methods;                /* enum protocol_method, OPTIONS besides; METHOD_HEAD: stores nothing */
	const struct protocol *protocol; /* NULL: the catalog, answered by http */
	bool dry;                        /* validate only */
	bool is_prefix;                  /* also matches what begins with path + "/" */
};

extern const struct protocol protocol_native;
extern const struct protocol protocol_pixel;

extern const struct protocol_route protocol_routes[];
extern const size_t protocol_route_count;
/* The route of a path, or NULL. */
const struct protocol_route *protocol_route_find(struct slice path);

#endif
