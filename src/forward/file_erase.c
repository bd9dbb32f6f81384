/* A file with lines to erase is copied without them to `<data>/files.erase.tmp`, synced, and renamed over the file. One
 * that is still open, by files.checkpoint, counts to its committed length only: what stands behind that is cut off (the
 * sink would do it), and its new length goes into the checkpoint after the rename. A process that dies between the two
 * leaves a file that is shorter than the checkpoint says: the sink takes it for closed, and nothing is lost or comes
 * twice.
 *
 * Plain and compressed files are read alike (zlib passes plain ones through). */
#include "forward/file_erase.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/buffer.h"
#include "base/file.h"
#include "forward/checkpoint.h"
#include "forward/file_out.h"

#define READ_BYTES ((size_t)256 * 1024)
#define LINE_BYTES_MAX ((size_t)64 << 20)

/* ---- reading ---- */

struct lines {
	gzFile from;
	uint64_t left; /* bytes that count */
	struct buffer bytes;
	size_t at; /* of the next line in `bytes` */
	uint64_t number;
	bool ended;
};

static bool lines_open(struct lines *lines, const char *whole, uint64_t limit, struct error *err)
{
	*lines = (struct lines) { .left = limit };
	buffer_init(&lines->bytes, NULL);
	int fd = open(whole, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return error_set_errno(err, "%s", whole);
	lines->from = gzdopen(fd, "rb");
	if (lines->from)
		return true;
	close(fd);
	return error_set(err, ERROR_MEMORY, "%s", whole);
}

static void lines_close(struct lines *lines)
{
	if (lines->from)
		gzclose(lines->from);
	buffer_fini(&lines->bytes);
}

static bool read_more(struct lines *lines, struct error *err)
{
	struct buffer *bytes = &lines->bytes;
	if (lines->at) {
		memmove(bytes->at, bytes->at + lines->at, bytes->len - lines->at);
		bytes->len -= lines->at;
		lines->at = 0;
	}
	size_t want = lines->left < READ_BYTES ? (size_t)lines->left : READ_BYTES;
	char *to = bytes->len < LINE_BYTES_MAX ? buffer_reserve(bytes, READ_BYTES) : NULL;
	if (!to)
		return error_set(err, ERROR_MEMORY, "a line of more than %zu bytes", bytes->len);
	int got = want ? gzread(lines->from, to, (unsigned)want) : 0, code = Z_OK;
	const char *problem = gzerror(lines->from, &code);
	if (got < 0 || (got == 0 && code != Z_OK && code != Z_STREAM_END)) /* the second: cut off */
		return error_set(err, ERROR_DATA, "cannot be read: %s", problem);
	bytes->len += (size_t)got;
	lines->left -= (size_t)got;
	lines->ended = got == 0;
	return true;
}

/* *out without its newline; *end at the end of the file. */
static bool lines_next(struct lines *lines, struct slice *out, bool *end, struct error *err)
{
	size_t looked = lines->at;
	for (;;) {
		const char *from = lines->bytes.at + lines->at;
		size_t len = lines->bytes.len - lines->at;
		const char *stop = len ? memchr(lines->bytes.at + looked, '\n', lines->bytes.len - looked) : NULL;
		if (stop || (lines->ended && len)) {
			*out = (struct slice) { from, stop ? (size_t)(stop - from) : len };
			lines->at += out->len + (stop != NULL);
			lines->number++;
			*end = false;
			return true;
		}
		*end = lines->ended;
		if (lines->ended)
			return true;
		size_t behind = lines->bytes.len - lines->at;
		if (!read_more(lines, err))
			return false;
		looked = behind;
	}
}

static bool visit_file(const char *whole, const char *path, uint64_t limit, const struct file_erase_calls *calls,
                       uint64_t *matched, struct error *err)
{
	struct lines lines;
	struct slice line;
	bool end = false, ok = lines_open(&lines, whole, limit, err);
	while (ok && (ok = lines_next(&lines, &line, &end, err)) && !end)
		*matched += calls->matches(calls->context, path, lines.number, line);
	lines_close(&lines);
	return ok || error_prepend(err, "%s", path);
}

/* ---- rewriting ---- */

static bool copy_lines(struct lines *from, gzFile to, const char *path, const struct file_erase_calls *calls,
                       struct error *err)
{
	struct slice line;
	bool end = false;
	for (;;) {
		if (!lines_next(from, &line, &end, err))
			return false;
		if (end)
			return true;
		if (calls->matches(calls->context, path, from->number, line))
			continue;
		if ((line.len && gzwrite(to, line.at, (unsigned)line.len) <= 0) || gzputc(to, '\n') < 0)
			return error_set_errno(err, "writing a copy");
	}
}

static bool write_copy(const char *whole, const char *path, const char *temporary, uint64_t limit,
                       const struct file_erase_calls *calls, struct error *err)
{
	struct lines lines;
	int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return error_set_errno(err, "%s", temporary);
	/* "T": as plain bytes */
	int own = dup(fd);
	gzFile to = own < 0 ? NULL : gzdopen(own, slice_ends(slice_of(whole), SLICE(".gz")) ? "wb6" : "wbT");
	bool ok = to != NULL;
	if (!ok) {
		error_set(err, ERROR_MEMORY, "%s", temporary);
		if (own >= 0)
			close(own);
	}
	if (ok) {
		ok = lines_open(&lines, whole, limit, err) && copy_lines(&lines, to, path, calls, err);
		lines_close(&lines);
		if (gzclose(to) != Z_OK && ok)
			ok = error_set_errno(err, "writing a copy");
	}
	if (ok && fsync(fd) != 0)
		ok = error_set_errno(err, "fsync");
	close(fd);
	return ok;
}

static bool replace(const char *whole, const char *path, const char *temporary, uint64_t limit,
                    const struct file_erase_calls *calls, struct error *err)
{
	bool ok = write_copy(whole, path, temporary, limit, calls, err) &&
	          (rename(temporary, whole) == 0 || error_set_errno(err, "renaming a copy"));
	if (!ok) {
		unlink(temporary);
		return error_prepend(err, "%s", path);
	}
	return file_sync_dir(whole, err);
}

static bool remove_if_empty(const char *whole, struct error *err)
{
	struct stat st;
	if (stat(whole, &st) != 0 || st.st_size != 0)
		return true;
	return (unlink(whole) == 0 || error_set_errno(err, "%s", whole)) && file_sync_dir(whole, err);
}

bool file_erase_one(const char *whole, const char *path, const char *temporary, const struct file_erase_calls *calls,
                    struct file_erased *out, struct error *err)
{
	uint64_t matched = 0;
	if (!visit_file(whole, path, UINT64_MAX, calls, &matched, err))
		return false;
	if (matched == 0)
		return true;
	if (!replace(whole, path, temporary, UINT64_MAX, calls, err))
		return false;
	out->lines += matched;
	out->files++;
	return remove_if_empty(whole, err);
}

bool file_erase_visit_one(const char *whole, const char *path, const struct file_erase_calls *calls, struct error *err)
{
	uint64_t matched = 0;
	return visit_file(whole, path, UINT64_MAX, calls, &matched, err);
}

/* ---- open files ---- */

struct work {
	const char *data_dir;
	const struct file_erase_calls *calls;
	struct file_erased *out; /* NULL: only visits */
	char checkpoint_path[PATH_MAX], temporary[PATH_MAX], events_dir[PATH_MAX - 256];
	struct checkpoint checkpoint;
	bool has_checkpoint;
};

static struct checkpoint_file *listed(struct work *work, const char *path)
{
	for (size_t i = 0; work->has_checkpoint && i < work->checkpoint.file_count; i++)
		if (strcmp(work->checkpoint.files[i].path, path) == 0)
			return &work->checkpoint.files[i];
	return NULL;
}

/* What a round that did not count left behind its end. */
static bool cut_tail(const char *whole, uint64_t length, struct error *err)
{
	struct stat st;
	int fd = open(whole, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	bool ok = fd >= 0 && fstat(fd, &st) == 0;
	if (ok && (uint64_t)st.st_size > length)
		ok = ftruncate(fd, (off_t)length) == 0 && fdatasync(fd) == 0;
	if (!ok)
		error_set_errno(err, "%s", whole);
	if (fd >= 0)
		close(fd);
	return ok;
}

static bool erase_open(struct work *work, const char *whole, const char *path, struct checkpoint_file *file,
                       struct error *err)
{
	uint64_t matched = 0;
	struct stat st;
	if (!cut_tail(whole, file->length, err) || !visit_file(whole, path, file->length, work->calls, &matched, err))
		return false;
	if (matched == 0)
		return true;
	if (!replace(whole, path, work->temporary, file->length, work->calls, err))
		return false;
	if (stat(whole, &st) != 0)
		return error_set_errno(err, "%s", whole);
	file->length = (uint64_t)st.st_size;
	work->out->lines += matched;
	work->out->files++;
	return checkpoint_write(work->checkpoint_path, &work->checkpoint, err);
}

/* ---- the walk ---- */

static bool take_file(struct work *work, const char *whole, struct error *err)
{
	const char *path = whole + strlen(work->events_dir) + 1;
	struct checkpoint_file *file = listed(work, path);
	uint64_t matched = 0;
	bool done;
	if (!slice_ends(slice_of(path), SLICE(".ndjson")) && !slice_ends(slice_of(path), SLICE(".ndjson.gz")))
		return true;
	if (work->out && file)
		return erase_open(work, whole, path, file, err);
	if (work->out)
		return file_erase_one(whole, path, work->temporary, work->calls, work->out, err);
	done = visit_file(whole, path, file ? file->length : UINT64_MAX, work->calls, &matched, err);
	return done || access(whole, F_OK) != 0; /* compressed, or expired, since the folder was read */
}

static bool walk(struct work *work, struct error *err)
{
	char *roots[] = { work->events_dir, NULL };
	FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *entry;
	struct error why = { 0 };
	bool ok = true, goes_on = true;
	if (!tree)
		return error_set_errno(err, "%s", work->events_dir);
	while (goes_on && (entry = fts_read(tree))) {
		if (entry->fts_info == FTS_F && !take_file(work, entry->fts_path, ok ? err : &why))
			ok = false;
		goes_on = !work->calls->goes_on || work->calls->goes_on(work->calls->context);
	}
	fts_close(tree);
	return goes_on ? ok : error_set(err, ERROR_UNAVAILABLE, "stopping");
}

static bool run(const char *data_dir, const struct file_erase_calls *calls, struct file_erased *out, struct error *err)
{
	struct work work = { .data_dir = data_dir, .calls = calls, .out = out };
	struct error why = { 0 };
	snprintf(work.checkpoint_path, sizeof work.checkpoint_path, "%s/files.checkpoint", data_dir);
	snprintf(work.temporary, sizeof work.temporary, "%s/files.erase.tmp", data_dir);
	snprintf(work.events_dir, sizeof work.events_dir, "%s/events", data_dir);
	if (access(work.events_dir, F_OK) != 0)
		return true;
	work.has_checkpoint = checkpoint_read(work.checkpoint_path, &work.checkpoint, &why);
	if (!work.has_checkpoint && why.code != ERROR_NOT_FOUND)
		return error_set(err, why.code, "%s", why.message);
	bool ok = walk(&work, err);
	if (work.has_checkpoint)
		checkpoint_fini(&work.checkpoint);
	return ok;
}

bool file_erase(const char *data_dir, const struct file_erase_calls *calls, struct file_erased *out, struct error *err)
{
	char leftover[PATH_MAX];
	*out = (struct file_erased) { 0 };
	/* of a process that died while it compressed a file, or erased from one */
	snprintf(leftover, sizeof leftover, "%s/files.gz.tmp", data_dir);
	(void)!unlink(leftover);
	snprintf(leftover, sizeof leftover, "%s/files.erase.tmp", data_dir);
	(void)!unlink(leftover);
	return run(data_dir, calls, out, err);
}

bool file_erase_visit(const char *data_dir, const struct file_erase_calls *calls, struct error *err)
{
	return run(data_dir, calls, NULL, err);
}
