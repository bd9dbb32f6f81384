/* The scanner: one loop over the text, no recursion, no stack. An open container keeps its parent's index in `next`,
 * which gets its meaning when the container closes; an open object keeps in `length` a filter of the names it has seen
 * (one bit of 32 by first byte, last byte and length), so that a name is compared with those before it only when its
 * bit is taken. Past SMALL_OBJECT members, or when a name holds escapes, names go through a keyed hash set once the
 * object closes, so that nobody can make it quadratic.
 *
 * The state lives in a struct that only inlined functions see: the compiler keeps it in registers. Functions that are
 * called seldom take values and return them. */
#include "json/json.h"

#include <pthread.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "base/hash.h"
#include "base/hex.h"
#include "base/utf8.h"
#include "json/text.h"

#define DEPTH_REFUSED_DEFAULT 512
#define SMALL_OBJECT 16
#define STACK_TABLE 512
#define NONE UINT32_MAX
#define UNLIKELY(x) __builtin_expect((x), 0)

/* Only while scanning: an object whose names need the hash set, a token that is malformed. */
#define FLAG_HASH_NAMES 128u
#define FLAG_FAILED 256u
#define FLAGS_RISING (JSON_FLAG_UNFIT | JSON_FLAG_SPACED)

struct token {
	const char *end; /* behind the token; where it fails if FLAG_FAILED */
	uint32_t flags;
};

struct scanner {
	const char *at;
	const char *end;
	const char *text;
	struct json_node *nodes;
	uint32_t count;
	uint32_t capacity;
	uint32_t open; /* innermost open container, or NONE */
	uint32_t depth;
	uint32_t depth_refused;
};

static struct hash_key names_key;
static pthread_once_t names_key_once = PTHREAD_ONCE_INIT;

static void make_names_key(void)
{
	hash_random(&names_key, sizeof names_key);
}

static inline __attribute__((always_inline)) bool is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

/* ---- strings ---- */

/* `at` is at the backslash. */
static struct token scan_escape(const char *at, const char *end, uint32_t flags)
{
	flags |= JSON_FLAG_ESCAPED;
	if (end - at < 2)
		return (struct token) { end, flags | FLAG_FAILED };
	if (at[1] != 'u') {
		bool known = at[1] && strchr("\"\\/bfnrt", at[1]);
		return (struct token) { at + (known ? 2 : 1), known ? flags : flags | FLAG_FAILED };
	}
	for (int i = 2; i < 6; i++)
		if (at + i == end || !hex_is_digit(at[i]))
			return (struct token) { at + i, flags | FLAG_FAILED };
	if (memcmp(at + 2, "0000", 4) == 0)
		flags |= JSON_FLAG_NUL;
	return (struct token) { at + 6, flags };
}

/* The first byte at or behind `at` that is a quote, a backslash, a control or not ASCII; or `end`. */
static inline __attribute__((always_inline)) const char *skip_plain(const char *at, const char *end)
{
#if defined(__SSE2__)
	while (end - at >= 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
		__m128i special = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
		                               _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
		/* Signed: bytes from 0x80 are negative, so "less than space" finds controls and non-ASCII at once. */
		special = _mm_or_si128(special, _mm_cmplt_epi8(bytes, _mm_set1_epi8(' ')));
		int mask = _mm_movemask_epi8(special);
		if (mask)
			return at + __builtin_ctz((unsigned)mask);
		at += 16;
	}
#endif
	while (at < end && (signed char)*at >= ' ' && *at != '"' && *at != '\\')
		at++;
	return at;
}

/* From the first byte of a string that is not plain. */
static __attribute__((noinline)) struct token scan_string_rest(const char *at, const char *end)
{
	uint32_t flags = 0;
	for (;;) {
		if (at == end)
			return (struct token) { end, flags | FLAG_FAILED };
		if (*at == '"')
			return (struct token) { at + 1, flags };
		if ((unsigned char)*at < ' ')
			return (struct token) { at, flags | FLAG_FAILED };
		if (*at == '\\') {
			struct token escape = scan_escape(at, end, flags);
			if (escape.flags & FLAG_FAILED)
				return escape;
			at = escape.end;
			flags = escape.flags;
		}
		while (at < end && (signed char)*at < 0) {
			size_t len = utf8_length(at, (size_t)(end - at));
			if (len == 0)
				flags |= JSON_FLAG_BAD_UTF8;
			at += len ? len : 1;
		}
		at = skip_plain(at, end);
	}
}

/* `at` is behind the opening quote. */
static inline __attribute__((always_inline)) struct token scan_string(const char *at, const char *end)
{
	at = skip_plain(at, end);
	if (at < end && *at == '"')
		return (struct token) { at + 1, 0 };
	return scan_string_rest(at, end);
}

/* ---- numbers and literals ---- */

static inline __attribute__((always_inline)) struct token scan_number(const char *at, const char *end)
{
	uint32_t flags = JSON_FLAG_INTEGER;
	at += *at == '-';
	if (at == end || !is_digit(*at))
		return (struct token) { at, FLAG_FAILED };
	if (*at++ != '0')
		while (at < end && is_digit(*at))
			at++;
	if (at < end && *at == '.') {
		flags = 0;
		if (++at == end || !is_digit(*at))
			return (struct token) { at, FLAG_FAILED };
		while (at < end && is_digit(*at))
			at++;
	}
	if (at < end && (*at | 0x20) == 'e') {
		flags = 0;
		at++;
		at += at < end && (*at == '+' || *at == '-');
		if (at == end || !is_digit(*at))
			return (struct token) { at, FLAG_FAILED };
		while (at < end && is_digit(*at))
			at++;
	}
	return (struct token) { at, flags };
}

static struct token scan_literal(const char *at, const char *end, uint8_t *type)
{
	static const struct {
		struct slice word;
		enum json_type type;
	} WORDS[] = { { { "true", 4 }, JSON_TRUE }, { { "false", 5 }, JSON_FALSE }, { { "null", 4 }, JSON_NULL } };
	struct slice rest = { at, (size_t)(end - at) };
	for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++)
		if (slice_starts(rest, WORDS[i].word)) {
			*type = (uint8_t)WORDS[i].type;
			return (struct token) { at + WORDS[i].word.len, 0 };
		}
	return (struct token) { at, FLAG_FAILED };
}

/* ---- names ---- */

static inline struct slice inner_of(const char *text, const struct json_node *node)
{
	return (struct slice) { text + node->offset + 1, node->length - 2 };
}

/* Whether the name, the newest node, stands in the open object already. Only for names without escapes. */
static __attribute__((noinline)) bool name_stands_before(const char *text, const struct json_node *nodes,
                                                         uint32_t object, uint32_t name)
{
	for (uint32_t other = object + 1; other != name; other = nodes[other + 1].next)
		if (nodes[other].length == nodes[name].length &&
		    memcmp(text + nodes[other].offset, text + nodes[name].offset, nodes[name].length) == 0)
			return true;
	return false;
}

/* The name unescaped, in the arena if need be. */
static struct slice plain_name(const char *text, const struct json_node *node, struct arena *arena)
{
	struct slice inner = inner_of(text, node);
	if (!(node->flags & JSON_FLAG_ESCAPED))
		return inner;
	char *to = arena_alloc(arena, inner.len);
	return to ? (struct slice) { to, text_unescape(inner, to) } : SLICE_NONE;
}

static bool names_equal(const char *text, const struct json_node *a, const struct json_node *b, struct slice plain_b)
{
	if (!((a->flags | b->flags) & JSON_FLAG_ESCAPED))
		return slice_equal(inner_of(text, a), inner_of(text, b));
	return text_equals(inner_of(text, a), plain_b);
}

/* All names of a closed object through an open-addressed hash set of node indices (0: free, since a name is never
 * node 0). Returns the flags to add; an overflow of the arena shows in the arena. */
static __attribute__((noinline)) uint32_t find_duplicate(const char *text, const struct json_node *nodes,
                                                         uint32_t object, struct arena *arena)
{
	uint32_t stack_table[STACK_TABLE];
	uint32_t members = 0, size = 32;
	uint32_t end = nodes[object].next;
	for (uint32_t name = object + 1; name != end; name = nodes[name + 1].next)
		members++;
	while (size < members * 2)
		size *= 2;
	pthread_once(&names_key_once, make_names_key);
	uint32_t *table = size <= STACK_TABLE ? stack_table : arena_alloc(arena, size * sizeof *table);
	if (!table)
		return 0;
	memset(table, 0, size * sizeof *table);
	for (uint32_t name = object + 1; name != end; name = nodes[name + 1].next) {
		struct slice plain = plain_name(text, &nodes[name], arena);
		if (arena->overflowed)
			return 0;
		uint32_t place = (uint32_t)hash_keyed64(&names_key, plain) & (size - 1);
		for (; table[place]; place = (place + 1) & (size - 1))
			if (names_equal(text, &nodes[table[place]], &nodes[name], plain))
				return JSON_FLAG_DUPLICATE;
		table[place] = name;
	}
	return 0;
}

static inline __attribute__((always_inline)) void filter_name(struct scanner *s, uint32_t name)
{
	const struct json_node *node = &s->nodes[name];
	struct json_node *object = &s->nodes[s->open];
	if (UNLIKELY(node->flags & JSON_FLAG_ESCAPED) || UNLIKELY(object->count > SMALL_OBJECT)) {
		object->flags |= FLAG_HASH_NAMES;
		return;
	}
	const char *quote = s->text + node->offset;
	uint32_t mix = (uint32_t)(unsigned char)quote[1] * 5 + (uint32_t)(unsigned char)quote[node->length - 2] * 11;
	uint32_t bit = UINT32_C(1) << ((mix + node->length) & 31);
	if (object->length & bit && name_stands_before(s->text, s->nodes, s->open, name))
		object->flags |= JSON_FLAG_DUPLICATE;
	object->length |= bit;
}

/* ---- nodes ---- */

/* Makes room in the doc: the first time by a guess from the text's length, then twice as much. */
static __attribute__((noinline)) enum json_result grow(struct json_doc *doc, size_t text_len, uint32_t nodes_max,
                                                       struct arena *arena)
{
	uint64_t wish = doc->capacity ? (uint64_t)doc->capacity * 2 : text_len / 7 + 16;
	uint32_t capacity = wish < nodes_max ? (uint32_t)wish : nodes_max;
	if (capacity <= doc->count)
		return JSON_TOO_MANY;
	struct json_node *nodes = arena_alloc(arena, capacity * sizeof *nodes);
	if (!nodes)
		return JSON_NO_MEMORY;
	if (doc->count)
		memcpy(nodes, doc->nodes, doc->count * sizeof *nodes);
	doc->nodes = nodes;
	doc->capacity = capacity;
	return JSON_OK;
}

static __attribute__((noinline)) const char *skip_spaces_rest(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
		at++;
	return at;
}

/* To the next byte that is no white space; true if there is one (else the text has ended). */
static inline __attribute__((always_inline)) bool skip_spaces(struct scanner *s)
{
	if (UNLIKELY(s->at == s->end))
		return false;
	if (UNLIKELY((unsigned char)*s->at <= ' ')) {
		const char *from = s->at;
		s->at = skip_spaces_rest(s->at, s->end);
		if (s->open != NONE && s->at != from)
			s->nodes[s->open].flags |= JSON_FLAG_SPACED;
		return s->at != s->end;
	}
	return true;
}

static inline __attribute__((always_inline)) void put_node(struct scanner *s, enum json_type type, struct token token)
{
	struct json_node *node = &s->nodes[s->count++];
	node->offset = (uint32_t)(s->at - s->text);
	node->length = (uint32_t)(token.end - s->at);
	node->next = s->count;
	node->type = (uint8_t)type;
	node->flags = (uint8_t)token.flags;
	node->count = 0;
	if (UNLIKELY(token.flags & FLAGS_RISING) && s->open != NONE)
		s->nodes[s->open].flags |= (uint8_t)(token.flags & FLAGS_RISING);
	s->at = token.end;
}

static inline __attribute__((always_inline)) void open_container(struct scanner *s, enum json_type type,
                                                                 uint32_t depth_max)
{
	struct json_node *node = &s->nodes[s->count];
	node->offset = (uint32_t)(s->at - s->text);
	node->length = 0;
	node->next = s->open;
	node->type = (uint8_t)type;
	node->flags = ++s->depth > depth_max ? JSON_FLAG_DEEP : 0;
	node->count = 0;
	s->open = s->count++;
	s->at++;
}

/* `at` is at the closing bracket. */
static inline __attribute__((always_inline)) void close_container(struct scanner *s, struct arena *arena)
{
	struct json_node *node = &s->nodes[s->open];
	uint32_t parent = node->next;
	s->at++;
	node->length = (uint32_t)(s->at - s->text) - node->offset;
	node->next = s->count;
	if (UNLIKELY(node->flags & FLAG_HASH_NAMES)) {
		node->flags &= (uint8_t)~FLAG_HASH_NAMES;
		node->flags |= (uint8_t)find_duplicate(s->text, s->nodes, s->open, arena);
	}
	if (parent != NONE)
		s->nodes[parent].flags |= (uint8_t)(node->flags & FLAGS_RISING);
	s->open = parent;
	s->depth--;
}

/* ---- the loop ---- */

static inline __attribute__((always_inline)) enum json_result make_room(struct scanner *s, struct json_doc *doc,
                                                                        uint32_t nodes_max, struct arena *arena)
{
	if (UNLIKELY(s->count == s->capacity)) {
		doc->count = s->count;
		enum json_result result = grow(doc, (size_t)(s->end - s->text), nodes_max, arena);
		s->nodes = doc->nodes;
		s->capacity = doc->capacity;
		return result;
	}
	return JSON_OK;
}

/* A scalar whole, or the opening of a container. `at` is at its first byte; there is room for a node. */
static inline __attribute__((always_inline)) enum json_result scan_value(struct scanner *s, uint32_t depth_max)
{
	struct token token;
	uint8_t type = JSON_NULL;
	char c = *s->at;
	if (c == '"') {
		type = JSON_STRING;
		token = scan_string(s->at + 1, s->end);
	} else if (is_digit(c) || c == '-') {
		type = JSON_NUMBER;
		token = scan_number(s->at, s->end);
	} else if (c == '{' || c == '[') {
		if (UNLIKELY(s->depth == s->depth_refused))
			return JSON_TOO_DEEP;
		open_container(s, c == '{' ? JSON_OBJECT : JSON_ARRAY, depth_max);
		return JSON_OK;
	} else {
		token = scan_literal(s->at, s->end, &type);
	}
	if (UNLIKELY(token.flags & FLAG_FAILED)) {
		s->at = token.end;
		return JSON_MALFORMED;
	}
	put_node(s, type, token);
	return JSON_OK;
}

/* The name and the colon. `at` is where the quote is due; there is room for a node. */
static inline __attribute__((always_inline)) bool scan_name(struct scanner *s)
{
	if (UNLIKELY(*s->at != '"'))
		return false;
	struct token token = scan_string(s->at + 1, s->end);
	if (UNLIKELY(token.flags & FLAG_FAILED)) {
		s->at = token.end;
		return false;
	}
	put_node(s, JSON_STRING, token);
	filter_name(s, s->count - 1);
	if (!skip_spaces(s) || *s->at != ':')
		return false;
	s->at++;
	return true;
}

/* Counts the element or member that begins in the open container; past 65,535 they are no longer counted. */
static inline __attribute__((always_inline)) void count_child(struct scanner *s)
{
	uint16_t *count = &s->nodes[s->open].count;
	*count = (uint16_t)(*count + (*count != UINT16_MAX));
}

static inline __attribute__((always_inline)) bool at_closing(const struct scanner *s)
{
	return *s->at == (s->nodes[s->open].type == JSON_OBJECT ? '}' : ']');
}

/* After a value: closes what ends here. True if another value is due (a comma was taken), false at the end of the
 * root or where something else stands: then a container is still open. */
static inline __attribute__((always_inline)) bool scan_after(struct scanner *s, struct arena *arena)
{
	while (s->open != NONE) {
		if (UNLIKELY(!skip_spaces(s)))
			return false;
		if (*s->at == ',') {
			s->at++;
			return true;
		}
		if (UNLIKELY(!at_closing(s)))
			return false;
		close_container(s, arena);
	}
	return false;
}

static inline __attribute__((always_inline)) enum json_result
scan(struct scanner *s, struct json_doc *doc, const struct json_options *options, struct arena *arena)
{
	enum json_result result;
	for (;;) {
		if (!skip_spaces(s))
			return JSON_MALFORMED;
		if (s->open != NONE && s->open == s->count - 1 && at_closing(s)) {
			/* An empty container. */
			close_container(s, arena);
			if (scan_after(s, arena))
				continue;
			break;
		}
		if (s->open != NONE) {
			count_child(s);
			if (s->nodes[s->open].type == JSON_OBJECT) {
				if ((result = make_room(s, doc, options->nodes_max, arena)) != JSON_OK)
					return result;
				if (!scan_name(s) || !skip_spaces(s))
					return JSON_MALFORMED;
			}
		}
		if ((result = make_room(s, doc, options->nodes_max, arena)) != JSON_OK)
			return result;
		if ((result = scan_value(s, options->depth_max)) != JSON_OK)
			return result;
		if (s->open == s->count - 1)
			continue;
		if (!scan_after(s, arena))
			break;
	}
	if (s->open != NONE)
		return JSON_MALFORMED;
	s->at = skip_spaces_rest(s->at, s->end);
	return s->at == s->end ? JSON_OK : JSON_MALFORMED;
}

enum json_result json_scan(struct json_doc *doc, struct slice text, const struct json_options *options,
                           struct arena *arena, size_t *error_offset)
{
	*error_offset = 0;
	if (text.len >= UINT32_MAX)
		return JSON_TOO_MANY;
	if (!doc->nodes)
		doc->capacity = 0;
	const char *at = text.len ? text.at : "";
	struct scanner s = { .at = at, .end = at + text.len, .text = at, .nodes = doc->nodes, .open = NONE };
	s.capacity = doc->capacity;
	s.depth_refused = options->depth_refused ? options->depth_refused : DEPTH_REFUSED_DEFAULT;
	enum json_result result = scan(&s, doc, options, arena);
	if (result == JSON_OK && arena->overflowed)
		result = JSON_NO_MEMORY;
	doc->text = s.text;
	doc->count = result == JSON_OK ? s.count : 0;
	if (result != JSON_OK)
		*error_offset = (size_t)(s.at - s.text);
	return result;
}
