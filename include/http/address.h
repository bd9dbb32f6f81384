/* Client addresses: binary and text forms, and the client behind trusted proxies (X-Forwarded-For). */
#ifndef HEADGATE_HTTP_ADDRESS_H
#define HEADGATE_HTTP_ADDRESS_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/slice.h"

struct config_network;

#define ADDRESS_TEXT_BYTES INET6_ADDRSTRLEN

/* IPv4 as ::ffff:a.b.c.d. */
struct address {
	uint8_t bytes[16];
};

bool address_from_socket(const struct sockaddr *from, struct address *out);
/* One X-Forwarded-For element: an IPv4 or IPv6 address, brackets and a port allowed. */
bool address_parse(struct slice text, struct address *out);
/* RFC 5952, IPv4 dotted; writes at most ADDRESS_TEXT_BYTES and a NUL, returns the length. */
size_t address_format(const struct address *address, char *to);
bool address_is_loopback(const struct address *address);
bool address_is_in(const struct address *address, const struct config_network *networks, size_t count);
/* What a connection limit counts together: an IPv4 address, or an IPv6 /64. */
struct address address_group(const struct address *address);
/* Walks the elements of all headers from right to left over trusted proxies to the first address that is none. `peer`
 * if it is not trusted itself, if there is no element, or if one that is looked at is malformed. If all are trusted:
 * the left-most. */
struct address address_of_client(const struct address *peer, const struct slice *forwarded_for, size_t count,
                                 const struct config_network *trusted, size_t trusted_count);

#endif
