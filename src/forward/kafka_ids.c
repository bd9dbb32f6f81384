#include "forward/kafka_ids.h"

#include <limits.h>
#include <stdio.h>

#include "base/file.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)

bool kafka_ids_remember(const char *data_dir, struct slice id, struct arena *arena, struct slice *ids,
                        struct error *err)
{
	char path[PATH_MAX];
	struct error reason;
	snprintf(path, sizeof path, "%s/kafka.transactional_ids", data_dir);
	*ids = SLICE_NONE;
	if (!file_read(arena, path, FILE_BYTES_MAX, ids, &reason) && reason.code != ERROR_NOT_FOUND)
		return error_set(err, reason.code, "%s", reason.message);
	struct slice rest = *ids;
	while (rest.len)
		if (slice_equal(slice_split(&rest, '\n'), id))
			return true;
	*ids = arena_print(arena, "%.*s%.*s\n", SLICE_ARG(*ids), SLICE_ARG(id));
	if (!ids->at)
		return error_set(err, ERROR_MEMORY, "%s: no memory to write it", path);
	return file_replace(path, *ids, err);
}
