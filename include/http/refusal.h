/* The general answers of the public listener: refusals.def as an enum and its texts. Immutable. */
#ifndef HEADGATE_HTTP_REFUSAL_H
#define HEADGATE_HTTP_REFUSAL_H

#include "base/slice.h"

enum refusal {
	REFUSAL_NONE,
#define REFUSAL(id, status, code, message) REFUSAL_##id,
#include "http/refusals.def"
#undef REFUSAL
	REFUSAL_count
};

unsigned refusal_status(enum refusal refusal);
/* "unauthorized"; static. */
const char *refusal_code(enum refusal refusal);
/* The text of the body's `message`; static. */
const char *refusal_message(enum refusal refusal);
/* {"error":{"code":…,"message":…}}; static. */
struct slice refusal_body(enum refusal refusal);

#endif
