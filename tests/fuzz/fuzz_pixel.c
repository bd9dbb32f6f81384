/* The pixel's query. */
#include "judge.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const struct protocol_input input = { .method = METHOD_GET, .query = { (const char *)bytes, len } };
	judge_input(&protocol_pixel, &input);
	return 0;
}
