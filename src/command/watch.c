/* inotify watches folders, not trees: after each change all folders are listed anew, before the schemas are read, so
 * that what changes while they are read is noticed again. */
#include "command/watch.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#define QUIET_MS 200
#define LATEST_MS 2000 /* a folder that is written to without end is read all the same */
#define PATH_BYTES 4096

/* Written and closed, moved, removed; a folder made. */
#define MASK                                                                                                    \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | \
	 IN_ONLYDIR)

void watch_init(struct watch *watch)
{
	watch->fd = -1;
	watch->dir[0] = '\0';
	watch->first_ms = watch->last_ms = 0;
}

void watch_fini(struct watch *watch)
{
	if (watch->fd >= 0)
		close(watch->fd);
	watch_init(watch);
}

static bool add_folder(const struct watch *watch, const char *path, struct error *err)
{
	if (inotify_add_watch(watch->fd, path, MASK) >= 0 || errno == ENOENT || errno == ENOTDIR)
		return true;
	return error_set_errno(err, "watching %s", path);
}

static bool add_events(const struct watch *watch, const char *events, struct error *err)
{
	DIR *dir = opendir(events);
	struct dirent *entry;
	char path[PATH_BYTES];
	bool good = true;

	while (dir && good && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		int n = snprintf(path, sizeof path, "%s/%s", events, entry->d_name);
		good = n > 0 && (size_t)n < sizeof path && add_folder(watch, path, err);
	}
	if (dir)
		closedir(dir);
	return good;
}

bool watch_set(struct watch *watch, struct slice dir, struct error *err)
{
	static const char *const below[] = { "", "/common", "/events" };
	char path[PATH_BYTES];

	watch_fini(watch);
	if (!dir.len)
		return true;
	if (dir.len + 16 > sizeof path)
		return error_set(err, ERROR_CONFIG, "catalog.dir: too long to be watched");
	memcpy(watch->dir, dir.at, dir.len);
	watch->dir[dir.len] = '\0';
	watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch->fd < 0)
		return error_set_errno(err, "inotify");
	bool good = true;
	for (size_t i = 0; i < sizeof below / sizeof *below && good; i++) {
		snprintf(path, sizeof path, "%.*s%s", SLICE_ARG(dir), below[i]);
		good = add_folder(watch, path, err);
	}
	if (good && add_events(watch, path, err))
		return true;
	close(watch->fd); /* asked for all the same: it is not tried again with every turn */
	watch->fd = -1;
	return false;
}

/* Editors' temporary files are hidden; "..data" is what a mounted volume swaps. */
static bool is_of_interest(const struct inotify_event *event)
{
	return event->len == 0 || event->name[0] != '.' || strcmp(event->name, "..data") == 0;
}

void watch_read(struct watch *watch, int64_t now_ms)
{
	_Alignas(struct inotify_event) char bytes[8192];

	for (;;) {
		ssize_t len = watch->fd < 0 ? -1 : read(watch->fd, bytes, sizeof bytes);
		if (len <= 0)
			return;
		for (const char *at = bytes; at < bytes + len;) {
			const struct inotify_event *event = (const struct inotify_event *)(const void *)at;
			if (!(event->mask & IN_IGNORED) && is_of_interest(event)) {
				watch->first_ms = watch->first_ms ? watch->first_ms : now_ms;
				watch->last_ms = now_ms;
			}
			at += sizeof *event + event->len;
		}
	}
}

int watch_due_ms(const struct watch *watch, int64_t now_ms)
{
	if (!watch->first_ms)
		return -1;
	int64_t due = watch->last_ms + QUIET_MS, latest = watch->first_ms + LATEST_MS;
	due = due < latest ? due : latest;
	return due > now_ms ? (int)(due - now_ms) : 0;
}
