/* Nearly all patterns are plain text, perhaps anchored: those are found by their first three bytes, in one pass over the
 * user agent. The few others are one alternation for PCRE2. A pattern that can be neither is left out; the test that
 * compares verdicts with the list's own would show it. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "identity/bots.h"

#include <pcre2.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/embed.h"

#define KEY_BYTES 3
#define FILTER_BITS 16384 /* eight times the patterns */
#define BUCKETS 4096

EMBED(crawlers, "src/identity/crawlers.txt");

struct literal {
	struct literal *next; /* of its bucket */
	struct slice text;    /* heap, for the process's life */
	bool at_begin, at_end;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct literal *buckets[BUCKETS];
static uint64_t filter[FILTER_BITS / 64];
static pcre2_code *others;
static size_t patterns;

static uint32_t key_at(const char *at)
{
	const unsigned char *byte = (const unsigned char *)at;
	return (((uint32_t)byte[0] << 16 | (uint32_t)byte[1] << 8 | byte[2]) * 0x9E3779B1u) >> 8;
}

/* The text that an unanchored pattern stands for; false if it is more than text. */
static bool read_literal(struct slice pattern, char *to, size_t *len)
{
	*len = 0;
	for (size_t i = 0; i < pattern.len; i++) {
		char c = pattern.at[i];
		if (c == '\\') {
			if (++i == pattern.len)
				return false;
			c = pattern.at[i];
			if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
				return false;
		} else if (strchr("()[]{}|?*+^$.", c)) {
			return false;
		}
		to[(*len)++] = c;
	}
	return *len >= KEY_BYTES;
}

static bool add_literal(struct slice pattern)
{
	struct literal literal = { 0 };
	if (slice_starts(pattern, SLICE("^"))) {
		literal.at_begin = true;
		pattern.at++;
		pattern.len--;
	}
	if (slice_ends(pattern, SLICE("$")) && !slice_ends(pattern, SLICE("\\$"))) {
		literal.at_end = true;
		pattern.len--;
	}
	char *text = malloc(pattern.len + 1);
	if (!text || !read_literal(pattern, text, &literal.text.len)) {
		free(text);
		return false;
	}
	literal.text.at = text;
	struct literal *kept = malloc(sizeof *kept);
	if (!kept) {
		free(text);
		return false;
	}
	uint32_t key = key_at(text);
	literal.next = buckets[key % BUCKETS];
	*kept = literal;
	buckets[key % BUCKETS] = kept;
	filter[key % FILTER_BITS / 64] |= UINT64_C(1) << key % 64;
	return true;
}

static void compile_others(struct buffer *pattern)
{
	int code;
	PCRE2_SIZE at;
	if (!pattern->len || pattern->failed)
		return;
	others = pcre2_compile((PCRE2_SPTR)pattern->at, pattern->len, 0, &code, &at, NULL);
	if (others)
		(void)pcre2_jit_compile(others, PCRE2_JIT_COMPLETE); /* where that is forbidden it is interpreted */
}

static void read_list(void)
{
	struct slice rest = EMBEDDED(crawlers);
	struct buffer alternation;
	buffer_init(&alternation, NULL);
	while (rest.len) {
		struct slice line = slice_split(&rest, '\n');
		if (!line.len || line.at[0] == '#')
			continue;
		patterns++;
		if (add_literal(line))
			continue;
		buffer_append(&alternation, alternation.len ? SLICE("|(?:") : SLICE("(?:"));
		buffer_append(&alternation, line);
		buffer_append_char(&alternation, ')');
	}
	compile_others(&alternation);
	buffer_fini(&alternation);
}

static bool has_literal(struct slice agent, size_t at)
{
	uint32_t key = key_at(agent.at + at);
	if (!(filter[key % FILTER_BITS / 64] >> key % 64 & 1))
		return false;
	for (const struct literal *literal = buckets[key % BUCKETS]; literal; literal = literal->next) {
		size_t len = literal->text.len;
		if (len <= agent.len - at && memcmp(agent.at + at, literal->text.at, len) == 0 &&
		    (!literal->at_begin || at == 0) && (!literal->at_end || at + len == agent.len))
			return true;
	}
	return false;
}

bool bots_match(struct slice agent)
{
	pthread_once(&once, read_list);
	for (size_t at = 0; at + KEY_BYTES <= agent.len; at++)
		if (has_literal(agent, at))
			return true;
	if (!others || !agent.len)
		return false;
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	bool found = data && pcre2_match(others, (PCRE2_SPTR)agent.at, agent.len, 0, 0, data, NULL) >= 0;
	pcre2_match_data_free(data);
	return found;
}

size_t bots_count(void)
{
	pthread_once(&once, read_list);
	return patterns;
}
