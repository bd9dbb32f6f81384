/* Country and city of an address, from a database in MaxMind's format. Thread: any once opened. */
#ifndef HEADGATE_IDENTITY_GEO_H
#define HEADGATE_IDENTITY_GEO_H

#include "base/error.h"
#include "base/slice.h"

struct geo;

/* They lie in the database, and live as long. Empty: not known. */
struct geo_place {
	struct slice country; /* ISO 3166-1 alpha-2 */
	struct slice city;    /* its English name */
};

/* NULL with `err` set. The file is mapped: to be replaced by another, not written over. */
struct geo *geo_open(struct slice path, struct error *err);
void geo_close(struct geo **geo);
/* `address`: IPv4 as ::ffff:a.b.c.d. */
struct geo_place geo_look(const struct geo *geo, const uint8_t address[16]);

#endif
