/* Which index files there are and which are merged. Happy path: files of one size class gather until there are eight, the
 * merged one takes their place; so their number grows with the logarithm of the keys in the window, besides those of the
 * journal files that are still there.
 *
 * A crash loses no key: the merged file has its name, synced, before a source is unlinked. A file that is not sound is
 * kept and used as far as it goes; where the journal file is still there that is read again instead. */
#include "dedup/index_set.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#define PATH_BYTES 640
#define LOOK_MS 1000
#define RETRY_MS 10000
#define RETRY_MOST_MS 600000
#define FAN_IN 8
#define SMALLEST_CLASS 4096 /* entries */
#define MERGED "merged-"

static void path_of(const struct index_set *set, const char *name, char to[PATH_BYTES])
{
	snprintf(to, PATH_BYTES, "%.*s/%.*s", 512, set->dir, INDEX_SET_NAME_BYTES, name);
}

bool index_set_init(struct index_set *set, const char *data_dir, struct error *err)
{
	*set = (struct index_set) { .looked_ms = 0 };
	int len = snprintf(set->dir, sizeof set->dir, "%s/dedup", data_dir);
	int other = snprintf(set->journal, sizeof set->journal, "%s/journal", data_dir);
	if (len < 0 || (size_t)len >= sizeof set->dir || (size_t)other >= sizeof set->journal)
		return error_set(err, ERROR_CONFIG, "the data directory's path is too long");
	return true;
}

void index_set_fini(struct index_set *set)
{
	free(set->files);
	set->files = NULL;
	set->count = set->capacity = 0;
}

static void tell(struct index_set *set)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < set->count; i++)
		bytes += sizeof(struct key_index_header) + set->files[i].facts.count * sizeof(struct dedup_entry);
	atomic_store(&set->file_count, set->count);
	atomic_store(&set->bytes, bytes);
}

static struct index_file *add(struct index_set *set, const char *name)
{
	for (size_t i = 0; i < set->count; i++)
		if (strcmp(set->files[i].name, name) == 0)
			return &set->files[i];
	if (set->count == set->capacity) {
		size_t capacity = set->capacity ? set->capacity * 2 : 32;
		struct index_file *grown = realloc(set->files, capacity * sizeof *grown);
		if (!grown)
			return NULL; /* it lies there unmerged until the next start */
		set->files = grown;
		set->capacity = capacity;
	}
	struct index_file *file = &set->files[set->count++];
	*file = (struct index_file) { .is_free = slice_starts(slice_of(name), SLICE(MERGED)) };
	snprintf(file->name, sizeof file->name, "%s", name);
	return file;
}

void index_set_add(struct index_set *set, const char *name, const struct key_index_facts *facts)
{
	struct index_file *file = add(set, name);
	if (file) {
		file->facts = *facts;
		file->is_apart = false;
	}
	tell(set);
}

static bool drop(struct index_set *set, size_t at)
{
	char path[PATH_BYTES];
	path_of(set, set->files[at].name, path);
	if (unlink(path) != 0 && errno != ENOENT) {
		log_warn("dedup_index_unlink", "file=%s errno=%d", set->files[at].name, errno);
		return false;
	}
	set->files[at] = set->files[--set->count];
	return true;
}

/* ---- start ---- */

static void load_one(struct index_set *set, struct dedup *dedup, struct index_file *file, int64_t wall_ms,
                     void (*unread)(void *context, const char *name), void *context)
{
	char path[PATH_BYTES];
	struct error err = { 0 };
	path_of(set, file->name, path);
	if (key_index_load(dedup, path, wall_ms, true, &file->facts, &err))
		return;
	file->is_apart = true;
	atomic_fetch_add(&set->damaged, 1);
	log_warn("dedup_index_unreadable", "file=%s entries=%" PRIu64 " error=%s", file->name, file->facts.count,
	         err.message);
	unread(context, file->name);
	if (err.code != ERROR_DATA || file->facts.count)
		return;
	char aside[PATH_BYTES + 4]; /* of no use to this program, but to be seen */
	snprintf(aside, sizeof aside, "%s.bad", path);
	(void)!rename(path, aside);
}

static uint64_t list(struct index_set *set, DIR *dir)
{
	uint64_t expected = 0;
	char path[PATH_BYTES];
	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
		struct slice name = slice_of(entry->d_name);
		struct key_index_reader reader;
		if (name.len >= INDEX_SET_NAME_BYTES)
			continue;
		path_of(set, entry->d_name, path);
		if (slice_ends(name, SLICE(".idx.tmp")))
			(void)!unlink(path); /* of a merge that was cut off */
		if (!slice_ends(name, SLICE(".idx")) || !add(set, entry->d_name))
			continue;
		if (key_index_open(&reader, path, NULL)) {
			expected += reader.header.count;
			key_index_close(&reader);
		}
		uint64_t number = strtoull(entry->d_name + sizeof MERGED - 1, NULL, 10);
		if (slice_starts(name, SLICE(MERGED)) && number > set->number)
			set->number = number;
	}
	return expected;
}

static void drop_expired(struct index_set *set, int64_t wall_ms)
{
	for (size_t i = set->count; i-- > 0;) {
		const struct index_file *file = &set->files[i];
		if (file->is_free && file->facts.latest <= wall_ms / DEDUP_BUCKET_MS && drop(set, i))
			atomic_fetch_add(&set->expired, 1);
	}
	tell(set);
}

void index_set_load(struct index_set *set, struct dedup *dedup, int64_t wall_ms,
                    void (*unread)(void *context, const char *name), void *context)
{
	int64_t begun_ms = clock_monotonic_ms();
	DIR *dir = opendir(set->dir);
	if (!dir) {
		if (errno != ENOENT)
			log_warn("dedup_index_folder_unreadable", "errno=%d", errno);
		return;
	}
	set->dedup = dedup;
	dedup_expect(dedup, list(set, dir));
	closedir(dir);
	for (size_t i = set->count; i-- > 0;) {
		load_one(set, dedup, &set->files[i], wall_ms, unread, context);
		if (set->files[i].is_apart && set->files[i].facts.count == 0)
			set->files[i] = set->files[--set->count];
	}
	tell(set);
	atomic_store(&set->load_ms, (uint64_t)(clock_monotonic_ms() - begun_ms));
}

/* ---- tending ---- */

/* `<lane>-<name>.idx` belongs to `<journal>/<lane>/<name>.log`. */
static bool journal_file_is_gone(const struct index_set *set, const char *name)
{
	char path[PATH_BYTES];
	const char *dash = strchr(name, '-');
	size_t len = strlen(name);
	if (!dash || len < sizeof ".idx")
		return true;
	snprintf(path, sizeof path, "%.*s/%.*s/%.*s.log", 512, set->journal, (int)(dash - name), name,
	         (int)(name + len - 4 - (dash + 1)), dash + 1);
	return access(path, F_OK) != 0 && errno == ENOENT;
}

static unsigned class_of(const struct index_file *file)
{
	unsigned class = 0;
	for (uint64_t most = SMALLEST_CLASS; file->facts.count > most; most *= FAN_IN)
		class ++;
	return class;
}

static bool may_merge(const struct index_file *file)
{
	return file->is_free && !file->is_apart;
}

/* The largest, as many as go into one merge. */
static size_t choose_largest(const struct index_set *set, size_t places[KEY_INDEX_MERGE_MAX])
{
	size_t found = 0;
	for (size_t i = 0; i < set->count; i++) {
		size_t least = 0;
		if (!may_merge(&set->files[i]))
			continue;
		if (found == KEY_INDEX_MERGE_MAX) {
			for (size_t k = 1; k < found; k++)
				if (set->files[places[k]].facts.count < set->files[places[least]].facts.count)
					least = k;
			if (set->files[i].facts.count <= set->files[places[least]].facts.count)
				continue;
			found--;
			memmove(&places[least], &places[least + 1], (found - least) * sizeof(*places));
		}
		places[found++] = i;
	}
	return found;
}

/* More of what the table has forgotten than of what it knows. Once written anew it is no more than what it knows. */
static bool is_mostly_forgotten(const struct index_set *set, const struct dedup_stats *table)
{
	uint64_t count = 0;
	for (size_t i = 0; i < set->count; i++)
		count += may_merge(&set->files[i]) ? set->files[i].facts.count : 0;
	return table->evicted && count > 2 * table->entries + SMALLEST_CLASS;
}

/* Files to merge into one; 0: none. Sources are told by place, in growing order. */
static size_t choose(const struct index_set *set, int64_t now, size_t places[KEY_INDEX_MERGE_MAX])
{
	size_t counts[32] = { 0 };
	for (size_t i = 0; i < set->count; i++) {
		const struct index_file *file = &set->files[i];
		if (!may_merge(file))
			continue;
		counts[class_of(file)]++;
		if (file->facts.half <= now && file->facts.count > SMALLEST_CLASS) {
			places[0] = i;
			return 1;
		}
	}
	for (unsigned class = 0; class < 32; class ++) {
		size_t found = 0;
		for (size_t i = 0; counts[class] >= FAN_IN && i < set->count && found < KEY_INDEX_MERGE_MAX; i++)
			if (may_merge(&set->files[i]) && class_of(&set->files[i]) == class)
				places[found++] = i;
		if (found)
			return found;
	}
	return 0;
}

static void put_off(struct index_set *set)
{
	int64_t after_ms = set->retry_after_ms ? set->retry_after_ms * 2 : RETRY_MS;
	set->retry_after_ms = after_ms < RETRY_MOST_MS ? after_ms : RETRY_MOST_MS;
	set->retry_at_ms = clock_monotonic_ms() + set->retry_after_ms;
}

static void give_up(struct index_set *set, struct index_file *bad, size_t count, const struct error *err)
{
	if (err->code == ERROR_UNAVAILABLE)
		return;
	if (err->code == ERROR_DATA)
		bad->is_apart = true; /* the next attempt goes without it */
	else
		put_off(set);
	log_warn("dedup_merge_failed", "files=%zu error=%s", count, err->message);
}

static void merge(struct index_set *set, const size_t *places, size_t count, struct dedup *known_to, int64_t wall_ms,
                  const struct journal_pace *pace)
{
	char paths[KEY_INDEX_MERGE_MAX][PATH_BYTES], to[PATH_BYTES], name[INDEX_SET_NAME_BYTES];
	const char *from[KEY_INDEX_MERGE_MAX];
	struct key_index_facts facts;
	struct error err = { 0 };
	size_t bad = 0;
	for (size_t i = 0; i < count; i++) {
		path_of(set, set->files[places[i]].name, paths[i]);
		from[i] = paths[i];
	}
	snprintf(name, sizeof name, MERGED "%012" PRIu64 ".idx", set->number + 1);
	path_of(set, name, to);
	const struct key_index_job job = { from, count, to, wall_ms, known_to, pace };
	if (!key_index_merge(&job, &facts, &bad, &err)) {
		give_up(set, &set->files[places[bad]], count, &err);
		return;
	}
	set->retry_after_ms = 0;
	set->number++;
	for (size_t i = count; i-- > 0;)
		(void)!drop(set, places[i]);
	index_set_add(set, name, &facts);
	atomic_fetch_add(&set->merges, 1);
	log_info("dedup_merged", "files=%zu entries=%" PRIu64, count, facts.count);
}

static bool has_room(const struct index_set *set, const size_t *places, size_t count, uint64_t entries_most,
                     const struct journal_pace *pace)
{
	uint64_t entries = 0;
	for (size_t i = 0; i < count; i++)
		entries += set->files[places[i]].facts.count;
	entries = entries < entries_most ? entries : entries_most;
	return pace->has_room(pace->context, sizeof(struct key_index_header) + entries * sizeof(struct dedup_entry));
}

static void merge_once(struct index_set *set, int64_t wall_ms, const struct journal_pace *pace)
{
	struct dedup_stats table = { 0 };
	size_t places[KEY_INDEX_MERGE_MAX];
	if (set->dedup)
		dedup_stats(set->dedup, &table);
	struct dedup *known_to = table.evicted ? set->dedup : NULL;
	size_t count = is_mostly_forgotten(set, &table) ? choose_largest(set, places)
	                                                : choose(set, wall_ms / DEDUP_BUCKET_MS, places);
	if (count && has_room(set, places, count, known_to ? table.entries : UINT64_MAX, pace))
		merge(set, places, count, known_to, wall_ms, pace);
}

void index_set_tend(struct index_set *set, int64_t wall_ms, const struct journal_pace *pace)
{
	int64_t now_ms = clock_monotonic_ms();
	if (set->looked_ms && now_ms - set->looked_ms < LOOK_MS)
		return;
	set->looked_ms = now_ms;
	for (size_t i = 0; i < set->count; i++)
		if (!set->files[i].is_free)
			set->files[i].is_free = journal_file_is_gone(set, set->files[i].name);
	drop_expired(set, wall_ms);
	if (now_ms >= set->retry_at_ms)
		merge_once(set, wall_ms, pace);
}
