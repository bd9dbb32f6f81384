/* URLs with less in them. They are cut by eye, not by a parser: whatever a page sends must come out with no more than was
 * asked for, also where it is no URL at all. Nothing is decoded or encoded. Thread: any. */
#ifndef HEADGATE_PRIVACY_URL_SCRUB_H
#define HEADGATE_PRIVACY_URL_SCRUB_H

#include "base/buffer.h"
#include "base/slice.h"
#include "catalog/name_table.h"

/* A URL, or a path: "scheme://…", "//…", "/…", "?…". */
bool url_is_like(struct slice text);
/* Without query, fragment, user part and path parameters; segments that are digits, a UUID or hold an @ (or %40) become
 * `*`. */
void url_write_stripped(struct slice url, struct buffer *out);
/* Scheme, host and port; nothing if there is no host. */
void url_write_origin(struct slice url, struct buffer *out);
/* Names of parameters, exact or by their beginning ("n_*"). */
struct url_names {
	struct name_table exact;
	const struct slice *prefixes;
	size_t prefix_count;
	uint64_t firsts[4]; /* the first bytes that a name can have, a bit each */
};
/* `names` must outlive it; those that end in "*" are beginnings. False after arena overflow. */
bool url_names_init(struct url_names *to, const struct slice *names, size_t count, struct arena *arena);
bool url_names_have(const struct url_names *names, struct slice name);
/* The parameters of query and fragment, in order; `rest` starts as the URL's text behind its first "?" or "#". */
struct slice url_next_parameter(struct slice *rest);
/* The URL without the parameters of these names; false (nothing is written) if it has none of them. */
bool url_write_without(struct slice url, const struct url_names *names, struct buffer *out);

#endif
