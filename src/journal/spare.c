/* Files that are used again: one that the sink has covered becomes a next file of its lane, with its blocks and its page
 * cache, instead of being unlinked while another one is filled with zeros. In steady state nothing is filled and nothing
 * unlinked, and the disk sees each byte once.
 *
 * Order, so that no crash can show new bytes under an old name or an old header: the file is renamed to
 * `next-<serial>.pre`, its folder is synced, its header is replaced by one that says "spare", that is synced; only then
 * may a lane have it. Found by recovery before the new header: an old file, whole, which gets its name back. After: a
 * spare, which goes. Once activated its header is new, with a new salt, and what lies behind its end is the past of
 * another file: no CRC and no magic number of it fits (see journal/cursor.c).
 *
 * Failure modes: what cannot be kept is unlinked. */
#include "journal/internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

#define READY_MAX 2 /* a lane: the prepared file and one more, for while the sink's next round is under way */

/* Spares are kept only while the budget has room for `more` full files for each lane besides. */
static bool is_affordable(const struct journal *journal, unsigned more)
{
	return journal_can_grow(journal, (uint64_t)journal->file_bytes * journal->options.lanes * more);
}

/* After its grace a file is no longer in the page cache: where new ones are filled with zeros, to read it back is cheaper
 * than that, where they are only reserved it is not. */
static bool is_worth_it(const struct journal *journal)
{
	return journal->options.sync_on_commit || journal->options.grace_ms == 0;
}

static bool is_wanted(const struct journal_lane *lane, const struct journal_file *file)
{
	const struct journal *journal = lane->journal;
	unsigned ready = lane->spare_count + (atomic_load(&lane->prepared) != NULL);
	return lane->active && !atomic_load(&journal->erasing) && is_worth_it(journal) && ready < READY_MAX &&
	       !atomic_load(&journal->failed) && atomic_load(&file->capacity) == journal->file_bytes &&
	       is_affordable(journal, 2);
}

static bool open_again(const struct journal_lane *lane, struct journal_file *file, struct error *err)
{
	char path[JOURNAL_PATH_BYTES];
	struct stat st;
	journal_file_path(lane, file, path);
	file->fd = open(path, O_RDWR | O_CLOEXEC);
	if (file->fd < 0 || fstat(file->fd, &st) != 0)
		return error_set_errno(err, "%s", path);
	return (uint64_t)st.st_size == file->capacity || error_set(err, ERROR_DATA, "%s: another size", path);
}

static bool rename_spare(const struct journal_lane *lane, struct journal_file *file, struct error *err)
{
	char from[JOURNAL_PATH_BYTES], to[JOURNAL_PATH_BYTES], name[JOURNAL_NAME_BYTES];
	journal_file_path(lane, file, from);
	snprintf(name, sizeof(name), "%s", file->name);
	snprintf(file->name, sizeof(file->name), "next-%" PRIu64 ".pre", atomic_fetch_add(&lane->journal->serial, 1));
	journal_file_path(lane, file, to);
	if (rename(from, to) == 0)
		return file_sync_dir(lane->dir, err);
	memcpy(file->name, name, sizeof(name));
	return error_set_errno(err, "%s", to);
}

static bool blank(const struct journal_file *file, struct error *err)
{
	return journal_spare_write(file->fd, err) && (fdatasync(file->fd) == 0 || error_set_errno(err, "fdatasync"));
}

bool journal_spare_keep(struct journal_lane *lane, struct journal_file *file)
{
	struct error err = { 0 };
	if (!is_wanted(lane, file))
		return false;
	struct journal_file *spare = journal_file_new("", lane->journal->epoch, 1);
	if (!spare)
		return false;
	if (!open_again(lane, file, &err) || !rename_spare(lane, file, &err) || !blank(file, &err)) {
		log_warn("journal_spare_failed", "lane=%u file=%s error=%s", lane->index, file->name, err.message);
		journal_file_free(lane->journal, &spare);
		return false;
	}
	posix_fadvise(file->fd, 0, 0, POSIX_FADV_WILLNEED); /* or a commit's last, partial page would have to be read */
	memcpy(spare->name, file->name, sizeof(spare->name));
	spare->capacity = atomic_load(&file->capacity);
	spare->recycled = true;
	spare->fd = file->fd;
	file->fd = -1;
	journal_file_free(lane->journal, &file);
	spare->chain = lane->spares;
	lane->spares = spare;
	lane->spare_count++;
	return true;
}

struct journal_file *journal_spare_take(struct journal_lane *lane)
{
	struct journal_file *spare = lane->spares;
	if (!spare)
		return NULL;
	lane->spares = spare->chain;
	lane->spare_count--;
	spare->chain = NULL;
	return spare;
}

void journal_spare_scrub(struct journal_lane *lane)
{
	for (struct journal_file *spare; (spare = journal_spare_take(lane));)
		journal_file_drop(lane, &spare);
}

bool journal_spare_trim(struct journal_lane *lane)
{
	if (!lane->spares || is_affordable(lane->journal, 1))
		return false;
	struct journal_file *spare = journal_spare_take(lane);
	journal_file_drop(lane, &spare);
	return true;
}
