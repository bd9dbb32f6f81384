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
		set->firsts[first / 64] |= UINT64_C(1) << first % 64;
	}
}

static bool has(const struct name_set *set, struct slice name, bool with_beginnings)
{
	if (!name.len)
		return false;
	unsigned char first = (unsigned char)name.at[0];
	if (!(set->firsts[first / 64] >> first % 64 & 1))
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
