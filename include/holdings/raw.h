/* Damaged journal bytes: whole files without a header and ranges that no CRC accepts, as they lie in quarantine. */
#ifndef HEADGATE_HOLDINGS_RAW_H
#define HEADGATE_HOLDINGS_RAW_H

#include "holdings/person.h"

typedef void (*raw_span_fn)(void *context, size_t offset, struct slice span);

/* Tells the spans that are of the person: a record's value together with what stands before it (its header and key), or
 * a piece in which no record can be told. */
void raw_visit(struct person_search *search, struct slice bytes, raw_span_fn fn, void *context);

#endif
