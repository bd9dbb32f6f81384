/* A line is written by one call at the end of the file and synced before the act is answered, so an act that somebody was
 * told of stands in the log. Daemon and commands may write to the same file: each takes a lock on it and asks anew where
 * it ends. A line that a dying process left half written is ended before the next one.
 *
 * Failure modes: a line that cannot be written is cut off again and told to the caller, who decides whether the act may
 * go on without it. */
#include "holdings/audit_log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "journal/journal.h"
#include "json/json.h"

#define FULL_BYTES ((uint64_t)8 << 20)
#define NAME "audit.ndjson"

struct audit_log {
	pthread_mutex_t lock;
	struct hash_key key;
	int fd;
	char dir[PATH_MAX - 64];
};

static void path_of(const struct audit_log *log, const char *name, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%.60s", log->dir, name);
}

static bool append(struct audit_log *log, struct slice line, struct error *err)
{
	if (flock(log->fd, LOCK_EX) != 0)
		return error_set_errno(err, NAME);
	bool ok = file_append_line(log->fd, line, err);
	flock(log->fd, LOCK_UN);
	return ok || error_prepend(err, NAME);
}

static bool is_full(const struct audit_log *log)
{
	struct stat st;
	return fstat(log->fd, &st) == 0 && (uint64_t)st.st_size >= FULL_BYTES;
}

static bool open_file(struct audit_log *log, struct error *err)
{
	char path[PATH_MAX];
	path_of(log, NAME, path);
	log->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (log->fd < 0)
		return error_set_errno(err, "%s", path);
	return file_sync_dir(path, err);
}

struct audit_log *audit_log_open(const char *data_dir, const struct hash_key *key, struct error *err)
{
	struct audit_log *log = calloc(1, sizeof *log);
	if (!log) {
		error_set(err, ERROR_MEMORY, "audit log");
		return NULL;
	}
	pthread_mutex_init(&log->lock, NULL);
	if (key)
		log->key = *key;
	log->fd = -1;
	int len = snprintf(log->dir, sizeof log->dir, "%s", data_dir);
	if (len >= (int)sizeof log->dir)
		error_set(err, ERROR_CONFIG, "data_dir: path too long");
	else if (open_file(log, err))
		return log;
	audit_log_close(&log);
	return NULL;
}

void audit_log_close(struct audit_log **log)
{
	if (!*log)
		return;
	if ((*log)->fd >= 0)
		close((*log)->fd);
	pthread_mutex_destroy(&(*log)->lock);
	explicit_bzero(*log, sizeof **log);
	free(*log);
	*log = NULL;
}

/* Sets a full file aside under the time of now; the next one begins empty. A failure leaves the full one in use. */
static void turn_over(struct audit_log *log)
{
	char time[CLOCK_TEXT_BYTES + 1] = { 0 }, name[64], from[PATH_MAX], to[PATH_MAX];
	struct error err = { 0 };
	clock_format(clock_wall_ms(), time);
	for (char *c = time; *c; c++)
		*c = *c == ':' ? '-' : *c;
	snprintf(name, sizeof name, "audit-%s.ndjson", time);
	path_of(log, NAME, from);
	path_of(log, name, to);
	if (access(to, F_OK) == 0 || rename(from, to) != 0)
		return;
	int old = log->fd;
	if (open_file(log, &err)) {
		close(old);
		return;
	}
	log_error("audit_log_turn_over", "error=%s", err.message);
	if (log->fd >= 0)
		close(log->fd);
	log->fd = old;
}

bool audit_log_write(struct audit_log *log, const char *act, bool ok, const struct buffer *members, struct error *err)
{
	char time[CLOCK_TEXT_BYTES];
	struct buffer line;
	clock_format(clock_wall_ms(), time);
	buffer_init(&line, NULL);
	buffer_append_format(&line, "{\"at\":\"%.*s\",\"act\":\"%s\",\"ok\":%s", CLOCK_TEXT_BYTES, time, act,
	                     ok ? "true" : "false");
	if (members)
		buffer_append(&line, buffer_slice(members));
	buffer_append(&line, SLICE("}\n"));
	bool written = false;
	if (line.failed || (members && members->failed)) {
		error_set(err, ERROR_MEMORY, NAME);
	} else {
		pthread_mutex_lock(&log->lock);
		if (is_full(log))
			turn_over(log);
		written = append(log, buffer_slice(&line), err);
		pthread_mutex_unlock(&log->lock);
	}
	buffer_fini(&line);
	return written;
}

void audit_log_put_text(struct buffer *members, const char *member, struct slice text)
{
	buffer_append_format(members, ",\"%s\":", member);
	json_write_string_safe(members, text);
}

void audit_log_put_number(struct buffer *members, const char *member, uint64_t number)
{
	buffer_append_format(members, ",\"%s\":", member);
	buffer_append_u64(members, number);
}

void audit_log_put_id(const struct audit_log *log, struct buffer *members, struct slice name, struct slice value)
{
	const struct slice parts[] = { SLICE("audit"), value };
	struct hash128 hash = hash_keyed128_parts(&log->key, parts, 2);
	buffer_append(members, SLICE(",\"id\":{"));
	if (name.len) {
		buffer_append(members, SLICE("\"name\":"));
		json_write_string_safe(members, name);
		buffer_append_char(members, ',');
	}
	buffer_append_format(members, "\"hash\":\"%016llx%016llx\"}", (unsigned long long)hash.high,
	                     (unsigned long long)hash.low);
}

bool audit_log_note_recovery(struct audit_log *log, struct journal *journal, struct error *err)
{
	struct journal_stats stats;
	struct buffer members;
	journal_stats(journal, &stats);
	if (!stats.unclean && !stats.torn_tails && !stats.quarantined_bytes)
		return true;
	buffer_init(&members, NULL);
	audit_log_put_number(&members, "epoch", journal_epoch(journal));
	audit_log_put_number(&members, "torn_tails", stats.torn_tails);
	audit_log_put_number(&members, "quarantined_bytes", stats.quarantined_bytes);
	bool written = audit_log_write(log, "recovery", true, &members, err);
	buffer_fini(&members);
	return written;
}

static bool is_set_aside(struct slice name)
{
	return slice_starts(name, SLICE("audit-")) && slice_ends(name, SLICE(".ndjson"));
}

void audit_log_prune(struct audit_log *log, int64_t before_wall_ms)
{
	DIR *dir = opendir(log->dir);
	char path[PATH_MAX];
	struct stat st;
	if (!dir)
		return;
	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
		path_of(log, entry->d_name, path);
		if (!is_set_aside(slice_of(entry->d_name)) || lstat(path, &st) != 0 ||
		    st.st_mtim.tv_sec >= before_wall_ms / 1000)
			continue;
		log_info("audit_log_expired", "file=%s", entry->d_name);
		if (unlink(path) != 0)
			log_warn("remove_failed", "path=%s errno=%d", path, errno);
	}
	closedir(dir);
}
