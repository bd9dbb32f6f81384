#include "base/name_set.h"

static bool is_beginning(struct slice name)
{
	return name.len > 1 && name.at[name.len - 1] == '*';
}

void name_set_init(struct name_set *set, const struct slice *names, size_t count)
{
	*set = (struct name_set) { .names = names, .count = count };
	for (size_t i = 0; i < count; i++) {
		unsigned char first = (unsigned char)names[i].at[0];
		bool is_any = names[i].len == 2 && is_beginning(names[i]); /* one letter, and whatever follows */
		for (unsigned second = 0; second < 256; second++)
			if (is_any || second == (names[i].len > 1 ? (unsigned char)names[i].at[1] : 0)) {
				uint32_t pair = name_set_pair(first, (unsigned char)second);
				set->pairs[pair / 64] |= UINT64_C(1) << pair % 64;
			}
	}
}

static bool has(const struct name_set *set, struct slice name, bool with_beginnings)
{
	if (!name_set_may_have(set, name))
		return false;
	for (size_t i = 0; i < set->count; i++) {
		struct slice other = set->names[i];
		if (other.at[0] != name.at[0])
			continue;
		if (slice_equal(name, other))
			return true;
		if (with_beginnings && is_beginning(other) &&
		    slice_starts(name, (struct slice) { other.at, other.len - 1 }))
			return true;
	}
	return false;
}

bool name_set_has(const struct name_set *set, struct slice name)
{
	return has(set, name, true);
}

bool name_set_has_exact(const struct name_set *set, struct slice name)
{
	return has(set, name, false);
}
