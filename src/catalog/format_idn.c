/* Which code points a label may hold follows from their Unicode properties, which PCRE2 has: the rules of RFC 5892 are
 * patterns, as are those for scripts of both directions (RFC 5893). What would need tables that PCRE2 lacks is
 * approximated: normalisation (NFKC) by the ranges that it changes, joining types by the letters of Arabic. */
#include "catalog/format.h"

#include "base/utf8.h"
#include "catalog/pattern.h"

#include <pthread.h>

#define LABEL_BYTES 63
#define LABEL_POINTS 63
#define PATTERN_MEMORY ((size_t)1 << 20)

/* Punycode's parameters. */
enum { BASE = 36, T_MIN = 1, T_MAX = 26, SKEW = 38, DAMP = 700, INITIAL_BIAS = 72, INITIAL_POINT = 128 };

#define VIRAMAS                                                                                              \
	"\\u094D\\u09CD\\u0A4D\\u0ACD\\u0B4D\\u0BCD\\u0C4D\\u0CCD\\u0D4D\\u0DCA\\u0E3A\\u0F84\\u1039\\u103A" \
	"\\u1714\\u1734\\u17D2\\u1A60\\u1B44\\u1BAA\\u1BF2\\u1BF3\\u2D7F\\uA806\\uA8C4\\uA953\\uA9C0\\uAAF6\\uABED"

/* Letters that normalisation or case folding changes, and the exceptions of RFC 5892 section 2.6. */
#define UNSTABLE                                                                                            \
	"\\u00AA\\u00BA\\u02B0-\\u02B8\\u02E0-\\u02E4\\u0640\\u07FA\\u1100-\\u11FF\\u1D2C-\\u1D6A\\u1D78"   \
	"\\u1D9B-\\u1DBF\\u2070-\\u209C\\u2100-\\u214D\\u2160-\\u217F\\u302E\\u302F\\u3031-\\u3035\\u303B"  \
	"\\u3131-\\u318E\\uA960-\\uA97C\\uD7B0-\\uD7FB\\uF900-\\uFA0D\\uFA10\\uFA12\\uFB00-\\uFB1C\\uFB1F-" \
	"\\uFDFF\\uFE70-\\uFEFC\\uFF00-\\uFFEF\\u{1D400}-\\u{1D7FF}\\u{2F800}-\\u{2FA1D}"

#define NEUTRAL "\\p{bc=EN}\\p{bc=ES}\\p{bc=CS}\\p{bc=ET}\\p{bc=ON}\\p{bc=BN}\\p{bc=NSM}"
/* Letters that join what follows. */
#define JOINING                                                                                            \
	"\\u0626\\u0628\\u062A-\\u062E\\u0633-\\u063F\\u0641-\\u0647\\u0649\\u064A\\u0678-\\u0687\\u069A-" \
	"\\u06BF\\u06CC"

static const char label_rules[] =
        "^(?!\\p{M})(?!-)(?!..--)(?![^]*-$)"
        "(?!(?=[^]*[\\u0660-\\u0669])[^]*[\\u06F0-\\u06F9])"
        "(?!(?=[^]*\\u30FB)(?![^]*[\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Han}]))"
        "(?:(?![" UNSTABLE "])[\\p{Ll}\\p{Lo}\\p{Lm}\\p{Mn}\\p{Mc}\\p{Nd}\\-A-Z\\u06FD\\u06FE\\u0F0B\\u3007\\u30FB]"
        "|(?<=l)\\u00B7(?=l)|\\u0375(?=\\p{Script=Greek})|(?<=\\p{Script=Hebrew})[\\u05F3\\u05F4]"
        "|(?<=[" VIRAMAS "])[\\u200C\\u200D]|(?<=[" JOINING "])\\u200C(?=[\\u0622-\\u064A\\u066E-\\u06D3]))+$";

/* A label of a name that holds letters written from right to left. */
static const char bidi_rules[] =
        "^(?![^]*\\p{bc=EN}[^]*\\p{bc=AN})(?![^]*\\p{bc=AN}[^]*\\p{bc=EN})[\\p{bc=R}\\p{bc=AL}]"
        "(?:[\\p{bc=R}\\p{bc=AL}\\p{bc=AN}" NEUTRAL "]*[\\p{bc=R}\\p{bc=AL}\\p{bc=EN}\\p{bc=AN}])?\\p{bc=NSM}*$"
        "|^\\p{bc=L}(?:[\\p{bc=L}" NEUTRAL "]*[\\p{bc=L}\\p{bc=EN}])?\\p{bc=NSM}*$";
static const char right_to_left[] = "[\\p{bc=R}\\p{bc=AL}\\p{bc=AN}]";

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct arena memory; /* as long as the process */
static struct pattern *rules, *bidi, *leftward;

static void prepare(void)
{
	struct error err;

	arena_init(&memory, PATTERN_MEMORY);
	rules = pattern_compile(slice_of(label_rules), &memory, &err);
	bidi = pattern_compile(slice_of(bidi_rules), &memory, &err);
	leftward = pattern_compile(slice_of(right_to_left), &memory, &err);
}

/* What the labels of a name have shown so far. */
struct name_check {
	bool leftward; /* letters written from right to left */
	bool one_way;  /* all labels keep to the rules for names that have such */
};

static bool finds(const struct pattern *pattern, struct slice label)
{
	return pattern && pattern_search(pattern, label, false) == PATTERN_FOUND;
}

static void check_direction(struct name_check *check, struct slice label)
{
	pthread_once(&once, prepare);
	check->leftward |= finds(leftward, label);
	check->one_way &= finds(bidi, label);
}

static bool is_label(struct name_check *check, struct slice label)
{
	check_direction(check, label);
	return finds(rules, label);
}

static unsigned adapt(unsigned delta, unsigned points, bool first)
{
	unsigned k = 0;

	delta = first ? delta / DAMP : delta / 2;
	delta += delta / points;
	for (; delta > (BASE - T_MIN) * T_MAX / 2; k += BASE)
		delta /= BASE - T_MIN;
	return k + (BASE - T_MIN + 1) * delta / (delta + SKEW);
}

static unsigned threshold(unsigned k, unsigned bias)
{
	return k <= bias + T_MIN ? T_MIN : k >= bias + T_MAX ? T_MAX : k - bias;
}

static unsigned digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0') + 26;
	if (c >= 'a' && c <= 'z')
		return (unsigned)(c - 'a');
	return c >= 'A' && c <= 'Z' ? (unsigned)(c - 'A') : BASE;
}

/* One generalised variable-length integer, added to *index. */
static bool decode_delta(struct slice text, size_t *at, unsigned bias, unsigned *index)
{
	unsigned weight = 1;

	for (unsigned k = BASE;; k += BASE) {
		unsigned digit = *at < text.len ? digit_of(text.at[(*at)++]) : BASE, t = threshold(k, bias);
		unsigned step;
		if (digit >= BASE || __builtin_mul_overflow(digit, weight, &step) ||
		    __builtin_add_overflow(*index, step, index))
			return false;
		if (digit < t)
			return true;
		if (__builtin_mul_overflow(weight, BASE - t, &weight))
			return false;
	}
}

/* Number of code points, 0 if it is none. `text` has at most LABEL_BYTES bytes. */
static unsigned decode(struct slice text, uint32_t points[LABEL_POINTS])
{
	size_t basic = text.len, at;
	unsigned count = 0, point = INITIAL_POINT, index = 0, bias = INITIAL_BIAS;

	while (basic > 0 && text.at[basic - 1] != '-')
		basic--;
	for (size_t i = 0; i + 1 < basic; i++)
		points[count++] = (unsigned char)text.at[i];
	for (at = basic; at < text.len; index++) {
		unsigned before = index;
		if (count == LABEL_POINTS || !decode_delta(text, &at, bias, &index))
			return 0;
		bias = adapt(index - before, count + 1, before == 0);
		if (__builtin_add_overflow(point, index / (count + 1), &point) || point > 0x10FFFF)
			return 0;
		index %= count + 1;
		memmove(points + index + 1, points + index, (count - index) * sizeof *points);
		points[index] = point;
		count++;
	}
	return count;
}

/* Bytes of one variable-length integer. */
static size_t encoded_delta(unsigned delta, unsigned bias)
{
	size_t bytes = 1;

	for (unsigned k = BASE;; k += BASE, bytes++) {
		unsigned t = threshold(k, bias);
		if (delta < t)
			return bytes;
		delta = (delta - t) / (BASE - t);
	}
}

/* Bytes of the label in Punycode with its prefix; SIZE_MAX if it has too many code points, or none of its own. */
static size_t encoded_length(const uint32_t *points, unsigned count)
{
	unsigned point = INITIAL_POINT, delta = 0, bias = INITIAL_BIAS, done = 0;
	size_t bytes = 4;

	for (unsigned i = 0; i < count; i++)
		done += points[i] < 128;
	bytes += done + (done > 0);
	for (unsigned basic = done; done < count; delta++, point++) {
		unsigned next = UINT32_MAX;
		for (unsigned i = 0; i < count; i++)
			if (points[i] >= point && points[i] < next)
				next = points[i];
		delta += (next - point) * (done + 1);
		point = next;
		for (unsigned i = 0; i < count; i++) {
			delta += points[i] < point;
			if (points[i] != point)
				continue;
			bytes += encoded_delta(delta, bias);
			bias = adapt(delta, done + 1, done == basic);
			delta = 0;
			done++;
		}
	}
	return bytes;
}

/* "xn--…" that stands for a valid label, in the only way there is. */
static bool is_encoded_label(struct name_check *check, struct slice label)
{
	uint32_t points[LABEL_POINTS];
	char text[LABEL_POINTS * 4];
	size_t len = 0;
	bool foreign = false;

	if (label.len < 5 || label.len > LABEL_BYTES ||
	    !slice_equal_nocase((struct slice) { label.at, 4 }, SLICE("xn--")))
		return false;
	unsigned count = decode((struct slice) { label.at + 4, label.len - 4 }, points);
	for (unsigned i = 0; i < count; i++) {
		if (points[i] >= 0xD800 && points[i] <= 0xDFFF)
			return false;
		foreign |= points[i] >= 128;
		len += utf8_write(text + len, points[i]);
	}
	return foreign && encoded_length(points, count) == label.len && is_label(check, (struct slice) { text, len });
}

/* Bytes that the label takes in a name; 0: it is not valid. */
static size_t label_length(struct name_check *check, struct slice label)
{
	uint32_t points[LABEL_POINTS];
	unsigned count = 0;
	bool foreign = false;

	for (size_t i = 0, step; i < label.len; i += step) {
		step = utf8_length(label.at + i, label.len - i);
		if (!step || count == LABEL_POINTS)
			return 0;
		const unsigned char *byte = (const unsigned char *)label.at + i;
		uint32_t point = step == 1 ? byte[0] : byte[0] & (0xFFu >> (step + 1));
		for (size_t k = 1; k < step; k++)
			point = point << 6 | (byte[k] & 63u);
		foreign |= step > 1;
		points[count++] = point;
	}
	if (!foreign) {
		struct slice prefix = { label.at, label.len > 4 ? 4 : 0 };
		if (slice_equal_nocase(prefix, SLICE("xn--")))
			return is_encoded_label(check, label) ? label.len : 0;
		check_direction(check, label);
		return format_is_hostname(label) ? label.len : 0;
	}
	size_t len = encoded_length(points, count);
	return len <= LABEL_BYTES && is_label(check, label) ? len : 0;
}

/* Bytes of the dot at the start of `text`, of which there are four; 0 if there is none. */
static size_t dot_length(struct slice text)
{
	static const struct slice dots[] = {
		{ ".", 1 }, { "\xE3\x80\x82", 3 }, { "\xEF\xBC\x8E", 3 }, { "\xEF\xBD\xA1", 3 }
	};

	for (size_t i = 0; i < sizeof dots / sizeof *dots; i++)
		if (slice_starts(text, dots[i]))
			return dots[i].len;
	return 0;
}

bool format_is_idn_hostname(struct slice text)
{
	struct name_check check = { .one_way = true };
	size_t whole = 0;

	for (size_t from = 0;;) {
		size_t end = from, dot = 0;
		while (end < text.len && !(dot = dot_length((struct slice) { text.at + end, text.len - end })))
			end++;
		size_t len = label_length(&check, (struct slice) { text.at + from, end - from });
		if (!len)
			return false;
		whole += len + (from > 0);
		if (end == text.len)
			return whole <= 253 && (!check.leftward || check.one_way);
		from = end + dot;
	}
}
