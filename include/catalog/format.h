/* The values of `format` that schemas may ask for, checked on a string's unescaped bytes without allocation. */
#ifndef HEADGATE_CATALOG_FORMAT_H
#define HEADGATE_CATALOG_FORMAT_H

#include "base/slice.h"

#define FORMAT_NAMES                                                                                      \
	"date-time, date, time, duration, email, idn-email, hostname, idn-hostname, uri, uri-reference, " \
	"uri-template, iri, "                                                                             \
	"iri-reference, uuid, ipv4, ipv6, json-pointer, relative-json-pointer, regex"

struct format {
	struct slice name;
	bool (*is_valid)(struct slice text);
	struct slice example; /* for messages */
};

/* NULL if the name is not one of those supported. */
const struct format *format_find(struct slice name);

bool format_is_date(struct slice text);         /* RFC 3339 full-date */
bool format_is_date_time(struct slice text);    /* RFC 3339 date-time; a leap second only at 23:59:60 UTC */
bool format_is_email(struct slice text);        /* RFC 5321 Mailbox, ASCII */
bool format_is_uri(struct slice text);          /* RFC 3986 URI: with scheme, ASCII */
bool format_is_time(struct slice text);         /* RFC 3339 full-time */
bool format_is_duration(struct slice text);     /* RFC 3339 appendix A */
bool format_is_idn_email(struct slice text);    /* RFC 6531 */
bool format_is_hostname(struct slice text);     /* RFC 1123 */
bool format_is_idn_hostname(struct slice text); /* RFC 5890, without the rules for mixed directions */
bool format_is_uri_reference(struct slice text);
bool format_is_uri_template(struct slice text); /* RFC 6570 */
bool format_is_iri(struct slice text);          /* RFC 3987 */
bool format_is_iri_reference(struct slice text);
bool format_is_json_pointer(struct slice text); /* RFC 6901 */
bool format_is_relative_json_pointer(struct slice text);
bool format_is_regex(struct slice text); /* ECMA-262 with the flag u */
bool format_is_ipv4(struct slice text);  /* RFC 2673 dotted quad, no leading zeros */
bool format_is_ipv6(struct slice text);  /* RFC 4291 section 2.2, no zone */

#endif
