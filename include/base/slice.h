/* A borrowed run of bytes: pointer and length, never NUL-terminated by assumption. Passed by value. */
#ifndef HEADGATE_BASE_SLICE_H
#define HEADGATE_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const char *at;
	size_t len;
};

#define SLICE(literal) ((struct slice) { (literal), sizeof(literal) - 1 })
#define SLICE_NONE ((struct slice) { NULL, 0 })
/* For printf: printf("%.*s", SLICE_ARG(s)). */
#define SLICE_ARG(s) (int)(s).len, (s).at

static inline struct slice slice_of(const char *text)
{
	return (struct slice) { text, text ? strlen(text) : 0 };
}

static inline bool slice_equal(struct slice a, struct slice b)
{
	/* the first byte tells most apart without a call */
	return a.len == b.len && (a.len == 0 || (a.at[0] == b.at[0] && memcmp(a.at, b.at, a.len) == 0));
}

/* memcmp order, the shorter first where one is a prefix of the other. */
int slice_compare(struct slice a, struct slice b);
/* ASCII case is ignored (HTTP header names, origins' hosts). */
bool slice_equal_nocase(struct slice a, struct slice b);
bool slice_starts(struct slice s, struct slice prefix);
bool slice_ends(struct slice s, struct slice suffix);
struct slice slice_trim(struct slice s);
/* Cuts the part before the first `separator` off `rest` and returns it; the whole rest when there is none. */
struct slice slice_split(struct slice *rest, char separator);
/* Index of the first `byte`, or s.len. */
size_t slice_find(struct slice s, char byte);
/* Decimal without sign, leading zeros allowed; false on anything else or overflow. */
bool slice_to_u64(struct slice s, uint64_t *out);

#endif
