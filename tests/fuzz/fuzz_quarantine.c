/* Damaged journal bytes in which a person is looked for: spans stand within them, in order, do not overlap; once they are
 * blanked, nothing more is found. */
#include <assert.h>
#include <stdlib.h>

#include "holdings/raw.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

struct blanking {
	char *bytes;
	size_t len, end, spans;
};

static void blank(void *context, size_t offset, struct slice span)
{
	struct blanking *blanking = context;
	assert(offset >= blanking->end && offset + span.len <= blanking->len && span.at == blanking->bytes + offset);
	blanking->end = offset + span.len;
	blanking->spans++;
	memset(blanking->bytes + offset, 0, span.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static struct person_search search;
	const struct person who = { SLICE_NONE, SLICE("gone") };
	struct blanking blanking = { .bytes = malloc(len + 1), .len = len };

	assert(blanking.bytes);
	memcpy(blanking.bytes, bytes, len);
	person_search_init(&search, &who, false);
	raw_visit(&search, (struct slice) { blanking.bytes, len }, blank, &blanking);
	blanking.spans = blanking.end = 0;
	raw_visit(&search, (struct slice) { blanking.bytes, len }, blank, &blanking);
	assert(blanking.spans == 0);
	person_search_fini(&search);
	free(blanking.bytes);
	return 0;
}
