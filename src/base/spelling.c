#include "base/spelling.h"

size_t spelling_distance(struct slice a, struct slice b)
{
	size_t row[SPELLING_BYTES_MAX + 1];
	if (a.len > SPELLING_BYTES_MAX || b.len > SPELLING_BYTES_MAX)
		return SPELLING_BYTES_MAX;
	for (size_t j = 0; j <= b.len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t corner = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			size_t above = row[j], best = corner + (a.at[i - 1] != b.at[j - 1]);
			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
			corner = above;
		}
	}
	return row[b.len];
}
