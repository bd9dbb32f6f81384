/* Meta: trim and lower-case e-mail, phone as digits without +. TikTok: the same e-mail, phone in E.164. Google: e-mail
 * without gmail's dots and suffix, phone in E.164. What is no e-mail address or number at all gives nothing: the hash of
 * rubbish would be an identifier that matches nobody, or everybody who typed the same. */
#include "privacy/normal_form.h"

#define E164_DIGITS_MAX 15
#define E164_DIGITS_MIN 7

static const struct country {
	char iso[3];
	const char *code;
	char trunk; /* 0: none */
} countries[] = {
	{ "AT", "43", '0' },  { "AU", "61", '0' },  { "BE", "32", '0' }, { "BR", "55", '0' }, { "CA", "1", '1' },
	{ "CH", "41", '0' },  { "CN", "86", '0' },  { "CZ", "420", 0 },  { "DE", "49", '0' }, { "DK", "45", 0 },
	{ "ES", "34", 0 },    { "FI", "358", '0' }, { "FR", "33", '0' }, { "GB", "44", '0' }, { "HK", "852", 0 },
	{ "ID", "62", '0' },  { "IE", "353", '0' }, { "IN", "91", '0' }, { "IT", "39", 0 },   { "JP", "81", '0' },
	{ "KR", "82", '0' },  { "MO", "853", 0 },   { "MX", "52", 0 },   { "MY", "60", '0' }, { "NL", "31", '0' },
	{ "NO", "47", 0 },    { "NZ", "64", '0' },  { "PH", "63", '0' }, { "PL", "48", 0 },   { "PT", "351", 0 },
	{ "SE", "46", '0' },  { "SG", "65", 0 },    { "TH", "66", '0' }, { "TR", "90", '0' }, { "TW", "886", '0' },
	{ "UA", "380", '0' }, { "US", "1", '1' },   { "VN", "84", '0' },
};

static const struct country *country_of(struct slice iso)
{
	for (size_t i = 0; i < sizeof countries / sizeof countries[0]; i++)
		if (slice_equal(iso, (struct slice) { countries[i].iso, 2 }))
			return &countries[i];
	return NULL;
}

bool normal_phone_knows(struct slice country)
{
	return country_of(country) != NULL;
}

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct slice trim(struct slice s)
{
	while (s.len && is_blank(s.at[0])) {
		s.at++;
		s.len--;
	}
	while (s.len && is_blank(s.at[s.len - 1]))
		s.len--;
	return s;
}

struct slice normal_email(struct slice text, char *to)
{
	struct slice s = trim(text);
	size_t at = slice_find(s, '@'), dot = 0;
	if (s.len > NORMAL_FORM_BYTES || at == 0 || at == s.len)
		return SLICE_NONE;
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.at[i] <= ' ' || s.at[i] == 0x7f || (s.at[i] == '@' && i != at))
			return SLICE_NONE;
		if (s.at[i] == '.' && i > at + 1)
			dot = i;
		to[i] = lower(s.at[i]);
	}
	return dot && dot + 1 < s.len ? (struct slice) { to, s.len } : SLICE_NONE;
}

struct slice normal_email_google(struct slice email, char *to)
{
	size_t at = slice_find(email, '@'), len = 0;
	struct slice domain = { email.at + at, email.len - at };
	if (email.len > NORMAL_FORM_BYTES)
		return SLICE_NONE;
	bool is_gmail = slice_equal(domain, SLICE("@gmail.com")) || slice_equal(domain, SLICE("@googlemail.com"));
	for (size_t i = 0; i < at; i++) {
		if (is_gmail && email.at[i] == '+')
			break;
		if (!is_gmail || email.at[i] != '.')
			to[len++] = email.at[i];
	}
	memcpy(to + len, domain.at, domain.len);
	return len ? (struct slice) { to, len + domain.len } : SLICE_NONE;
}

/* The digits, full-width ones too, and whether a + stands before them; false on anything that numbers do not hold. */
static bool read_digits(struct slice s, char *to, size_t *count, bool *has_plus)
{
	*count = 0;
	*has_plus = false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.at[i];
		if (c == 0xef && s.len - i >= 3 && (unsigned char)s.at[i + 1] == 0xbc) {
			unsigned char last = (unsigned char)s.at[i + 2];
			if (last >= 0x90 && last <= 0x99)
				c = (unsigned char)('0' + last - 0x90);
			else if (last == 0x8b)
				c = '+';
			else if (last == 0x8d)
				c = '-';
			else
				return false;
			i += 2;
		}
		if (c >= '0' && c <= '9') {
			if (*count == E164_DIGITS_MAX + 5)
				return false;
			to[(*count)++] = (char)c;
		} else if (c == '+' && *count == 0 && !*has_plus) {
			*has_plus = true;
		} else if (!strchr(" -.()/\t", c) || !c) {
			return false;
		}
	}
	return *count > 0;
}

/* The country whose code the digits begin with; codes are prefix-free. */
static const struct country *country_of_code(const char *digits, size_t count)
{
	for (size_t i = 0; i < sizeof countries / sizeof countries[0]; i++) {
		size_t len = strlen(countries[i].code);
		if (count > len && memcmp(digits, countries[i].code, len) == 0)
			return &countries[i];
	}
	return NULL;
}

/* "8210…": the country code without its +. No number within a country is that long and begins so. */
static bool is_code_of_home(const char *digits, size_t count, const struct country *home)
{
	return home && home->trunk == '0' && digits[0] != '0' && count >= 11 &&
	       memcmp(digits, home->code, strlen(home->code)) == 0;
}

struct slice normal_phone(struct slice text, struct slice country, char *to)
{
	char digits[E164_DIGITS_MAX + 5];
	size_t count, skip = 0;
	bool is_international;
	if (!read_digits(trim(text), digits, &count, &is_international))
		return SLICE_NONE;
	if (!is_international && count > 2 && digits[0] == '0' && digits[1] == '0') {
		is_international = true;
		skip = 2;
	}
	if (!is_international && is_code_of_home(digits, count, country_of(country)))
		is_international = true;
	const struct country *home =
	        is_international ? country_of_code(digits + skip, count - skip) : country_of(country);
	if (!is_international && !home)
		return SLICE_NONE;
	size_t len = 0;
	to[len++] = '+';
	if (home) {
		size_t code = strlen(home->code);
		memcpy(to + len, home->code, code);
		len += code;
		skip += is_international ? code : 0;
		bool has_trunk = home->trunk && skip < count && digits[skip] == home->trunk &&
		                 (home->trunk != '1' || count - skip == 11);
		skip += has_trunk;
	}
	if (count - skip + len > E164_DIGITS_MAX + 1 || count - skip + len < E164_DIGITS_MIN + 1)
		return SLICE_NONE;
	memcpy(to + len, digits + skip, count - skip);
	return (struct slice) { to, len + count - skip };
}

struct slice normal_words(struct slice text, char *to)
{
	struct slice s = trim(text);
	size_t len = 0;
	if (s.len > NORMAL_FORM_BYTES)
		return SLICE_NONE;
	for (size_t i = 0; i < s.len; i++) {
		if (!is_blank(s.at[i]))
			to[len++] = lower(s.at[i]);
		else if (!is_blank(s.at[i - 1]))
			to[len++] = ' ';
	}
	return len ? (struct slice) { to, len } : SLICE_NONE;
}

struct slice normal_compact(struct slice text, char *to)
{
	size_t len = 0;
	if (text.len > NORMAL_FORM_BYTES)
		return SLICE_NONE;
	for (size_t i = 0; i < text.len; i++) {
		char c = lower(text.at[i]);
		if ((unsigned char)c >= 0x80 || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
			to[len++] = c;
	}
	return len ? (struct slice) { to, len } : SLICE_NONE;
}
