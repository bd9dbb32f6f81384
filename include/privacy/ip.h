/* Addresses with less in them. Thread: any. */
#ifndef HEADGATE_PRIVACY_IP_H
#define HEADGATE_PRIVACY_IP_H

#include "base/hash.h"
#include "config/config.h"

#define IP_TEXT_BYTES 48

/* An address in 16 bytes, IPv4 as ::ffff:a.b.c.d; false if it is none. */
bool ip_parse(struct slice text, uint8_t address[16]);
/* What is written of it by mode: as it came, the network (IPv4 /24, IPv6 /48), a keyed hash in hex, nothing. An address
 * that cannot be read is not written but with IP_FULL. Empty, or in `to` (IP_TEXT_BYTES), or `text` itself. */
struct slice ip_shorten(struct slice text, enum ip_mode mode, const struct hash_key *key, char *to);

#endif
