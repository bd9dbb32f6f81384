/* The keeper thread: everything slow that no lane may wait for. Each round: sync what mode `os` has written, close
 * finished files, have their key indexes written, set aside or unlink what the sink has, prepare the next files, measure
 * the disk and decide headroom.
 *
 * Failure modes: a failed fdatasync is final (SYNC_LOST). Anything else is tried again: preparing a file each second,
 * an index every ten seconds; meanwhile headroom says what still can be taken. */
#include "journal/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/metrics.h"

#define MEASURE_MS 1000
#define MEASURE_MOST_MS 10000
#define MEASURE_REST 50 /* times as long as a walk took is not walked: a folder of many files must not cost a core */
#define PREPARE_RETRY_MS 1000
#define INDEX_RETRY_MS 10000
#define IDLE_MS 250
#define GROWTH 4 /* each file is so many times as large as the one before, up to file_bytes */

static struct journal_file *first_file(struct journal_lane *lane)
{
	pthread_mutex_lock(&lane->mutex);
	struct journal_file *file = lane->head;
	pthread_mutex_unlock(&lane->mutex);
	return file;
}

static struct journal_file *file_behind(struct journal_lane *lane, struct journal_file *file)
{
	pthread_mutex_lock(&lane->mutex);
	struct journal_file *next = file->next;
	pthread_mutex_unlock(&lane->mutex);
	return next;
}

/* ---- syncing and closing ---- */

static bool sync_file(struct journal *journal, struct journal_file *file)
{
	uint64_t end = atomic_load_explicit(&file->end, memory_order_acquire);
	if (file->fd < 0 || journal->options.sync_on_commit || end <= atomic_load(&file->synced))
		return true;
	if (!journal_sync_fd(journal, file->fd, &journal->sync_since_ms, NULL))
		return false;
	atomic_store(&file->synced, end);
	return true;
}

static void settle_file(struct journal *journal, struct journal_lane *lane, struct journal_file *file)
{
	bool closed = atomic_load_explicit(&file->closed, memory_order_acquire);
	if (!file->name_synced)
		file->name_synced = file_sync_dir(lane->dir, NULL);
	if (sync_file(journal, file) && closed && file->fd >= 0) {
		close(file->fd);
		file->fd = -1;
	}
}

static void sync_all(struct journal *journal)
{
	if (atomic_load(&journal->failed))
		return;
	for (uint32_t i = 0; i < journal->options.lanes; i++) {
		struct journal_lane *lane = &journal->lanes[i];
		for (struct journal_file *file = first_file(lane); file; file = file_behind(lane, file))
			settle_file(journal, lane, file);
	}
}

/* Between pieces of a file being filled: the background sync keeps its interval. */
static bool keep_pace(struct journal *journal)
{
	sync_all(journal);
	pthread_mutex_lock(&journal->keeper_mutex);
	bool stop = journal->stop;
	pthread_mutex_unlock(&journal->keeper_mutex);
	return !stop;
}

/* ---- indexes and unlinking ---- */

static bool file_is_empty(const struct journal_file *file)
{
	return atomic_load_explicit(&file->end, memory_order_acquire) <= JOURNAL_HEADER_BYTES;
}

static void index_file(struct journal *journal, struct journal_lane *lane, struct journal_file *file)
{
	const struct journal_options *options = &journal->options;
	if (file->indexed || !atomic_load_explicit(&file->closed, memory_order_acquire) || file->fd >= 0)
		return;
	if (!options->write_index || file_is_empty(file)) {
		file->indexed = true;
		return;
	}
	if (clock_monotonic_ms() < file->index_retry_ms)
		return;
	char path[JOURNAL_PATH_BYTES];
	struct error err = { 0 };
	journal_file_path(lane, file, path);
	size_t count;
	const struct journal_key_entry *entries = journal_keys_get(&file->keys, &count);
	file->indexed = options->write_index(options->context, lane->index, path, file->name, entries, count, &err);
	if (file->indexed) {
		journal_keys_fini(journal, &file->keys);
		return;
	}
	file->index_retry_ms = clock_monotonic_ms() + INDEX_RETRY_MS;
	log_error("journal_index_failed", "lane=%u file=%s error=%s", lane->index, file->name, err.message);
}

static bool is_covered(const struct journal_file *file, struct journal_position checkpoint)
{
	if (file_is_empty(file))
		return true;
	if (file->epoch != checkpoint.epoch)
		return file->epoch < checkpoint.epoch;
	return atomic_load(&file->last) <= checkpoint.counter;
}

/* Nothing but the grace keeps it. An active lane keeps its last file: it carries the totals on. */
static bool is_done_with(const struct journal_lane *lane, const struct journal_file *file)
{
	return file->indexed && file->fd < 0 && (file->next || !lane->active) && is_covered(file, lane->checkpoint);
}

static void enter_grace(struct journal_lane *lane)
{
	for (;;) {
		pthread_mutex_lock(&lane->mutex);
		struct journal_file *file = lane->head;
		while (file && file->covered_ms)
			file = file->next;
		if (file && !is_done_with(lane, file))
			file = NULL;
		if (file)
			journal_grace_enter(lane->journal, file);
		pthread_mutex_unlock(&lane->mutex);
		if (!file)
			return;
		journal_grace_cool(lane, file);
	}
}

/* Takes the oldest file off the list if nothing needs it any more; `early`: before its grace is over. */
static struct journal_file *take_covered(struct journal_lane *lane, bool early)
{
	pthread_mutex_lock(&lane->mutex);
	struct journal_file *file = lane->head;
	bool free_to_go =
	        file && file->covered_ms && file->readers == 0 && (early || journal_grace_is_over(lane->journal, file));
	if (free_to_go) {
		lane->head = file->next;
		if (!lane->head)
			lane->tail = NULL;
	}
	pthread_mutex_unlock(&lane->mutex);
	return free_to_go ? file : NULL;
}

static void put_back(struct journal_lane *lane, struct journal_file *file)
{
	pthread_mutex_lock(&lane->mutex);
	file->next = lane->head;
	lane->head = file;
	if (!lane->tail)
		lane->tail = file;
	pthread_mutex_unlock(&lane->mutex);
}

/* The last file of a lane no longer written takes its totals along, unless they stand in meta first. */
static bool save_totals(struct journal *journal, struct journal_lane *lane)
{
	if (lane->active)
		return true;
	uint64_t events = atomic_load(&lane->events), dead_letters = atomic_load(&lane->dead_letters);
	if (journal->meta.totals[lane->index].events == events &&
	    journal->meta.totals[lane->index].dead_letters == dead_letters)
		return true;
	journal->meta.totals[lane->index].events = events;
	journal->meta.totals[lane->index].dead_letters = dead_letters;
	return meta_write(journal->dir, &journal->meta, NULL);
}

static bool unlink_file(struct journal_lane *lane, const struct journal_file *file)
{
	char path[JOURNAL_PATH_BYTES];
	journal_file_path(lane, file, path);
	return unlink(path) == 0 || errno == ENOENT;
}

enum release { RELEASE_NONE, RELEASE_SPARED, RELEASE_UNLINKED };

static enum release release_next(struct journal *journal, struct journal_lane *lane, bool early)
{
	struct journal_file *file = take_covered(lane, early);
	if (!file)
		return RELEASE_NONE;
	journal_grace_leave(journal, file);
	bool is_there = !journal_file_has_passed_its_name(file);
	if (is_there && journal_spare_keep(lane, file))
		return RELEASE_SPARED;
	if (is_there && (!save_totals(journal, lane) || !unlink_file(lane, file))) {
		journal_count_failure("unlink");
		put_back(lane, file);
		return RELEASE_NONE;
	}
	journal_shrink_used(journal, atomic_load(&file->capacity));
	journal_file_free(journal, &file);
	return RELEASE_UNLINKED;
}

/* Lets go of what the sink has: all whose grace is over, and as many before, oldest first, as the room asks for. True: a
 * file was unlinked. */
static bool release_covered(struct journal *journal)
{
	uint64_t changed = 0, stuck = 0; /* bits of lanes */
	enum release release;
	for (uint32_t i = 0; i < journal->lane_count; i++) {
		enter_grace(&journal->lanes[i]);
		while ((release = release_next(journal, &journal->lanes[i], false)) != RELEASE_NONE)
			changed |= release == RELEASE_UNLINKED ? (uint64_t)1 << i : 0;
	}
	struct journal_lane *lane;
	while (journal_grace_is_pressed(journal) && (lane = journal_grace_oldest(journal, stuck))) {
		uint64_t bit = (uint64_t)1 << lane->index;
		release = release_next(journal, lane, true);
		changed |= release == RELEASE_UNLINKED ? bit : 0;
		stuck |= release == RELEASE_NONE ? bit : 0;
	}
	for (uint32_t i = 0; i < journal->lane_count; i++)
		if (changed & (uint64_t)1 << i && !file_sync_dir(journal->lanes[i].dir, NULL))
			journal_count_failure("fsync");
	return changed != 0;
}

/* ---- the next file and headroom ---- */

static uint64_t tail_capacity(struct journal_lane *lane)
{
	pthread_mutex_lock(&lane->mutex);
	uint64_t capacity = lane->tail ? atomic_load(&lane->tail->capacity) : 0;
	pthread_mutex_unlock(&lane->mutex);
	return capacity;
}

/* Size of the lane's next file: grows step by step, so that a quiet installation stays small; shrinks towards the end
 * of the budget. 0: there is no room. */
static uint64_t next_size(struct journal_lane *lane)
{
	const struct journal *journal = lane->journal;
	uint64_t least = journal_smallest_file(journal), size = tail_capacity(lane) * GROWTH;
	if (size < least)
		size = least;
	if (size > journal->file_bytes)
		size = journal->file_bytes;
	size &= ~(uint64_t)4095;
	while (size > least && !journal_can_grow(journal, size))
		size /= 2;
	if (size < least)
		size = least;
	return journal_can_grow(journal, size) ? size : 0;
}

static void prepare_next(struct journal_lane *lane)
{
	if (atomic_load(&lane->prepared) || clock_monotonic_ms() < atomic_load(&lane->retry_at_ms))
		return;
	struct journal_file *spare = journal_spare_take(lane);
	if (spare) {
		atomic_store(&lane->prepared, spare);
		return;
	}
	uint64_t size = next_size(lane);
	if (size == 0)
		return;
	struct error err = { 0 };
	atomic_store(&lane->preparing, true);
	struct journal_file *file = journal_file_prepare(lane, size, keep_pace, &err);
	if (file)
		atomic_store(&lane->prepared, file);
	atomic_store(&lane->preparing, false);
	if (file)
		return;
	if (err.code == ERROR_UNAVAILABLE)
		return;
	atomic_store(&lane->retry_at_ms, clock_monotonic_ms() + PREPARE_RETRY_MS);
	log_warn("journal_prepare_failed", "lane=%u bytes=%" PRIu64 " error=%s", lane->index, size, err.message);
}

static uint64_t tail_room(struct journal_lane *lane)
{
	uint64_t room = 0;
	pthread_mutex_lock(&lane->mutex);
	if (lane->tail && !atomic_load_explicit(&lane->tail->closed, memory_order_acquire))
		room = atomic_load(&lane->tail->capacity) - atomic_load(&lane->tail->end);
	pthread_mutex_unlock(&lane->mutex);
	return room;
}

/* A lane can go on if a file stands ready, or may be made, or enough of the one in use is left. */
static void decide_headroom(struct journal *journal, struct journal_lane *lane)
{
	bool had = atomic_load(&lane->headroom), prepared = atomic_load(&lane->prepared) != NULL;
	/* Once gone, it comes back only with some distance to the edge. */
	bool enough = prepared || journal_lane_can_grow(lane, journal_smallest_file(journal) * (had ? 1 : 2)) ||
	              (had && tail_room(lane) >= journal_margin(journal));
	if (atomic_load(&lane->needs_file) && (!prepared || journal_lane_waits(lane)))
		enough = false;
	bool now = enough && !atomic_load(&journal->failed);
	atomic_store(&lane->headroom, now);
	if (now != had)
		log_warn(now ? "journal_headroom_back" : "journal_headroom_gone",
		         "lane=%u used_bytes=%" PRIu64 " free_bytes=%" PRIu64, lane->index,
		         atomic_load(&journal->used_bytes), atomic_load(&journal->free_bytes));
}

static void decide_all(struct journal *journal)
{
	for (uint32_t i = 0; i < journal->options.lanes; i++)
		decide_headroom(journal, &journal->lanes[i]);
}

static uint64_t measure_dead_letters(struct journal *journal)
{
	uint64_t bytes = journal->dead_letter_dir[0] ? file_disk_usage(journal->dead_letter_dir) : 0;
	for (uint32_t i = 0; i < journal->lane_count; i++) {
		struct journal_lane *lane = &journal->lanes[i];
		for (struct journal_file *file = first_file(lane); file; file = file_behind(lane, file))
			if (!file->covered_ms) /* a grace copy gives way when the room is needed */
				bytes += atomic_load_explicit(&file->dead_letter_bytes, memory_order_relaxed);
	}
	return bytes;
}

void journal_measure(struct journal *journal)
{
	uint64_t free_bytes;
	atomic_store(&journal->used_bytes, file_disk_usage(journal->dir));
	if (file_disk_free(journal->dir, &free_bytes, NULL))
		atomic_store(&journal->free_bytes, free_bytes);
	atomic_store(&journal->dead_letter_bytes, measure_dead_letters(journal));
	metrics_set(metrics_series0(METRIC_JOURNAL_DISK), (int64_t)atomic_load(&journal->used_bytes));
	metrics_set(metrics_series0(METRIC_JOURNAL_BUDGET), (int64_t)journal->options.disk_budget_bytes);
	decide_all(journal);
}

/* ---- the thread ---- */

/* What is to be erased may stand in spares as well. */
static void scrub_spares(struct journal *journal)
{
	uint32_t wanted = atomic_load(&journal->scrubs_wanted);
	if (wanted == atomic_load(&journal->scrubs_done))
		return;
	for (uint32_t i = 0; i < journal->options.lanes; i++)
		journal_spare_scrub(&journal->lanes[i]);
	atomic_store(&journal->scrubs_done, wanted);
}

static int64_t rest_behind(int64_t walk_ms)
{
	int64_t rest_ms = walk_ms * MEASURE_REST;
	return rest_ms < MEASURE_MS ? MEASURE_MS : rest_ms > MEASURE_MOST_MS ? MEASURE_MOST_MS : rest_ms;
}

static void do_chores(struct journal *journal)
{
	sync_all(journal);
	scrub_spares(journal);
	bool freed = false;
	for (uint32_t i = 0; i < journal->lane_count; i++) {
		struct journal_lane *lane = &journal->lanes[i];
		for (struct journal_file *file = first_file(lane); file; file = file_behind(lane, file))
			index_file(journal, lane, file);
		freed = journal_spare_trim(lane) || freed;
	}
	freed = release_covered(journal) || freed;
	int64_t now_ms = clock_monotonic_ms();
	if (now_ms - journal->measured_ms >= (freed ? 0 : journal->measure_rest_ms)) {
		journal_measure(journal);
		journal->measured_ms = clock_monotonic_ms();
		journal->measure_rest_ms = rest_behind(journal->measured_ms - now_ms);
	}
	if (!atomic_load(&journal->failed))
		for (uint32_t i = 0; i < journal->options.lanes; i++)
			prepare_next(&journal->lanes[i]);
	decide_all(journal);
	journal->chores_done_ms = clock_monotonic_ms();
}

static int64_t interval_ms(const struct journal *journal)
{
	uint32_t sync_ms = journal->options.sync_interval_ms;
	if (journal->options.sync_on_commit || sync_ms >= IDLE_MS)
		return IDLE_MS;
	return sync_ms ? sync_ms : 1;
}

/* While the indexes are tended the chores come as often as ever. */
static bool go_on_meanwhile(void *context)
{
	struct journal *journal = context;
	pthread_mutex_lock(&journal->keeper_mutex);
	bool wanted = journal->chores, stop = journal->stop;
	journal->chores = false;
	pthread_mutex_unlock(&journal->keeper_mutex);
	if (stop)
		return false;
	if (wanted || clock_monotonic_ms() - journal->chores_done_ms >= interval_ms(journal))
		do_chores(journal);
	return true;
}

static bool has_room(void *context, uint64_t bytes)
{
	return journal_can_grow(context, bytes);
}

static void tend(struct journal *journal)
{
	const struct journal_pace pace = { go_on_meanwhile, has_room, journal };
	if (journal->options.tend)
		journal->options.tend(journal->options.context, &pace);
}

static bool wait_for_chores(struct journal *journal)
{
	struct timespec until;
	int64_t wait_ms = interval_ms(journal);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += wait_ms / 1000;
	until.tv_nsec += (wait_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&journal->keeper_mutex);
	while (!journal->stop && !journal->chores)
		if (pthread_cond_timedwait(&journal->keeper_cond, &journal->keeper_mutex, &until) == ETIMEDOUT)
			break;
	journal->chores = false;
	bool go_on = !journal->stop;
	pthread_mutex_unlock(&journal->keeper_mutex);
	return go_on;
}

static void *run_keeper(void *argument)
{
	struct journal *journal = argument;
	metrics_register_thread();
	pthread_setname_np(pthread_self(), "keeper");
	journal->measured_ms = clock_monotonic_ms();
	journal->measure_rest_ms = MEASURE_MS;
	do {
		do_chores(journal);
		tend(journal);
	} while (wait_for_chores(journal));
	sync_all(journal);
	return NULL;
}

bool journal_keeper_start(struct journal *journal, struct error *err)
{
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = pthread_create(&journal->keeper, NULL, run_keeper, journal);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc != 0)
		return error_set(err, ERROR_OS, "keeper thread: %s", strerror(rc));
	journal->keeper_runs = true;
	return true;
}

void journal_keeper_poke(struct journal *journal)
{
	pthread_mutex_lock(&journal->keeper_mutex);
	journal->chores = true;
	pthread_cond_signal(&journal->keeper_cond);
	pthread_mutex_unlock(&journal->keeper_mutex);
}

void journal_keeper_stop(struct journal *journal)
{
	if (!journal->keeper_runs)
		return;
	pthread_mutex_lock(&journal->keeper_mutex);
	journal->stop = true;
	pthread_cond_signal(&journal->keeper_cond);
	pthread_mutex_unlock(&journal->keeper_mutex);
	pthread_join(journal->keeper, NULL);
	journal->keeper_runs = false;
}
