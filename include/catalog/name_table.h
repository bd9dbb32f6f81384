/* A fixed set of names with a hash over raw bytes: property names, enum strings, events. Built once at load in an
 * arena, then read by any thread. */
#ifndef HEADGATE_CATALOG_NAME_TABLE_H
#define HEADGATE_CATALOG_NAME_TABLE_H

#include "base/arena.h"
#include "base/slice.h"

#define NAME_TABLE_NONE UINT32_MAX

struct name_slot {
	uint32_t hash;
	uint32_t index; /* NAME_TABLE_NONE: empty */
};

struct name_table {
	const struct slice *names; /* borrowed, as given */
	uint32_t count;
	uint32_t mask; /* slots - 1, at least twice as many slots as names */
	uint64_t seed; /* the one of several tried that collides least */
	const struct name_slot *slots;
};

/* `names` and their bytes must outlive the table. Of equal names the first is found. False after arena overflow. */
bool name_table_init(struct name_table *table, const struct slice *names, size_t count, struct arena *arena);

/* First and last eight bytes and the length: property names rarely agree in all three, and where they do the table
 * still tells them apart, only slower. Chains are set by the schema; a document cannot lengthen them. */
static inline uint32_t name_table_hash(uint64_t seed, struct slice name)
{
	uint64_t a = 0, b = 0;

	if (name.len >= 8) {
		memcpy(&a, name.at, 8);
		memcpy(&b, name.at + name.len - 8, 8);
	} else if (name.len >= 4) {
		memcpy(&a, name.at, 4);
		memcpy(&b, name.at + name.len - 4, 4);
	} else if (name.len) {
		a = (uint64_t)(uint8_t)name.at[0] | (uint64_t)(uint8_t)name.at[name.len / 2] << 8 |
		    (uint64_t)(uint8_t)name.at[name.len - 1] << 16;
	}
	a = (a ^ seed) * UINT64_C(0x9E3779B97F4A7C15);
	b = (b + (a ^ a >> 32) + name.len) * UINT64_C(0xD6E8FEB86659FD93);
	return (uint32_t)(b >> 32);
}

/* Index of the name, or NAME_TABLE_NONE. */
static inline uint32_t name_table_find(const struct name_table *table, struct slice name)
{
	if (!table->count)
		return NAME_TABLE_NONE;
	uint32_t hash = name_table_hash(table->seed, name);
	for (uint32_t i = hash & table->mask;; i = (i + 1) & table->mask) {
		const struct name_slot *slot = &table->slots[i];
		if (slot->index == NAME_TABLE_NONE)
			return NAME_TABLE_NONE;
		if (slot->hash == hash && slice_equal(table->names[slot->index], name))
			return slot->index;
	}
}

/* The name of the table that was probably meant: equal but for case and punctuation, or a small edit distance away;
 * NAME_TABLE_NONE if none comes near. Bounded work however long the name. */
uint32_t name_table_guess(const struct name_table *table, struct slice name);

#endif
