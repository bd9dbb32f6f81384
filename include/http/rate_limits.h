/* Events a second, of a source and of each of its clients (an IPv4 address, an IPv6 /64; behind trusted proxies the
 * client's): a request needs one token to come in and pays for its other events once they are read. Buckets outlive a
 * reload, their rates are those of the request's configuration. Thread: lanes, without locks. */
#ifndef HEADGATE_HTTP_RATE_LIMITS_H
#define HEADGATE_HTTP_RATE_LIMITS_H

#include "base/error.h"
#include "http/refusal.h"

struct buffer;
struct exchange;
struct rate_limits;

struct rate_limits *rate_limits_create(struct error *err);
void rate_limits_destroy(struct rate_limits **limits);
/* Each takes a token, or refuses, counts that and sets ex->retry_after_s. */
enum refusal rate_limits_enter_client(struct exchange *ex);
enum refusal rate_limits_enter_source(struct exchange *ex);
/* For a request that both let in, once its events are counted. */
void rate_limits_charge(struct exchange *ex, uint32_t events);

#endif
