/* What a start does with the files of the last run. Happy path after a clean stop: each file without a key index is
 * scanned, its records are handed over, its unused zeros are cut off, and it stands in the lane's list, closed.
 *
 * Failure modes, none of which blocks the start:
 *   torn tail            copied to quarantine, cut off
 *   damage in the middle copied to quarantine, left in place; readers pass over it and report a GAP
 *   no sound header, or another log's: the file is moved to quarantine; readers see a GAP where counters tell it
 *   unclean stop         pages may be in the cache that the disk does not have (a failed sync marks them clean): dirty
 *                        ones are synced, clean ones dropped before the scan; the lane's newest file is rewritten to a
 *                        fresh, synced one with the same counters before anyone sees its records.
 * A file cut or rewritten is never appended to. A crash in here repeats: each step replaces or only cuts. */
#include "journal/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

#define COPY_BUFFER_BYTES ((size_t)1 << 20)

/* One file under recovery. */
struct recovery {
	struct journal *journal;
	struct journal_lane *lane;
	const struct journal_entry *entry;
	int fd;
	bool hand_over; /* records go to on_recovered */
};

/* A copy being written. */
struct rewrite {
	int fd;
	uint32_t salt_crc;
	uint64_t offset, expected, epoch;
	char *bytes;
	size_t len, cap;
	bool failed;
	struct error *err;
};

static void lane_path(const struct journal_lane *lane, const char *name, char *to)
{
	snprintf(to, JOURNAL_PATH_BYTES, "%.*s/%s", JOURNAL_PATH_BYTES - JOURNAL_NAME_BYTES - 2, lane->dir, name);
}

/* ---- rewriting ---- */

static void flush_copy(struct rewrite *copy)
{
	if (!copy->failed && copy->len &&
	    !file_write_at(copy->fd, (struct slice) { copy->bytes, copy->len }, copy->offset, copy->err))
		copy->failed = true;
	copy->offset += copy->len;
	copy->len = 0;
}

static void append_copy(struct rewrite *copy, const struct journal_record *record)
{
	size_t need = journal_record_need(record);
	if (copy->cap - copy->len < need)
		flush_copy(copy);
	if (copy->cap < need) {
		char *grown = realloc(copy->bytes, need);
		if (!grown) {
			copy->failed = !error_set(copy->err, ERROR_MEMORY, "rewriting");
			return;
		}
		copy->bytes = grown;
		copy->cap = need;
	}
	size_t size = journal_record_put(copy->bytes + copy->len, record);
	journal_record_stamp(copy->bytes + copy->len, copy->salt_crc);
	copy->len += size;
}

static bool copy_record(void *context, const struct journal_record *record)
{
	struct rewrite *copy = context;
	if (record->position.counter > copy->expected) {
		struct journal_record gap = { .type = JOURNAL_GAP,
			                      .time_ms = record->time_ms,
			                      .received_ms = record->received_ms,
			                      .position = { copy->epoch, copy->expected },
			                      .gap_count = record->position.counter - copy->expected };
		append_copy(copy, &gap);
	}
	append_copy(copy, record);
	copy->expected = journal_record_after(record);
	return !copy->failed;
}

static bool write_copy(struct recovery *recovery, struct journal_file_header *header, int fd, struct error *err)
{
	struct journal_file_header old = *header;
	hash_random(&header->salt, sizeof(header->salt));
	header->flags = (header->flags | JOURNAL_FILE_REWRITTEN) & ~JOURNAL_FILE_RECYCLED;
	struct rewrite copy = { .fd = fd,
		                .salt_crc = journal_salt_crc(header->salt),
		                .offset = JOURNAL_HEADER_BYTES,
		                .expected = header->first,
		                .epoch = header->epoch,
		                .bytes = malloc(COPY_BUFFER_BYTES),
		                .cap = COPY_BUFFER_BYTES,
		                .err = err };
	if (!copy.bytes)
		return error_set(err, ERROR_MEMORY, "rewriting");
	struct journal_scan scan;
	struct journal_scan_calls calls = { .on_record = copy_record, .context = &copy };
	bool ok = journal_header_write(fd, header, err) && ftruncate(fd, JOURNAL_HEADER_BYTES) == 0 &&
	          journal_scan_fd(recovery->fd, &old, &calls, &scan, err);
	if (ok)
		flush_copy(&copy);
	free(copy.bytes);
	if (!ok || copy.failed)
		return false;
	return fdatasync(fd) == 0 || error_set_errno(err, "fdatasync");
}

/* Puts a synced copy in the file's place; on success `recovery->fd` and `header` are the copy's. */
static bool rewrite_file(struct recovery *recovery, struct journal_file_header *header, struct error *err)
{
	char path[JOURNAL_PATH_BYTES], temporary[JOURNAL_PATH_BYTES + 4];
	lane_path(recovery->lane, recovery->entry->name, path);
	snprintf(temporary, sizeof(temporary), "%s.tmp", path);
	int fd = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set_errno(err, "%s", temporary);
	struct journal_file_header fresh = *header;
	if (!write_copy(recovery, &fresh, fd, err) ||
	    (rename(temporary, path) != 0 && !error_set_errno(err, "%s", path))) {
		close(fd);
		unlink(temporary);
		return false;
	}
	close(recovery->fd);
	recovery->fd = fd;
	*header = fresh;
	return file_sync_dir(path, err);
}

/* ---- one file ---- */

static bool hand_over(void *context, const struct journal_record *record)
{
	struct recovery *recovery = context;
	const struct journal_options *options = &recovery->journal->options;
	if (recovery->hand_over && (record->type != JOURNAL_GAP || (record->flags & JOURNAL_GAP_ERASED)))
		options->on_recovered(options->context, recovery->lane->index, record);
	return true;
}

static void keep_damage(void *context, const struct journal_damage *damage)
{
	struct recovery *recovery = context;
	if (damage->torn)
		atomic_fetch_add(&recovery->journal->torn_tails, 1);
	journal_quarantine_range(recovery->journal, recovery->lane->index, recovery->entry->name, recovery->fd, damage);
}

static bool file_is_blank(int fd)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return false;
	struct journal_window window;
	journal_window_init(&window, fd, false);
	bool blank = true;
	for (uint64_t at = 0; blank && at < (uint64_t)st.st_size; at++) {
		const char *byte = journal_window_get(&window, at, 1, (uint64_t)st.st_size);
		blank = byte && *byte == 0;
	}
	journal_window_fini(&window);
	return blank;
}

/* No header that can be believed: nothing in the file can be proven. */
static bool put_aside(struct recovery *recovery, struct error *err)
{
	struct stat st;
	char path[JOURNAL_PATH_BYTES];
	lane_path(recovery->lane, recovery->entry->name, path);
	if (journal_spare_is(recovery->fd) || file_is_blank(recovery->fd)) {
		log_warn("journal_file_blank", "lane=%u file=%s", recovery->lane->index, recovery->entry->name);
		if (unlink(path) != 0)
			return error_set_errno(err, "%s", path);
		return file_sync_dir(path, err);
	}
	uint64_t size = fstat(recovery->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	return journal_quarantine_file(recovery->journal, recovery->lane, recovery->entry->name, size, err);
}

static bool header_is_ours(const struct recovery *recovery, const struct journal_file_header *header)
{
	return memcmp(header->log_id, recovery->journal->meta.log_id, sizeof(header->log_id)) == 0 &&
	       header->lane == recovery->lane->index && header->epoch == recovery->entry->epoch &&
	       header->first == recovery->entry->first;
}

static void take_totals(struct journal_lane *lane, uint64_t events, uint64_t dead_letters)
{
	if (events > atomic_load(&lane->events))
		atomic_store(&lane->events, events);
	if (dead_letters > atomic_load(&lane->dead_letters))
		atomic_store(&lane->dead_letters, dead_letters);
}

/* A file that has its index is not read at the start: how many dead letters it holds tells the file behind it, and of its
 * bytes they are taken to have their share. */
static void share_dead_letters(struct journal_file *file, const struct journal_file_header *behind)
{
	if (!file || file->epoch != behind->epoch || atomic_load(&file->dead_letter_bytes))
		return;
	uint64_t letters = behind->dead_letters_before - file->before.dead_letters;
	uint64_t records = letters + behind->events_before - file->before.events;
	if (letters == 0 || letters > records)
		return;
	double share = (double)letters / (double)records;
	uint64_t bytes = atomic_load(&file->capacity) - JOURNAL_HEADER_BYTES;
	atomic_store(&file->dead_letter_bytes, (uint64_t)(share * (double)bytes));
}

static bool list_file(struct recovery *recovery, const struct journal_file_header *header,
                      const struct journal_scan *scan, bool indexed, struct error *err)
{
	struct journal_file *file = journal_file_new(recovery->entry->name, header->epoch, header->first);
	if (!file)
		return error_set(err, ERROR_MEMORY, "journal file");
	file->salt_crc = journal_salt_crc(header->salt);
	file->recycled = header->flags & JOURNAL_FILE_RECYCLED;
	atomic_store(&file->capacity, scan->valid_bytes);
	file->written = scan->valid_bytes;
	file->written_last = scan->last;
	atomic_store(&file->end, scan->valid_bytes);
	atomic_store(&file->last, scan->last);
	atomic_store(&file->synced, scan->valid_bytes);
	atomic_store(&file->dead_letter_bytes, scan->dead_letter_bytes);
	file->before = (struct journal_counts) { header->events_before, header->dead_letters_before };
	atomic_store(&file->closed, true);
	struct stat st;
	if (fstat(recovery->fd, &st) == 0)
		file->written_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	file->indexed = indexed;
	file->keys.unknown = true;
	file->name_synced = true;
	share_dead_letters(recovery->lane->tail, header);
	journal_lane_publish(recovery->lane, file);
	return true;
}

/* After an unclean stop only the disk is to be believed. Pages whose sync fails count as clean then and are dropped with
 * the others, so that the scan sees what the disk has. */
static void ask_the_disk(const struct recovery *recovery)
{
	if (fdatasync(recovery->fd) != 0) {
		journal_count_failure("fdatasync");
		log_error("journal_recovery_sync", "lane=%u file=%s errno=%d", recovery->lane->index,
		          recovery->entry->name, errno);
	}
	posix_fadvise(recovery->fd, 0, 0, POSIX_FADV_DONTNEED);
}

static bool scan_file(struct recovery *recovery, struct journal_file_header *header, bool rewrite,
                      struct journal_scan *scan, struct error *err)
{
	const struct journal_scan_calls calls = { .on_record = hand_over,
		                                  .on_damage = keep_damage,
		                                  .context = recovery };
	bool wanted = recovery->hand_over;
	if (!rewrite)
		return journal_scan_fd(recovery->fd, header, &calls, scan, err);
	recovery->hand_over = false;
	if (!journal_scan_fd(recovery->fd, header, &calls, scan, err))
		return false;
	struct error why = { 0 };
	if (!rewrite_file(recovery, header, &why)) /* it was synced and read back from the disk: good enough */
		log_warn("journal_rewrite_failed", "lane=%u file=%s error=%s", recovery->lane->index,
		         recovery->entry->name, why.message);
	recovery->hand_over = wanted;
	return journal_scan_fd(recovery->fd, header, &calls, scan, err);
}

/* An orderly stop cuts the file off behind its last record. Where a file was used before, what is left over would else be
 * taken for its past, although it is a record whose magic number is gone. */
static void keep_leftover(struct recovery *recovery, const struct journal_scan *scan, bool clean)
{
	struct journal_damage left = { scan->valid_bytes, scan->file_bytes - scan->valid_bytes, true };
	if (clean && scan->torn_bytes == 0)
		keep_damage(recovery, &left);
}

static bool cut(struct recovery *recovery, const struct journal_scan *scan, bool clean, struct error *err)
{
	if (scan->sealed || scan->file_bytes <= scan->valid_bytes)
		return true;
	keep_leftover(recovery, scan, clean);
	if (ftruncate(recovery->fd, (off_t)scan->valid_bytes) != 0 || fdatasync(recovery->fd) != 0)
		return error_set_errno(err, "cutting off the tail");
	return true;
}

struct duty {
	bool clean;          /* the last stop was */
	bool newest;         /* of the lane */
	uint64_t next_first; /* of the next file, if it is of the same epoch; else 0 */
};

static bool recover_open(struct recovery *recovery, const struct duty *duty, struct error *err)
{
	const struct journal_options *options = &recovery->journal->options;
	struct journal_file_header header;
	if (!journal_header_read(recovery->fd, &header, NULL) || !header_is_ours(recovery, &header))
		return put_aside(recovery, err);
	bool indexed = options->has_index &&
	               options->has_index(options->context, recovery->lane->index, recovery->entry->name);
	struct journal_scan scan;
	struct stat st;
	if (indexed && duty->next_first && fstat(recovery->fd, &st) == 0) {
		scan = (struct journal_scan) { .valid_bytes = (uint64_t)st.st_size, .last = duty->next_first - 1 };
		take_totals(recovery->lane, header.events_before, header.dead_letters_before);
		return list_file(recovery, &header, &scan, true, err);
	}
	if (!duty->clean)
		ask_the_disk(recovery);
	recovery->hand_over = !indexed && options->on_recovered;
	bool rewrite = !duty->clean && duty->newest && !indexed && !(header.flags & JOURNAL_FILE_REWRITTEN);
	if (!scan_file(recovery, &header, rewrite, &scan, err) || !cut(recovery, &scan, duty->clean, err))
		return false;
	take_totals(recovery->lane, header.events_before + scan.events + scan.gone.events + scan.missing,
	            header.dead_letters_before + scan.dead_letters + scan.gone.dead_letters);
	return list_file(recovery, &header, &scan, indexed, err);
}

static bool recover_file(struct recovery *recovery, const struct duty *duty, struct error *err)
{
	char path[JOURNAL_PATH_BYTES];
	lane_path(recovery->lane, recovery->entry->name, path);
	recovery->fd = open(path, O_RDWR | O_CLOEXEC);
	if (recovery->fd < 0)
		return error_set_errno(err, "%s", path);
	bool ok = recover_open(recovery, duty, err);
	close(recovery->fd);
	return ok || error_prepend(err, "%s", path);
}

/* ---- the folder ---- */

/* True if no record of the file can be read: it was left behind before its first one. */
static bool holds_nothing(const char *path)
{
	struct journal_scan scan;
	return journal_scan_file(path, NULL, NULL, &scan, NULL) && scan.last < scan.first && scan.damage_count == 0;
}

/* A prepared file that was activated but whose rename did not reach the disk gets its name, and so does a covered one
 * on its way to be used again; others go. */
static bool adopt(const struct journal_lane *lane, const char *name, struct error *err)
{
	char path[JOURNAL_PATH_BYTES], to[JOURNAL_PATH_BYTES], proper[JOURNAL_NAME_BYTES];
	lane_path(lane, name, path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set_errno(err, "%s", path);
	struct journal_file_header header;
	bool sound = journal_header_read(fd, &header, NULL);
	close(fd);
	if (sound) {
		journal_name_format(proper, header.epoch, header.first);
		lane_path(lane, proper, to);
		if (access(to, F_OK) != 0 || holds_nothing(to))
			return rename(path, to) == 0 || error_set_errno(err, "%s", to);
	}
	return unlink(path) == 0 || error_set_errno(err, "%s", path);
}

static bool clear_leftovers(const struct journal_lane *lane, struct error *err)
{
	DIR *dir = opendir(lane->dir);
	if (!dir)
		return errno == ENOENT || error_set_errno(err, "%s", lane->dir);
	bool ok = true, changed = false;
	for (struct dirent *entry; ok && (entry = readdir(dir));) {
		struct slice name = slice_of(entry->d_name);
		bool prepared = slice_ends(name, SLICE(".pre"));
		if (name.len >= JOURNAL_NAME_BYTES + 4 || (!prepared && !slice_ends(name, SLICE(".tmp"))))
			continue;
		changed = true;
		char path[JOURNAL_PATH_BYTES];
		lane_path(lane, entry->d_name, path);
		ok = prepared ? adopt(lane, entry->d_name, err) : unlink(path) == 0 || error_set_errno(err, "%s", path);
	}
	closedir(dir);
	return ok && (!changed || file_sync_dir(lane->dir, err));
}

bool journal_recover_lane(struct journal *journal, struct journal_lane *lane, bool clean, struct error *err)
{
	take_totals(lane, journal->meta.totals[lane->index].events, journal->meta.totals[lane->index].dead_letters);
	struct journal_entry *entries;
	size_t count;
	if (!clear_leftovers(lane, err) || !journal_list_lane(lane->dir, &entries, &count, err))
		return false;
	bool ok = true;
	for (size_t i = 0; ok && i < count; i++) {
		bool same = i + 1 < count && entries[i + 1].epoch == entries[i].epoch;
		struct duty duty = { clean, i + 1 == count, same ? entries[i + 1].first : 0 };
		struct recovery recovery = { .journal = journal, .lane = lane, .entry = &entries[i] };
		ok = recover_file(&recovery, &duty, err);
	}
	free(entries);
	return ok;
}
