#include "command/judge_lines.h"

#include <errno.h>
#include <stdlib.h>

static bool judge_one(struct slice line, const char *name, uint32_t index, judge_line_fn judge, void *context,
                      struct arena *arena, struct error *err)
{
	struct buffer out;
	arena_reset(arena);
	buffer_init(&out, arena);
	judge(context, line, index, arena, &out);
	buffer_append_char(&out, '\n');
	if (out.failed || arena->overflowed)
		return error_set(err, ERROR_MEMORY, "%s: line %u: out of memory", name, index + 1);
	if (fwrite(out.at, 1, out.len, stdout) != out.len)
		return error_set_errno(err, "standard output");
	return true;
}

bool judge_lines(FILE *file, const char *name, size_t memory_bytes, judge_line_fn judge, void *context,
                 struct error *err)
{
	char *text = NULL;
	size_t capacity = 0;
	uint32_t index = 0;
	struct arena arena;
	bool ok = true;
	arena_init(&arena, memory_bytes);
	errno = 0;
	for (ssize_t len; ok && (len = getline(&text, &capacity, file)) >= 0;) {
		struct slice line = slice_trim((struct slice) { text, (size_t)len });
		if (line.len)
			ok = judge_one(line, name, index++, judge, context, &arena, err);
	}
	if (ok && ferror(file))
		ok = error_set_errno(err, "%s", name);
	if (ok && fflush(stdout) != 0)
		ok = error_set_errno(err, "standard output");
	arena_fini(&arena);
	free(text);
	return ok;
}
