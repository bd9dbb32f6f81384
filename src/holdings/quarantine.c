/* kafka.ndjson is appended to by the forwarder, which opens it anew for each record: so it can be renamed at any time, and
 * a line that was on its way lands in the renamed file. */
#include "holdings/quarantine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#define FILE_BYTES_MAX ((size_t)2 << 30)
#define KAFKA "kafka.ndjson"
#define FIRST_BYTES 8192
#define DATE_BYTES 10

struct folder {
	char path[PATH_MAX - 300];
	DIR *dir;
};

static bool folder_open(struct folder *folder, const char *data_dir, struct error *err)
{
	snprintf(folder->path, sizeof folder->path, "%s/quarantine", data_dir);
	folder->dir = opendir(folder->path);
	return folder->dir || errno == ENOENT || error_set_errno(err, "%s", folder->path);
}

/* The next regular file. NULL: none is left. */
static const char *folder_next(struct folder *folder, char whole[PATH_MAX], struct stat *st)
{
	struct dirent *entry;
	while (folder->dir && (entry = readdir(folder->dir))) {
		snprintf(whole, PATH_MAX, "%s/%s", folder->path, entry->d_name);
		if (lstat(whole, st) == 0 && S_ISREG(st->st_mode))
			return entry->d_name;
	}
	return NULL;
}

static void folder_close(struct folder *folder)
{
	if (folder->dir)
		closedir(folder->dir);
}

static bool is_lines(const char *name)
{
	return slice_ends(slice_of(name), SLICE(".ndjson"));
}

/* ---- finding ---- */

static bool find_line(void *context, const char *path, uint64_t number, struct slice line)
{
	const struct quarantine_calls *calls = context;
	if (!person_matches(calls->search, line))
		return false;
	calls->found(calls->context, path, number, 0, line);
	return true;
}

struct spans {
	const struct quarantine_calls *calls;
	const char *file;
};

static void find_span(void *context, size_t offset, struct slice span)
{
	const struct spans *spans = context;
	spans->calls->found(spans->calls->context, spans->file, 0, offset, span);
}

static bool read_whole(const char *whole, const struct stat *st, char **out, struct error *err)
{
	if ((size_t)st->st_size > FILE_BYTES_MAX)
		return error_set(err, ERROR_DATA, "%s: larger than any file of ours", whole);
	*out = malloc((size_t)st->st_size + 1);
	if (!*out)
		return error_set(err, ERROR_MEMORY, "%s", whole);
	int fd = open(whole, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return error_set_errno(err, "%s", whole);
	size_t len = 0;
	while (len < (size_t)st->st_size) {
		ssize_t got = pread(fd, *out + len, (size_t)st->st_size - len, (off_t)len);
		if (got <= 0 && !(got < 0 && errno == EINTR))
			break;
		len += got > 0 ? (size_t)got : 0;
	}
	close(fd);
	return len == (size_t)st->st_size || error_set(err, ERROR_IO, "%s: cannot be read to its end", whole);
}

bool quarantine_find(const char *data_dir, const struct quarantine_calls *calls, struct error *err)
{
	struct folder folder = { 0 };
	char whole[PATH_MAX];
	struct stat st;
	const char *name;
	if (!folder_open(&folder, data_dir, err))
		return false;
	const struct file_erase_calls lines = { .matches = find_line, .context = (void *)(uintptr_t)calls };
	bool ok = true;
	while (ok && (name = folder_next(&folder, whole, &st))) {
		char *bytes = NULL;
		struct spans spans = { calls, name };
		if (is_lines(name)) {
			ok = file_erase_visit_one(whole, name, &lines, err);
			continue;
		}
		ok = read_whole(whole, &st, &bytes, err);
		if (ok)
			raw_visit(calls->search, (struct slice) { bytes, (size_t)st.st_size }, find_span, &spans);
		free(bytes);
	}
	folder_close(&folder);
	return ok;
}

/* ---- erasing ---- */

struct blanking {
	char *bytes;
	uint64_t spans;
};

static void blank_span(void *context, size_t offset, struct slice span)
{
	struct blanking *blanking = context;
	memset(blanking->bytes + offset, 0, span.len);
	blanking->spans++;
}

static bool erase_bytes(struct person_search *search, const char *whole, const struct stat *st, uint64_t *erased,
                        struct error *err)
{
	struct blanking blanking = { 0 };
	bool ok = read_whole(whole, st, &blanking.bytes, err);
	struct slice bytes = { blanking.bytes, (size_t)st->st_size };
	if (ok)
		raw_visit(search, bytes, blank_span, &blanking);
	if (ok && blanking.spans)
		ok = file_replace(whole, bytes, err);
	if (ok)
		*erased += blanking.spans;
	free(blanking.bytes);
	return ok;
}

static bool match_line(void *context, const char *path, uint64_t number, struct slice line)
{
	(void)path;
	(void)number;
	return person_matches(context, line);
}

static bool erase_file(struct person_search *search, const char *data_dir, const char *whole, const char *name,
                       const struct stat *st, uint64_t *erased, struct error *err)
{
	char temporary[PATH_MAX];
	struct file_erased out = { 0 };
	const struct file_erase_calls lines = { .matches = match_line, .context = search };
	if (!is_lines(name))
		return erase_bytes(search, whole, st, erased, err);
	snprintf(temporary, sizeof temporary, "%s/files.erase.tmp", data_dir);
	bool ok = file_erase_one(whole, name, temporary, &lines, &out, err);
	*erased += out.lines;
	return ok;
}

bool quarantine_erase(const char *data_dir, struct person_search *search, uint64_t *erased, struct error *err)
{
	struct folder folder = { 0 };
	char whole[PATH_MAX];
	struct stat st;
	struct error why = { 0 };
	const char *name;
	*erased = 0;
	if (!folder_open(&folder, data_dir, err))
		return false;
	bool ok = true;
	while ((name = folder_next(&folder, whole, &st)))
		if (!erase_file(search, data_dir, whole, name, &st, erased, ok ? err : &why))
			ok = false;
	folder_close(&folder);
	return ok;
}

/* ---- retention ---- */

/* The day of the file's first line, "2026-11-25". False: it cannot be told. */
static bool first_day(const char *whole, char day[DATE_BYTES])
{
	static const char before[] = "\"at\":\"";
	char bytes[FIRST_BYTES];
	int fd = open(whole, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t got = fd < 0 ? -1 : pread(fd, bytes, sizeof bytes, 0);
	if (fd >= 0)
		close(fd);
	const char *at = got > 0 ? memmem(bytes, (size_t)got, before, sizeof before - 1) : NULL;
	if (!at || at + sizeof before - 1 + DATE_BYTES > bytes + got)
		return false;
	memcpy(day, at + sizeof before - 1, DATE_BYTES);
	return true;
}

static void set_kafka_aside(const struct folder *folder, const char *whole, int64_t now_wall_ms)
{
	char now[CLOCK_TEXT_BYTES], day[DATE_BYTES], to[PATH_MAX];
	clock_format(now_wall_ms, now);
	if (!first_day(whole, day) || memcmp(day, now, DATE_BYTES) >= 0)
		return;
	for (int i = 1; i < 100; i++) {
		snprintf(to, sizeof to, "%s/kafka-%.*s-%d.ndjson", folder->path, DATE_BYTES, day, i);
		if (access(to, F_OK) == 0)
			continue;
		if (rename(whole, to) != 0)
			log_warn("quarantine_set_aside", "path=%s errno=%d", whole, errno);
		return;
	}
}

void quarantine_prune(const char *data_dir, int64_t before_wall_ms, int64_t now_wall_ms)
{
	struct folder folder = { 0 };
	char whole[PATH_MAX];
	struct stat st;
	const char *name;
	struct error err = { 0 };
	bool changed = false;
	if (!folder_open(&folder, data_dir, &err)) {
		log_warn("quarantine_prune", "error=%s", err.message);
		return;
	}
	while ((name = folder_next(&folder, whole, &st))) {
		if ((int64_t)st.st_mtim.tv_sec * 1000 < before_wall_ms) {
			log_info("quarantine_expired", "file=%s", name);
			if (unlink(whole) != 0)
				log_warn("remove_failed", "path=%s errno=%d", whole, errno);
			changed = true;
		} else if (strcmp(name, KAFKA) == 0) {
			set_kafka_aside(&folder, whole, now_wall_ms);
		}
	}
	folder_close(&folder);
	if (changed && !file_sync_dir(folder.path, &err))
		log_warn("sync_failed", "reason=%s", err.message);
}
