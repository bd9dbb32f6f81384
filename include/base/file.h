/* Files with the care that durability asks for: whole reads, complete writes, atomic replacement, directory syncs. */
#ifndef HEADGATE_BASE_FILE_H
#define HEADGATE_BASE_FILE_H

#include "base/error.h"
#include "base/slice.h"

struct arena;

/* Reads a whole file of at most `limit_bytes` into the arena, a NUL behind it (not counted). */
MUST_CHECK bool file_read(struct arena *arena, const char *path, size_t limit_bytes, struct slice *out,
                          struct error *err);
/* Writes all bytes at `offset`, going on after short writes and EINTR. */
MUST_CHECK bool file_write_at(int fd, struct slice bytes, uint64_t offset, struct error *err);
/* Appends a line (its LF included) and fdatasyncs. Half a line that a crash left at the end is ended first; what fails
 * here is cut off again. fd: readable; one appends at a time. */
MUST_CHECK bool file_append_line(int fd, struct slice line, struct error *err);
/* Writes <path>.tmp (mode 0600), fdatasyncs, renames onto path, fsyncs the directory. */
MUST_CHECK bool file_replace(const char *path, struct slice bytes, struct error *err);
/* fsync of the directory that holds `path` (after create, rename, unlink), or of `path` itself if it is a directory. */
MUST_CHECK bool file_sync_dir(const char *path, struct error *err);
/* mkdir -p with mode 0700; each new folder's parent is synced. */
MUST_CHECK bool file_make_dir(const char *path, struct error *err);
/* Bytes used by regular files below `path` (allocated blocks); 0 if it is not there. */
uint64_t file_disk_usage(const char *path);
/* Bytes free for unprivileged processes on the file system of `path`. */
MUST_CHECK bool file_disk_free(const char *path, uint64_t *out_bytes, struct error *err);

#endif
