/* One request and its answer, from the request line to the end of sending: the state machine behind libmicrohttpd's
 * callbacks. Pooled per lane with a warm arena. */
#ifndef HEADGATE_HTTP_EXCHANGE_H
#define HEADGATE_HTTP_EXCHANGE_H

#include "base/arena.h"
#include "http/body.h"
#include "http/connection.h"
#include "http/guard.h"
#include "http/target.h"

#define EXCHANGE_MAGIC 0x1a9e0003u
#define EXCHANGE_TARGET_BYTES 256

enum exchange_phase {
	EXCHANGE_HEAD,    /* before the first call of the handler */
	EXCHANGE_BODY,    /* takes the body, or drains it */
	EXCHANGE_WAITING, /* submitted, not settled */
	EXCHANGE_ANSWERED
};

enum exchange_kind { EXCHANGE_EVENTS, EXCHANGE_OPTIONS, EXCHANGE_PREFLIGHT, EXCHANGE_CATALOG };

struct exchange {
	uint32_t magic;
	enum exchange_phase phase;
	enum exchange_kind kind;
	enum refusal refusal; /* decided; the answer waits for the end of the body */
	struct lane *lane;
	struct connection *conn;
	struct MHD_Connection *handle;
	struct exchange *next_free;
	struct arena arena;
	size_t warm_bytes; /* what the arena's first chunk was sized for */
	struct snapshot *snap;

	struct slice raw_target; /* in target_bytes or the arena */
	char target_bytes[EXCHANGE_TARGET_BYTES];
	struct http_target target;
	struct http_head head;
	struct http_framing framing;
	const struct protocol_route *route;
	struct slice route_path; /* the path as the route knows it: as asked for, or as http.paths maps it */
	const struct source *source;
	struct signature *signature;           /* arena; NULL: the source has no secrets */
	uint64_t client_bucket, source_bucket; /* of rate limits; 0: none applies */
	uint32_t retry_after_s;                /* with a refusal; 0: a few seconds */
	bool is_gzip;
	bool names_request; /* the request carried a usable X-Request-Id */

	struct body body;
	uint64_t body_seen;
	uint64_t body_limit;

	struct request req;
	bool is_settled, is_suspended, is_orphan;
	uint64_t commits_seen; /* lane->commits at submission */
};

/* Callbacks of the daemon. */
void *exchange_open(void *cls, const char *uri, struct MHD_Connection *handle);
enum MHD_Result exchange_handle(void *cls, struct MHD_Connection *handle, const char *url, const char *method,
                                const char *version, const char *upload, size_t *upload_len, void **slot);
void exchange_completed(void *cls, struct MHD_Connection *handle, void **slot, enum MHD_RequestTerminationCode code);
void exchange_free_all(struct lane *lane);

#endif
