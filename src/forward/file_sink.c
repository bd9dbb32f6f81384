/* Exactly once, at every point where the process may die:
 *
 *   a new file is listed in the checkpoint with length 0, then created;
 *   a round is written, every file fdatasynced, then the checkpoint replaced (position per lane + length per open file);
 *   at start each listed file is cut to its length, and the journal is read from the checkpoint's positions on.
 *
 * So whatever a dead process wrote beyond its last checkpoint is cut off and comes again. A file that is not listed is
 * closed and never touched: a record for an hour whose file was closed (a clock that jumped back) goes to a new file,
 * <hour>-2.ndjson. A failed round takes the same road as a start. */
#include "forward/file_sink.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/expiry_clock.h"
#include "base/file.h"
#include "base/log.h"
#include "forward/file_chores.h"
#include "forward/file_out.h"

#define CLOSE_AFTER_MS (5 * 60 * 1000) /* behind the hour's end, and behind the last write */
#define NAMES_MAX 10000

struct file_sink {
	struct sink base;
	char dir[PATH_MAX - 512];
	char events_dir[PATH_MAX - 504];
	struct checkpoint durable; /* what files.checkpoint says now */
	struct file_out **outs;
	size_t out_count, out_capacity;
	struct file_out *last; /* the one the last record went to */
	struct file_chores *chores;
	int64_t (*wall_ms)(void);
	_Atomic size_t open_files;
};

static struct file_sink *sink_of(struct sink *sink)
{
	return (struct file_sink *)(void *)sink;
}

/* ---- the checkpoint ---- */

static bool load(struct file_sink *fs, struct error *err)
{
	struct checkpoint loaded;
	if (!checkpoint_load(fs->dir, "files", "kafka", fs->durable.log_id, &loaded, err))
		return false;
	checkpoint_fini(&fs->durable);
	fs->durable = loaded;
	tally_load(&fs->base.tally, loaded.books);
	memcpy(fs->base.known, loaded.lanes, sizeof fs->base.known);
	return true;
}

/* `synced` says whether what was written this round is safe and counts. */
static bool save(struct file_sink *fs, const struct tally_books books[JOURNAL_LANES_MAX],
                 const struct sink_position *lanes, uint32_t lane_count, bool synced, struct error *err)
{
	struct checkpoint next = fs->durable;
	char path[PATH_MAX];
	next.files = NULL;
	next.file_count = next.file_capacity = 0;
	if (books)
		memcpy(next.books, books, sizeof next.books);
	checkpoint_set_lanes(&next, lanes, lane_count);
	bool done = true;
	for (size_t i = 0; done && i < fs->out_count; i++) {
		const struct file_out *out = fs->outs[i];
		done = checkpoint_add_file(&next, out->path, synced ? out->written_bytes : out->committed_bytes);
	}
	snprintf(path, sizeof path, "%s/files.checkpoint", fs->dir);
	if (!done)
		error_set(err, ERROR_MEMORY, "no memory for the checkpoint");
	else
		done = checkpoint_write(path, &next, err);
	if (!done) {
		checkpoint_fini(&next);
		return false;
	}
	checkpoint_fini(&fs->durable);
	fs->durable = next;
	for (size_t i = 0; synced && i < fs->out_count; i++)
		fs->outs[i]->committed_bytes = fs->outs[i]->written_bytes;
	return true;
}

/* ---- the table of open files ---- */

static bool add(struct file_sink *fs, const char *path, uint64_t length, struct error *err)
{
	if (fs->out_count == fs->out_capacity) {
		size_t capacity = fs->out_capacity ? fs->out_capacity * 2 : 8;
		struct file_out **outs = realloc(fs->outs, capacity * sizeof *outs);
		if (!outs)
			return error_set(err, ERROR_MEMORY, "no memory for an output file");
		fs->outs = outs;
		fs->out_capacity = capacity;
	}
	struct file_out *out = file_out_create(path, length);
	if (!out)
		return error_set(err, ERROR_DATA, "%s: not the path of an output file", path);
	out->touched_ms = fs->wall_ms();
	fs->outs[fs->out_count++] = out;
	atomic_store(&fs->open_files, fs->out_count);
	return true;
}

static void drop(struct file_sink *fs, size_t at)
{
	if (fs->last == fs->outs[at])
		fs->last = NULL;
	file_out_destroy(&fs->outs[at]);
	fs->outs[at] = fs->outs[--fs->out_count];
	atomic_store(&fs->open_files, fs->out_count);
}

static bool is_listed(void *context, const char *path)
{
	const struct file_sink *fs = context;
	for (size_t i = 0; i < fs->out_count; i++)
		if (strcmp(fs->outs[i]->path, path) == 0)
			return true;
	return false;
}

static bool is_taken(struct file_sink *fs, const char *path)
{
	char whole[PATH_MAX];
	snprintf(whole, sizeof whole, "%s/%s", fs->events_dir, path);
	if (access(whole, F_OK) == 0)
		return true;
	snprintf(whole, sizeof whole, "%s/%s.gz", fs->events_dir, path);
	return access(whole, F_OK) == 0 || is_listed(fs, path);
}

static struct file_out *create(struct file_sink *fs, struct slice topic, int64_t hour, struct error *err)
{
	char path[CHECKPOINT_PATH_BYTES];
	if (!file_out_topic_is_valid(topic)) {
		error_set(err, ERROR_DATA, "\"%.*s\" cannot be a topic", SLICE_ARG(topic));
		return NULL;
	}
	for (unsigned n = 1; n < NAMES_MAX; n++) {
		file_out_name(topic, hour, n, path);
		if (is_taken(fs, path))
			continue;
		if (!add(fs, path, 0, err) || !save(fs, NULL, NULL, 0, false, err))
			return NULL;
		struct file_out *out = fs->outs[fs->out_count - 1];
		return file_out_make(out, fs->events_dir, err) ? out : NULL;
	}
	error_set(err, ERROR_IO, "%s: too many files of that hour", path);
	return NULL;
}

static struct file_out *find(struct file_sink *fs, struct slice topic, int64_t hour, struct error *err)
{
	struct file_out *out = fs->last;
	if (out && out->hour == hour && slice_equal(out->topic, topic))
		return out;
	out = NULL;
	for (size_t i = 0; !out && i < fs->out_count; i++)
		if (fs->outs[i]->hour == hour && slice_equal(fs->outs[i]->topic, topic))
			out = fs->outs[i];
	if (!out)
		out = create(fs, topic, hour, err);
	else if (out->fd < 0 && !file_out_make(out, fs->events_dir, err))
		out = NULL;
	fs->last = out;
	return out;
}

/* ---- the sink's operations ---- */

static bool recover(struct sink *sink, struct sink_position *lanes, uint32_t lane_count, struct error *err)
{
	struct file_sink *fs = sink_of(sink);
	if (!load(fs, err))
		return false;
	while (fs->out_count)
		drop(fs, fs->out_count - 1);
	checkpoint_get_lanes(&fs->durable, lanes, lane_count);
	for (size_t i = 0; i < fs->durable.file_count; i++) {
		const struct checkpoint_file *file = &fs->durable.files[i];
		struct error reason;
		if (!add(fs, file->path, file->length, err))
			return false;
		if (file_out_reopen(fs->outs[fs->out_count - 1], fs->events_dir, &reason))
			continue;
		if (reason.code != ERROR_NOT_FOUND && reason.code != ERROR_DATA)
			return error_set(err, reason.code, "%s", reason.message);
		/* Taken away or cut by somebody: what it held was delivered, so it counts as closed. */
		log_warn("output_file_changed", "reason=%s", reason.message);
		drop(fs, fs->out_count - 1);
	}
	return true;
}

static bool begin(struct sink *sink, struct error *err)
{
	(void)sink;
	(void)err;
	return true;
}

static bool put(struct sink *sink, const struct journal_record *record, struct error *err)
{
	struct file_out *out = find(sink_of(sink), record->topic, record->received_ms / FILE_OUT_HOUR_MS, err);
	return out && file_out_append(out, record->value, err);
}

static bool let_go(struct sink *sink, struct error *err)
{
	struct file_sink *fs = sink_of(sink);
	for (size_t i = 0; i < fs->out_count; i++)
		if (!file_out_flush(fs->outs[i], err))
			return false;
	return true;
}

static bool commit(struct sink *sink, const struct sink_position *lanes, uint32_t lane_count, struct error *err)
{
	struct file_sink *fs = sink_of(sink);
	struct tally_books books[JOURNAL_LANES_MAX];
	tally_all_after(&sink->tally, books);
	for (size_t i = 0; i < fs->out_count; i++) {
		struct file_out *out = fs->outs[i];
		if (out->dirty)
			out->touched_ms = fs->wall_ms();
		if (!file_out_sync(out, err))
			return false;
	}
	return save(fs, books, lanes, lane_count, true, err);
}

/* True if the list on disk still holds a file that was closed here. */
static bool list_is_stale(const struct file_sink *fs)
{
	return fs->durable.file_count != fs->out_count;
}

static void drop_empty(struct file_sink *fs, size_t at)
{
	char whole[PATH_MAX];
	snprintf(whole, sizeof whole, "%s/%s", fs->events_dir, fs->outs[at]->path);
	unlink(whole);
	drop(fs, at);
}

/* Takes files off the list whose hour is over. Nothing is done to such a file before the shorter list is on disk: a
 * listed file that is gone would look like one that somebody took away. */
static void close_hours(struct file_sink *fs)
{
	int64_t now_ms = fs->wall_ms();
	struct error err;
	for (size_t i = fs->out_count; i-- > 0;) {
		const struct file_out *out = fs->outs[i];
		if (out->dirty || now_ms < (out->hour + 1) * FILE_OUT_HOUR_MS + CLOSE_AFTER_MS ||
		    now_ms < out->touched_ms + CLOSE_AFTER_MS)
			continue;
		if (out->committed_bytes == 0)
			drop_empty(fs, i);
		else
			drop(fs, i);
	}
	if (!list_is_stale(fs))
		return;
	if (save(fs, NULL, NULL, 0, true, &err))
		file_chores_hint(fs->chores);
	else
		log_warn("checkpoint_failed", "reason=%s", err.message);
}

static void idle(struct sink *sink)
{
	struct file_sink *fs = sink_of(sink);
	close_hours(fs);
	if (!list_is_stale(fs))
		file_chores_run(fs->chores, fs->wall_ms());
}

static void status(struct sink *sink, struct buffer *json)
{
	buffer_append_format(json, ",\"mode\":\"exactly_once\",\"open_files\":%zu",
	                     atomic_load(&sink_of(sink)->open_files));
}

static void close_sink(struct sink **sink, int deadline_ms)
{
	(void)deadline_ms;
	if (!*sink)
		return;
	struct file_sink *fs = sink_of(*sink);
	while (fs->out_count)
		drop(fs, fs->out_count - 1);
	free(fs->outs);
	file_chores_destroy(&fs->chores);
	checkpoint_fini(&fs->durable);
	free(fs);
	*sink = NULL;
}

static void drop_work(struct sink *sink)
{
	file_chores_drop(sink_of(sink)->chores);
}

static const struct sink_ops OPS = {
	.name = "files",
	.recover = recover,
	.begin = begin,
	.put = put,
	.let_go = let_go,
	.commit = commit,
	.drop = drop_work,
	.idle = idle,
	.status = status,
	.close = close_sink,
};

struct sink *file_sink_create(const struct file_sink_options *options, struct error *err)
{
	struct file_sink *fs = calloc(1, sizeof *fs);
	if (!fs) {
		error_set(err, ERROR_MEMORY, "no memory for the files sink");
		return NULL;
	}
	sink_init(&fs->base, &OPS);
	struct sink *sink = &fs->base;
	checkpoint_init(&fs->durable, options->log_id);
	fs->wall_ms = options->wall_ms ? options->wall_ms : expiry_clock_ms;
	int len = snprintf(fs->dir, sizeof fs->dir, "%s", options->dir);
	snprintf(fs->events_dir, sizeof fs->events_dir, "%s/events", fs->dir);
	const struct file_chores_options chores = { .data_dir = options->dir,
		                                    .retention_ms = options->retention_ms,
		                                    .dead_letter_topic = options->dead_letter_topic,
		                                    .dead_letter_retention_ms = options->dead_letter_retention_ms,
		                                    .compress = options->compress,
		                                    .is_open = is_listed,
		                                    .context = fs };
	fs->chores = file_chores_create(&chores);
	if (len >= (int)sizeof fs->dir)
		error_set(err, ERROR_CONFIG, "data_dir: path too long");
	else if (!fs->chores)
		error_set(err, ERROR_MEMORY, "no memory for the files sink");
	else if (load(fs, err))
		return sink;
	close_sink(&sink, 0);
	return NULL;
}
