/* The header Cookie: values stand within it, are clean, and the walk over all of a name ends. */
#include <assert.h>

#include "base/cookies.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct slice header = { (const char *)bytes, len }, rest = header, value;
	size_t left = rest.len;

	while (cookies_next(&rest, SLICE("hg_id"), &value)) {
		assert(rest.len < left || left == 0);
		left = rest.len;
		assert(!value.at || (value.at > header.at && value.at + value.len <= header.at + header.len));
		for (size_t i = 0; i < value.len; i++)
			assert(value.at[i] > ' ' && value.at[i] < 0x7f && value.at[i] != ';');
	}
	return 0;
}
