/* Marks for up to 256 children lie on the stack of the walk; more take memory of the report's arena, which is kept for
 * the next ones that need it: a walk has as many in use as combinations are open, however many it makes. */
#include "catalog/program.h"

struct marks_block {
	struct marks_block *next;
	size_t words_count;
	uint64_t words[];
};

static struct marks_block *take_block(struct run *run, size_t words)
{
	for (struct marks_block **at = &run->spare_blocks; *at; at = &(*at)->next) {
		struct marks_block *block = *at;
		if (block->words_count < words)
			continue;
		*at = block->next;
		return block;
	}
	struct marks_block *block = arena_alloc(run->out->arena, sizeof *block + words * sizeof(uint64_t));
	if (block)
		block->words_count = words;
	return block;
}

bool marks_open(struct run *run, struct marks *marks, size_t count)
{
	size_t words = (count + 63) / 64;

	*marks = (struct marks) { .words_count = words };
	marks->words = marks->within;
	if (words <= MARKS_WITHIN)
		return true;
	marks->block = take_block(run, words);
	if (!marks->block) {
		validate_abort(run, RUN_NO_MEMORY);
		return false;
	}
	marks->words = marks->block->words;
	memset(marks->words, 0, words * sizeof(uint64_t));
	return true;
}

void marks_close(struct run *run, struct marks *marks)
{
	if (!marks->block)
		return;
	marks->block->next = run->spare_blocks;
	run->spare_blocks = marks->block;
}

void marks_merge(struct marks *to, const struct marks *from)
{
	to->all |= from->all;
	for (size_t i = 0; i < to->words_count && i < from->words_count; i++)
		to->words[i] |= from->words[i];
}
