/* A small set of names, exact ones and beginnings ("n_*"), asked of every parameter and member: the first byte tells most
 * that are not in it. Case matters. Thread: any once made. */
#ifndef HEADGATE_BASE_NAME_SET_H
#define HEADGATE_BASE_NAME_SET_H

#include "base/slice.h"

struct name_set {
	const struct slice *names; /* borrowed; none is empty */
	size_t count;
	uint64_t firsts[4]; /* the first bytes that there are, a bit each */
};

/* `names` must outlive it; one that ends in "*" is a beginning. */
void name_set_init(struct name_set *set, const struct slice *names, size_t count);
bool name_set_has(const struct name_set *set, struct slice name);
/* The same without the beginnings. */
bool name_set_has_exact(const struct name_set *set, struct slice name);

#endif
