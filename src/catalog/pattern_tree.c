/* Recursive descent over the pattern's text. PCRE2 has accepted it before, so that this reader may be lenient where
 * forms are rare: what it takes for a wider set only makes the judgement stricter. */
#include "catalog/pattern_tree.h"

#include "base/hex.h"

#define RANGES_MAX 64
#define DEPTH_MAX 60
#define LAST_CHARACTER 0x10ffffu

struct reader {
	struct slice rest;
	struct arena *arena;
	struct pattern_node *aside;
	unsigned nodes, depth;
	bool failed;
};

static struct pattern_node *new_node(struct reader *r, enum pattern_kind kind)
{
	static struct pattern_node spare; /* never read: failed is set */
	struct pattern_node *node = NULL;

	if (r->nodes++ < PATTERN_NODES_MAX)
		node = arena_zalloc(r->arena, sizeof *node);
	if (!node) {
		r->failed = true;
		r->rest.len = 0;
		return &spare;
	}
	node->kind = kind;
	return node;
}

static bool take(struct reader *r, const char *text)
{
	struct slice prefix = slice_of(text);

	if (!slice_starts(r->rest, prefix))
		return false;
	r->rest.at += prefix.len;
	r->rest.len -= prefix.len;
	return true;
}

static char take_byte(struct reader *r)
{
	if (r->rest.len == 0) {
		r->failed = true;
		return '\0';
	}
	r->rest.len--;
	return *r->rest.at++;
}

/* One code point of UTF-8. */
static uint32_t take_point(struct reader *r)
{
	unsigned char c = (unsigned char)take_byte(r);
	unsigned more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;
	uint32_t point = more == 3 ? c & 7u : more == 2 ? c & 15u : more == 1 ? c & 31u : c;

	for (; more > 0; more--)
		point = point << 6 | ((unsigned char)take_byte(r) & 63u);
	return point;
}

static void add_range(struct reader *r, struct pattern_node *set, uint32_t low, uint32_t high)
{
	if (!set->ranges)
		set->ranges = arena_array(r->arena, RANGES_MAX, sizeof *set->ranges);
	if (!set->ranges || set->ranges_count == RANGES_MAX || low > high) {
		r->failed = true;
		return;
	}
	set->ranges[set->ranges_count++] = (struct pattern_range) { low, high };
}

static void add_ranges(struct reader *r, struct pattern_node *set, const struct pattern_range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++)
		add_range(r, set, ranges[i].low, ranges[i].high);
}

/* The set becomes what it is not. */
static void negate(struct reader *r, struct pattern_node *set)
{
	struct pattern_range out[RANGES_MAX];
	size_t count = 0;
	uint32_t from = 0;

	for (;;) {
		uint32_t low = LAST_CHARACTER + 1, high = 0;
		for (size_t i = 0; i < set->ranges_count; i++)
			if (set->ranges[i].high >= from && set->ranges[i].low < low) {
				low = set->ranges[i].low;
				high = set->ranges[i].high;
			}
		if (low > from && count < RANGES_MAX)
			out[count++] = (struct pattern_range) { from, low - 1 };
		if (low > LAST_CHARACTER || high >= LAST_CHARACTER)
			break;
		from = high + 1;
	}
	set->ranges_count = 0;
	add_ranges(r, set, out, count);
}

static const struct pattern_range digits[] = { { '0', '9' } };
static const struct pattern_range words[] = { { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' } };
static const struct pattern_range spaces[] = { { 9, 13 },          { ' ', ' ' },       { 0xa0, 0xa0 },
	                                       { 0x1680, 0x1680 }, { 0x2000, 0x200a }, { 0x2028, 0x2029 },
	                                       { 0x202f, 0x202f }, { 0x205f, 0x205f }, { 0x3000, 0x3000 },
	                                       { 0xfeff, 0xfeff } };

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* \d \w \s and their opposites, \p{…}. False: the letter stands for something else. */
static bool add_class(struct reader *r, struct pattern_node *set, char letter)
{
	struct pattern_node part = { .kind = PATTERN_SET };

	if ((letter | 32) == 'd')
		add_ranges(r, &part, digits, COUNT(digits));
	else if ((letter | 32) == 'w')
		add_ranges(r, &part, words, COUNT(words));
	else if ((letter | 32) == 's')
		add_ranges(r, &part, spaces, COUNT(spaces));
	else if ((letter | 32) == 'p')
		add_range(r, &part, 0, LAST_CHARACTER); /* which characters is not looked up */
	else
		return false;
	if ((letter | 32) == 'p' && take(r, "{")) {
		size_t end = slice_find(r->rest, '}');
		r->rest.at += end < r->rest.len ? end + 1 : end;
		r->rest.len -= end < r->rest.len ? end + 1 : end;
	}
	if (letter < 'a' && letter != 'P')
		negate(r, &part);
	add_ranges(r, set, part.ranges, part.ranges_count);
	return true;
}

static uint32_t take_hex(struct reader *r, unsigned least, unsigned most)
{
	uint32_t value = 0;
	unsigned taken = 0;

	while (taken < most && r->rest.len) {
		int digit = hex_value(r->rest.at[0]);
		if (digit < 0)
			break;
		value = value * 16 + (uint32_t)digit;
		take_byte(r);
		taken++;
	}
	r->failed |= taken < least || value > LAST_CHARACTER;
	return value;
}

/* The character that an escape stands for, its letter taken already. */
static uint32_t escaped_point(struct reader *r, char letter)
{
	switch (letter) {
	case 't':
		return '\t';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 'f':
		return '\f';
	case 'v':
		return '\v';
	case 'c':
		return (unsigned char)take_byte(r) & 31u;
	case 'x':
		return take_hex(r, 2, 2);
	case 'u':
		if (take(r, "{")) {
			uint32_t point = take_hex(r, 1, 6);
			r->failed |= !take(r, "}");
			return point;
		}
		return take_hex(r, 4, 4);
	default:
		return letter == '0' ? 0 : (unsigned char)letter;
	}
}

/* One member of a class; true if it was a single character (so that a range may follow). */
static bool read_class_member(struct reader *r, struct pattern_node *set, uint32_t *point)
{
	if (!take(r, "\\")) {
		*point = take_point(r);
		return true;
	}
	char letter = take_byte(r);
	if (add_class(r, set, letter))
		return false;
	*point = letter == 'b' ? '\b' : escaped_point(r, letter);
	return true;
}

static struct pattern_node *read_class(struct reader *r)
{
	struct pattern_node *set = new_node(r, PATTERN_SET);
	bool negative = take(r, "^");

	while (!r->failed && !take(r, "]")) {
		uint32_t low = 0, high = 0;
		if (!read_class_member(r, set, &low))
			continue;
		high = low;
		if (r->rest.len > 1 && r->rest.at[0] == '-' && r->rest.at[1] != ']') {
			take(r, "-");
			if (!read_class_member(r, set, &high)) { /* [a-\d]: two characters and a class */
				add_range(r, set, '-', '-');
				high = low;
			}
		}
		add_range(r, set, low, high);
	}
	if (negative)
		negate(r, set);
	return set;
}

static struct pattern_node *read_escape(struct reader *r)
{
	char letter = take_byte(r);

	if ((letter | 32) == 'b')
		return new_node(r, PATTERN_EMPTY);
	if (letter == 'k') {
		size_t end = slice_find(r->rest, '>');
		r->rest.at += end < r->rest.len ? end + 1 : end;
		r->rest.len -= end < r->rest.len ? end + 1 : end;
		return new_node(r, PATTERN_BACK);
	}
	if (letter >= '1' && letter <= '9') {
		while (r->rest.len && r->rest.at[0] >= '0' && r->rest.at[0] <= '9')
			take_byte(r);
		return new_node(r, PATTERN_BACK);
	}
	struct pattern_node *set = new_node(r, PATTERN_SET);
	if (!add_class(r, set, letter)) {
		uint32_t point = escaped_point(r, letter);
		add_range(r, set, point, point);
	}
	return set;
}

static struct pattern_node *read_choice(struct reader *r);

static struct pattern_node *read_group(struct reader *r)
{
	bool look = take(r, "?=") || take(r, "?!") || take(r, "?<=") || take(r, "?<!");

	if (!look && !take(r, "?:") && take(r, "?<")) {
		size_t end = slice_find(r->rest, '>');
		r->rest.at += end < r->rest.len ? end + 1 : end;
		r->rest.len -= end < r->rest.len ? end + 1 : end;
	}
	struct pattern_node *inner = read_choice(r);
	r->failed |= !take(r, ")");
	if (!look)
		return inner;
	struct pattern_node *wrap = new_node(r, PATTERN_CHAIN);
	wrap->first = inner;
	wrap->next = r->aside;
	r->aside = wrap;
	return new_node(r, PATTERN_EMPTY);
}

static struct pattern_node *read_atom(struct reader *r)
{
	struct pattern_node *set;

	if (take(r, "("))
		return read_group(r);
	if (take(r, "["))
		return read_class(r);
	if (take(r, "^"))
		return new_node(r, PATTERN_BEGIN);
	if (take(r, "$"))
		return new_node(r, PATTERN_END);
	if (take(r, "\\"))
		return read_escape(r);
	set = new_node(r, PATTERN_SET);
	if (take(r, ".")) {
		add_range(r, set, 0, LAST_CHARACTER);
	} else {
		uint32_t point = take_point(r);
		add_range(r, set, point, point);
	}
	return set;
}

static bool take_number(struct reader *r, uint32_t *out)
{
	bool any = false;

	*out = 0;
	while (r->rest.len && r->rest.at[0] >= '0' && r->rest.at[0] <= '9') {
		uint32_t digit = (uint32_t)(take_byte(r) - '0');
		*out = *out > 100000 ? *out : *out * 10 + digit;
		any = true;
	}
	return any;
}

/* {n} {n,} {n,m}; anything else is a brace. */
static bool read_braces(struct reader *r, uint32_t *min, uint32_t *max)
{
	struct slice before = r->rest;

	if (take(r, "{") && take_number(r, min)) {
		*max = *min;
		if (take(r, ",") && !take_number(r, max))
			*max = PATTERN_NO_LIMIT;
		if (take(r, "}"))
			return true;
	}
	r->rest = before;
	return false;
}

static struct pattern_node *read_piece(struct reader *r)
{
	struct pattern_node *atom = read_atom(r);
	uint32_t min = 0, max = PATTERN_NO_LIMIT;

	for (;;) {
		if (take(r, "+"))
			min = 1;
		else if (take(r, "?"))
			max = 1;
		else if (!take(r, "*") && !read_braces(r, &min, &max))
			return atom;
		(void)(take(r, "?") || take(r, "+"));
		struct pattern_node *repeat = new_node(r, PATTERN_REPEAT);
		repeat->first = atom;
		repeat->min = min;
		repeat->max = max;
		atom = repeat;
		min = 0;
		max = PATTERN_NO_LIMIT;
	}
}

static struct pattern_node *read_chain(struct reader *r)
{
	struct pattern_node *chain = new_node(r, PATTERN_CHAIN), **end = &chain->first;

	while (!r->failed && r->rest.len && r->rest.at[0] != '|' && r->rest.at[0] != ')') {
		/* a group stands for itself and in no other list: its siblings are this chain's */
		struct pattern_node *wrap = new_node(r, PATTERN_CHAIN);
		wrap->first = read_piece(r);
		*end = wrap;
		end = &wrap->next;
	}
	return chain;
}

static struct pattern_node *read_choice(struct reader *r)
{
	struct pattern_node *choice = new_node(r, PATTERN_CHOICE), **end = &choice->first;

	if (++r->depth > DEPTH_MAX)
		r->failed = true;
	do {
		*end = read_chain(r);
		end = &(*end)->next;
	} while (!r->failed && take(r, "|"));
	r->depth--;
	return choice;
}

struct pattern_node *pattern_tree_read(struct slice text, struct arena *arena, struct pattern_node **aside)
{
	struct reader r = { .rest = text, .arena = arena };
	struct pattern_node *root = read_choice(&r);

	if (aside)
		*aside = r.aside;
	return r.failed || r.rest.len ? NULL : root;
}
