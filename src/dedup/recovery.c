/* A start inserts the keys of all index files and scans only the journal files that have none. An index is written by
 * from the keys that the journal remembered, or, where it did not, by reading the sealed file once more. */
#include "dedup/recovery.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/expiry_clock.h"
#include "base/file.h"
#include "base/log.h"

#define PATH_BYTES 1024

struct gathering {
	struct dedup_entry *entries;
	size_t count, capacity;
	bool failed;
};

/* The name begins at *name within the path. */
static bool index_path(const struct dedup_recovery *recovery, uint32_t lane, const char *file_name, char *to,
                       const char **name)
{
	struct slice file = slice_of(file_name);
	if (slice_ends(file, SLICE(".log")))
		file.len -= 4;
	size_t dir = strlen(recovery->indexes.dir);
	int len = snprintf(to, PATH_BYTES, "%s/%u-%.*s.idx", recovery->indexes.dir, lane, SLICE_ARG(file));
	*name = to + dir + 1;
	return len > 0 && len < PATH_BYTES && (size_t)len - dir <= INDEX_SET_NAME_BYTES;
}

bool dedup_recovery_init(struct dedup_recovery *recovery, struct dedup *dedup, const char *data_dir, struct error *err)
{
	recovery->dedup = dedup;
	recovery->loaded = false;
	recovery->unread_count = 0;
	return index_set_init(&recovery->indexes, data_dir, err);
}

void dedup_recovery_fini(struct dedup_recovery *recovery)
{
	index_set_fini(&recovery->indexes);
}

static void note_unread(void *context, const char *name)
{
	struct dedup_recovery *recovery = context;
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

void dedup_recovery_load(void *context)
{
	struct dedup_recovery *recovery = context;
	if (recovery->loaded)
		return;
	recovery->loaded = true;
	index_set_load(&recovery->indexes, recovery->dedup, expiry_clock_ms(), note_unread, recovery);
}

void dedup_recovery_tend(void *context, const struct journal_pace *pace)
{
	struct dedup_recovery *recovery = context;
	assert(recovery->loaded); /* before that nothing is known of the files */
	index_set_tend(&recovery->indexes, expiry_clock_ms(), pace);
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
	int64_t now = expiry_clock_ms();
	const struct dedup_entry entries[] = { entry_of(record->key1, record->tag1),
		                               entry_of(record->key2, record->tag2) };
	for (size_t i = 0; i < 2; i++)
		if (entries[i].key.bucket)
			dedup_insert(recovery->dedup, &entries[i].key, entries[i].tag, now);
}

/* One without a key is not believed: a journal file without any is read as quickly. */
static bool holds_any(const char *path)
{
	struct key_index_reader reader;
	if (!key_index_open(&reader, path, NULL))
		return false;
	bool any = reader.header.count > 0;
	key_index_close(&reader);
	return any;
}

bool dedup_recovery_has_index(void *context, uint32_t lane, const char *file_name)
{
	struct dedup_recovery *recovery = context;
	char path[PATH_BYTES];
	const char *name;
	dedup_recovery_load(recovery);
	return index_path(recovery, lane, file_name, path, &name) && !is_unread(recovery, path) && holds_any(path);
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

static bool write_from_file(const char *path, const char *file_path, struct key_index_facts *facts, struct error *err)
{
	struct gathering found = { 0 };
	struct journal_scan scan;
	bool done = journal_scan_file(file_path, gather, &found, &scan, err);
	if (done)
		done = found.failed ? error_set(err, ERROR_MEMORY, "no memory for the key index")
		                    : key_index_write(path, found.entries, found.count, facts, err);
	free(found.entries);
	return done;
}

bool dedup_recovery_write_index(void *context, uint32_t lane, const char *file_path, const char *file_name,
                                const struct journal_key_entry *entries, size_t count, struct error *err)
{
	struct dedup_recovery *recovery = context;
	char path[PATH_BYTES];
	const char *name;
	struct key_index_facts facts;
	if (!index_path(recovery, lane, file_name, path, &name))
		return error_set(err, ERROR_CONFIG, "the data directory's path is too long");
	if (!file_make_dir(recovery->indexes.dir, err))
		return false;
	if (!(entries ? key_index_write(path, entries, count, &facts, err)
	              : write_from_file(path, file_path, &facts, err)))
		return false;
	index_set_add(&recovery->indexes, name, &facts);
	return true;
}
