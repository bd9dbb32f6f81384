/* A checkpoint is replaced by rename, so a reader finds the old or the new one, whole. The checksum is there for disks
 * and for people: a damaged checkpoint stops the start with its path, because going on from a guess would lose events
 * or deliver them twice. */
#include "forward/checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "forward/sink.h"

#define FILE_BYTES_MAX (64u << 20)
#define HEAD "headgate checkpoint 1"

void checkpoint_init(struct checkpoint *checkpoint, const char *log_id)
{
	memset(checkpoint, 0, sizeof *checkpoint);
	snprintf(checkpoint->log_id, sizeof checkpoint->log_id, "%s", log_id);
}

void checkpoint_fini(struct checkpoint *checkpoint)
{
	free(checkpoint->files);
	checkpoint->files = NULL;
	checkpoint->file_count = checkpoint->file_capacity = 0;
}

bool checkpoint_add_file(struct checkpoint *checkpoint, const char *path, uint64_t length)
{
	if (checkpoint->file_count == checkpoint->file_capacity) {
		size_t capacity = checkpoint->file_capacity ? checkpoint->file_capacity * 2 : 8;
		struct checkpoint_file *files = realloc(checkpoint->files, capacity * sizeof *files);
		if (!files)
			return false;
		checkpoint->files = files;
		checkpoint->file_capacity = capacity;
	}
	struct checkpoint_file *file = &checkpoint->files[checkpoint->file_count++];
	snprintf(file->path, sizeof file->path, "%s", path);
	file->length = length;
	return true;
}

int checkpoint_compare(struct journal_position a, struct journal_position b)
{
	if (a.epoch != b.epoch)
		return a.epoch < b.epoch ? -1 : 1;
	return (a.counter > b.counter) - (a.counter < b.counter);
}

/* `word` number number … of one line; true if exactly `count` numbers follow. */
static bool parse_numbers(struct slice line, uint64_t *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!slice_to_u64(slice_split(&line, ' '), &numbers[i]))
			return false;
	return line.len == 0;
}

static bool parse_file(struct slice line, struct checkpoint *out)
{
	char path[CHECKPOINT_PATH_BYTES];
	uint64_t length;
	if (!slice_to_u64(slice_split(&line, ' '), &length) || line.len == 0 || line.len >= sizeof path)
		return false;
	memcpy(path, line.at, line.len);
	path[line.len] = '\0';
	return checkpoint_add_file(out, path, length);
}

static void books_fields(struct tally_books *books, uint64_t *fields[CHECKPOINT_BOOKS])
{
	fields[0] = &books->delivered[TALLY_EVENTS];
	fields[1] = &books->delivered[TALLY_DEAD_LETTERS];
	fields[2] = &books->poisoned[TALLY_EVENTS];
	fields[3] = &books->poisoned[TALLY_DEAD_LETTERS];
	fields[4] = &books->erased[TALLY_EVENTS];
	fields[5] = &books->erased[TALLY_DEAD_LETTERS];
	fields[6] = &books->quarantined[TALLY_EVENTS];
	fields[7] = &books->quarantined[TALLY_DEAD_LETTERS];
	fields[8] = &books->lost_behind[TALLY_EVENTS];
	fields[9] = &books->lost_behind[TALLY_DEAD_LETTERS];
}

static bool parse_books(struct slice line, struct checkpoint *out)
{
	uint64_t n[CHECKPOINT_BOOKS + 1], *fields[CHECKPOINT_BOOKS];
	if (!parse_numbers(line, n, CHECKPOINT_BOOKS + 1) || n[0] >= JOURNAL_LANES_MAX)
		return false;
	books_fields(&out->books[n[0]], fields);
	for (int i = 0; i < CHECKPOINT_BOOKS; i++)
		*fields[i] = n[i + 1];
	return true;
}

static bool parse_line(struct slice line, struct checkpoint *out)
{
	uint64_t n[3];
	struct slice word = slice_split(&line, ' ');
	if (slice_equal(word, SLICE("file")))
		return parse_file(line, out);
	if (slice_equal(word, SLICE("log"))) {
		if (line.len != JOURNAL_LOG_ID_TEXT)
			return false;
		memcpy(out->log_id, line.at, line.len);
		return true;
	}
	if (slice_equal(word, SLICE("lane"))) {
		if (!parse_numbers(line, n, 3) || n[0] >= JOURNAL_LANES_MAX)
			return false;
		out->lanes[n[0]] = (struct journal_position) { n[1], n[2] };
		return true;
	}
	if (slice_equal(word, SLICE("books")))
		return parse_books(line, out);
	if (slice_equal(word, SLICE("mode"))) {
		out->exactly_once = slice_equal(line, SLICE("exactly_once"));
		return true;
	}
	/* an older version kept one sum of all lanes: of no use to any of them */
	return slice_equal(word, SLICE("delivered")) || slice_equal(word, SLICE("poisoned")) ||
	       slice_equal(word, SLICE("quarantined"));
}

/* The last line, "crc32c %08x\n", over all bytes before it. */
static bool check_crc(struct slice *text)
{
	static const size_t LINE = sizeof "crc32c 01234567\n" - 1;
	char expected[32];
	if (text->len < LINE)
		return false;
	text->len -= LINE;
	snprintf(expected, sizeof expected, "crc32c %08" PRIx32 "\n", hash_crc32c(0, text->at, text->len));
	return memcmp(text->at + text->len, expected, LINE) == 0;
}

static bool parse(struct slice text, struct checkpoint *out)
{
	if (!check_crc(&text) || !slice_equal(slice_split(&text, '\n'), SLICE(HEAD)))
		return false;
	while (text.len)
		if (!parse_line(slice_split(&text, '\n'), out))
			return false;
	return out->log_id[0] != '\0';
}

bool checkpoint_read(const char *path, struct checkpoint *out, struct error *err)
{
	struct arena arena;
	struct slice text;
	checkpoint_init(out, "");
	arena_init(&arena, FILE_BYTES_MAX + 4096);
	bool done = file_read(&arena, path, FILE_BYTES_MAX, &text, err);
	if (done && !parse(text, out)) {
		checkpoint_fini(out);
		done = error_set(err, ERROR_DATA, "%s: damaged, or of a later version", path);
	}
	arena_fini(&arena);
	return done;
}

static void write_books(struct buffer *text, uint32_t lane, struct tally_books books)
{
	uint64_t *fields[CHECKPOINT_BOOKS];
	books_fields(&books, fields);
	buffer_append_format(text, "books %" PRIu32, lane);
	for (int i = 0; i < CHECKPOINT_BOOKS; i++)
		buffer_append_format(text, " %" PRIu64, *fields[i]);
	buffer_append_char(text, '\n');
}

bool checkpoint_write(const char *path, const struct checkpoint *checkpoint, struct error *err)
{
	static const struct tally_books NOTHING;
	struct buffer text;
	buffer_init(&text, NULL);
	buffer_append_format(&text, HEAD "\nlog %s\n", checkpoint->log_id);
	if (checkpoint->exactly_once)
		buffer_append(&text, SLICE("mode exactly_once\n"));
	for (uint32_t lane = 0; lane < JOURNAL_LANES_MAX; lane++) {
		struct journal_position at = checkpoint->lanes[lane];
		if (at.epoch || at.counter)
			buffer_append_format(&text, "lane %" PRIu32 " %" PRIu64 " %" PRIu64 "\n", lane, at.epoch,
			                     at.counter);
		if (memcmp(&checkpoint->books[lane], &NOTHING, sizeof NOTHING) != 0)
			write_books(&text, lane, checkpoint->books[lane]);
	}
	for (size_t i = 0; i < checkpoint->file_count; i++)
		buffer_append_format(&text, "file %" PRIu64 " %s\n", checkpoint->files[i].length,
		                     checkpoint->files[i].path);
	buffer_append_format(&text, "crc32c %08" PRIx32 "\n", hash_crc32c(0, text.at, text.len));
	bool done = text.failed ? error_set(err, ERROR_MEMORY, "%s: no memory to write it", path)
	                        : file_replace(path, buffer_slice(&text), err);
	buffer_fini(&text);
	return done;
}

/* What the other sink had, where it is further: a change of sink goes on, it does not start again. */
static void merge(struct checkpoint *into, const char *path)
{
	struct checkpoint other;
	struct error err;
	if (!checkpoint_read(path, &other, &err)) {
		if (err.code != ERROR_NOT_FOUND)
			log_warn("checkpoint_ignored", "reason=%s", err.message);
		return;
	}
	bool same = strcmp(other.log_id, into->log_id) == 0;
	for (uint32_t lane = 0; same && lane < JOURNAL_LANES_MAX; lane++) {
		if (checkpoint_compare(other.lanes[lane], into->lanes[lane]) <= 0)
			continue;
		into->lanes[lane] = other.lanes[lane];
		into->books[lane] = other.books[lane];
	}
	checkpoint_fini(&other);
}

bool checkpoint_load(const char *dir, const char *own, const char *other, const char *log_id, struct checkpoint *out,
                     struct error *err)
{
	char path[4096];
	struct error reason;
	if (!file_sync_dir(dir, err))
		return false;
	snprintf(path, sizeof path, "%s/%s.checkpoint", dir, own);
	if (!checkpoint_read(path, out, &reason)) {
		if (reason.code != ERROR_NOT_FOUND)
			return error_set(err, reason.code, "%s", reason.message);
		checkpoint_init(out, log_id);
	}
	if (strcmp(out->log_id, log_id) != 0) {
		log_warn("checkpoint_of_another_log", "path=%s log=%s", path, out->log_id);
		memset(out->books, 0, sizeof out->books);
		memset(out->lanes, 0, sizeof out->lanes);
		snprintf(out->log_id, sizeof out->log_id, "%s", log_id);
	}
	out->exactly_once = false; /* whoever goes on from here is the one that counts */
	snprintf(path, sizeof path, "%s/%s.checkpoint", dir, other);
	merge(out, path);
	return true;
}

bool checkpoint_load_hint(const char *dir, const char *log_id, struct checkpoint *hint, struct checkpoint *base,
                          struct error *err)
{
	char path[4096];
	struct error reason;
	checkpoint_init(base, log_id);
	checkpoint_init(hint, log_id);
	if (!file_sync_dir(dir, err))
		return false;
	snprintf(path, sizeof path, "%s/kafka.checkpoint", dir);
	if (!checkpoint_read(path, hint, &reason)) {
		if (reason.code != ERROR_NOT_FOUND)
			return error_set(err, reason.code, "%s", reason.message);
		checkpoint_init(hint, log_id);
	}
	bool is_hint = hint->exactly_once && strcmp(hint->log_id, log_id) == 0;
	if (!is_hint) {
		checkpoint_fini(hint);
		checkpoint_init(hint, log_id);
		merge(base, path);
	}
	snprintf(path, sizeof path, "%s/files.checkpoint", dir);
	merge(base, path);
	return true;
}

void checkpoint_set_lanes(struct checkpoint *checkpoint, const struct sink_position *lanes, uint32_t lane_count)
{
	for (uint32_t i = 0; i < lane_count; i++)
		checkpoint->lanes[lanes[i].lane] = lanes[i].position;
}

void checkpoint_get_lanes(const struct checkpoint *checkpoint, struct sink_position *lanes, uint32_t lane_count)
{
	for (uint32_t i = 0; i < lane_count; i++)
		lanes[i].position = checkpoint->lanes[lanes[i].lane];
}
