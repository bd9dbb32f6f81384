/* A recursive descent over the grammar of ECMA-262, section 22.2.1. What both dialects write alike is copied; what they
 * do not is spelled out in code points: the dot, \s, \c, \u, empty classes, surrogates. Names of groups become numbers,
 * as PCRE2 has other rules for names. What PCRE2 alone knows (possessive quantifiers, POSIX classes, \Q, \A, verbs)
 * cannot come through: it is a fault, or an escaped character. */
#include "catalog/pattern_syntax.h"

#include "base/hex.h"
#include "base/utf8.h"
#include "catalog/pattern.h"

#define DEPTH_MAX 200
#define NAMED_MAX 64 /* named groups, and references to them: each is looked for from the start */
#define CODE_POINT_MAX 0x10FFFF
#define NO_POINT UINT32_MAX /* an escape that stands for a class */

struct reader {
	struct slice text;
	size_t at;
	struct buffer *out;
	bool strict;
	unsigned depth, groups, named;
	struct pattern_fault *fault;
};

static const char space[] = "\\x{9}-\\x{d}\\x{20}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}"
                            "\\x{202f}\\x{205f}\\x{3000}\\x{feff}";
static const char no_space[] =
        "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}"
        "\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{fefe}\\x{ff00}-\\x{10ffff}";

static bool fail(struct reader *r, const char *reason)
{
	if (!r->fault->reason)
		*r->fault = (struct pattern_fault) { reason, r->at };
	return false;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void emit(struct reader *r, struct slice s)
{
	if (r->out)
		buffer_append(r->out, s);
}

/* Lone surrogates are in no well-formed text: outside of a class nothing matches them, in a class they are left out. */
static void emit_point(struct reader *r, uint32_t point, bool in_class)
{
	char bytes[4];

	if (!r->out)
		return;
	if (point >= 0xD800 && point <= 0xDFFF)
		emit(r, in_class ? SLICE("") : SLICE("(?!)"));
	else if (point < 0x80 && !is_digit((char)point) && !is_letter((char)point))
		buffer_append_format(r->out, "\\x{%x}", point);
	else
		buffer_append(r->out, (struct slice) { bytes, utf8_write(bytes, point) });
}

/* The character `ahead` bytes further on; NUL at the end (and where a NUL stands, which is never syntax). */
static char peek(const struct reader *r, size_t ahead)
{
	return r->at + ahead < r->text.len ? r->text.at[r->at + ahead] : '\0';
}

static bool take(struct reader *r, const char *what)
{
	size_t len = strlen(what);

	if (r->text.len - r->at < len || memcmp(r->text.at + r->at, what, len) != 0)
		return false;
	r->at += len;
	return true;
}

static bool take_point(struct reader *r, uint32_t *out)
{
	size_t len = utf8_length(r->text.at + r->at, r->text.len - r->at);
	const unsigned char *byte = (const unsigned char *)r->text.at + r->at;

	if (!len)
		return fail(r, "not UTF-8");
	*out = len == 1 ? byte[0] : len == 2 ? byte[0] & 31u : len == 3 ? byte[0] & 15u : byte[0] & 7u;
	for (size_t i = 1; i < len; i++)
		*out = *out << 6 | (byte[i] & 63u);
	r->at += len;
	return true;
}

/* Exactly `count` hexadecimal digits, or with 0 as many as there are. */
static bool take_hex(struct reader *r, size_t count, uint32_t *out)
{
	size_t taken = 0;

	*out = 0;
	for (; count == 0 || taken < count; taken++, r->at++) {
		int digit = hex_value(peek(r, 0));
		if (digit < 0)
			break;
		if (*out <= CODE_POINT_MAX)
			*out = *out * 16 + (uint32_t)digit;
	}
	return (count ? taken == count : taken > 0) || fail(r, "wrong number of hexadecimal digits");
}

/* Behind "\u". */
static bool take_unicode(struct reader *r, uint32_t *out)
{
	uint32_t low;

	if (take(r, "{")) {
		if (!take_hex(r, 0, out))
			return false;
		return (*out <= CODE_POINT_MAX && take(r, "}")) || fail(r, "wrong code point");
	}
	if (!take_hex(r, 4, out))
		return false;
	size_t back = r->at;
	if (*out < 0xD800 || *out > 0xDBFF || !take(r, "\\u"))
		return true;
	if (peek(r, 0) != '{' && take_hex(r, 4, &low) && low >= 0xDC00 && low <= 0xDFFF) {
		*out = 0x10000 + ((*out - 0xD800) << 10) + (low - 0xDC00);
		return true;
	}
	/* Wrong digits are told when the escape is read for itself. */
	*r->fault = (struct pattern_fault) { 0 };
	r->at = back;
	return true;
}

/* "p" or "P" behind the backslash. Names are PCRE2's business, their form is checked. */
static bool take_property(struct reader *r, bool negated)
{
	size_t from = r->at + 1;

	if (!take(r, "{"))
		return fail(r, "a property needs a name in braces");
	while (is_letter(peek(r, 0)) || is_digit(peek(r, 0)) || peek(r, 0) == '_' || peek(r, 0) == '=')
		r->at++;
	struct slice name = { r->text.at + from, r->at - from };
	if (!name.len || !take(r, "}"))
		return fail(r, "wrong name of a property");
	if (r->out) {
		const char *prefix;
		struct slice ours = pattern_property_name(name, &prefix);
		buffer_append_format(r->out, "\\%c{%s%.*s}", negated ? 'P' : 'p', prefix, SLICE_ARG(ours));
	}
	return true;
}

/* The classes that a letter stands for; 0 if it stands for none, -1 after a fault. */
static int take_class_escape(struct reader *r, bool in_class)
{
	char c = peek(r, 0);

	if (c == '\0' || !strchr("dDwWsSpP", c))
		return 0;
	r->at++;
	if (c == 'p' || c == 'P')
		return take_property(r, c == 'P') ? 1 : -1;
	if (c != 's' && c != 'S') {
		const char text[2] = { '\\', c };
		emit(r, (struct slice) { text, 2 });
		return 1;
	}
	if (!in_class)
		emit(r, c == 's' ? SLICE("[") : SLICE("[^"));
	emit(r, c == 's' || !in_class ? slice_of(space) : slice_of(no_space));
	if (!in_class)
		emit(r, SLICE("]"));
	return 1;
}

/* An escape that stands for one character; the backslash is taken. */
static bool take_character_escape(struct reader *r, uint32_t *out)
{
	static const char controls[] = "t\tn\nv\vf\fr\r";
	char c = peek(r, 0);

	for (size_t i = 0; c && i < sizeof controls - 1; i += 2) {
		if (c == controls[i]) {
			r->at++;
			*out = (uint32_t)controls[i + 1];
			return true;
		}
	}
	if (c == 'c' && is_letter(peek(r, 1))) {
		*out = (uint32_t)peek(r, 1) % 32;
		r->at += 2;
		return true;
	}
	if (c == '0' && !is_digit(peek(r, 1))) {
		r->at++;
		*out = 0;
		return true;
	}
	if (take(r, "x"))
		return take_hex(r, 2, out);
	if (take(r, "u"))
		return take_unicode(r, out);
	if (r->at >= r->text.len)
		return fail(r, "a backslash at the end");
	if (is_letter(c) || is_digit(c) || (r->strict && (c == '\0' || !strchr("^$\\.*+?()[]{}|/", c))))
		return fail(r, "an escape that does not exist");
	return take_point(r, out);
}

/* Number of the group with that name, 0 if there is none. */
static unsigned find_group(struct slice text, struct slice name)
{
	unsigned groups = 0;
	bool in_class = false;

	for (size_t i = 0; i < text.len; i++) {
		struct slice rest = { text.at + i, text.len - i };
		if (rest.at[0] == '\\')
			i++;
		else if (rest.at[0] == '[')
			in_class = true;
		else if (rest.at[0] == ']')
			in_class = false;
		else if (rest.at[0] == '(' && !in_class) {
			bool named = slice_starts(rest, SLICE("(?<")) && !slice_starts(rest, SLICE("(?<=")) &&
			             !slice_starts(rest, SLICE("(?<!"));
			groups += named || !slice_starts(rest, SLICE("(?"));
			struct slice own = { rest.at + 3, named ? rest.len - 3 : 0 };
			own.len = slice_find(own, '>');
			if (named && slice_equal(own, name))
				return groups;
		}
	}
	return 0;
}

static unsigned count_groups(struct slice text)
{
	unsigned groups = 0;
	bool in_class = false;

	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] == '\\')
			i++;
		else if (text.at[i] == '[' || text.at[i] == ']')
			in_class = text.at[i] == '[';
		else if (text.at[i] == '(' && !in_class)
			groups += i + 1 >= text.len || text.at[i + 1] != '?' ||
			          (i + 3 < text.len && text.at[i + 2] == '<' && text.at[i + 3] != '=' &&
			           text.at[i + 3] != '!');
	}
	return groups;
}

/* "name>" */
static bool take_name(struct reader *r, struct slice *out)
{
	size_t from = r->at;

	while (is_letter(peek(r, 0)) || peek(r, 0) == '_' || peek(r, 0) == '$' || (unsigned char)peek(r, 0) >= 0x80 ||
	       (r->at > from && is_digit(peek(r, 0))))
		r->at++;
	*out = (struct slice) { r->text.at + from, r->at - from };
	if (!out->len || !take(r, ">"))
		return fail(r, "wrong name of a group");
	return ++r->named <= NAMED_MAX || fail(r, "too many named groups");
}

static bool take_back_reference(struct reader *r, unsigned number)
{
	if (number == 0 || number > count_groups(r->text))
		return fail(r, "a reference to a group that does not exist");
	if (r->out)
		buffer_append_format(r->out, "\\g{%u}", number);
	return true;
}

/* Behind the backslash. */
static bool take_atom_escape(struct reader *r, bool *repeatable)
{
	uint32_t point = 0;
	struct slice name;
	char c = peek(r, 0);

	if (c == 'b' || c == 'B') {
		r->at++;
		*repeatable = false;
		emit(r, c == 'b' ? SLICE("\\b") : SLICE("\\B"));
		return true;
	}
	if (c >= '1' && c <= '9') {
		unsigned number = 0;
		for (; is_digit(peek(r, 0)); r->at++)
			number = number > 100000 ? number : number * 10 + (unsigned)(peek(r, 0) - '0');
		return ++r->named <= NAMED_MAX ? take_back_reference(r, number)
		                               : fail(r, "too many references to groups");
	}
	if (take(r, "k<"))
		return take_name(r, &name) && take_back_reference(r, find_group(r->text, name));
	int class = take_class_escape(r, false);
	if (class)
		return class > 0;
	if (!take_character_escape(r, &point))
		return false;
	emit_point(r, point, false);
	return true;
}

/* One character or escape of a class; NO_POINT if it is a class itself, which is written at once. */
static bool take_class_atom(struct reader *r, uint32_t *out)
{
	if (!take(r, "\\"))
		return take_point(r, out);
	int class = take_class_escape(r, true);
	*out = NO_POINT;
	if (class)
		return class > 0;
	if (take(r, "b")) {
		*out = '\b';
		return true;
	}
	if (take(r, "-")) {
		*out = '-';
		return true;
	}
	return take_character_escape(r, out);
}

static void emit_range(struct reader *r, uint32_t low, uint32_t high)
{
	if (low >= 0xD800 && low <= 0xDFFF)
		low = 0xE000;
	if (high >= 0xD800 && high <= 0xDFFF)
		high = 0xD7FF;
	if (low > high || !r->out)
		return;
	buffer_append_format(r->out, "\\x{%x}-\\x{%x}", low, high);
}

/* One atom of a class, or a range. */
static bool take_class_range(struct reader *r)
{
	uint32_t low = 0, high = 0;

	if (!take_class_atom(r, &low))
		return false;
	bool is_range = peek(r, 0) == '-' && r->at + 1 < r->text.len && peek(r, 1) != ']';
	if (is_range && low == NO_POINT) {
		if (r->strict)
			return fail(r, "a class cannot begin a range");
		is_range = false;
	}
	if (!is_range) {
		if (low != NO_POINT)
			emit_point(r, low, true);
		return true;
	}
	r->at++;
	if (!take_class_atom(r, &high))
		return false;
	if (high == NO_POINT) {
		if (r->strict)
			return fail(r, "a class cannot end a range");
		emit_point(r, low, true);
		emit_point(r, '-', true);
		return true;
	}
	if (low > high)
		return fail(r, "a range out of order");
	emit_range(r, low, high);
	return true;
}

/* Behind the opening bracket. */
static bool take_class(struct reader *r)
{
	size_t start = r->out ? r->out->len : 0, inner;
	bool negated = take(r, "^");

	emit(r, negated ? SLICE("[^") : SLICE("["));
	inner = r->out ? r->out->len : 0;
	while (!take(r, "]")) {
		if (r->at >= r->text.len)
			return fail(r, "missing closing bracket");
		if (!take_class_range(r))
			return false;
	}
	if (r->out && r->out->len == inner) {
		r->out->len = start;
		emit(r, negated ? SLICE("[\\x{0}-\\x{10ffff}]") : SLICE("(?!)"));
		return true;
	}
	emit(r, SLICE("]"));
	return true;
}

static bool take_disjunction(struct reader *r);

/* Behind the opening parenthesis. */
static bool take_group(struct reader *r, bool *repeatable)
{
	static const char *const plain[] = { "?:", "?=", "?!", "?<=", "?<!" };
	struct slice name;
	size_t kind = 0;

	emit(r, SLICE("("));
	while (kind < 5 && !take(r, plain[kind]))
		kind++;
	if (kind < 5) {
		emit(r, slice_of(plain[kind]));
		*repeatable = kind == 0 || (kind < 3 && !r->strict);
	} else if (take(r, "?<")) {
		r->groups++;
		if (!take_name(r, &name))
			return false;
		if (find_group(r->text, name) != r->groups)
			return fail(r, "two groups of the same name");
	} else if (peek(r, 0) == '?') {
		return fail(r, "a kind of group that does not exist");
	} else {
		r->groups++;
	}
	if (++r->depth > DEPTH_MAX)
		return fail(r, "too many groups within each other");
	if (!take_disjunction(r))
		return false;
	r->depth--;
	emit(r, SLICE(")"));
	return take(r, ")") || fail(r, "missing closing parenthesis");
}

/* "{2}", "{2,}", "{2,3}"; false without a fault if it is none. */
static bool take_braces(struct reader *r)
{
	size_t from = r->at;
	unsigned long least = 0, most = 0;

	if (!take(r, "{") || !is_digit(peek(r, 0))) {
		r->at = from;
		return false;
	}
	for (; is_digit(peek(r, 0)); r->at++)
		least = least > 1000000000 ? least : least * 10 + (unsigned long)(peek(r, 0) - '0');
	most = least;
	if (take(r, ",")) {
		most = is_digit(peek(r, 0)) ? 0 : least;
		for (; is_digit(peek(r, 0)); r->at++)
			most = most > 1000000000 ? most : most * 10 + (unsigned long)(peek(r, 0) - '0');
	}
	if (!take(r, "}")) {
		r->at = from;
		return false;
	}
	if (most < least)
		return fail(r, "numbers of a quantifier out of order");
	emit(r, (struct slice) { r->text.at + from, r->at - from });
	return true;
}

static bool take_quantifier(struct reader *r, bool repeatable)
{
	size_t from = r->at;
	char c = peek(r, 0);

	if (c == '*' || c == '+' || c == '?') {
		r->at++;
		emit(r, (struct slice) { r->text.at + from, 1 });
	} else if (!take_braces(r)) {
		return !r->fault->reason;
	}
	if (!repeatable) {
		r->at = from;
		return fail(r, "nothing to repeat");
	}
	if (take(r, "?"))
		emit(r, SLICE("?"));
	return true;
}

static bool take_atom(struct reader *r, bool *repeatable)
{
	char c = peek(r, 0);
	size_t from = r->at;
	uint32_t point = 0;

	if (take(r, "\\"))
		return take_atom_escape(r, repeatable);
	if (take(r, "["))
		return take_class(r);
	if (take(r, "("))
		return take_group(r, repeatable);
	if (take(r, ".")) {
		emit(r, SLICE("[^\\n\\r\\x{2028}\\x{2029}]"));
		return true;
	}
	if (take(r, "^") || take(r, "$")) {
		*repeatable = false;
		emit(r, (struct slice) { r->text.at + from, 1 });
		return true;
	}
	if (c == '*' || c == '+' || c == '?')
		return fail(r, "nothing to repeat");
	if (c == '{' && (take_braces(r) || r->fault->reason))
		return fail(r, "nothing to repeat");
	if (r->strict && (c == '{' || c == '}' || c == ']'))
		return fail(r, "a brace or bracket without its partner");
	if (!take_point(r, &point))
		return false;
	emit_point(r, point, false);
	return true;
}

static bool take_disjunction(struct reader *r)
{
	while (r->at < r->text.len && peek(r, 0) != ')') {
		bool repeatable = true;
		if (take(r, "|")) {
			emit(r, SLICE("|"));
			continue;
		}
		if (!take_atom(r, &repeatable) || !take_quantifier(r, repeatable))
			return false;
	}
	return true;
}

bool pattern_translate(struct slice text, bool strict, struct buffer *out, struct pattern_fault *fault)
{
	struct reader r = { .text = text, .out = out, .strict = strict, .fault = fault };

	*fault = (struct pattern_fault) { 0 };
	if (!take_disjunction(&r))
		return false;
	return r.at == text.len || fail(&r, "a closing parenthesis without its partner");
}
