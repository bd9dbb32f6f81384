/* A pattern is dangerous if some repeated part of it can take the same text in two ways: each further repetition then
 * doubles the work before a backtracking matcher gives up. That is a property of its automaton (one state per character
 * position, after Glushkov): exponential ambiguity holds exactly if within a strongly connected component an edge is
 * there twice, or two different paths lead from one state to one state over the same text (Weber and Seidl). Counted
 * repetitions are unrolled a few times and then taken for unlimited, which errs to the strict side only where the
 * counts are small. */
#include "catalog/pattern_risk.h"

#include "catalog/pattern_tree.h"

#define POSITIONS_MAX 1024
#define STEPS_MAX 30000000u
#define UNROLL 3
#define TOO_LARGE "is too large to be proved harmless"

typedef uint64_t word;

struct automaton {
	struct arena *arena;
	size_t words; /* of one row */
	size_t count;
	const struct pattern_node **sets;
	word *follow, *twice, *reach; /* rows by position */
	bool failed;
};

struct fragment {
	bool nullable;
	word *first, *last;
};

static bool bit_get(const word *row, size_t i)
{
	return row[i / 64] >> (i % 64) & 1;
}

static void bit_set(word *row, size_t i)
{
	row[i / 64] |= (word)1 << (i % 64);
}

static word *row_of(const struct automaton *a, word *matrix, size_t i)
{
	return matrix + i * a->words;
}

static struct fragment new_fragment(struct automaton *a, bool nullable)
{
	static word spare[POSITIONS_MAX / 64];
	struct fragment f = { nullable, arena_array(a->arena, a->words, sizeof(word)),
		              arena_array(a->arena, a->words, sizeof(word)) };

	if (!f.first || !f.last) {
		a->failed = true;
		f.first = f.last = spare;
	}
	return f;
}

static void connect(struct automaton *a, const word *last, const word *first)
{
	for (size_t p = 0; p < a->count; p++) {
		if (!bit_get(last, p))
			continue;
		word *follow = row_of(a, a->follow, p), *twice = row_of(a, a->twice, p);
		for (size_t w = 0; w < a->words; w++) {
			twice[w] |= follow[w] & first[w];
			follow[w] |= first[w];
		}
	}
}

static void unite(const struct automaton *a, word *to, const word *from)
{
	for (size_t w = 0; w < a->words; w++)
		to[w] |= from[w];
}

static struct fragment build(struct automaton *a, const struct pattern_node *node);

/* `head` with `tail` behind it. */
static struct fragment join(struct automaton *a, struct fragment head, struct fragment tail)
{
	struct fragment out = new_fragment(a, head.nullable && tail.nullable);

	connect(a, head.last, tail.first);
	unite(a, out.first, head.first);
	if (head.nullable)
		unite(a, out.first, tail.first);
	unite(a, out.last, tail.last);
	if (tail.nullable)
		unite(a, out.last, head.last);
	return out;
}

static struct fragment build_loop(struct automaton *a, const struct pattern_node *body, bool may_be_absent)
{
	struct fragment f = build(a, body);

	connect(a, f.last, f.first);
	f.nullable |= may_be_absent;
	return f;
}

static struct fragment build_repeat(struct automaton *a, const struct pattern_node *node)
{
	const struct pattern_node *body = node->first;
	uint32_t fixed = node->min < UNROLL ? node->min : UNROLL;
	uint32_t more = node->max == PATTERN_NO_LIMIT ? PATTERN_NO_LIMIT : node->max - node->min;
	struct fragment out = new_fragment(a, true), tail = new_fragment(a, true);

	if (node->max == 0 || node->max < node->min)
		return out;
	if (more == PATTERN_NO_LIMIT && fixed > 0)
		fixed--; /* the loop itself is one of them */
	for (uint32_t i = 0; i < fixed && !a->failed; i++)
		out = join(a, out, build(a, body));
	if (more > UNROLL)
		return join(a, out, build_loop(a, body, more != PATTERN_NO_LIMIT || node->min == 0));
	for (uint32_t i = 0; i < more && !a->failed; i++) {
		tail = join(a, build(a, body), tail);
		tail.nullable = true;
	}
	return join(a, out, tail);
}

static struct fragment build_set(struct automaton *a, const struct pattern_node *node)
{
	struct fragment f = new_fragment(a, false);

	if (a->count == POSITIONS_MAX) {
		a->failed = true;
		return f;
	}
	a->sets[a->count] = node;
	bit_set(f.first, a->count);
	bit_set(f.last, a->count);
	a->count++;
	return f;
}

static struct fragment build(struct automaton *a, const struct pattern_node *node)
{
	struct fragment out = new_fragment(a, node->kind != PATTERN_CHOICE);

	if (a->failed)
		return out;
	switch (node->kind) {
	case PATTERN_SET:
		return build_set(a, node);
	case PATTERN_REPEAT:
		return build_repeat(a, node);
	case PATTERN_CHAIN:
		for (const struct pattern_node *part = node->first; part && !a->failed; part = part->next)
			out = join(a, out, build(a, part));
		return out;
	case PATTERN_CHOICE:
		for (const struct pattern_node *part = node->first; part && !a->failed; part = part->next) {
			struct fragment f = build(a, part);
			out.nullable |= f.nullable;
			unite(a, out.first, f.first);
			unite(a, out.last, f.last);
		}
		return out;
	default:
		return out;
	}
}

static bool sets_meet(const struct pattern_node *a, const struct pattern_node *b)
{
	for (size_t i = 0; i < a->ranges_count; i++)
		for (size_t k = 0; k < b->ranges_count; k++)
			if (a->ranges[i].low <= b->ranges[k].high && b->ranges[k].low <= a->ranges[i].high)
				return true;
	return false;
}

static void close_reach(struct automaton *a)
{
	memcpy(a->reach, a->follow, a->count * a->words * sizeof(word));
	for (size_t k = 0; k < a->count; k++)
		for (size_t i = 0; i < a->count; i++)
			if (bit_get(row_of(a, a->reach, i), k))
				unite(a, row_of(a, a->reach, i), row_of(a, a->reach, k));
}

/* Both lie on one cycle. */
static bool same_component(const struct automaton *a, size_t p, size_t q)
{
	return bit_get(row_of(a, a->reach, p), q) && bit_get(row_of(a, a->reach, q), p);
}

static bool has_double_edge(const struct automaton *a)
{
	for (size_t p = 0; p < a->count; p++)
		for (size_t q = 0; q < a->count; q++)
			if (bit_get(row_of(a, a->twice, p), q) && same_component(a, p, q))
				return true;
	return false;
}

struct pairs {
	const struct automaton *a;
	word *seen[2]; /* found forwards, found backwards */
	uint32_t *queue;
	size_t head, tail;
	unsigned steps;
};

static void visit_pair(struct pairs *pairs, int way, size_t p, size_t q)
{
	size_t index = p * pairs->a->count + q;

	if (bit_get(pairs->seen[way], index))
		return;
	bit_set(pairs->seen[way], index);
	pairs->queue[pairs->tail++] = (uint32_t)index;
}

static bool is_edge(const struct automaton *a, int way, size_t from, size_t to)
{
	return way ? bit_get(row_of(a, a->follow, to), from) : bit_get(row_of(a, a->follow, from), to);
}

/* All pairs of positions that a common text leads to from one position (way 0), or from which one leads to one. */
static bool search_pairs(struct pairs *pairs, int way)
{
	const struct automaton *a = pairs->a;

	pairs->head = pairs->tail = 0;
	for (size_t p = 0; p < a->count; p++)
		if (same_component(a, p, p))
			visit_pair(pairs, way, p, p);
	while (pairs->head < pairs->tail) {
		size_t p = pairs->queue[pairs->head] / a->count, q = pairs->queue[pairs->head] % a->count;
		pairs->head++;
		for (size_t x = 0; x < a->count; x++) {
			if (!is_edge(a, way, p, x) || !same_component(a, p, x))
				continue;
			if ((pairs->steps += (unsigned)a->count) > STEPS_MAX)
				return false;
			for (size_t y = 0; y < a->count; y++)
				if (is_edge(a, way, q, y) && same_component(a, x, y) &&
				    sets_meet(a->sets[x], a->sets[y]))
					visit_pair(pairs, way, x, y);
		}
	}
	return true;
}

/* NULL, or why the pattern is dangerous. */
static const char *find_ambiguity(struct automaton *a)
{
	size_t square = a->count * a->count;
	struct pairs pairs = { .a = a };

	close_reach(a);
	if (has_double_edge(a))
		return "nests repetitions that can take the same text in more than one way: a long text that does not "
		       "match takes exponential time";
	pairs.seen[0] = arena_array(a->arena, square / 64 + 1, sizeof(word));
	pairs.seen[1] = arena_array(a->arena, square / 64 + 1, sizeof(word));
	pairs.queue = arena_array(a->arena, square + 1, sizeof *pairs.queue);
	if (!pairs.seen[0] || !pairs.seen[1] || !pairs.queue || !search_pairs(&pairs, 0) || !search_pairs(&pairs, 1))
		return TOO_LARGE;
	for (size_t i = 0; i < square; i++)
		if (i / a->count != i % a->count && bit_get(pairs.seen[0], i) && bit_get(pairs.seen[1], i))
			return "repeats alternatives that overlap: a long text that does not match takes exponential "
			       "time";
	return NULL;
}

static size_t count_positions(const struct pattern_node *node)
{
	size_t count = node->kind == PATTERN_SET, below = 0;

	for (const struct pattern_node *part = node->first; part; part = part->next)
		below += count_positions(part);
	if (node->kind == PATTERN_REPEAT)
		below *= node->max == PATTERN_NO_LIMIT || node->max > 2 * UNROLL ? UNROLL + 1 : node->max;
	count += below;
	return count > POSITIONS_MAX ? POSITIONS_MAX + 1 : count;
}

static const char *judge_tree(const struct pattern_node *root, struct arena *arena)
{
	size_t room = count_positions(root);
	struct automaton a = { .arena = arena, .words = room / 64 + 1 };

	if (room > POSITIONS_MAX)
		return TOO_LARGE;
	a.sets = arena_array(arena, room + 1, sizeof(const struct pattern_node *));
	a.follow = arena_array(arena, (room + 1) * a.words, sizeof(word));
	a.twice = arena_array(arena, (room + 1) * a.words, sizeof(word));
	a.reach = arena_array(arena, (room + 1) * a.words, sizeof(word));
	if (!a.sets || !a.follow || !a.twice || !a.reach)
		return TOO_LARGE;
	(void)build(&a, root);
	return a.failed ? TOO_LARGE : a.count ? find_ambiguity(&a) : NULL;
}

#define NO_END SIZE_MAX

static size_t longest_of(const struct pattern_node *node)
{
	size_t sum = 0, most = 0;

	if (node->kind == PATTERN_SET)
		return 1;
	if (node->kind == PATTERN_BACK)
		return NO_END;
	for (const struct pattern_node *part = node->first; part; part = part->next) {
		size_t one = longest_of(part);
		most = one > most ? one : most;
		sum = one == NO_END || sum == NO_END ? NO_END : sum + one;
	}
	if (node->kind == PATTERN_CHOICE)
		return most;
	if (node->kind != PATTERN_REPEAT || sum == 0)
		return sum;
	return sum == NO_END || node->max == PATTERN_NO_LIMIT ? NO_END : sum * node->max;
}

/* Every match begins (or ends) at the text's own begin (or end). */
static bool is_anchored(const struct pattern_node *node, enum pattern_kind anchor)
{
	const struct pattern_node *edge = node->first;

	if (node->kind == anchor)
		return true;
	if (node->kind == PATTERN_CHOICE) {
		for (; edge; edge = edge->next)
			if (!is_anchored(edge, anchor))
				return false;
		return true;
	}
	if (node->kind != PATTERN_CHAIN || !edge)
		return false;
	while (anchor == PATTERN_END && edge->next)
		edge = edge->next;
	return is_anchored(edge, anchor);
}

void pattern_risk_judge(struct slice text, struct arena *arena, struct pattern_risk *out)
{
	struct pattern_node *aside = NULL;
	struct pattern_node *root = pattern_tree_read(text, arena, &aside);

	*out = (struct pattern_risk) { .danger = root ? NULL : TOO_LARGE };
	if (!root)
		return;
	out->danger = judge_tree(root, arena);
	for (; aside && !out->danger; aside = aside->next)
		out->danger = judge_tree(aside->first, arena);
	out->longest = longest_of(root);
	out->bounded = out->longest != NO_END && is_anchored(root, PATTERN_BEGIN) && is_anchored(root, PATTERN_END);
}
