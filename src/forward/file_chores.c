/* A closed file becomes <hour>.ndjson.gz in this order: compressed into <data>/files.gz.tmp (outside the events folder,
 * where only finished files stand), fsynced, renamed, the folder synced, the plain file unlinked. A process that dies in
 * between leaves the temporary, which the next start overwrites, or both files, of which the next walk drops the plain
 * one. A failure (no space) is logged and tried again at the next walk; events are never held up by it. */
#include "forward/file_chores.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "forward/file_out.h"

#define WALK_EVERY_MS 60000
#define RUN_US 50000
#define BLOCK_BYTES 65536
#define GZIP_WINDOW_BITS (15 + 16)
#define LEVEL 6

struct file_chores {
	char events_dir[PATH_MAX - 512];
	char temporary[PATH_MAX - 512];
	uint64_t retention_ms, dead_letter_retention_ms;
	char dead_letter_topic[256];
	bool compress;
	file_chores_open_fn is_open;
	void *context;
	int64_t next_walk_ms; /* monotonic */

	/* the file being compressed; from < 0: none */
	int from, to;
	char path[CHECKPOINT_PATH_BYTES];
	uint64_t to_bytes;
	z_stream stream;
	char in[BLOCK_BYTES], out[BLOCK_BYTES];
};

/* ---- compression ---- */

static void compress_end(struct file_chores *chores)
{
	if (chores->from < 0)
		return;
	close(chores->from);
	if (chores->to >= 0)
		close(chores->to);
	deflateEnd(&chores->stream);
	unlink(chores->temporary);
	chores->from = chores->to = -1;
}

static bool compress_start(struct file_chores *chores, const char *path, struct error *err)
{
	char whole[PATH_MAX];
	snprintf(whole, sizeof whole, "%s/%s", chores->events_dir, path);
	chores->from = open(whole, O_RDONLY | O_CLOEXEC);
	if (chores->from < 0)
		return error_set_errno(err, "%s", path);
	memset(&chores->stream, 0, sizeof chores->stream);
	if (deflateInit2(&chores->stream, LEVEL, Z_DEFLATED, GZIP_WINDOW_BITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
		close(chores->from);
		chores->from = -1;
		return error_set(err, ERROR_MEMORY, "%s: no memory to compress it", path);
	}
	chores->to = open(chores->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (chores->to < 0)
		return error_set_errno(err, "%s", chores->temporary);
	chores->to_bytes = 0;
	snprintf(chores->path, sizeof chores->path, "%s", path);
	return true;
}

static bool compress_finish(struct file_chores *chores, struct error *err)
{
	char plain[PATH_MAX], packed[PATH_MAX];
	snprintf(plain, sizeof plain, "%s/%s", chores->events_dir, chores->path);
	snprintf(packed, sizeof packed, "%s/%s.gz", chores->events_dir, chores->path);
	if (fsync(chores->to) != 0)
		return error_set_errno(err, "syncing %s", chores->temporary);
	if (rename(chores->temporary, packed) != 0)
		return error_set_errno(err, "renaming to %s", packed);
	if (!file_sync_dir(packed, err))
		return false;
	if (unlink(plain) != 0)
		return error_set_errno(err, "removing %s", plain);
	return file_sync_dir(plain, err);
}

/* One block in, what it gives out. *finished at the end of the file. */
static bool compress_block(struct file_chores *chores, bool *finished, struct error *err)
{
	z_stream *stream = &chores->stream;
	ssize_t got = read(chores->from, chores->in, sizeof chores->in);
	if (got < 0)
		return errno == EINTR || error_set_errno(err, "reading %s", chores->path);
	stream->next_in = (Bytef *)chores->in;
	stream->avail_in = (uInt)got;
	do {
		stream->next_out = (Bytef *)chores->out;
		stream->avail_out = sizeof chores->out;
		deflate(stream, got ? Z_NO_FLUSH : Z_FINISH);
		struct slice bytes = { chores->out, sizeof chores->out - stream->avail_out };
		if (!file_write_at(chores->to, bytes, chores->to_bytes, err))
			return false;
		chores->to_bytes += bytes.len;
	} while (stream->avail_out == 0);
	*finished = got == 0;
	return true;
}

static void compress_run(struct file_chores *chores, int64_t until_us)
{
	struct error err;
	bool finished = false, going = true;
	while (going && !finished && clock_monotonic_us() < until_us)
		going = compress_block(chores, &finished, &err);
	if (going && finished)
		going = compress_finish(chores, &err);
	if (!going)
		log_warn("compress_failed", "reason=%s", err.message);
	if (!going || finished)
		compress_end(chores);
	if (going && finished)
		chores->next_walk_ms = 0;
}

/* ---- the walk ---- */

/* Removes a file and its folder if that is empty then, and syncs what is left above. */
static void remove_file(const char *whole)
{
	char folder[PATH_MAX];
	struct error err;
	if (unlink(whole) != 0)
		log_warn("remove_failed", "path=%s errno=%d", whole, errno);
	snprintf(folder, sizeof folder, "%s", whole);
	*strrchr(folder, '/') = '\0';
	if (rmdir(folder) == 0)
		*strrchr(folder, '/') = '\0';
	if (!file_sync_dir(folder, &err))
		log_warn("sync_failed", "reason=%s", err.message);
}

static bool is_expired(const struct file_chores *chores, struct slice topic, int64_t hour, int64_t wall_ms)
{
	bool letters = slice_equal(topic, slice_of(chores->dead_letter_topic));
	uint64_t retention_ms = letters ? chores->dead_letter_retention_ms : chores->retention_ms;
	return retention_ms && wall_ms - (hour + 1) * FILE_OUT_HOUR_MS > (int64_t)retention_ms;
}

/* Deletes what is too old; starts compressing the first plain file found and returns true. */
static bool visit(struct file_chores *chores, const char *whole, int64_t wall_ms)
{
	const char *path = whole + strlen(chores->events_dir) + 1;
	char packed[PATH_MAX];
	size_t topic_len;
	int64_t hour;
	struct error err;
	if (!file_out_parse(path, &topic_len, &hour) || (chores->is_open && chores->is_open(chores->context, path)))
		return false;
	if (is_expired(chores, (struct slice) { path, topic_len }, hour, wall_ms)) {
		log_info("output_file_expired", "path=%s", path);
		remove_file(whole);
		return false;
	}
	if (!chores->compress || slice_ends(slice_of(path), SLICE(".gz")) || wall_ms < (hour + 1) * FILE_OUT_HOUR_MS)
		return false;
	snprintf(packed, sizeof packed, "%s.gz", whole);
	if (access(packed, F_OK) == 0) {
		remove_file(whole);
		return false;
	}
	if (compress_start(chores, path, &err))
		return true;
	log_warn("compress_failed", "reason=%s", err.message);
	compress_end(chores);
	return false;
}

static void walk(struct file_chores *chores, int64_t wall_ms)
{
	char *roots[] = { chores->events_dir, NULL };
	FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *entry;
	bool started = false;
	while (tree && !started && (entry = fts_read(tree)))
		if (entry->fts_info == FTS_F)
			started = visit(chores, entry->fts_path, wall_ms);
	if (tree)
		fts_close(tree);
}

struct file_chores *file_chores_create(const struct file_chores_options *options)
{
	struct file_chores *chores = calloc(1, sizeof *chores);
	if (!chores)
		return NULL;
	snprintf(chores->events_dir, sizeof chores->events_dir, "%s/events", options->data_dir);
	snprintf(chores->temporary, sizeof chores->temporary, "%s/files.gz.tmp", options->data_dir);
	snprintf(chores->dead_letter_topic, sizeof chores->dead_letter_topic, "%.*s",
	         SLICE_ARG(options->dead_letter_topic));
	chores->retention_ms = options->retention_ms;
	chores->dead_letter_retention_ms = options->dead_letter_retention_ms;
	chores->compress = options->compress;
	chores->is_open = options->is_open;
	chores->context = options->context;
	chores->from = chores->to = -1;
	return chores;
}

void file_chores_destroy(struct file_chores **chores)
{
	if (!*chores)
		return;
	compress_end(*chores);
	free(*chores);
	*chores = NULL;
}

bool file_chores_run(struct file_chores *chores, int64_t wall_ms)
{
	if (!chores->compress && chores->retention_ms == 0 && chores->dead_letter_retention_ms == 0)
		return false;
	if (chores->from < 0 && clock_monotonic_ms() >= chores->next_walk_ms) {
		chores->next_walk_ms = clock_monotonic_ms() + WALK_EVERY_MS;
		walk(chores, wall_ms);
	}
	if (chores->from >= 0)
		compress_run(chores, clock_monotonic_us() + RUN_US);
	return chores->from >= 0 || chores->next_walk_ms == 0;
}

void file_chores_drop(struct file_chores *chores)
{
	compress_end(chores);
	chores->next_walk_ms = 0;
}

void file_chores_hint(struct file_chores *chores)
{
	chores->next_walk_ms = 0;
}
