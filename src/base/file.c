#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/arena.h"

#define READ_GUESS_BYTES 65536

/* Doubles what was read so far within the arena; `cap` never passes limit + 2 (one byte to notice more, one NUL). */
static char *grow(struct arena *arena, char *bytes, size_t len, size_t *cap, size_t limit_bytes)
{
	size_t larger = *cap > limit_bytes / 2 ? limit_bytes + 2 : *cap * 2;
	char *to = arena_alloc(arena, larger);
	if (to)
		memcpy(to, bytes, len);
	*cap = larger;
	return to;
}

static bool read_all(int fd, struct arena *arena, size_t cap, size_t limit_bytes, struct slice *out, struct error *err)
{
	char *bytes = arena_alloc(arena, cap);
	size_t len = 0;
	while (bytes) {
		if (len + 1 >= cap) {
			bytes = grow(arena, bytes, len, &cap, limit_bytes);
			continue;
		}
		ssize_t got = read(fd, bytes + len, cap - 1 - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_set_errno(err, "reading");
		len += (size_t)got;
		if (len > limit_bytes)
			return error_set(err, ERROR_DATA, "larger than %zu bytes", limit_bytes);
		if (got == 0) {
			bytes[len] = '\0';
			*out = (struct slice) { bytes, len };
			return true;
		}
	}
	return error_set(err, ERROR_MEMORY, "no memory to read it");
}

bool file_read(struct arena *arena, const char *path, size_t limit_bytes, struct slice *out, struct error *err)
{
	struct stat info;
	bool done = false;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set_errno(err, "%s", path);
	if (limit_bytes > SIZE_MAX / 4)
		limit_bytes = SIZE_MAX / 4;
	if (fstat(fd, &info) != 0) {
		error_set_errno(err, "%s", path);
	} else if (S_ISDIR(info.st_mode)) {
		error_set(err, ERROR_DATA, "%s: is a directory", path);
	} else {
		/* Two bytes more than the size: one lets the end be seen without growing, one is the NUL. */
		size_t cap = S_ISREG(info.st_mode) ? (size_t)info.st_size : READ_GUESS_BYTES;
		cap = (cap < limit_bytes ? cap : limit_bytes) + 2;
		done = read_all(fd, arena, cap, limit_bytes, out, err);
		if (!done)
			error_prepend(err, "%s", path);
	}
	close(fd);
	return done;
}

bool file_write_at(int fd, struct slice bytes, uint64_t offset, struct error *err)
{
	while (bytes.len) {
		ssize_t put = pwrite(fd, bytes.at, bytes.len, (off_t)offset);
		if (put < 0 && errno == EINTR)
			continue;
		if (put == 0)
			errno = EIO;
		if (put <= 0)
			return error_set_errno(err, "writing %zu bytes at %llu", bytes.len, (unsigned long long)offset);
		bytes.at += put;
		bytes.len -= (size_t)put;
		offset += (uint64_t)put;
	}
	return true;
}

bool file_sync_dir(const char *path, struct error *err)
{
	char folder[PATH_MAX];
	struct stat info;
	if (snprintf(folder, sizeof folder, "%s", path) >= (int)sizeof folder)
		return error_set(err, ERROR_USAGE, "path too long: %.80s…", path);
	const char *name = stat(path, &info) == 0 && S_ISDIR(info.st_mode) ? folder : dirname(folder);
	int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set_errno(err, "%s", name);
	bool done = fsync(fd) == 0;
	if (!done) {
		error_set_errno(err, "syncing %s", name);
		if (err)
			err->code = ERROR_SYNC_LOST;
	}
	close(fd);
	return done;
}

static bool write_synced(const char *path, struct slice bytes, struct error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return error_set_errno(err, "%s", path);
	bool done = file_write_at(fd, bytes, 0, err);
	if (!done) {
		error_prepend(err, "%s", path);
	} else if (fdatasync(fd) != 0) {
		done = error_set_errno(err, "syncing %s", path);
		if (err)
			err->code = ERROR_SYNC_LOST;
	}
	if (close(fd) != 0 && done)
		done = error_set_errno(err, "closing %s", path);
	return done;
}

static bool ends_in_half_a_line(int fd, uint64_t size)
{
	char last = '\n';
	return size && pread(fd, &last, 1, (off_t)size - 1) == 1 && last != '\n';
}

bool file_append_line(int fd, struct slice line, struct error *err)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return error_set_errno(err, "fstat");
	uint64_t size = (uint64_t)st.st_size, at = size;
	bool ok = !ends_in_half_a_line(fd, size) || file_write_at(fd, SLICE("\n"), at++, err);
	ok = ok && file_write_at(fd, line, at, err) && (fdatasync(fd) == 0 || error_set_errno(err, "fdatasync"));
	if (!ok && ftruncate(fd, (off_t)size) != 0)
		error_prepend(err, "half a line stays");
	return ok;
}

bool file_replace(const char *path, struct slice bytes, struct error *err)
{
	char temporary[PATH_MAX];
	if (snprintf(temporary, sizeof temporary, "%s.tmp", path) >= (int)sizeof temporary)
		return error_set(err, ERROR_USAGE, "path too long: %.80s…", path);
	if (!write_synced(temporary, bytes, err))
		goto remove;
	if (rename(temporary, path) != 0) {
		error_set_errno(err, "renaming to %s", path);
		goto remove;
	}
	return file_sync_dir(path, err);
remove:
	unlink(temporary);
	return false;
}

/* The folder that holds a new one is synced, not the new one itself. */
static bool make_one(char *path, struct error *err)
{
	struct stat info;
	char parent[PATH_MAX];
	if (mkdir(path, 0700) == 0) {
		snprintf(parent, sizeof parent, "%s", path);
		return file_sync_dir(dirname(parent), err);
	}
	if (errno != EEXIST)
		return error_set_errno(err, "%s", path);
	if (stat(path, &info) != 0)
		return error_set_errno(err, "%s", path);
	return S_ISDIR(info.st_mode) || error_set(err, ERROR_IO, "%s: is not a directory", path);
}

bool file_make_dir(const char *path, struct error *err)
{
	char whole[PATH_MAX];
	if (snprintf(whole, sizeof whole, "%s", path) >= (int)sizeof whole)
		return error_set(err, ERROR_USAGE, "path too long: %.80s…", path);
	for (char *at = whole + 1; whole[0] && *at; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		bool made = make_one(whole, err);
		*at = '/';
		if (!made)
			return false;
	}
	return make_one(whole, err);
}

uint64_t file_disk_usage(const char *path)
{
	char whole[PATH_MAX];
	uint64_t bytes = 0;
	if (snprintf(whole, sizeof whole, "%s", path) >= (int)sizeof whole)
		return 0;
	FTS *walk = fts_open((char *[]) { whole, NULL }, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	if (!walk)
		return 0;
	for (FTSENT *entry; (entry = fts_read(walk));)
		if (entry->fts_info == FTS_F)
			bytes += (uint64_t)entry->fts_statp->st_blocks * 512;
	fts_close(walk);
	return bytes;
}

bool file_disk_free(const char *path, uint64_t *out_bytes, struct error *err)
{
	struct statvfs info;
	if (statvfs(path, &info) != 0)
		return error_set_errno(err, "%s", path);
	*out_bytes = (uint64_t)info.f_bavail * info.f_frsize;
	return true;
}
