/* A lane's end for writing. Records are built in a batch buffer; a commit stamps their CRCs with the salt of the file
 * they land in and writes them with one pwrite (mode `disk`: one fdatasync), then moves the file's committed end, which
 * is what readers follow. A batch that does not fit the rest of a file goes to the next one; a batch larger than any
 * file is split, and becomes visible as a whole.
 *
 * Failure modes:
 *   write     what the batch wrote is cut off again, the file abandoned, files made for the batch unlinked, the counters
 *             burnt; the next commit needs the file that the keeper prepares at its next attempt.
 *   no file   (budget, full disk) nothing was written: the file in use stays, the counters are burnt.
 *   fdatasync or the cutting off: SYNC_LOST, final. */
#include "journal/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/metrics.h"

#define BATCH_KEEP_BYTES ((size_t)4 << 20)
#define RETRY_MS 1000
#define AWAIT_MS 250

/* One commit in progress. */
struct commit {
	struct journal_file *file; /* written to now */
	struct journal_file *made; /* first file made within this commit, by ->chain */
	uint64_t events, dead_letters, dead_letter_bytes;
	bool dirty; /* the writer's own file was written to */
};

bool journal_writer_init(struct journal_writer *writer, struct journal *journal, struct journal_lane *lane,
                         struct error *err)
{
	*writer = (struct journal_writer) { .journal = journal, .lane = lane, .next = 1, .cap = JOURNAL_BATCH_BYTES };
	writer->bytes = malloc(writer->cap);
	return writer->bytes || error_set(err, ERROR_MEMORY, "batch buffer");
}

void journal_writer_fini(struct journal_writer *writer)
{
	free(writer->bytes);
	writer->bytes = NULL;
}

struct journal_position journal_writer_next(const struct journal_writer *writer)
{
	return (struct journal_position) { writer->journal->epoch, writer->next };
}

bool journal_writer_has_headroom(const struct journal_writer *writer)
{
	return atomic_load_explicit(&writer->lane->headroom, memory_order_relaxed) &&
	       !atomic_load_explicit(&writer->journal->failed, memory_order_relaxed);
}

bool journal_writer_is_dirty(const struct journal_writer *writer)
{
	return writer->len > 0;
}

/* ---- the batch ---- */

static bool reserve(struct journal_writer *writer, size_t size)
{
	if (writer->cap - writer->len >= size)
		return true;
	size_t cap = writer->cap;
	while (cap - writer->len < size)
		cap *= 2;
	char *grown = realloc(writer->bytes, cap);
	if (!grown)
		return false;
	writer->bytes = grown;
	writer->cap = cap;
	return true;
}

/* The GAP that tells readers and audits that the burnt counters hide nothing. */
static void append_burnt(struct journal_writer *writer)
{
	struct journal_record gap = {
		.type = JOURNAL_GAP,
		.flags = JOURNAL_GAP_BURNT,
		.position = { writer->journal->epoch, writer->burnt_first },
		.gap_count = writer->batch_first - writer->burnt_first,
		.received_ms = clock_wall_ms(),
	};
	gap.time_ms = gap.received_ms;
	writer->len += journal_record_put(writer->bytes + writer->len, &gap);
}

char *journal_writer_begin(struct journal_writer *writer, size_t size)
{
	assert(writer->open_size == 0);
	uint64_t most = journal_file_payload(writer->journal->file_bytes) - JOURNAL_GAP_BYTES;
	if (size > most || journal_padded(JOURNAL_RECORD_BYTES + size) > most)
		return NULL;
	size_t need = journal_padded(JOURNAL_RECORD_BYTES + size);
	if (!reserve(writer, need + JOURNAL_GAP_BYTES))
		return NULL;
	if (writer->len == 0) {
		writer->batch_first = writer->next;
		if (writer->burnt_first)
			append_burnt(writer);
	}
	writer->open_size = need;
	return writer->bytes + writer->len + JOURNAL_RECORD_BYTES;
}

void journal_writer_end(struct journal_writer *writer, const struct journal_record *record)
{
	struct journal_record own = *record;
	own.position = journal_writer_next(writer);
	size_t size = journal_record_close(writer->bytes + writer->len, &own);
	assert(size <= writer->open_size);
	writer->len += size;
	writer->open_size = 0;
	writer->next++;
}

static void empty_batch(struct journal_writer *writer)
{
	writer->len = 0;
	writer->open_size = 0;
	if (writer->cap <= BATCH_KEEP_BYTES)
		return;
	char *shrunk = realloc(writer->bytes, JOURNAL_BATCH_BYTES);
	if (shrunk) {
		writer->bytes = shrunk;
		writer->cap = JOURNAL_BATCH_BYTES;
	}
}

void journal_writer_discard(struct journal_writer *writer)
{
	if (writer->len > 0 && writer->next > writer->batch_first && !writer->burnt_first)
		writer->burnt_first = writer->batch_first;
	empty_batch(writer);
}

/* ---- commit ---- */

/* The one place that puts a batch into a file. */
static bool store(struct journal_file *file, const char *bytes, size_t len, struct error *err)
{
	if (file_write_at(file->fd, (struct slice) { bytes, len }, file->written, err))
		return true;
	journal_count_failure("write");
	return false;
}

static size_t room(const struct journal_file *file)
{
	return file ? (size_t)(file->capacity - JOURNAL_SEAL_BYTES - file->written) : 0;
}

/* Stamps the records from `at` on that fit into `most` bytes; returns their size. */
static size_t stamp(struct journal *journal, struct commit *commit, char *at, size_t len, size_t most)
{
	struct journal_file *file = commit->file;
	size_t done = 0;
	while (done < len) {
		char *record = at + done;
		size_t size = journal_record_size(record);
		if (done + size > most)
			break;
		struct journal_record_header header;
		memcpy(&header, record, sizeof(header));
		uint64_t count = 1;
		if (header.type == JOURNAL_GAP)
			memcpy(&count, record + JOURNAL_RECORD_BYTES, sizeof(count));
		file->written_last = header.counter + count - 1;
		commit->events += header.type == JOURNAL_EVENT;
		if (header.type == JOURNAL_DEAD_LETTER) {
			commit->dead_letters++;
			commit->dead_letter_bytes += size;
			file->dead_letter_written += size;
		}
		journal_keys_add(journal, &file->keys, &header);
		journal_record_stamp(record, file->salt_crc);
		done += size;
	}
	return done;
}

static bool seal(struct journal_writer *writer, struct commit *commit, uint64_t next, struct error *err)
{
	char bytes[JOURNAL_SEAL_BYTES];
	struct journal_record record = { .type = JOURNAL_SEAL, .position = { writer->journal->epoch, next } };
	record.time_ms = record.received_ms = clock_wall_ms();
	size_t size = journal_record_put(bytes, &record);
	journal_record_stamp(bytes, commit->file->salt_crc);
	if (!store(commit->file, bytes, size, err))
		return false;
	commit->file->written += size;
	return true;
}

static bool sync_if_asked(struct journal_writer *writer, const struct journal_file *file, struct error *err)
{
	return !writer->journal->options.sync_on_commit ||
	       journal_sync_fd(writer->journal, file->fd, &writer->lane->sync_since_ms, err);
}

/* The file that the keeper is making has the last of the budget: a lane without any other waits for it a while, since
 * a moment's latency is better than a refusal. */
static struct journal_file *await_prepared(struct journal_lane *lane)
{
	int64_t until_ms = clock_monotonic_ms() + AWAIT_MS;
	while (atomic_load(&lane->preparing) && !atomic_load(&lane->prepared) && clock_monotonic_ms() < until_ms)
		nanosleep(&(struct timespec) { .tv_nsec = 500000 }, NULL);
	return atomic_load(&lane->prepared);
}

static struct journal_file *take_file(struct journal_writer *writer, size_t need, struct error *err)
{
	struct journal_lane *lane = writer->lane;
	struct journal *journal = writer->journal;
	struct journal_file *file = atomic_load(&lane->prepared);
	if (atomic_load(&lane->needs_file) && (!file || journal_lane_waits(lane))) {
		error_set(err, ERROR_NO_SPACE, "no journal file to write to, waiting for the next attempt");
		return NULL;
	}
	if (!file && !journal_lane_can_grow(lane, journal_smallest_file(journal)))
		file = await_prepared(lane);
	if (file && journal_file_payload(file->capacity) >= need) {
		atomic_store(&lane->prepared, NULL); /* the keeper puts one there only where there is none */
		return file;
	}
	uint64_t size = need + JOURNAL_HEADER_BYTES + JOURNAL_SEAL_BYTES;
	if (size < JOURNAL_INLINE_FILE_BYTES)
		size = JOURNAL_INLINE_FILE_BYTES;
	if (size > journal->file_bytes)
		size = journal->file_bytes;
	if (!journal_lane_can_grow(lane, size)) {
		error_set(err, ERROR_NO_SPACE, "disk budget or reserve reached, or the disk is full");
		return NULL;
	}
	return journal_file_prepare(lane, size, NULL, err);
}

static bool open_next(struct journal_writer *writer, struct commit *commit, size_t left, uint64_t counter,
                      struct error *err)
{
	struct journal_lane *lane = writer->lane;
	uint64_t most = journal_file_payload(writer->journal->file_bytes);
	struct journal_file *file = take_file(writer, left < most ? left : (size_t)most, err);
	if (!file)
		return false;
	uint64_t events = atomic_load_explicit(&lane->events, memory_order_relaxed) + commit->events;
	uint64_t dead_letters = atomic_load_explicit(&lane->dead_letters, memory_order_relaxed) + commit->dead_letters;
	if (!journal_file_activate(lane, file, counter, events, dead_letters, err)) {
		journal_file_drop(lane, &file);
		return false;
	}
	bool own = !commit->made;
	struct journal_file **end = &commit->made;
	while (*end)
		end = &(*end)->chain;
	*end = file;
	if (commit->file) {
		commit->dirty = commit->dirty || own;
		/* an empty one is not sealed: the next one begins with the same counter, and has taken its name */
		if (commit->file->written > JOURNAL_HEADER_BYTES && !seal(writer, commit, counter, err))
			return false;
	}
	commit->file = file;
	return true;
}

static uint64_t counter_at(const char *record)
{
	uint64_t counter;
	memcpy(&counter, record + offsetof(struct journal_record_header, counter), sizeof(counter));
	return counter;
}

static bool write_batch(struct journal_writer *writer, struct commit *commit, struct error *err)
{
	size_t most = (size_t)journal_file_payload(writer->journal->file_bytes);
	for (size_t at = 0; at < writer->len;) {
		size_t left = writer->len - at, free_room = room(commit->file), run = 0;
		/* Whole into this file, else whole into the next, else as much as goes. */
		if (commit->file && (left <= free_room || left > most))
			run = stamp(writer->journal, commit, writer->bytes + at, left, free_room);
		if (run) {
			commit->dirty = commit->dirty || !commit->made;
			if (!store(commit->file, writer->bytes + at, run, err))
				return false;
			commit->file->written += run;
			if (!sync_if_asked(writer, commit->file, err))
				return false;
			at += run;
		}
		if (at < writer->len &&
		    !open_next(writer, commit, writer->len - at, counter_at(writer->bytes + at), err))
			return false;
	}
	return true;
}

static void publish_file(struct journal_file *file, bool closed)
{
	atomic_store_explicit(&file->last, file->written_last, memory_order_release);
	atomic_store_explicit(&file->dead_letter_bytes, file->dead_letter_written, memory_order_relaxed);
	file->keys.committed = file->keys.count;
	atomic_store_explicit(&file->end, file->written, memory_order_release);
	if (closed)
		atomic_store_explicit(&file->closed, true, memory_order_release);
}

static void add_relaxed(_Atomic uint64_t *to, uint64_t amount)
{
	uint64_t now = atomic_load_explicit(to, memory_order_relaxed); /* this thread is the only one that writes it */
	atomic_store_explicit(to, now + amount, memory_order_relaxed);
}

/* The keeper decides headroom, but a lane at full speed fills a file between two of its rounds. */
static bool runs_out(const struct journal_writer *writer)
{
	return room(writer->file) < journal_margin(writer->journal) && !atomic_load(&writer->lane->prepared) &&
	       !journal_lane_can_grow(writer->lane, journal_smallest_file(writer->journal));
}

static void publish(struct journal_writer *writer, struct commit *commit)
{
	struct journal *journal = writer->journal;
	for (struct journal_file *file = commit->made; file; file = file->chain)
		journal_lane_publish(writer->lane, file);
	if (writer->file)
		publish_file(writer->file, commit->made != NULL);
	for (struct journal_file *file = commit->made; file; file = file->chain)
		publish_file(file, file->chain != NULL);
	if (commit->made) {
		atomic_store(&writer->lane->needs_file, false);
		journal_keeper_poke(journal);
	}
	writer->file = commit->file;
	writer->burnt_first = 0;
	if (runs_out(writer))
		atomic_store(&writer->lane->headroom, false);
	add_relaxed(&writer->lane->events, commit->events);
	add_relaxed(&writer->lane->dead_letters, commit->dead_letters);
	metrics_add(journal->series_bytes, writer->len);
	metrics_add(journal->series_commits, 1);
	if (commit->events)
		metrics_add(journal->series_events, commit->events);
	if (commit->dead_letters) {
		metrics_add(journal->series_dead_letters, commit->dead_letters);
		atomic_fetch_add_explicit(&journal->dead_letter_bytes, commit->dead_letter_bytes, memory_order_relaxed);
	}
	empty_batch(writer);
	journal_wait_notify(journal);
}

/* Cuts off what a failed batch wrote, so that nothing of it is ever read, and leaves the file behind. */
static bool abandon(struct journal_writer *writer, struct error *err)
{
	struct journal_file *file = writer->file;
	writer->file = NULL;
	file->written = atomic_load(&file->end);
	file->written_last = atomic_load(&file->last);
	file->dead_letter_written = atomic_load(&file->dead_letter_bytes);
	/* synced too: what was answered `retry` must not come back after a power cut, beside the copy sent again */
	if (ftruncate(file->fd, (off_t)file->written) != 0 || fdatasync(file->fd) != 0) {
		journal_count_failure("ftruncate");
		atomic_store(&writer->journal->failed, true);
		error_prepend(err, "cutting off a failed write failed as well");
		if (err)
			err->code = ERROR_SYNC_LOST;
		return false;
	}
	uint64_t freed = file->capacity - file->written;
	file->capacity = file->written;
	journal_shrink_used(writer->journal, freed);
	atomic_store_explicit(&file->closed, true, memory_order_release);
	return true;
}

static void wait_for_file(struct journal_lane *lane)
{
	atomic_store(&lane->retry_at_ms, clock_monotonic_ms() + RETRY_MS);
	atomic_store(&lane->needs_file, true);
}

static void undo(struct journal_writer *writer, struct commit *commit, struct error *err)
{
	struct journal_lane *lane = writer->lane;
	bool lost = atomic_load(&writer->journal->failed);
	bool waiting = !writer->file && journal_lane_waits(lane), dropped = commit->made && !lost;
	while (commit->made) {
		struct journal_file *file = commit->made;
		commit->made = file->chain;
		if (lost) {
			journal_file_free(writer->journal, &file); /* its bytes are evidence: they stay */
		} else {
			journal_file_drop(lane, &file);
		}
	}
	if (dropped && !file_sync_dir(lane->dir, NULL))
		journal_count_failure("fsync");
	if (writer->file)
		writer->file->keys.count = writer->file->keys.committed;
	if (writer->file && !commit->dirty)
		writer->file->written_last = atomic_load(&writer->file->last);
	if (!lost && writer->file && commit->dirty)
		lost = !abandon(writer, err);
	if (!lost && !writer->file && !waiting)
		wait_for_file(lane);
	atomic_store(&lane->headroom, false);
	journal_writer_discard(writer);
	journal_keeper_poke(writer->journal);
	log_error("journal_commit_failed", "lane=%u error=%s", lane->index, err->message);
}

/* A file that is used again would bring its past along. */
static void drop_recycled(struct journal_lane *lane)
{
	struct journal_file *prepared = atomic_load(&lane->prepared);
	if (!prepared || !prepared->recycled)
		return;
	atomic_store(&lane->prepared, NULL);
	journal_file_drop(lane, &prepared);
}

bool journal_writer_roll(struct journal_writer *writer, struct error *err)
{
	struct journal_file *file = writer->file;
	assert(writer->len == 0);
	if (atomic_load(&writer->journal->failed))
		return error_set(err, ERROR_SYNC_LOST, "the journal lost a sync and takes nothing more");
	drop_recycled(writer->lane);
	bool empty = !file || file->written == JOURNAL_HEADER_BYTES;
	if (!file || (empty && !file->recycled))
		return true;
	struct commit commit = { .file = file };
	uint64_t burnt_first = writer->burnt_first;
	if (!open_next(writer, &commit, 0, burnt_first ? burnt_first : writer->next, err)) {
		undo(writer, &commit, err);
		return false;
	}
	publish(writer, &commit);
	writer->burnt_first = burnt_first; /* the next batch tells of them */
	return true;
}

bool journal_writer_commit(struct journal_writer *writer, struct error *err)
{
	struct error own = { 0 };
	if (!err)
		err = &own;
	if (writer->len == 0)
		return true;
	if (atomic_load_explicit(&writer->journal->failed, memory_order_relaxed)) {
		journal_writer_discard(writer);
		return error_set(err, ERROR_SYNC_LOST, "the journal lost a sync and takes nothing more");
	}
	struct commit commit = { .file = writer->file };
	if (write_batch(writer, &commit, err)) {
		publish(writer, &commit);
		return true;
	}
	undo(writer, &commit, err);
	return false;
}
