/* The body of POST /find and POST /erase: {"id":"…", "name"?:"…", "suppress"?:true, "unsuppress"?:true}. */
#ifndef HEADGATE_ADMIN_PERSON_REQUEST_H
#define HEADGATE_ADMIN_PERSON_REQUEST_H

#include "holdings/person.h"

struct person_request {
	struct person who; /* in the arena */
	bool suppress, unsuppress;
};

/* False: USAGE, or MEMORY. */
MUST_CHECK bool person_request_read(struct slice body, struct arena *arena, struct person_request *out,
                                    struct error *err);

#endif
