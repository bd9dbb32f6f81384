/* What no event may carry, found in text of any kind: numbers of payment cards, Korean resident registration numbers,
 * and e-mail addresses where they do not belong. Found ones are overwritten in place. Thread: any. */
#ifndef HEADGATE_PRIVACY_REDACT_H
#define HEADGATE_PRIVACY_REDACT_H

#include "base/slice.h"

enum redact_kind { REDACT_CARD, REDACT_RESIDENT_NUMBER, REDACT_EMAIL, REDACT_count };

struct redact_found {
	uint32_t count[REDACT_count];
};

/* The next place at or behind *at where such a number may stand: 13 bytes or more of digits and what may stand between
 * them. Fast and coarse, for a whole event; false at the end. *at is moved behind the place, which begins at *begin. */
bool redact_next_digits(struct slice bytes, size_t *at, size_t *begin);
/* Overwrites the digits of card and resident registration numbers by `*`. `this_year` tells a birth from an order number
 * of today; with `barcodes` an EAN-13 stays. True if there was one. */
bool redact_digits(char *text, size_t len, int this_year, bool barcodes, struct redact_found *found);
/* The next `@`, `%40` or `%2540`: its place; bytes.len if there is none. */
size_t redact_next_at(struct slice bytes, size_t from);
/* Replaces each e-mail address (also percent-encoded, as in queries) by one `*`, and the user part of a URL; the new
 * length. */
size_t redact_emails(char *text, size_t len, struct redact_found *found);
const char *redact_kind_name(enum redact_kind kind);

#endif
