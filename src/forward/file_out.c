/* Lines are written straight from where the journal's reader holds them: two vectors a line, value and newline, some
 * five hundred lines a system call. A write or a sync that fails leaves the file with bytes that nobody counts; the next
 * reopen cuts them off, and the records come again from the journal, so a failed fdatasync is never asked twice about
 * the same pages. */
#include "forward/file_out.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

#define DATE_BYTES 10 /* 2026-11-22 */

static char NEWLINE[] = "\n";

bool file_out_topic_is_valid(struct slice topic)
{
	if (topic.len == 0 || topic.len > 249 || slice_equal(topic, SLICE(".")) || slice_equal(topic, SLICE("..")))
		return false;
	for (size_t i = 0; i < topic.len; i++) {
		char c = topic.at[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
		      c == '_' || c == '-'))
			return false;
	}
	return true;
}

void file_out_name(struct slice topic, int64_t hour, unsigned n, char path[CHECKPOINT_PATH_BYTES])
{
	char time[CLOCK_TEXT_BYTES];
	char again[16] = "";
	clock_format(hour * FILE_OUT_HOUR_MS, time);
	if (n > 1)
		snprintf(again, sizeof again, "-%u", n);
	snprintf(path, CHECKPOINT_PATH_BYTES, "%.*s/%.10s/%.2s%s.ndjson", SLICE_ARG(topic), time, time + DATE_BYTES + 1,
	         again);
}

bool file_out_parse(const char *path, size_t *topic_len, int64_t *hour)
{
	char time[CLOCK_TEXT_BYTES + 1];
	struct slice rest = slice_of(path);
	struct slice topic = slice_split(&rest, '/');
	struct slice date = slice_split(&rest, '/');
	int64_t wall_ms;
	if (!file_out_topic_is_valid(topic) || date.len != DATE_BYTES || rest.len < 9 ||
	    (rest.at[2] != '.' && rest.at[2] != '-') || memchr(rest.at, '/', rest.len))
		return false;
	if (!slice_ends(rest, SLICE(".ndjson")) && !slice_ends(rest, SLICE(".ndjson.gz")))
		return false;
	snprintf(time, sizeof time, "%.10sT%.2s:00:00.000Z", date.at, rest.at);
	if (!clock_parse(slice_of(time), &wall_ms))
		return false;
	*topic_len = topic.len;
	*hour = wall_ms / FILE_OUT_HOUR_MS;
	return true;
}

struct file_out *file_out_create(const char *path, uint64_t committed_bytes)
{
	struct file_out *out = malloc(sizeof *out); /* the vectors stay untouched until used */
	if (!out)
		return NULL;
	memset(out, 0, offsetof(struct file_out, vectors));
	size_t topic_len;
	if (strlen(path) >= sizeof out->path || !file_out_parse(path, &topic_len, &out->hour)) {
		free(out);
		return NULL;
	}
	memcpy(out->path, path, strlen(path) + 1);
	out->topic = (struct slice) { out->path, topic_len };
	out->fd = -1;
	out->committed_bytes = out->written_bytes = committed_bytes;
	return out;
}

void file_out_destroy(struct file_out **out)
{
	if (*out && (*out)->fd >= 0)
		close((*out)->fd);
	free(*out);
	*out = NULL;
}

static bool cut(struct file_out *out, struct error *err)
{
	struct stat info;
	if (fstat(out->fd, &info) != 0)
		return error_set_errno(err, "%s", out->path);
	if ((uint64_t)info.st_size < out->committed_bytes)
		return error_set(err, ERROR_DATA, "%s: %lld bytes, the checkpoint counts %llu", out->path,
		                 (long long)info.st_size, (unsigned long long)out->committed_bytes);
	if ((uint64_t)info.st_size == out->committed_bytes)
		return true;
	if (ftruncate(out->fd, (off_t)out->committed_bytes) != 0 || fdatasync(out->fd) != 0)
		return error_set_errno(err, "cutting %s to its committed length", out->path);
	return true;
}

bool file_out_reopen(struct file_out *out, const char *events_dir, struct error *err)
{
	char whole[PATH_MAX];
	if (out->fd >= 0)
		close(out->fd);
	out->written_bytes = out->committed_bytes;
	out->gathered_bytes = 0;
	out->vector_count = 0;
	out->dirty = false;
	snprintf(whole, sizeof whole, "%s/%s", events_dir, out->path);
	out->fd = open(whole, O_WRONLY | O_CLOEXEC);
	if (out->fd < 0)
		return (errno == ENOENT && out->committed_bytes == 0) || error_set_errno(err, "%s", out->path);
	return cut(out, err);
}

bool file_out_make(struct file_out *out, const char *events_dir, struct error *err)
{
	char whole[PATH_MAX];
	snprintf(whole, sizeof whole, "%s/%s", events_dir, out->path);
	char *name = strrchr(whole, '/');
	*name = '\0';
	if (!file_make_dir(whole, err))
		return false;
	*name = '/';
	out->fd = open(whole, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (out->fd < 0)
		return error_set_errno(err, "creating %s", out->path);
	return cut(out, err) && file_sync_dir(whole, err);
}

/* Drops `wrote` bytes from the front of the vectors. */
static void advance(struct iovec **vectors, int *count, size_t wrote)
{
	while (*count && wrote >= (*vectors)->iov_len) {
		wrote -= (*vectors)->iov_len;
		(*vectors)++;
		(*count)--;
	}
	if (wrote) {
		(*vectors)->iov_base = (char *)(*vectors)->iov_base + wrote;
		(*vectors)->iov_len -= wrote;
	}
}

bool file_out_flush(struct file_out *out, struct error *err)
{
	struct iovec *vectors = out->vectors;
	int count = out->vector_count;
	out->vector_count = 0;
	out->gathered_bytes = 0;
	while (count) {
		ssize_t wrote = pwritev(out->fd, vectors, count, (off_t)out->written_bytes);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return error_set_errno(err, "writing %s", out->path);
		out->written_bytes += (uint64_t)wrote;
		advance(&vectors, &count, (size_t)wrote);
	}
	return true;
}

bool file_out_append(struct file_out *out, struct slice value, struct error *err)
{
	if (out->vector_count == FILE_OUT_VECTORS && !file_out_flush(out, err))
		return false;
	struct iovec *at = &out->vectors[out->vector_count];
	at[0] = (struct iovec) { (void *)(uintptr_t)value.at, value.len };
	at[1] = (struct iovec) { NEWLINE, 1 };
	out->vector_count += 2;
	out->gathered_bytes += value.len + 1;
	out->dirty = true;
	return true;
}

bool file_out_sync(struct file_out *out, struct error *err)
{
	if (!out->dirty)
		return true;
	if (!file_out_flush(out, err))
		return false;
	if (fdatasync(out->fd) != 0)
		return error_set_errno(err, "syncing %s", out->path);
	out->dirty = false;
	return true;
}
