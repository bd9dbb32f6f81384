/* A lane's end for reading: walks the lane's files in order, up to what is committed, and proves every record again. It
 * holds the file it stands in, so that the keeper does not unlink it underneath.
 *
 * Counters that are missing (damage, a file in quarantine) come out as one GAP record before the record behind them;
 * burnt ones are passed over. Damage met here goes to quarantine and is counted, and reading goes on. */
#include "journal/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"

struct journal_reader {
	struct journal *journal;
	struct journal_lane *lane;
	struct journal_file *file; /* held; NULL: the lane has none yet */
	bool entered;              /* fd and cursor are of `file` */
	int fd;
	struct journal_cursor cursor;
	uint64_t epoch;               /* of `expected` */
	uint64_t expected;            /* next counter; 0: whatever comes first */
	struct journal_counts counts; /* see journal_reader_counts */
	uint64_t counted;             /* next counter that `counts` does not hold, within the file */
	bool has_pending;
	struct journal_record pending; /* stands behind the GAP returned */
};

static uint64_t committed_end(const struct journal_file *file)
{
	return atomic_load_explicit(&file->end, memory_order_acquire);
}

/* The file that holds the record after `after`, or the first one behind it. */
static struct journal_file *find_file(const struct journal_lane *lane, struct journal_position after)
{
	struct journal_file *found = NULL;
	for (struct journal_file *file = lane->head; file; file = file->next) {
		bool before = file->epoch == after.epoch && file->first <= after.counter + 1;
		if (before)
			found = file;
		else if (file->epoch >= after.epoch)
			return found ? found : file;
	}
	return found;
}

/* Opens the held file and starts at its first record; a failure is tried again by the next call, since to go on with the
 * descriptor of the file before would look like damage. The header is not read again: losing it by now loses nothing. */
static bool enter_file(struct journal_reader *reader, struct error *err)
{
	char path[JOURNAL_PATH_BYTES];
	bool closed = atomic_load_explicit(&reader->file->closed, memory_order_acquire);
	journal_file_path(reader->lane, reader->file, path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	/* one left behind empty may have given its name to the next */
	if (fd < 0 && !(errno == ENOENT && closed && committed_end(reader->file) <= JOURNAL_HEADER_BYTES))
		return error_set_errno(err, "%s", path);
	reader->entered = true;
	journal_window_turn(&reader->cursor.window, fd);
	if (reader->fd >= 0)
		close(reader->fd);
	reader->fd = fd;
	journal_cursor_start(&reader->cursor, reader->file->epoch, reader->file->first, reader->file->salt_crc,
	                     reader->file->recycled);
	reader->counts = reader->file->before;
	reader->counted = reader->file->first;
	if (reader->epoch != reader->file->epoch) {
		reader->expected = reader->epoch ? 1 : reader->file->first;
		reader->epoch = reader->file->epoch;
	}
	return true;
}

static void hold(struct journal_reader *reader, struct journal_file *file)
{
	if (reader->file)
		reader->file->readers--;
	reader->file = file;
	if (file)
		file->readers++;
}

/* Holds the next file. False: there is none yet. */
static bool next_file(struct journal_reader *reader)
{
	struct journal_file *next;
	pthread_mutex_lock(&reader->lane->mutex);
	struct journal_position after = { reader->epoch, reader->expected ? reader->expected - 1 : 0 };
	next = reader->file ? reader->file->next : find_file(reader->lane, after);
	if (next) {
		hold(reader, next);
		reader->entered = false;
	}
	pthread_mutex_unlock(&reader->lane->mutex);
	return next != NULL;
}

struct journal_reader *journal_reader_open(struct journal *journal, uint32_t lane, struct journal_position after,
                                           struct error *err)
{
	if (lane >= journal->lane_count) {
		error_set(err, ERROR_INTERNAL, "no lane %u", lane);
		return NULL;
	}
	struct journal_reader *reader = calloc(1, sizeof(*reader));
	if (!reader) {
		error_set(err, ERROR_MEMORY, "journal reader");
		return NULL;
	}
	reader->journal = journal;
	reader->lane = &journal->lanes[lane];
	reader->fd = -1;
	reader->epoch = after.epoch;
	reader->expected = after.epoch ? after.counter + 1 : 0;
	journal_window_init(&reader->cursor.window, -1, true);
	if (next_file(reader) && !enter_file(reader, err))
		journal_reader_close(&reader);
	return reader;
}

void journal_reader_close(struct journal_reader **reader)
{
	struct journal_reader *r = *reader;
	if (!r)
		return;
	pthread_mutex_lock(&r->lane->mutex);
	hold(r, NULL);
	pthread_mutex_unlock(&r->lane->mutex);
	journal_window_fini(&r->cursor.window);
	if (r->fd >= 0)
		close(r->fd);
	free(r);
	*reader = NULL;
}

static void count_gap(struct journal_reader *reader, const struct journal_record *gap)
{
	struct journal_position *counted = &reader->lane->gaps_counted;
	struct journal_position at = gap->position;
	if (at.epoch < counted->epoch || (at.epoch == counted->epoch && at.counter <= counted->counter))
		return; /* a reader that started over meets it again */
	*counted = at;
	atomic_fetch_add(&reader->journal->gaps, 1);
	log_warn("journal_gap", "lane=%u epoch=%llu counter=%llu missing=%llu", reader->lane->index,
	         (unsigned long long)at.epoch, (unsigned long long)at.counter, (unsigned long long)gap->gap_count);
}

struct journal_counts journal_reader_counts(const struct journal_reader *reader)
{
	if (reader->file)
		return reader->counts;
	return (struct journal_counts) { atomic_load(&reader->lane->events), atomic_load(&reader->lane->dead_letters) };
}

static void count_hole(struct journal_reader *reader, uint64_t counter)
{
	if (counter <= reader->counted)
		return;
	reader->counts.events += counter - reader->counted;
	reader->counted = counter;
}

static void count_record(struct journal_reader *reader, const struct journal_record *record)
{
	count_hole(reader, record->position.counter);
	if (record->position.counter < reader->counted || record->type == JOURNAL_SEAL)
		return;
	journal_counts_add(&reader->counts, record);
	reader->counted = journal_record_after(record);
}

/* Decides over a sound record: true if `out` is to be returned. */
static bool deliver(struct journal_reader *reader, struct journal_record *out)
{
	uint64_t counter = out->position.counter, behind = journal_record_after(out);
	if (counter > reader->expected) {
		struct journal_record gap = { .type = JOURNAL_GAP,
			                      .lane = out->lane,
			                      .time_ms = out->time_ms,
			                      .received_ms = out->received_ms,
			                      .position = { reader->epoch, reader->expected },
			                      .gap_count = counter - reader->expected };
		reader->expected = counter;
		reader->pending = *out;
		reader->has_pending = true;
		*out = gap;
		count_gap(reader, &gap);
		count_hole(reader, counter);
		return true;
	}
	count_record(reader, out);
	if (behind <= reader->expected) /* before the start, a SEAL, or a failed batch that a power cut brought back */
		return false;
	reader->expected = behind;
	if (out->type == JOURNAL_GAP && !(out->flags & (JOURNAL_GAP_BURNT | JOURNAL_GAP_ERASED)))
		count_gap(reader, out);
	return out->type != JOURNAL_GAP || !(out->flags & JOURNAL_GAP_BURNT);
}

static void pass_damage(struct journal_reader *reader, const struct journal_damage *damage)
{
	if (damage->length)
		journal_quarantine_range(reader->journal, reader->lane->index, reader->file->name, reader->fd, damage);
}

/* The next sound record, not decided upon: the one put back, or one of the file at hand. */
static enum journal_read next_of_file(struct journal_reader *reader, struct journal_record *out, struct error *err)
{
	struct journal_damage damage;
	enum journal_step step = journal_cursor_next(&reader->cursor, out, &damage);
	if (step == JOURNAL_STEP_MEMORY) {
		error_set(err, ERROR_MEMORY, "reading the journal");
		return JOURNAL_READ_ERROR;
	}
	pass_damage(reader, &damage);
	if (step == JOURNAL_STEP_END ||
	    out->type == JOURNAL_SEAL) /* a recycled file goes on behind it, with its past */
		reader->cursor.offset = reader->cursor.limit;
	out->lane = reader->lane->index;
	return step == JOURNAL_STEP_END ? JOURNAL_READ_END : JOURNAL_READ_RECORD;
}

static enum journal_read next_sound(struct journal_reader *reader, struct journal_record *out, struct error *err)
{
	if (reader->has_pending) {
		reader->has_pending = false;
		*out = reader->pending;
		return JOURNAL_READ_RECORD;
	}
	for (;;) {
		if (reader->file && !reader->entered && !enter_file(reader, err))
			return JOURNAL_READ_ERROR;
		if (reader->file) {
			/* Closed is asked first: a file that is not closed then may still grow, one that is has its
			 * final end. */
			bool closed = atomic_load_explicit(&reader->file->closed, memory_order_acquire);
			reader->cursor.limit = committed_end(reader->file);
			if (reader->cursor.offset < reader->cursor.limit) {
				enum journal_read got = next_of_file(reader, out, err);
				if (got != JOURNAL_READ_END)
					return got;
				continue;
			}
			if (!closed)
				return JOURNAL_READ_END;
		}
		if (!next_file(reader))
			return JOURNAL_READ_END;
	}
}

enum journal_read journal_reader_next(struct journal_reader *reader, struct journal_record *out, struct error *err)
{
	enum journal_read got;
	do
		got = next_sound(reader, out, err);
	while (got == JOURNAL_READ_RECORD && !deliver(reader, out));
	return got;
}

bool journal_reader_peek(struct journal_reader *reader, int64_t *received_ms, struct error *err)
{
	struct journal_record record;
	enum journal_read got;
	*received_ms = 0;
	while ((got = next_sound(reader, &record, err)) == JOURNAL_READ_RECORD) {
		if (journal_record_after(&record) > reader->expected) {
			reader->pending = record;
			reader->has_pending = true;
			*received_ms = record.received_ms;
			return true;
		}
		count_record(reader, &record);
	}
	return got != JOURNAL_READ_ERROR;
}

void journal_reader_release(struct journal_reader *reader)
{
	if (!reader->has_pending) /* its bytes are still to be given out */
		journal_window_release(&reader->cursor.window);
}
