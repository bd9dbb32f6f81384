/* The price of one piece from that of all, in exact decimals. */
#ifndef HEADGATE_CATALOG_UNIT_PRICE_H
#define HEADGATE_CATALOG_UNIT_PRICE_H

#include "base/arena.h"

/* True if the text is a JSON number from its first byte to its last. */
bool unit_price_is_number(struct slice text);
/* total / pieces as a JSON number without needless zeros: exact where it ends within 12 decimals, else rounded to 6,
 * half away from zero. SLICE_NONE where it cannot be told: not a number, no whole piece, more than 15 digits. */
struct slice unit_price_compute(struct slice total, struct slice pieces, struct arena *arena);

#endif
