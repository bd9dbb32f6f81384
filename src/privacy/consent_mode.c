/* gcd: "1", then two characters for each of four signals, then a character of flags (and, since 2024, two more). Characters
 * are numbers of an alphabet of 64; states in them are of two bits. */
#include "privacy/consent_mode.h"

#define GCS_BYTES 4
#define GCD_BYTES_MIN 10 /* "1", four pairs, flags */
#define GCD_BYTES_MAX 12
#define FLAG_GPC 8
#define PERSONALIZATION_OFF 3

enum google_code { GOOGLE_CODE_OTHER, GOOGLE_CODE_UNSET, GOOGLE_CODE_DENIED, GOOGLE_CODE_GRANTED };

bool consent_mode_parse_gcs(struct slice text, struct consent_mode *out)
{
	static const enum google_signal order[] = { GOOGLE_AD_STORAGE, GOOGLE_ANALYTICS_STORAGE };
	*out = (struct consent_mode) { .gpc = false };
	if (text.len != GCS_BYTES || text.at[0] != 'G' || text.at[1] != '1')
		return false;
	for (size_t i = 0; i < 2; i++) {
		char c = text.at[2 + i];
		if (c != '0' && c != '1' && c != '-') {
			*out = (struct consent_mode) { .gpc = false };
			return false;
		}
		out->at[order[i]] = c == '1' ? CONSENT_GRANTED : c == '0' ? CONSENT_DENIED : CONSENT_UNKNOWN;
	}
	return true;
}

static int value_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'Z')
		return c - 'A' + 36;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* implicit: in the low bits of the first; declare, default, update: in the second, the last weighing most. */
static enum consent_state state_of(int first, int second)
{
	const int said[] = { second & 3, second >> 2 & 3 }, presumed[] = { second >> 4 & 3, first & 3 };
	for (size_t i = 0; i < 2; i++)
		if (said[i] == GOOGLE_CODE_DENIED || said[i] == GOOGLE_CODE_GRANTED)
			return said[i] == GOOGLE_CODE_GRANTED ? CONSENT_GRANTED : CONSENT_DENIED;
	return presumed[0] == GOOGLE_CODE_DENIED || presumed[1] == GOOGLE_CODE_DENIED ? CONSENT_DENIED
	                                                                              : CONSENT_UNKNOWN;
}

bool consent_mode_parse_gcd(struct slice text, struct consent_mode *out)
{
	static const enum google_signal order[GOOGLE_count] = { GOOGLE_AD_STORAGE, GOOGLE_ANALYTICS_STORAGE,
		                                                GOOGLE_AD_USER_DATA, GOOGLE_AD_PERSONALIZATION };
	int values[GCD_BYTES_MAX];
	*out = (struct consent_mode) { .gpc = false };
	if ((text.len != GCD_BYTES_MIN && text.len != GCD_BYTES_MAX) || text.at[0] != '1')
		return false;
	for (size_t i = 0; i < text.len; i++) {
		values[i] = value_of(text.at[i]);
		if (values[i] < 0)
			return false;
	}
	for (size_t i = 0; i < GOOGLE_count; i++)
		out->at[order[i]] = state_of(values[1 + 2 * i], values[2 + 2 * i]);
	int flags = values[1 + 2 * GOOGLE_count];
	out->gpc = flags & FLAG_GPC;
	if ((flags & 3) == PERSONALIZATION_OFF)
		out->at[GOOGLE_AD_PERSONALIZATION] = CONSENT_DENIED;
	return true;
}

void consent_mode_merge(struct consent_mode *into, const struct consent_mode *other)
{
	for (size_t i = 0; i < GOOGLE_count; i++)
		if (other->at[i] == CONSENT_DENIED || into->at[i] == CONSENT_UNKNOWN)
			into->at[i] = other->at[i];
	into->gpc = into->gpc || other->gpc;
}
