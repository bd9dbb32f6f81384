/* Amounts that satisfy the schema and are probably wrong all the same: a sum that does not add up, more decimals than
 * the currency has. Found here, carried on the event as warnings; never a reason to refuse it. */
#ifndef HEADGATE_CATALOG_MONEY_H
#define HEADGATE_CATALOG_MONEY_H

#include "base/arena.h"
#include "json/json.h"

#define MONEY_FINDINGS_MAX 4

struct money_finding {
	struct slice path; /* relative to the event; a literal or in the arena */
	struct slice rule; /* "value_differs", "currency_decimals" */
};

/* Looks at an event's properties by their canonical names, if they hold a currency; cheap if not. `value_differs`:
 * value lies further from the sum of price times quantity than tax, shipping and all discounts together explain, by the
 * currency's smallest coin or more; not judged where an item has no price or anything is no number. `currency_decimals`:
 * an amount has more decimals, other than zeros, than ISO 4217 gives the currency. Returns how many of `out` were set. */
size_t money_check(const struct json_doc *doc, uint32_t properties, struct arena *arena,
                   struct money_finding out[MONEY_FINDINGS_MAX]);
/* Decimals that ISO 4217 gives the currency: 2 for those it does not tell otherwise. */
unsigned money_minor_units(struct slice currency);

#endif
