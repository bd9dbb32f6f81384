/* Connections of a lane: accounting against the limits, absolute deadlines for head and body, the idle limit. Owner: the
 * lane, from accept until libmicrohttpd announces the close. */
#ifndef HEADGATE_HTTP_CONNECTION_H
#define HEADGATE_HTTP_CONNECTION_H

#include "http/address.h"
#include "http/lane.h"

#define CONNECTION_MAGIC 0x1a9e0002u

enum connection_state {
	CONNECTION_FRESH,  /* accepted, no request line yet */
	CONNECTION_HEAD,   /* a request has begun, its head is not complete */
	CONNECTION_BODY,   /* body is coming */
	CONNECTION_WORK,   /* request complete, not answered */
	CONNECTION_ANSWER, /* answer is being sent */
	CONNECTION_IDLE    /* between two requests */
};

struct connection {
	uint32_t magic;
	int fd;
	struct lane *lane;
	struct connection *older, *newer;
	struct exchange *exchange; /* from its request line to its end */
	enum connection_state state;
	int64_t since_ms;      /* of this state; in BODY: of this window of the rate */
	uint64_t window_bytes; /* body bytes since then */
	bool is_counted;       /* against its address */
	bool is_cut;           /* shut down by us */
	struct address peer;
	struct slice peer_text; /* in peer_bytes */
	char peer_bytes[ADDRESS_TEXT_BYTES];
};

/* Accepts what waits (a bounded number), and hands it to the daemon. False: the listening socket must rest. */
bool connection_accept(struct lane *lane);
/* Callback of the daemon: MHD_OPTION_NOTIFY_CONNECTION. */
void connection_notify(void *cls, struct MHD_Connection *handle, void **slot, enum MHD_ConnectionNotificationCode code);
struct connection *connection_of(struct MHD_Connection *handle);
void connection_enter(struct connection *conn, enum connection_state state);
/* Shuts the socket down: the daemon sees the end and closes. Counted under `reason` unless NULL. */
void connection_cut(struct connection *conn, const char *reason);
/* Cuts what is over its deadline; while draining what is idle; when cutting all. */
void connection_sweep(struct lane *lane);
void connection_free_all(struct lane *lane);

#endif
