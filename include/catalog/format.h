/* The values of `format` that schemas may ask for, checked on a string's unescaped bytes without allocation. */
#ifndef HEADGATE_CATALOG_FORMAT_H
#define HEADGATE_CATALOG_FORMAT_H

#include "base/slice.h"

struct format {
	struct slice name;
	bool (*is_valid)(struct slice text);
	struct slice example; /* for messages */
};

/* NULL if the name is not one of those supported. */
const struct format *format_find(struct slice name);

bool format_is_date(struct slice text);      /* RFC 3339 full-date */
bool format_is_date_time(struct slice text); /* RFC 3339 date-time; a leap second only at 23:59:60 UTC */
bool format_is_email(struct slice text);     /* RFC 5321 Mailbox, ASCII */
bool format_is_uri(struct slice text);       /* RFC 3986 URI: with scheme, ASCII */
bool format_is_ipv4(struct slice text);      /* RFC 2673 dotted quad, no leading zeros */
bool format_is_ipv6(struct slice text);      /* RFC 4291 section 2.2, no zone */

#endif
