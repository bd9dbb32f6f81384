/* A start inserts the keys of all index files and scans only the journal files that have none. An index is written by
 * from the keys that the journal remembered, or, where it did not, by reading the sealed file once more. */
#include "dedup/recovery.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#define PATH_BYTES 1024

struct gathering {
	struct dedup_entry *entries;
	size_t count, capacity;
	bool failed;
};

static bool index_path(const struct dedup_recovery *recovery, uint32_t lane, const char *file_name, char *to)
{
	struct slice name = slice_of(file_name);
	if (slice_ends(name, SLICE(".log")))
		name.len -= 4;
	int len = snprintf(to, PATH_BYTES, "%s/%u-%.*s.idx", recovery->dir, lane, SLICE_ARG(name));
	return len > 0 && len < PATH_BYTES;
}

bool dedup_recovery_init(struct dedup_recovery *recovery, struct dedup *dedup, const char *data_dir, struct error *err)
{
	recovery->dedup = dedup;
	recovery->loaded = false;
	recovery->unread_count = 0;
	int len = snprintf(recovery->dir, sizeof recovery->dir, "%s/dedup", data_dir);
	if (len < 0 || (size_t)len >= sizeof recovery->dir)
		return error_set(err, ERROR_CONFIG, "the data directory's path is too long");
	return true;
}

static void note_unread(struct dedup_recovery *recovery, const char *name)
{
	uint32_t places = sizeof recovery->unread / sizeof recovery->unread[0];
	if (recovery->unread_count < places)
		snprintf(recovery->unread[recovery->unread_count], sizeof recovery->unread[0], "%s", name);
	recovery->unread_count++;
}

static bool is_unread(const struct dedup_recovery *recovery, const char *path)
{
	uint32_t places = sizeof recovery->unread / sizeof recovery->unread[0];
	if (recovery->unread_count > places)
		return true;
	for (uint32_t i = 0; i < recovery->unread_count; i++)
		if (slice_ends(slice_of(path), slice_of(recovery->unread[i])))
			return true;
	return false;
}

static void load_one(struct dedup_recovery *recovery, const char *name, int64_t now)
{
	char path[PATH_BYTES];
	struct error err = { 0 };
	bool all_expired = false;
	int len = snprintf(path, sizeof path, "%s/%s", recovery->dir, name);
	if (len < 0 || len >= PATH_BYTES)
		return;
	bool loaded = dedup_index_load(recovery->dedup, path, now, &all_expired, &err);
	if (!loaded) {
		log_warn("dedup_index_unreadable", "file=%s error=%s", name, err.message);
		note_unread(recovery, name);
	}
	if (all_expired || (!loaded && err.code == ERROR_DATA))
		(void)!unlink(path);
}

void dedup_recovery_load(struct dedup_recovery *recovery)
{
	if (recovery->loaded)
		return;
	recovery->loaded = true;
	DIR *dir = opendir(recovery->dir);
	if (!dir) {
		if (errno != ENOENT)
			log_warn("dedup_index_folder_unreadable", "errno=%d", errno);
		return;
	}
	int64_t now = clock_wall_ms();
	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
		if (slice_ends(slice_of(entry->d_name), SLICE(".idx")))
			load_one(recovery, entry->d_name, now);
	closedir(dir);
}

static struct dedup_entry entry_of(const uint8_t key[16], uint64_t tag)
{
	struct dedup_entry entry = { .tag = tag };
	memcpy(&entry.key, key, sizeof entry.key);
	return entry;
}

void dedup_recovery_on_record(void *context, uint32_t lane, const struct journal_record *record)
{
	struct dedup_recovery *recovery = context;
	(void)lane;
	dedup_recovery_load(recovery);
	int64_t now = clock_wall_ms();
	const struct dedup_entry entries[] = { entry_of(record->key1, record->tag1),
		                               entry_of(record->key2, record->tag2) };
	for (size_t i = 0; i < 2; i++)
		if (entries[i].key.bucket)
			dedup_insert(recovery->dedup, &entries[i].key, entries[i].tag, now);
}

bool dedup_recovery_has_index(void *context, uint32_t lane, const char *file_name)
{
	struct dedup_recovery *recovery = context;
	char path[PATH_BYTES];
	dedup_recovery_load(recovery);
	return index_path(recovery, lane, file_name, path) && access(path, F_OK) == 0 && !is_unread(recovery, path);
}

static_assert(sizeof(struct journal_key_entry) == sizeof(struct dedup_entry) &&
                      offsetof(struct journal_key_entry, tag) == offsetof(struct dedup_entry, tag),
              "what the journal remembers is what an index holds");

static bool gather(void *context, const struct journal_record *record)
{
	struct gathering *found = context;
	bool erased = record->type == JOURNAL_GAP && (record->flags & JOURNAL_GAP_ERASED); /* its keys stay */
	if (record->type != JOURNAL_EVENT && !erased)
		return true;
	if (found->count + 2 > found->capacity) {
		size_t capacity = found->capacity ? found->capacity * 2 : 4096;
		struct dedup_entry *grown = realloc(found->entries, capacity * sizeof *grown);
		if (!grown) {
			found->failed = true;
			return false;
		}
		found->entries = grown;
		found->capacity = capacity;
	}
	const struct dedup_entry entries[] = { entry_of(record->key1, record->tag1),
		                               entry_of(record->key2, record->tag2) };
	for (size_t i = 0; i < 2; i++)
		if (entries[i].key.bucket)
			found->entries[found->count++] = entries[i];
	return true;
}

static bool write_from_file(const char *path, const char *file_path, struct error *err)
{
	struct gathering found = { 0 };
	struct journal_scan scan;
	bool done = journal_scan_file(file_path, gather, &found, &scan, err);
	if (done)
		done = found.failed ? error_set(err, ERROR_MEMORY, "no memory for the key index")
		                    : dedup_index_write(path, found.entries, found.count, err);
	free(found.entries);
	return done;
}

bool dedup_recovery_write_index(void *context, uint32_t lane, const char *file_path, const char *file_name,
                                const struct journal_key_entry *entries, size_t count, struct error *err)
{
	struct dedup_recovery *recovery = context;
	char path[PATH_BYTES];
	if (!index_path(recovery, lane, file_name, path))
		return error_set(err, ERROR_CONFIG, "the data directory's path is too long");
	if (!file_make_dir(recovery->dir, err))
		return false;
	return entries ? dedup_index_write(path, entries, count, err) : write_from_file(path, file_path, err);
}
