/* How many connections each address group (IPv4 address, IPv6 /64) holds, over all lanes. Thread: any (a mutex, held for
 * a probe or two at accept and close). */
#ifndef HEADGATE_HTTP_ADDRESS_LIMITS_H
#define HEADGATE_HTTP_ADDRESS_LIMITS_H

#include "base/error.h"
#include "http/address.h"

struct address_limits;

/* Room for `connections` groups at once. */
struct address_limits *address_limits_create(uint32_t connections, struct error *err);
void address_limits_destroy(struct address_limits **limits);
/* False: the group has `each` connections already. */
bool address_limits_enter(struct address_limits *limits, const struct address *address, uint32_t each);
/* For each address that entered, once. */
void address_limits_leave(struct address_limits *limits, const struct address *address);

#endif
