/* Bytes that recovery or a reader could not accept are kept beside the journal, for people: `<data>/quarantine/`.
 *
 * A range's copy has a name made of where it stood, so that meeting the same damage again (the next start, another
 * reader) neither copies nor counts it twice. */
#include "journal/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/metrics.h"

#define COPY_BYTES ((size_t)64 * 1024)

static void count(struct journal *journal, uint64_t bytes)
{
	atomic_fetch_add(&journal->quarantined_bytes, bytes);
	metrics_add(metrics_series0(METRIC_JOURNAL_QUARANTINED), bytes);
}

static bool copy_range(int from, int to, const struct journal_damage *damage, struct error *err)
{
	char *bytes = malloc(COPY_BYTES);
	if (!bytes)
		return error_set(err, ERROR_MEMORY, "quarantine");
	bool ok = true;
	for (uint64_t done = 0; ok && done < damage->length;) {
		size_t n = damage->length - done < COPY_BYTES ? (size_t)(damage->length - done) : COPY_BYTES;
		ssize_t got = pread(from, bytes, n, (off_t)(damage->offset + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) { /* unreadable: its place is kept */
			memset(bytes, 0, n);
			got = (ssize_t)n;
		}
		ok = file_write_at(to, (struct slice) { bytes, (size_t)got }, done, err);
		done += (uint64_t)got;
	}
	free(bytes);
	if (ok && fdatasync(to) != 0)
		ok = error_set_errno(err, "fdatasync");
	return ok;
}

static bool copy_is_there(const char *path, uint64_t length)
{
	struct stat st;
	return stat(path, &st) == 0 && (uint64_t)st.st_size == length;
}

static bool store_range(const char *path, int fd, const struct journal_damage *damage, struct error *err)
{
	int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (to < 0)
		return error_set_errno(err, "%s", path);
	bool ok = copy_range(fd, to, damage, err);
	close(to);
	return ok && file_sync_dir(path, err);
}

void journal_quarantine_range(struct journal *journal, uint32_t lane, const char *name, int fd,
                              const struct journal_damage *damage)
{
	char path[JOURNAL_PATH_BYTES];
	snprintf(path, sizeof(path), "%s/quarantine/%u-%s-%" PRIu64 ".bad", journal->dir, lane, name, damage->offset);
	if (copy_is_there(path, damage->length))
		return;
	struct error err = { 0 };
	if (!store_range(path, fd, damage, &err)) {
		journal_count_failure("quarantine");
		log_error("journal_quarantine_failed", "error=%s", err.message);
	}
	count(journal, damage->length);
	log_warn("journal_damage", "lane=%u file=%s offset=%" PRIu64 " bytes=%" PRIu64 " torn=%d", lane, name,
	         damage->offset, damage->length, damage->torn);
}

bool journal_quarantine_file(struct journal *journal, const struct journal_lane *lane, const char *name, uint64_t size,
                             struct error *err)
{
	char from[JOURNAL_PATH_BYTES + JOURNAL_NAME_BYTES], to[JOURNAL_PATH_BYTES + JOURNAL_NAME_BYTES];
	snprintf(from, sizeof(from), "%s/%s", lane->dir, name);
	snprintf(to, sizeof(to), "%s/quarantine/%u-%s", journal->dir, lane->index, name);
	for (int i = 1; access(to, F_OK) == 0 && i < 1000; i++)
		snprintf(to, sizeof(to), "%s/quarantine/%u-%s.%d", journal->dir, lane->index, name, i);
	if (rename(from, to) != 0)
		return error_set_errno(err, "%s", to);
	count(journal, size);
	log_error("journal_file_quarantined", "lane=%u file=%s bytes=%" PRIu64, lane->index, name, size);
	return file_sync_dir(to, err) && file_sync_dir(from, err);
}
