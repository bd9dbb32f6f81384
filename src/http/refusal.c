/* One table gives status, code and body, so that a refusal costs no formatting and documentation can be checked against
 * it. */
#include "http/refusal.h"

#include <assert.h>

static const struct {
	unsigned status;
	const char *code, *message;
	struct slice body;
} table[REFUSAL_count] = {
	[REFUSAL_NONE] = { 200, "none", "", { "", 0 } },
#define ERROR_BODY(code, message) "{\"error\":{\"code\":\"" code "\",\"message\":\"" message "\"}}"
#define REFUSAL(id, status, code, message) \
	[REFUSAL_##                        \
	        id] = { status, code, message, { ERROR_BODY(code, message), sizeof(ERROR_BODY(code, message)) - 1 } },
#include "http/refusals.def"
#undef REFUSAL
};

unsigned refusal_status(enum refusal refusal)
{
	assert(refusal < REFUSAL_count);
	return table[refusal].status;
}

const char *refusal_code(enum refusal refusal)
{
	assert(refusal < REFUSAL_count);
	return table[refusal].code;
}

const char *refusal_message(enum refusal refusal)
{
	assert(refusal < REFUSAL_count);
	return table[refusal].message;
}

struct slice refusal_body(enum refusal refusal)
{
	assert(refusal < REFUSAL_count);
	return table[refusal].body;
}
