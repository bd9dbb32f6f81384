/* Digits first: a number counts only as a whole, as people and machines write it: alone, or in the groups of its kind
 * with one blank, hyphen or plus sign (or its percent-encoding) between them. Its neighbours are no letters or digits,
 * so that UUIDs, click ids and hashes are left alone. A card is told by the issuer's range, its length and the Luhn
 * check; thirteen digits of Visa's first years are left out, since every tenth barcode of Germany or Japan would be one. */
#include "privacy/redact.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/hex.h"

#define CANDIDATE_BYTES 13
#define GROUPS_MAX 5
#define CARD_DIGITS_MAX 19
#define OLDEST_AGE 95

const char *redact_kind_name(enum redact_kind kind)
{
	static const char *const names[REDACT_count] = { "card", "resident_number", "email" };
	return names[kind];
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Digits, and all that may stand between two groups; some more characters, which the closer look sorts out. */
static bool is_candidate(char c)
{
	return c >= ' ' && c <= '9' && c != '"' && c != ',';
}

#ifdef __SSE2__
static uint64_t candidate_mask(const char *at)
{
	uint64_t mask = 0;
	for (int i = 0; i < 4; i++) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(at + 16 * i));
		/* 0x20..0x39 shifted to the bottom of the signed range */
		__m128i shifted = _mm_add_epi8(bytes, _mm_set1_epi8((char)(0x80 - 0x20)));
		__m128i in = _mm_cmplt_epi8(shifted, _mm_set1_epi8((char)(0x80 + 26)));
		__m128i out = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
		                           _mm_cmpeq_epi8(bytes, _mm_set1_epi8(',')));
		mask |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_andnot_si128(out, in)) << (16 * i);
	}
	return mask;
}

/* Skips windows of 64 bytes without a run of CANDIDATE_BYTES; they overlap, so that no run is cut. */
static size_t skip_plain(struct slice bytes, size_t at)
{
	while (bytes.len - at >= 64) {
		uint64_t run = candidate_mask(bytes.at + at);
		run &= run >> 1;
		run &= run >> 2;
		run &= run >> 4;
		run &= run >> 5;
		if (run)
			return at + (size_t)__builtin_ctzll(run);
		at += 64 - CANDIDATE_BYTES + 1;
	}
	return at;
}
#else
static size_t skip_plain(struct slice bytes, size_t at)
{
	(void)bytes;
	return at;
}
#endif

bool redact_next_digits(struct slice bytes, size_t *at, size_t *begin)
{
	for (size_t i = skip_plain(bytes, *at); i < bytes.len;) {
		size_t end = i, digits = 0;
		while (end < bytes.len && is_candidate(bytes.at[end]))
			digits += is_digit(bytes.at[end++]);
		if (digits >= CANDIDATE_BYTES) {
			*begin = i;
			*at = end;
			return true;
		}
		i = end > i ? skip_plain(bytes, end) : i + 1;
		if (end == i && i < bytes.len && !is_candidate(bytes.at[i]))
			i++;
	}
	*at = bytes.len;
	return false;
}

static bool passes_luhn(const char *digits, size_t count)
{
	unsigned sum = 0;
	for (size_t i = 0; i < count; i++) {
		unsigned value = (unsigned)(digits[count - 1 - i] - '0');
		if (i & 1)
			value = value * 2 - (value > 4 ? 9 : 0);
		sum += value;
	}
	return sum % 10 == 0;
}

/* The issuers' ranges (ISO/IEC 7812) and the lengths that they use; 9: Korea's domestic cards. */
static bool is_issued(const char *digits, size_t count)
{
	unsigned four = 0;
	for (size_t i = 0; i < 4; i++)
		four = four * 10 + (unsigned)(digits[i] - '0');
	unsigned two = four / 100;
	switch (count) {
	case 14:
		return two == 36 || two == 38 || two == 39 || (four >= 3000 && four <= 3059) || four == 3095;
	case 15:
		return two == 34 || two == 37;
	case 16:
		return four / 1000 == 4 || (two >= 51 && two <= 55) || (four >= 2221 && four <= 2720) ||
		       (four >= 3528 && four <= 3589) || four == 6011 || (four >= 6440 && four <= 6599) || two == 62 ||
		       (two >= 90 && two <= 99) || two == 36 || two == 50;
	case 17:
	case 18:
		return two == 62;
	case 19:
		return four / 1000 == 4 || two == 62 || four == 6011 || (four >= 6440 && four <= 6599);
	default:
		return false;
	}
}

static bool is_card(const char *digits, size_t count)
{
	return count >= 14 && count <= CARD_DIGITS_MAX && is_issued(digits, count) && passes_luhn(digits, count);
}

static bool has_resident_check(const char *digits)
{
	static const unsigned weights[] = { 2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5 };
	unsigned sum = 0;
	for (size_t i = 0; i < 12; i++)
		sum += weights[i] * (unsigned)(digits[i] - '0');
	return (11 - sum % 11) % 10 == (unsigned)(digits[12] - '0');
}

static bool is_barcode(const char *digits)
{
	unsigned sum = 0;
	for (size_t i = 0; i < 13; i++)
		sum += (i & 1 ? 3u : 1u) * (unsigned)(digits[i] - '0');
	return sum % 10 == 0;
}

/* YYMMDD, then a digit for century, sex and nationality. Numbers given since October 2020 have no check digit, so that
 * with the hyphen the form decides; without it, or where nobody living was born then, the check digit must agree. */
static bool is_resident_number(const char *digits, bool with_hyphen, int this_year, bool barcodes)
{
	int year = (digits[0] - '0') * 10 + digits[1] - '0', month = (digits[2] - '0') * 10 + digits[3] - '0';
	int day = (digits[4] - '0') * 10 + digits[5] - '0', kind = digits[6] - '0';
	if (month < 1 || month > 12 || day < 1 || day > 31 || kind < 1 || kind > 8)
		return false;
	bool of_1900s = kind == 1 || kind == 2 || kind == 5 || kind == 6;
	year += of_1900s ? 1900 : 2000;
	if (year > this_year)
		return false;
	if (with_hyphen && year >= this_year - OLDEST_AGE)
		return true;
	return has_resident_check(digits) && !(barcodes && is_barcode(digits));
}

struct groups {
	size_t begin[GROUPS_MAX], len[GROUPS_MAX];
	size_t count;
};

/* Bytes of one separator at `at`, 0 if there is none. */
static size_t separator_len(const char *text, size_t len, size_t at)
{
	if (at >= len)
		return 0;
	if (text[at] == ' ' || text[at] == '-' || text[at] == '+')
		return 1;
	bool is_encoded = text[at] == '%' && len - at > 2 && text[at + 1] == '2' &&
	                  (text[at + 2] == '0' || text[at + 2] == 'D' || text[at + 2] == 'd' || text[at + 2] == 'B');
	return is_encoded ? 3 : 0;
}

/* The groups of digits from `at` on, as far as one number can reach. */
static void read_groups(const char *text, size_t len, size_t at, struct groups *groups)
{
	size_t digits = 0;
	groups->count = 0;
	while (groups->count < GROUPS_MAX && digits <= CARD_DIGITS_MAX) {
		size_t end = at;
		while (end < len && is_digit(text[end]))
			end++;
		if (end == at)
			return;
		groups->begin[groups->count] = at;
		groups->len[groups->count++] = end - at;
		digits += end - at;
		size_t gap = separator_len(text, len, end);
		if (!gap)
			return;
		at = end + gap;
	}
}

static bool ends_cleanly(const char *text, size_t len, size_t end)
{
	if (end == len)
		return true;
	if (is_alnum(text[end]))
		return false;
	return !(text[end] == '.' && end + 1 < len && is_digit(text[end + 1]));
}

static void star_out(char *text, const struct groups *groups, size_t count)
{
	for (size_t g = 0; g < count; g++)
		memset(text + groups->begin[g], '*', groups->len[g]);
}

static const struct {
	uint8_t count, len[GROUPS_MAX];
} shapes[] = { { 5, { 4, 4, 4, 4, 3 } }, { 4, { 4, 4, 4, 4 } }, { 3, { 4, 6, 5 } },
	       { 3, { 4, 6, 4 } },       { 2, { 6, 7 } },       { 1, { 0 } } };

static bool has_shape(const struct groups *groups, size_t shape)
{
	if (groups->count < shapes[shape].count)
		return false;
	for (size_t g = 0; g < shapes[shape].count; g++)
		if (shapes[shape].len[g] && shapes[shape].len[g] != groups->len[g])
			return false;
	return true;
}

/* Tries every way in which a number may begin here; where the look goes on. */
static size_t redact_here(char *text, size_t len, size_t at, int this_year, bool barcodes, struct redact_found *found)
{
	struct groups groups = { 0 };
	char digits[64];
	read_groups(text, len, at, &groups);
	for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
		size_t count = 0;
		if (!has_shape(&groups, s) || (shapes[s].count == 1 && groups.len[0] > CARD_DIGITS_MAX))
			continue;
		for (size_t g = 0; g < shapes[s].count; g++) {
			memcpy(digits + count, text + groups.begin[g], groups.len[g]);
			count += groups.len[g];
		}
		size_t last = shapes[s].count - 1u, end = groups.begin[last] + groups.len[last];
		if (!ends_cleanly(text, len, end))
			continue;
		bool is_resident = count == 13 && is_resident_number(digits, shapes[s].count == 2, this_year, barcodes);
		if (!is_resident && !is_card(digits, count))
			continue;
		found->count[is_resident ? REDACT_RESIDENT_NUMBER : REDACT_CARD]++;
		star_out(text, &groups, shapes[s].count);
		return end;
	}
	return at + groups.len[0];
}

/* Of an escape's hex digits none belongs to a number. */
static size_t escape_behind(const char *text, size_t len, size_t at)
{
	return len - at > 2 && hex_is_digit(text[at + 1]) && hex_is_digit(text[at + 2]) ? 3 : 1;
}

bool redact_digits(char *text, size_t len, int this_year, bool barcodes, struct redact_found *found)
{
	struct redact_found before = *found;
	bool is_clean = true; /* what stands before is no letter or digit, and no decimal point */
	for (size_t i = 0; i < len;) {
		if (text[i] == '%') {
			i += escape_behind(text, len, i);
			is_clean = true;
		} else if (is_digit(text[i]) && is_clean) {
			size_t end = redact_here(text, len, i, this_year, barcodes, found);
			i = end;
			is_clean = false;
		} else {
			is_clean = !is_alnum(text[i]) && !(text[i] == '.' && i > 0 && is_digit(text[i - 1]));
			i++;
		}
	}
	return memcmp(&before, found, sizeof before) != 0;
}
