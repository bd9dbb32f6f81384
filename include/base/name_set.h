/* A small set of names, exact ones and beginnings ("n_*"), asked of every parameter and member: the first two bytes tell
 * nearly all that are not in it. Case matters. Thread: any once made. */
#ifndef HEADGATE_BASE_NAME_SET_H
#define HEADGATE_BASE_NAME_SET_H

#include "base/slice.h"

#define NAME_SET_BITS 1024

struct name_set {
	const struct slice *names; /* borrowed; none is empty */
	size_t count;
	uint64_t pairs[NAME_SET_BITS / 64]; /* a bit for each two bytes that a name can begin with */
};

/* `names` must outlive it; one that ends in "*" is a beginning. */
void name_set_init(struct name_set *set, const struct slice *names, size_t count);
bool name_set_has(const struct name_set *set, struct slice name);

static inline uint32_t name_set_pair(unsigned char first, unsigned char second)
{
	return (first * 37u + second) % NAME_SET_BITS;
}

/* False for nearly all names that are not in it. */
static inline bool name_set_may_have(const struct name_set *set, struct slice name)
{
	if (!name.len)
		return false;
	uint32_t pair = name_set_pair((unsigned char)name.at[0], name.len > 1 ? (unsigned char)name.at[1] : 0);
	return set->pairs[pair / 64] >> pair % 64 & 1;
}
/* The same without the beginnings. */
bool name_set_has_exact(const struct name_set *set, struct slice name);

#endif
