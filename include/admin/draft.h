/* POST /v1/validate of the admin listener: a draft schema is compiled and run over documents, nothing is kept. */
#ifndef HEADGATE_ADMIN_DRAFT_H
#define HEADGATE_ADMIN_DRAFT_H

#include "base/buffer.h"
#include "base/error.h"

/* `body`: {"schema": <JSON Schema of an event's properties>, "documents": [<properties>, …]}. Writes
 * {"valid":1,"invalid":1,"documents":[{"index":0,"valid":true},{"index":1,"valid":false,"errors":[…],"more_errors":0}]}.
 * `schemas`: folder that the draft's `$ref` may read. False: DATA (the request), SCHEMA (the draft), MEMORY. */
MUST_CHECK bool admin_draft_judge(struct slice body, struct slice schemas, struct buffer *out, struct error *err);

#endif
