/* Journal files as things on disk: made ahead of time and zero-filled, or used again (spare.c), so that a full disk shows
 * here and not in the answer path, and a commit's fdatasync has no metadata to write; then activated by writing the
 * header and renaming.
 *
 * A prepared file is called `next-<serial>.pre` and its folder is synced before a lane may take it. The rename at
 * activation is not synced by the lane: recovery takes a `.pre` file with a sound header for what it is, so a power cut
 * before the keeper's fsync of the folder loses nothing. */
#include "journal/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/metrics.h"

#define FILL_BYTES ((size_t)256 * 1024)
#define FILL_SYNC_BYTES ((uint64_t)4 << 20) /* small bites: a lane's fdatasync may have to wait for one of them */

void journal_count_failure(const char *call)
{
	metrics_add(metrics_series1(METRIC_JOURNAL_FAILURES, call), 1);
}

struct journal_file *journal_file_new(const char *name, uint64_t epoch, uint64_t first)
{
	struct journal_file *file = calloc(1, sizeof(*file));
	if (!file)
		return NULL;
	file->epoch = epoch;
	file->first = first;
	file->fd = -1;
	snprintf(file->name, sizeof(file->name), "%s", name);
	return file;
}

void journal_file_free(struct journal *journal, struct journal_file **file)
{
	if ((*file)->fd >= 0)
		close((*file)->fd);
	journal_keys_fini(journal, &(*file)->keys);
	free(*file);
	*file = NULL;
}

void journal_file_path(const struct journal_lane *lane, const struct journal_file *file, char *to)
{
	snprintf(to, JOURNAL_PATH_BYTES, "%.*s/%s", JOURNAL_PATH_BYTES - JOURNAL_NAME_BYTES - 2, lane->dir, file->name);
}

static bool fill(struct journal *journal, int fd, uint64_t size, bool (*pause)(struct journal *journal),
                 struct error *err)
{
	static char zeros[FILL_BYTES]; /* never written: stays in .bss */
	/* Mode `os`: no commit waits for the metadata that a block's first write costs, so the zeros need not be written. */
	if (!journal->options.sync_on_commit && fallocate(fd, 0, 0, (off_t)size) == 0)
		return true;
	for (uint64_t at = 0; at < size;) {
		size_t n = size - at < FILL_BYTES ? (size_t)(size - at) : FILL_BYTES;
		if (!file_write_at(fd, (struct slice) { zeros, n }, at, err)) {
			journal_count_failure("preallocate");
			return false;
		}
		at += n;
		if (!pause || (at % FILL_SYNC_BYTES && at < size))
			continue;
		if (fdatasync(fd) != 0)
			return error_set_errno(err, "fdatasync");
		if (!pause(journal))
			return error_set(err, ERROR_UNAVAILABLE, "stopping");
	}
	return true;
}

static struct journal_file *prepare(struct journal_lane *lane, uint64_t size, bool (*pause)(struct journal *journal),
                                    struct error *err)
{
	char name[JOURNAL_NAME_BYTES], path[JOURNAL_PATH_BYTES];
	snprintf(name, sizeof(name), "next-%" PRIu64 ".pre", atomic_fetch_add(&lane->journal->serial, 1));
	struct journal_file *file = journal_file_new(name, lane->journal->epoch, 1);
	if (!file) {
		error_set(err, ERROR_MEMORY, "a journal file");
		return NULL;
	}
	journal_file_path(lane, file, path);
	file->capacity = size;
	file->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (file->fd < 0) {
		error_set_errno(err, "%s", path);
		journal_count_failure("open");
		journal_file_free(lane->journal, &file);
		return NULL;
	}
	journal_grow_used(lane->journal, size);
	if (!fill(lane->journal, file->fd, size, pause, err) || !file_sync_dir(lane->dir, err)) {
		error_prepend(err, "%s", path);
		journal_file_drop(lane, &file);
		return NULL;
	}
	return file;
}

struct journal_file *journal_file_prepare(struct journal_lane *lane, uint64_t size,
                                          bool (*pause)(struct journal *journal), struct error *err)
{
	struct error own = { 0 };
	if (!err)
		err = &own;
	struct journal_file *file = prepare(lane, size, pause, err);
	if (file || err->code != ERROR_UNAVAILABLE)
		atomic_store(&lane->stuck, !file);
	return file;
}

void journal_file_drop(struct journal_lane *lane, struct journal_file **file)
{
	char path[JOURNAL_PATH_BYTES];
	journal_file_path(lane, *file, path);
	if (unlink(path) == 0)
		journal_shrink_used(lane->journal, atomic_load(&(*file)->capacity));
	journal_file_free(lane->journal, file);
}

bool journal_file_activate(struct journal_lane *lane, struct journal_file *file, uint64_t first, uint64_t events_before,
                           uint64_t dead_letters_before, struct error *err)
{
	struct journal_file_header header = {
		.lane = lane->index,
		.epoch = lane->journal->epoch,
		.first = first,
		.flags = file->recycled ? JOURNAL_FILE_RECYCLED : 0,
		.created_ms = clock_wall_ms(),
		.events_before = events_before,
		.dead_letters_before = dead_letters_before,
	};
	memcpy(header.log_id, lane->journal->meta.log_id, sizeof(header.log_id));
	hash_random(&header.salt, sizeof(header.salt));
	if (!journal_header_write(file->fd, &header, err)) {
		journal_count_failure("write");
		return false;
	}
	char from[JOURNAL_PATH_BYTES], to[JOURNAL_PATH_BYTES];
	journal_file_path(lane, file, from);
	journal_name_format(file->name, header.epoch, first);
	journal_file_path(lane, file, to);
	if (rename(from, to) != 0) {
		error_set_errno(err, "%s", to);
		journal_count_failure("rename");
		snprintf(file->name, sizeof(file->name), "%s", strrchr(from, '/') + 1);
		return false;
	}
	file->first = first;
	file->before = (struct journal_counts) { events_before, dead_letters_before };
	file->salt_crc = journal_salt_crc(header.salt);
	file->written = JOURNAL_HEADER_BYTES;
	file->written_last = first - 1;
	atomic_store(&file->end, JOURNAL_HEADER_BYTES);
	atomic_store(&file->last, first - 1);
	return true;
}

void journal_lane_publish(struct journal_lane *lane, struct journal_file *file)
{
	pthread_mutex_lock(&lane->mutex);
	if (lane->tail)
		lane->tail->next = file;
	else
		lane->head = file;
	lane->tail = file;
	pthread_mutex_unlock(&lane->mutex);
}

static void take_off(_Atomic uint64_t *from, uint64_t bytes)
{
	uint64_t now = atomic_load(from);
	while (!atomic_compare_exchange_weak(from, &now, now > bytes ? now - bytes : 0))
		;
}

void journal_grow_used(struct journal *journal, uint64_t bytes)
{
	atomic_fetch_add(&journal->used_bytes, bytes);
	take_off(&journal->free_bytes, bytes);
}

void journal_shrink_used(struct journal *journal, uint64_t bytes)
{
	take_off(&journal->used_bytes, bytes);
	atomic_fetch_add(&journal->free_bytes, bytes);
}

bool journal_lane_waits(const struct journal_lane *lane)
{
	return atomic_load(&lane->needs_file) && clock_monotonic_ms() < atomic_load(&lane->retry_at_ms);
}

bool journal_can_grow(const struct journal *journal, uint64_t size)
{
	const struct journal_options *options = &journal->options;
	if (options->disk_budget_bytes && atomic_load(&journal->used_bytes) + size > options->disk_budget_bytes)
		return false;
	return atomic_load(&journal->free_bytes) >= options->reserve_bytes + size;
}

bool journal_lane_can_grow(const struct journal_lane *lane, uint64_t size)
{
	return !atomic_load(&lane->stuck) && journal_can_grow(lane->journal, size);
}

bool journal_sync_fd(struct journal *journal, int fd, _Atomic int64_t *since, struct error *err)
{
	int64_t begin_us = clock_monotonic_us();
	atomic_store_explicit(since, begin_us / 1000 + 1, memory_order_relaxed);
	bool ok = fdatasync(fd) == 0;
	int saved = errno;
	atomic_store_explicit(since, 0, memory_order_relaxed);
	metrics_add(journal->series_sync_us, (uint64_t)(clock_monotonic_us() - begin_us));
	if (ok)
		return true;
	/* The kernel may have marked the pages clean: a second call would lie, so there is none. */
	journal_count_failure("fdatasync");
	atomic_store(&journal->failed, true);
	error_set(err, ERROR_SYNC_LOST, "fdatasync: %s", strerror(saved));
	log_error("journal_sync_lost", "error=%s", strerror(saved));
	return false;
}
