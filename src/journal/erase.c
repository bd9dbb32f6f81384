/* A file that holds something to erase is copied, byte for byte, but for the records in question: each becomes a GAP of
 * the same size and counter, its variable part zeros. So every offset and the salt stay what they were, and nobody who
 * knows the file needs to be told. The copy is synced and renamed over the file. What stands behind the end of
 * a file that was used before is cut off, and so is the room of one that was closed early, as the open ones are for each
 * erasure: while the sink is away they could fill the budget with nothing.
 *
 * Failure modes: a copy that fails is removed (by the next start, if the process dies), the file stays as it was, and the
 * erasure has failed: files before it are done, and it may be asked for again. */
#include "journal/erase.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "journal/internal.h"

#define COPY_BYTES ((size_t)256 * 1024)
#define WAIT_MS 30000
#define UNUSED_SHARE 4 /* a file of which a quarter is unused was closed early */
#define LOOK_NS 5000000

/* A place in a file to blank. A record: `header` is what its GAP keeps; damage: length only. */
struct blank {
	uint64_t offset, size;
	bool is_record;
	struct journal_record gap;
};

struct erasure {
	struct journal *journal;
	struct journal_lane *lane;
	struct journal_file *file;
	const struct journal_erase_calls *calls;
	int fd;
	uint64_t end; /* of what the file holds: behind its SEAL, if it has one */
	struct blank *blanks;
	size_t count, capacity;
};

static bool add_blank(struct erasure *erasure, const struct blank *blank)
{
	if (erasure->count == erasure->capacity) {
		size_t capacity = erasure->capacity ? erasure->capacity * 2 : 64;
		struct blank *grown = realloc(erasure->blanks, capacity * sizeof(*grown));
		if (!grown)
			return false;
		erasure->blanks = grown;
		erasure->capacity = capacity;
	}
	erasure->blanks[erasure->count++] = *blank;
	return true;
}

/* ---- finding ---- */

static bool take_record(struct erasure *erasure, const struct journal_record *record, uint64_t end)
{
	if ((record->type != JOURNAL_EVENT && record->type != JOURNAL_DEAD_LETTER) ||
	    !erasure->calls->matches(erasure->calls->context, record))
		return true;
	struct blank blank = { .size = journal_record_need(record), .is_record = true, .gap = *record };
	assert(blank.size >= JOURNAL_GAP_BYTES); /* something of it matched */
	blank.offset = end - blank.size;
	blank.gap.type = JOURNAL_GAP;
	blank.gap.gap_count = 1;
	blank.gap.flags = JOURNAL_GAP_ERASED | (record->type == JOURNAL_DEAD_LETTER ? JOURNAL_GAP_LETTER : 0);
	blank.gap.topic = blank.gap.key = blank.gap.headers = blank.gap.value = SLICE_NONE;
	return add_blank(erasure, &blank);
}

static bool take_damage(struct erasure *erasure, const struct journal_damage *damage)
{
	if (damage->length == 0)
		return true;
	char *bytes = malloc(damage->length);
	if (!bytes)
		return false;
	ssize_t got = pread(erasure->fd, bytes, damage->length, (off_t)damage->offset);
	struct slice seen = { bytes, got > 0 ? (size_t)got : 0 };
	/* what the disk does not give back is nobody's any more, and a copy has zeros in its place */
	bool holds = erasure->calls->holds(erasure->calls->context, seen);
	struct blank blank = { .offset = damage->offset, .size = damage->length };
	bool ok = !holds || add_blank(erasure, &blank);
	free(bytes);
	return ok;
}

static bool find_in_file(struct erasure *erasure, struct error *err)
{
	const struct journal_file *file = erasure->file;
	struct journal_cursor cursor;
	struct journal_record record;
	struct journal_damage damage;
	enum journal_step step = JOURNAL_STEP_END;
	bool room = true;
	journal_window_init(&cursor.window, erasure->fd, false);
	journal_cursor_start(&cursor, file->epoch, file->first, file->salt_crc, file->recycled);
	cursor.limit = atomic_load_explicit(&file->end, memory_order_acquire);
	erasure->end = cursor.limit;
	while (room && (step = journal_cursor_next(&cursor, &record, &damage)) == JOURNAL_STEP_RECORD) {
		room = take_record(erasure, &record, cursor.offset) && take_damage(erasure, &damage);
		if (record.type == JOURNAL_SEAL) {
			erasure->end = cursor.offset;
			break;
		}
	}
	if (room && step == JOURNAL_STEP_END)
		room = take_damage(erasure, &damage);
	journal_window_fini(&cursor.window);
	return (room && step != JOURNAL_STEP_MEMORY) || error_set(err, ERROR_MEMORY, "erasing");
}

/* ---- rewriting ---- */

static bool copy_bytes(int from, int to, uint64_t end, struct error *err)
{
	char *bytes = malloc(COPY_BYTES);
	if (!bytes)
		return error_set(err, ERROR_MEMORY, "erasing");
	bool ok = true;
	for (uint64_t at = 0; ok && at < end;) {
		size_t n = end - at < COPY_BYTES ? (size_t)(end - at) : COPY_BYTES;
		ssize_t got = pread(from, bytes, n, (off_t)at);
		if (got < 0 && errno == EINTR)
			continue;
		/* records behind an unreadable place must not be given up for this: it fails, and the file stays */
		if (got <= 0)
			ok = got < 0 ? error_set_errno(err, "pread") : error_set(err, ERROR_IO, "shorter than its end");
		else
			ok = file_write_at(to, (struct slice) { bytes, (size_t)got }, at, err);
		at += got > 0 ? (uint64_t)got : 0;
	}
	free(bytes);
	return ok;
}

static bool write_blank(const struct erasure *erasure, int to, const struct blank *blank, struct error *err)
{
	char *bytes = calloc(1, blank->size);
	if (!bytes)
		return error_set(err, ERROR_MEMORY, "erasing");
	if (blank->is_record) {
		uint32_t length = (uint32_t)blank->size;
		journal_record_put(bytes, &blank->gap);
		memcpy(bytes + offsetof(struct journal_record_header, length), &length, sizeof(length));
		journal_record_stamp(bytes, erasure->file->salt_crc);
	}
	bool ok = file_write_at(to, (struct slice) { bytes, blank->size }, blank->offset, err);
	free(bytes);
	return ok;
}

static bool write_copy(const struct erasure *erasure, int to, struct error *err)
{
	bool ok = copy_bytes(erasure->fd, to, erasure->end, err);
	for (size_t i = 0; ok && i < erasure->count; i++)
		ok = write_blank(erasure, to, &erasure->blanks[i], err);
	return ok && (fdatasync(to) == 0 || error_set_errno(err, "fdatasync"));
}

/* No reader is there, and the next one is to see the file as it is now. */
static void set_end(const struct erasure *erasure)
{
	uint64_t before = atomic_exchange(&erasure->file->capacity, erasure->end);
	atomic_store(&erasure->file->end, erasure->end);
	if (before > erasure->end)
		journal_shrink_used(erasure->journal, before - erasure->end);
}

static bool rewrite(const struct erasure *erasure, const char *path, struct error *err)
{
	char temporary[JOURNAL_PATH_BYTES + 4];
	snprintf(temporary, sizeof(temporary), "%s.tmp", path);
	int to = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (to < 0)
		return error_set_errno(err, "%s", temporary);
	bool ok = write_copy(erasure, to, err);
	close(to);
	if (ok && rename(temporary, path) != 0)
		ok = error_set_errno(err, "%s", path);
	if (!ok) {
		unlink(temporary);
		return false;
	}
	set_end(erasure);
	return file_sync_dir(path, err);
}

/* Behind the end of a file that was used before stands its past, behind that of one closed early the room it had. */
static bool cut_tail(const struct erasure *erasure, struct error *err)
{
	struct stat st;
	if (fstat(erasure->fd, &st) != 0)
		return error_set_errno(err, "fstat");
	uint64_t size = (uint64_t)st.st_size;
	bool closed_early = size > erasure->end && size - erasure->end >= size / UNUSED_SHARE;
	if (size <= erasure->end || (!erasure->file->recycled && !closed_early))
		return true;
	if (ftruncate(erasure->fd, (off_t)erasure->end) != 0 || fdatasync(erasure->fd) != 0)
		return error_set_errno(err, "cutting off what stands behind a file's end");
	set_end(erasure);
	return true;
}

static bool erase_in_open(struct erasure *erasure, const char *path, struct journal_erased *out, struct error *err)
{
	if (!find_in_file(erasure, err))
		return false;
	if (erasure->count == 0)
		return cut_tail(erasure, err);
	if (!rewrite(erasure, path, err))
		return false;
	out->files++;
	for (size_t i = 0; i < erasure->count; i++) {
		const struct blank *blank = &erasure->blanks[i];
		out->damaged_ranges += !blank->is_record;
		out->events += blank->is_record && !(blank->gap.flags & JOURNAL_GAP_LETTER);
		out->dead_letters += blank->is_record && (blank->gap.flags & JOURNAL_GAP_LETTER);
	}
	return true;
}

static bool owns_its_name(struct journal_lane *lane, const struct journal_file *file)
{
	pthread_mutex_lock(&lane->mutex);
	bool owns = !journal_file_has_passed_its_name(file);
	pthread_mutex_unlock(&lane->mutex);
	return owns;
}

static bool erase_in_file(struct erasure *erasure, struct journal_erased *out, struct error *err)
{
	char path[JOURNAL_PATH_BYTES];
	if (!atomic_load_explicit(&erasure->file->closed, memory_order_acquire) ||
	    !owns_its_name(erasure->lane, erasure->file))
		return true;
	journal_file_path(erasure->lane, erasure->file, path);
	erasure->fd = open(path, O_RDWR | O_CLOEXEC);
	if (erasure->fd < 0)
		return error_set_errno(err, "%s", path);
	erasure->count = 0;
	bool ok = erase_in_open(erasure, path, out, err);
	close(erasure->fd);
	return ok || error_prepend(err, "%s", path);
}

/* ---- all files ---- */

/* The next file of the lane, held, so that the keeper leaves it; the one before is let go. */
static struct journal_file *step(struct journal_lane *lane, struct journal_file *file)
{
	pthread_mutex_lock(&lane->mutex);
	struct journal_file *next = file ? file->next : lane->head;
	if (next)
		next->readers++;
	if (file)
		file->readers--;
	pthread_mutex_unlock(&lane->mutex);
	return next;
}

static bool is_read_by_others(struct journal_lane *lane, const struct journal_file *file)
{
	pthread_mutex_lock(&lane->mutex);
	bool others = file->readers > 1;
	pthread_mutex_unlock(&lane->mutex);
	return others;
}

static void look_again(void)
{
	nanosleep(&(struct timespec) { .tv_nsec = LOOK_NS }, NULL);
}

/* Who reads the file has it open, and would go on to hand out what is erased here. */
static bool wait_for_others(struct journal_lane *lane, const struct journal_file *file, struct error *err)
{
	int64_t until_ms = clock_monotonic_ms() + WAIT_MS;
	while (is_read_by_others(lane, file)) {
		if (clock_monotonic_ms() >= until_ms)
			return error_set(err, ERROR_UNAVAILABLE, "the journal is being read");
		look_again();
	}
	return true;
}

static bool erase_in_lane(struct erasure *erasure, struct journal_erased *out, struct error *err)
{
	const struct journal_erase_calls *calls = erasure->calls;
	bool ok = true;
	for (struct journal_file *file = step(erasure->lane, NULL); file; file = step(erasure->lane, file)) {
		if (ok && calls->goes_on && !calls->goes_on(calls->context))
			ok = error_set(err, ERROR_UNAVAILABLE, "stopping");
		erasure->file = file;
		ok = ok && wait_for_others(erasure->lane, file, err) && erase_in_file(erasure, out, err);
	}
	return ok;
}

bool journal_erase_begin(struct journal *journal, struct error *err)
{
	int64_t until_ms = clock_monotonic_ms() + WAIT_MS;
	atomic_store(&journal->erasing, true);
	uint32_t wanted = atomic_fetch_add(&journal->scrubs_wanted, 1) + 1;
	journal_keeper_poke(journal);
	while (atomic_load(&journal->scrubs_done) != wanted) {
		if (clock_monotonic_ms() >= until_ms) {
			journal_erase_end(journal);
			return error_set(err, ERROR_UNAVAILABLE, "the journal's keeper is busy");
		}
		look_again();
	}
	return true;
}

void journal_erase_end(struct journal *journal)
{
	atomic_store(&journal->erasing, false);
}

bool journal_erase(struct journal *journal, const struct journal_erase_calls *calls, struct journal_erased *out,
                   struct error *err)
{
	bool ok = true;
	*out = (struct journal_erased) { 0 };
	for (uint32_t i = 0; ok && i < journal->lane_count; i++) {
		struct erasure erasure = { .journal = journal, .lane = &journal->lanes[i], .calls = calls };
		ok = erase_in_lane(&erasure, out, err);
		free(erasure.blanks);
	}
	return ok;
}
