/* POST /v1/validate of the admin listener: a draft schema is compiled and run over documents, nothing is kept. */
#ifndef HEADGATE_ADMIN_DRAFT_H
#define HEADGATE_ADMIN_DRAFT_H

#include "base/buffer.h"
#include "base/error.h"
#include "catalog/schema.h"

/* `body`: {"schema": <JSON Schema>, "documents": [<any value>, …], "assert_format"?: true, "rules"?: "catalog"}: by the
 * rules of JSON Schema, formats only where asked for, or by those of the catalog (formats checked, unknown keywords
 * refused). Writes
 * {"valid":1,"invalid":1,"documents":[{"index":0,"valid":true},{"index":1,"valid":false,"errors":[…],"more_errors":0}]}.
 * `schemas`: folder that the draft's `$ref` may read. False: DATA (the request), SCHEMA (the draft), MEMORY. */
MUST_CHECK bool admin_draft_judge(struct slice body, struct slice schemas, struct buffer *out, struct error *err);
/* One verdict as above for a document that was scanned by itself; true: valid. */
bool draft_judge_document(const struct schema *schema, enum json_result scanned, const struct json_doc *doc,
                          uint32_t node, uint32_t index, struct arena *arena, struct buffer *out);

#endif
