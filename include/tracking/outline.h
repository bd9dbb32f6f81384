/* The properties of an event as rows of a table, the way people read them: `items[].price`. */
#ifndef HEADGATE_TRACKING_OUTLINE_H
#define HEADGATE_TRACKING_OUTLINE_H

#include "tracking/source.h"

struct outline_row {
	struct slice path; /* "items[].price", "filters.*" */
	struct slice types;
	bool required; /* within what it stands in */
	bool deprecated;
	struct slice bounds; /* "1 to 128 characters, format uri"; may be empty */
	struct slice description;
	struct slice pii, pii_action; /* empty: not marked */
	struct spot examples;         /* node 0: none */
	struct spot values;           /* of enum; node 0: none */
};

struct outline {
	struct outline_row *rows;
	size_t count;
	bool open;          /* properties that are not listed are taken too */
	struct slice rules; /* keywords of the root that rows cannot show: "anyOf, if" */
};

/* False: no memory, or more rows than a person would read. */
bool outline_read(struct sources *src, struct spot root, struct outline *out);

#endif
