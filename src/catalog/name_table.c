/* Open addressing over at most half-full slots; several seeds are tried at load and the one with the fewest probes
 * kept, which for the tables of a catalog is nearly always one probe a name. */
#include "catalog/name_table.h"

#include "base/spelling.h"

#define SEEDS_TRIED 32
#define GUESS_BYTES 40 /* longer names get no guess */
#define GUESS_DISTANCE 2

static size_t fill(struct name_slot *slots, uint32_t mask, uint64_t seed, const struct slice *names, uint32_t count)
{
	size_t probes = 0;

	memset(slots, 0xFF, ((size_t)mask + 1) * sizeof *slots);
	for (uint32_t n = 0; n < count; n++) {
		uint32_t hash = name_table_hash(seed, names[n]), i = hash & mask;
		for (; slots[i].index != NAME_TABLE_NONE; i = (i + 1) & mask)
			probes++;
		slots[i] = (struct name_slot) { hash, n };
	}
	return probes;
}

bool name_table_init(struct name_table *table, const struct slice *names, size_t count, struct arena *arena)
{
	uint32_t size = 4;
	uint64_t seed = 0, best_seed = 0;
	size_t best = SIZE_MAX;

	memset(table, 0, sizeof *table);
	if (count == 0)
		return true;
	while (size < count * 2)
		size *= 2;
	struct name_slot *slots = arena_array(arena, size, sizeof *slots);
	if (!slots)
		return false;
	for (int i = 0; i < SEEDS_TRIED && best > 0; i++) {
		seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		size_t probes = fill(slots, size - 1, seed, names, (uint32_t)count);
		if (probes < best) {
			best = probes;
			best_seed = seed;
		}
	}
	fill(slots, size - 1, best_seed, names, (uint32_t)count);
	*table = (struct name_table) { names, (uint32_t)count, size - 1, best_seed, slots };
	return true;
}

/* Lower case without punctuation, so that orderId, order-id and order_id are one. */
static size_t fold(struct slice name, char *to)
{
	size_t len = 0;

	for (size_t i = 0; i < name.len; i++) {
		char c = name.at[i];
		if (c >= 'A' && c <= 'Z')
			c = (char)(c + ('a' - 'A'));
		if (c != '_' && c != '-' && c != '.' && c != ' ')
			to[len++] = c;
	}
	return len;
}

uint32_t name_table_guess(const struct name_table *table, struct slice name)
{
	char wanted[GUESS_BYTES], known[GUESS_BYTES];
	uint32_t guess = NAME_TABLE_NONE;
	size_t best = GUESS_DISTANCE + 1, wanted_len;

	if (name.len == 0 || name.len > GUESS_BYTES)
		return NAME_TABLE_NONE;
	wanted_len = fold(name, wanted);
	for (uint32_t i = 0; i < table->count && best > 0; i++) {
		struct slice other = table->names[i];
		if (other.len > GUESS_BYTES)
			continue;
		size_t known_len = fold(other, known);
		size_t gap = known_len > wanted_len ? known_len - wanted_len : wanted_len - known_len;
		if (gap >= best || known_len == 0)
			continue;
		size_t d =
		        spelling_distance((struct slice) { wanted, wanted_len }, (struct slice) { known, known_len });
		/* A short name one or two letters away is another name ("url" and "id"). */
		if (d < best && d * 3 <= known_len) {
			best = d;
			guess = i;
		}
	}
	return guess;
}
