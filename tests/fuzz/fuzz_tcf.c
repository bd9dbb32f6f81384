/* TC strings of any bytes; the first two choose the vendor. A string that is cut off must not say more than the whole. */
#include <stdlib.h>

#include "privacy/tcf.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct tcf tcf, asked;
	if (len < 2)
		return 0;
	uint32_t vendor = (uint32_t)bytes[0] << 8 | bytes[1];
	const struct slice text = { (const char *)bytes + 2, len - 2 };
	bool ok = tcf_parse(text, 0, &tcf);
	bool ok_asked = tcf_parse(text, vendor, &asked);
	/* a vendor narrows what was granted, and changes nothing about what can be read */
	if (ok != ok_asked || (ok && (asked.purposes & ~tcf.purposes)) || tcf.purposes >> 24)
		abort();
	if (ok && (text.at[0] != 'C' || !tcf.vendor_is_granted))
		abort();
	return 0;
}
