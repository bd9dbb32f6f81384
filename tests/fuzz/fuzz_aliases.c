/* Events under foreign names: translated by the shipped aliases, then judged and written like any other. */
#include "judge.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const struct protocol_input input = { .method = METHOD_POST, .body = { (const char *)bytes, len } };
	judge_translates = true;
	judge_input(&protocol_native, &input);
	return 0;
}
