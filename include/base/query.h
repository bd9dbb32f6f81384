/* The parameters of a URL's query and fragment, as they stand there: nothing is decoded. */
#ifndef HEADGATE_BASE_QUERY_H
#define HEADGATE_BASE_QUERY_H

#include "base/slice.h"

/* What stands behind the first "?" or "#"; SLICE_NONE if there is neither. */
struct slice query_of_url(struct slice url);
/* Takes the next parameter off `rest`; false at the end. Without "=" its value is empty. */
bool query_next(struct slice *rest, struct slice *name, struct slice *value);

#endif
