/* A request body on its way to a record: the first byte picks the content type. */
#include "judge.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	if (len == 0)
		return 0;
	const struct protocol_input input = { .method = METHOD_POST,
		                              .content_type = bytes[0] == 'n' ? SLICE("application/x-ndjson")
		                                                              : SLICE("application/json"),
		                              .body = { (const char *)bytes + 1, len - 1 } };
	judge_input(&protocol_native, &input);
	return 0;
}
