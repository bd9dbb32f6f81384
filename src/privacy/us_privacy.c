/* Upper case is the rule; some pages write lower case. */
#include "privacy/us_privacy.h"

static bool is_letter(char c)
{
	return c == 'Y' || c == 'y' || c == 'N' || c == 'n' || c == '-';
}

bool us_privacy_parse(struct slice text, bool *is_opted_out)
{
	*is_opted_out = false;
	if (text.len != 4 || text.at[0] != '1' || !is_letter(text.at[1]) || !is_letter(text.at[2]) ||
	    !is_letter(text.at[3]))
		return false;
	*is_opted_out = text.at[2] == 'Y' || text.at[2] == 'y';
	return true;
}
