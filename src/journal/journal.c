/* Opening and closing the journal, its state, and what concerns all lanes. Order of a start: lock, meta, epoch persisted
 * (before any record can be written under it), recovery of every lane folder, fresh files, keeper.
 *
 * Failure modes of a start: the lock is taken (BUSY); meta is missing or damaged while journal files exist (DATA: their
 * positions and dedup keys would mean nothing under a new identity, so a person decides); the disk is full (the lanes
 * start without a file and without headroom, so that the sink can go on and free space). */
#include "journal/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/metrics.h"

static bool take_lock(struct journal *journal, struct error *err)
{
	char path[JOURNAL_PATH_BYTES];
	snprintf(path, sizeof(path), "%s/LOCK", journal->dir);
	journal->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (journal->lock_fd < 0)
		return error_set_errno(err, "%s", path);
	if (flock(journal->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return true;
	if (errno == EWOULDBLOCK)
		return error_set(err, ERROR_BUSY, "%s: another headgate uses this data directory", journal->dir);
	return error_set_errno(err, "%s", path);
}

static bool load_meta(struct journal *journal, struct error *err)
{
	struct error why = { 0 };
	if (meta_read(journal->dir, &journal->meta, &why))
		return true;
	if (why.code != ERROR_NOT_FOUND && why.code != ERROR_DATA)
		return error_set(err, why.code, "%s", why.message);
	struct journal_file_name *files;
	size_t count;
	if (!journal_list_files(journal->dir, &files, &count, err))
		return false;
	free(files);
	if (count > 0 || why.code == ERROR_DATA)
		return error_set(err, ERROR_DATA,
		                 "%s; %zu journal files belong to it. Restore %s/meta from a backup, or move "
		                 "%s/meta and %s/journal away to begin a new log",
		                 why.message, count, journal->dir, journal->dir, journal->dir);
	meta_init(&journal->meta);
	return true;
}

static void set_log_id(struct journal *journal)
{
	for (size_t i = 0; i < sizeof(journal->meta.log_id); i++)
		snprintf(journal->log_id + 2 * i, 3, "%02x", journal->meta.log_id[i]);
}

/* A small budget must not be eaten by files prepared ahead. */
static uint32_t fit_file_bytes(const struct journal_options *options)
{
	uint64_t share = options->disk_budget_bytes / (4 * (uint64_t)options->lanes);
	if (share < JOURNAL_FIRST_FILE_BYTES)
		share = JOURNAL_FIRST_FILE_BYTES;
	uint64_t bytes = options->file_bytes;
	if (options->disk_budget_bytes && bytes > share)
		bytes = share;
	if (bytes < 4 * JOURNAL_HEADER_BYTES)
		bytes = 4 * JOURNAL_HEADER_BYTES;
	return (uint32_t)(bytes & ~(uint64_t)4095);
}

static bool check_options(const struct journal_options *options, struct error *err)
{
	if (options->lanes == 0 || options->lanes > JOURNAL_LANES_MAX)
		return error_set(err, ERROR_CONFIG, "%u lanes: 1 to %d are possible", options->lanes,
		                 JOURNAL_LANES_MAX);
	if (strlen(options->dir) > JOURNAL_DIR_MAX)
		return error_set(err, ERROR_CONFIG, "data directory: the name is longer than %d bytes",
		                 JOURNAL_DIR_MAX);
	return true;
}

static uint32_t count_lanes(const struct journal *journal)
{
	uint32_t count = journal->options.lanes;
	for (uint32_t i = count; i < JOURNAL_LANES_MAX; i++) {
		char path[JOURNAL_PATH_BYTES];
		snprintf(path, sizeof(path), "%s/journal/%u", journal->dir, i);
		if (access(path, F_OK) == 0)
			count = i + 1;
	}
	return count;
}

static bool make_lanes(struct journal *journal, struct error *err)
{
	uint32_t count = count_lanes(journal);
	journal->lanes = calloc(count, sizeof(*journal->lanes));
	journal->writers = calloc(journal->options.lanes, sizeof(*journal->writers));
	if (!journal->lanes || !journal->writers)
		return error_set(err, ERROR_MEMORY, "lanes");
	for (uint32_t i = 0; i < count; i++) {
		struct journal_lane *lane = &journal->lanes[i];
		lane->journal = journal;
		lane->index = i;
		lane->active = i < journal->options.lanes;
		pthread_mutex_init(&lane->mutex, NULL);
		snprintf(lane->dir, sizeof(lane->dir), "%s/journal/%u", journal->dir, i);
		journal->lane_count = i + 1;
		if (lane->active && !file_make_dir(lane->dir, err))
			return false;
	}
	return true;
}

/* The lane's first file of this run. None on a full disk: the keeper goes on trying. */
static bool open_lane(struct journal *journal, struct journal_lane *lane, struct error *err)
{
	struct journal_writer *writer = &journal->writers[lane->index];
	if (!journal_writer_init(writer, journal, lane, err))
		return false;
	uint64_t size = journal_smallest_file(journal);
	struct error why = { 0 };
	struct journal_file *file = journal_file_prepare(lane, size, NULL, &why);
	if (file &&
	    journal_file_activate(lane, file, 1, atomic_load(&lane->events), atomic_load(&lane->dead_letters), &why) &&
	    journal_sync_fd(journal, file->fd, &journal->sync_since_ms, &why) && file_sync_dir(lane->dir, &why)) {
		file->name_synced = true;
		journal_lane_publish(lane, file);
		writer->file = file;
		return true;
	}
	if (file)
		journal_file_drop(lane, &file);
	if (why.code != ERROR_NO_SPACE)
		return error_set(err, why.code, "%s", why.message);
	log_error("journal_full_at_start", "lane=%u error=%s", lane->index, why.message);
	atomic_store(&lane->needs_file, true);
	return true;
}

static void find_series(struct journal *journal)
{
	journal->series_bytes = metrics_series0(METRIC_JOURNAL_BYTES);
	journal->series_commits = metrics_series0(METRIC_JOURNAL_COMMITS);
	journal->series_sync_us = metrics_series0(METRIC_SYNC_SECONDS);
	journal->series_events = metrics_series1(METRIC_RECORDS, "accepted");
	journal->series_dead_letters = metrics_series1(METRIC_DEAD_LETTERS, "accepted");
}

static bool recover(struct journal *journal, bool clean, struct error *err)
{
	for (uint32_t i = 0; i < journal->lane_count; i++)
		if (!journal_recover_lane(journal, &journal->lanes[i], clean, err))
			return false;
	for (uint32_t i = 0; i < journal->lane_count; i++) {
		metrics_add(journal->series_events, atomic_load(&journal->lanes[i].events));
		metrics_add(journal->series_dead_letters, atomic_load(&journal->lanes[i].dead_letters));
	}
	return true;
}

static bool start(struct journal *journal, struct error *err)
{
	char path[JOURNAL_PATH_BYTES];
	snprintf(path, sizeof(path), "%s/quarantine", journal->dir);
	if (!file_make_dir(path, err) || !take_lock(journal, err) || !load_meta(journal, err))
		return false;
	set_log_id(journal);
	bool clean = journal->meta.clean;
	journal->unclean = !clean;
	journal->meta.clean = false;
	journal->epoch = meta_add_epoch(&journal->meta, clock_wall_ms());
	if (!meta_write(journal->dir, &journal->meta, err) || !make_lanes(journal, err))
		return false;
	if (!clean)
		log_warn("journal_unclean_stop", "epoch=%" PRIu64, journal->epoch);
	if (!recover(journal, clean, err))
		return false;
	for (uint32_t i = 0; i < journal->options.lanes; i++)
		if (!open_lane(journal, &journal->lanes[i], err))
			return false;
	for (uint32_t i = 0; i < journal->options.lanes; i++)
		atomic_store(&journal->lanes[i].headroom, true);
	journal_measure(journal);
	if (journal->options.recovered_all)
		journal->options.recovered_all(journal->options.context);
	return journal_keeper_start(journal, err);
}

static void free_lane(struct journal_lane *lane)
{
	struct journal_file *prepared = atomic_load(&lane->prepared);
	if (prepared)
		journal_file_drop(lane, &prepared);
	for (struct journal_file *spare; (spare = journal_spare_take(lane));)
		journal_file_drop(lane, &spare);
	while (lane->head) {
		struct journal_file *file = lane->head;
		lane->head = file->next;
		journal_file_free(lane->journal, &file);
	}
	pthread_mutex_destroy(&lane->mutex);
}

static void destroy(struct journal **journal)
{
	struct journal *j = *journal;
	journal_keeper_stop(j);
	for (uint32_t i = 0; i < j->lane_count; i++)
		free_lane(&j->lanes[i]);
	for (uint32_t i = 0; j->writers && i < j->options.lanes; i++)
		journal_writer_fini(&j->writers[i]);
	free(j->lanes);
	free(j->writers);
	if (j->lock_fd >= 0)
		close(j->lock_fd);
	pthread_cond_destroy(&j->keeper_cond);
	pthread_mutex_destroy(&j->keeper_mutex);
	free(j);
	*journal = NULL;
}

struct journal *journal_open(const struct journal_options *options, struct error *err)
{
	if (!check_options(options, err))
		return NULL;
	struct journal *journal = calloc(1, sizeof(*journal));
	if (!journal) {
		error_set(err, ERROR_MEMORY, "journal");
		return NULL;
	}
	journal->options = *options;
	snprintf(journal->dir, sizeof(journal->dir), "%s", options->dir);
	journal->options.dir = journal->dir;
	snprintf(journal->dead_letter_dir, sizeof(journal->dead_letter_dir), "%s",
	         options->dead_letter_dir ? options->dead_letter_dir : "");
	journal->options.dead_letter_dir = journal->dead_letter_dir;
	journal->lock_fd = -1;
	journal->file_bytes = fit_file_bytes(options);
	pthread_mutex_init(&journal->keeper_mutex, NULL);
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&journal->keeper_cond, &monotonic);
	pthread_condattr_destroy(&monotonic);
	find_series(journal);
	if (!start(journal, err)) {
		error_prepend(err, "journal");
		destroy(&journal);
	}
	return journal;
}

/* Everything written is synced and the totals are known: the next start may believe the files. */
static bool settle(struct journal *journal)
{
	struct error err = { 0 };
	for (uint32_t i = 0; i < journal->options.lanes; i++) {
		struct journal_writer *writer = &journal->writers[i];
		if (!journal_writer_commit(writer, &err))
			return false;
		struct journal_file *file = writer->file;
		if (file && !journal_sync_fd(journal, file->fd, &journal->sync_since_ms, &err))
			return false;
		/* The zeros ahead go back to the file system; the recovery of the next start would do it, too. */
		if (file && ftruncate(file->fd, (off_t)file->written) != 0)
			return false;
		if (!file_sync_dir(journal->lanes[i].dir, &err))
			return false;
	}
	for (uint32_t i = 0; i < journal->lane_count; i++) {
		journal->meta.totals[i].events = atomic_load(&journal->lanes[i].events);
		journal->meta.totals[i].dead_letters = atomic_load(&journal->lanes[i].dead_letters);
	}
	return !atomic_load(&journal->failed);
}

void journal_close(struct journal **journal)
{
	struct journal *j = *journal;
	if (!j)
		return;
	journal_keeper_stop(j);
	if (settle(j)) {
		struct error err = { 0 };
		j->meta.clean = true;
		if (!meta_write(j->dir, &j->meta, &err))
			log_warn("journal_close", "error=%s", err.message);
	} else {
		log_warn("journal_close", "error=not everything could be synced: the next start will check the files");
	}
	destroy(journal);
}

const char *journal_log_id(const struct journal *journal)
{
	return journal->log_id;
}

uint64_t journal_epoch(const struct journal *journal)
{
	return journal->epoch;
}

const struct hash_key *journal_hash_key(const struct journal *journal)
{
	return &journal->meta.hash_key;
}

bool journal_knows_epoch(const struct journal *journal, uint64_t epoch)
{
	return meta_knows_epoch(&journal->meta, epoch);
}

struct journal_writer *journal_writer_get(struct journal *journal, uint32_t lane)
{
	return lane < journal->options.lanes ? &journal->writers[lane] : NULL;
}

uint32_t journal_lane_count(const struct journal *journal)
{
	return journal->lane_count;
}

bool journal_has_headroom(const struct journal *journal)
{
	for (uint32_t i = 0; i < journal->options.lanes; i++)
		if (!journal_writer_has_headroom(&journal->writers[i]))
			return false;
	return true;
}

void journal_set_checkpoint(struct journal *journal, uint32_t lane, struct journal_position position)
{
	struct journal_lane *l = &journal->lanes[lane];
	pthread_mutex_lock(&l->mutex);
	bool forward = position.epoch > l->checkpoint.epoch ||
	               (position.epoch == l->checkpoint.epoch && position.counter > l->checkpoint.counter);
	if (forward)
		l->checkpoint = position;
	const struct journal_file *head = l->head;
	/* with grace copies at hand the keeper's own rounds are soon enough */
	bool frees = forward && head && head != l->tail && !atomic_load(&journal->grace_files) &&
	             (head->epoch < position.epoch || atomic_load(&head->last) <= position.counter);
	pthread_mutex_unlock(&l->mutex);
	if (frees)
		journal_keeper_poke(journal);
}

static void raise_lost(_Atomic uint64_t *lost, uint64_t to, uint32_t series)
{
	uint64_t was = atomic_load(lost);
	if (to <= was)
		return;
	metrics_add(series, to - was);
	atomic_store(lost, to);
}

void journal_set_lost_behind(struct journal *journal, struct journal_counts lost)
{
	raise_lost(&journal->lost_events, lost.events, journal->series_events);
	raise_lost(&journal->lost_dead_letters, lost.dead_letters, journal->series_dead_letters);
}

static int64_t running_ms(const _Atomic int64_t *since_ms, int64_t now_ms)
{
	int64_t since = atomic_load_explicit(since_ms, memory_order_relaxed);
	return since && now_ms > since ? now_ms - since : 0;
}

void journal_stats(struct journal *journal, struct journal_stats *out)
{
	int64_t now_ms = clock_monotonic_ms();
	*out = (struct journal_stats) {
		.disk_bytes = atomic_load(&journal->used_bytes),
		.budget_bytes = journal->options.disk_budget_bytes,
		.free_bytes = atomic_load(&journal->free_bytes),
		.grace_files = atomic_load(&journal->grace_files),
		.grace_bytes = atomic_load(&journal->grace_bytes),
		.quarantined_bytes = atomic_load(&journal->quarantined_bytes),
		.torn_tails = atomic_load(&journal->torn_tails),
		.gaps = atomic_load(&journal->gaps),
		.headroom = journal_has_headroom(journal),
		.unclean = journal->unclean,
		.failed = atomic_load(&journal->failed),
		.sync_running_ms = running_ms(&journal->sync_since_ms, now_ms),
		.accepted_events = atomic_load(&journal->lost_events),
		.accepted_dead_letters = atomic_load(&journal->lost_dead_letters),
	};
	for (uint32_t i = 0; i < journal->lane_count; i++) {
		struct journal_lane *lane = &journal->lanes[i];
		int64_t ms = running_ms(&lane->sync_since_ms, now_ms);
		if (ms > out->sync_running_ms)
			out->sync_running_ms = ms;
		out->accepted_events += atomic_load_explicit(&lane->events, memory_order_relaxed);
		out->accepted_dead_letters += atomic_load_explicit(&lane->dead_letters, memory_order_relaxed);
		pthread_mutex_lock(&lane->mutex);
		for (const struct journal_file *file = lane->head; file; file = file->next)
			out->files++;
		pthread_mutex_unlock(&lane->mutex);
	}
}

bool journal_has_dead_letter_room(const struct journal *journal)
{
	uint64_t budget = journal->options.disk_budget_bytes;
	return budget == 0 || atomic_load_explicit(&journal->dead_letter_bytes, memory_order_relaxed) <= budget / 10;
}
