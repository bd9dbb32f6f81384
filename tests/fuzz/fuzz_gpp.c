/* GPP strings of any bytes, US Privacy strings, and Google's two; the first byte chooses the sections that apply. What is
 * said of fewer sections must not be more. */
#include <stdlib.h>

#include "privacy/consent_mode.h"
#include "privacy/gpp.h"
#include "privacy/tcf.h"
#include "privacy/us_privacy.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct gpp all, some;
	struct tcf tcf;
	struct consent_mode mode;
	bool is_opted_out;
	if (len < 1)
		return 0;
	const struct slice text = { (const char *)bytes + 1, len - 1 };
	(void)gpp_parse(text, 0, &all);
	(void)gpp_parse(text, 1u << (bytes[0] & 31), &some);
	if (some.is_opted_out && !all.is_opted_out)
		abort();
	if (all.tcf.len && (all.tcf.at < text.at || all.tcf.at + all.tcf.len > text.at + text.len))
		abort();
	(void)tcf_parse(all.tcf, bytes[0], &tcf);
	if (us_privacy_parse(text, &is_opted_out) && text.len != 4)
		abort();
	if (!consent_mode_parse_gcs(text, &mode) && (mode.at[0] || mode.at[1]))
		abort();
	if (!consent_mode_parse_gcd(text, &mode) && (mode.at[0] || mode.at[1] || mode.at[2] || mode.at[3]))
		abort();
	return 0;
}
