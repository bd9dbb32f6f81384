/* Grace copies: files that the sink has, kept for replay and audit. They are a guest in the disk budget: at most a quarter
 * of it is theirs, and only while two more full files for each lane fit beside them, in the budget and on the disk, so
 * that they go, oldest first, long before intake is refused. Then, or once their time is over, a file goes the way of
 * every covered one (see spare.c). They are dropped from the page cache at once.
 *
 * The time begins when the keeper first sees that the sink has the file; of a file that is covered already at the start,
 * with its last write. Thread: the keeper. */
#include "journal/internal.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/expiry_clock.h"

#define SHARE 4 /* of the budget: a quarter */

bool journal_grace_is_pressed(const struct journal *journal)
{
	uint64_t held = atomic_load(&journal->grace_bytes), budget = journal->options.disk_budget_bytes;
	return (budget && held > budget / SHARE) ||
	       !journal_can_grow(journal, (uint64_t)journal->file_bytes * journal->options.lanes * 2);
}

void journal_grace_enter(struct journal *journal, struct journal_file *file)
{
	if (file->covered_ms)
		return;
	int64_t now_ms = expiry_clock_ms();
	file->covered_ms = file->written_ms ? file->written_ms : now_ms;
	if (file->covered_ms > now_ms || file->covered_ms <= 0) /* a clock that jumped */
		file->covered_ms = now_ms;
	file->covered_bytes = atomic_load(&file->capacity); /* an erasure may cut it */
	atomic_fetch_add(&journal->grace_bytes, file->covered_bytes);
	atomic_fetch_add(&journal->grace_files, 1);
}

/* A copy is not read again soon, and fresh memory for the files that follow costs more than memory that was just freed. */
void journal_grace_cool(const struct journal_lane *lane, const struct journal_file *file)
{
	char path[JOURNAL_PATH_BYTES];
	if (lane->journal->options.grace_ms == 0)
		return;
	journal_file_path(lane, file, path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
}

void journal_grace_leave(struct journal *journal, struct journal_file *file)
{
	if (!file->covered_ms)
		return;
	file->covered_ms = 0;
	atomic_fetch_sub(&journal->grace_bytes, file->covered_bytes);
	atomic_fetch_sub(&journal->grace_files, 1);
}

bool journal_grace_is_over(const struct journal *journal, const struct journal_file *file)
{
	if (atomic_load(&file->end) <= JOURNAL_HEADER_BYTES) /* nothing to keep */
		return true;
	return expiry_clock_ms() - file->covered_ms >= (int64_t)journal->options.grace_ms;
}

struct journal_lane *journal_grace_oldest(struct journal *journal, uint64_t except)
{
	struct journal_lane *oldest = NULL;
	int64_t oldest_ms = INT64_MAX;
	for (uint32_t i = 0; i < journal->lane_count; i++) {
		struct journal_lane *lane = &journal->lanes[i];
		pthread_mutex_lock(&lane->mutex);
		int64_t covered_ms = lane->head ? lane->head->covered_ms : 0;
		pthread_mutex_unlock(&lane->mutex);
		if (covered_ms && covered_ms < oldest_ms && !(except & (uint64_t)1 << i)) {
			oldest = lane;
			oldest_ms = covered_ms;
		}
	}
	return oldest;
}
