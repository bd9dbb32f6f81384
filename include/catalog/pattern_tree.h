/* A regular expression of ECMA-262 as a tree, read far enough to judge what it may cost. */
#ifndef HEADGATE_CATALOG_PATTERN_TREE_H
#define HEADGATE_CATALOG_PATTERN_TREE_H

#include "base/arena.h"

enum pattern_kind {
	PATTERN_EMPTY,  /* takes no character: assertions, look-around */
	PATTERN_SET,    /* one character of a set */
	PATTERN_BEGIN,  /* ^ */
	PATTERN_END,    /* $ */
	PATTERN_BACK,   /* back reference: any length */
	PATTERN_CHAIN,  /* first, then its siblings */
	PATTERN_CHOICE, /* one of them */
	PATTERN_REPEAT  /* first, min to max times */
};

#define PATTERN_NO_LIMIT UINT32_MAX
#define PATTERN_NODES_MAX 4096

struct pattern_range {
	uint32_t low, high;
};

struct pattern_node {
	enum pattern_kind kind;
	uint32_t min, max;
	struct pattern_node *first, *next; /* child, sibling */
	struct pattern_range *ranges;      /* of a set */
	size_t ranges_count;
};

/* NULL: not understood, or too large. Look-around is left out of the tree and handed to `aside`, if that is not NULL,
 * as a list by `next`. */
struct pattern_node *pattern_tree_read(struct slice text, struct arena *arena, struct pattern_node **aside);

#endif
