/* Scans whole files and lists folders: what recovery, key indexes and the command line see of the journal. Read-only.
 *
 * Failure modes: damage is no failure, it is passed over and counted; a file without a sound header is an error. */
#include "journal/format.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void note_damage(struct journal_scan *out, const struct journal_damage *damage,
                        const struct journal_scan_calls *calls)
{
	if (damage->length == 0)
		return;
	if (damage->torn)
		out->torn_bytes += damage->length;
	else
		out->damaged_bytes += damage->length;
	if (out->damage_count < JOURNAL_DAMAGE_MAX)
		out->damage[out->damage_count] = *damage;
	out->damage_count++;
	if (calls->on_damage)
		calls->on_damage(calls->context, damage);
}

static void count_record(struct journal_scan *out, const struct journal_record *record)
{
	if (record->position.counter > out->last + 1)
		out->missing += record->position.counter - out->last - 1;
	out->last = journal_record_after(record) - 1;
	if (record->type == JOURNAL_GAP && (record->flags & JOURNAL_GAP_ERASED))
		*(record->flags & JOURNAL_GAP_LETTER ? &out->erased_dead_letters : &out->erased_events) +=
		        record->gap_count;
	if (record->type == JOURNAL_GAP)
		journal_counts_add(&out->gone, record);
	if (record->type == JOURNAL_EVENT)
		out->events++;
	if (record->type == JOURNAL_DEAD_LETTER) {
		out->dead_letters++;
		out->dead_letter_bytes += journal_record_need(record);
	}
	out->records = out->events + out->dead_letters;
}

static void start_scan(struct journal_scan *out, const struct journal_file_header *header, uint64_t size)
{
	*out = (struct journal_scan) {
		.lane = header->lane,
		.epoch = header->epoch,
		.first = header->first,
		.last = header->first - 1,
		.created_ms = header->created_ms,
		.events_before = header->events_before,
		.dead_letters_before = header->dead_letters_before,
		.file_bytes = size,
		.valid_bytes = JOURNAL_HEADER_BYTES,
	};
	for (size_t i = 0; i < sizeof(header->log_id); i++)
		snprintf(out->log_id + 2 * i, 3, "%02x", header->log_id[i]);
}

bool journal_scan_fd(int fd, const struct journal_file_header *header, const struct journal_scan_calls *calls,
                     struct journal_scan *out, struct error *err)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return error_set_errno(err, "fstat");
	start_scan(out, header, (uint64_t)st.st_size);
	struct journal_cursor cursor;
	journal_window_init(&cursor.window, fd, false);
	journal_cursor_start(&cursor, header->epoch, header->first, journal_salt_crc(header->salt),
	                     header->flags & JOURNAL_FILE_RECYCLED);
	cursor.limit = (uint64_t)st.st_size;
	struct journal_record record;
	struct journal_damage damage;
	enum journal_step step;
	while ((step = journal_cursor_next(&cursor, &record, &damage)) == JOURNAL_STEP_RECORD) {
		record.lane = header->lane;
		note_damage(out, &damage, calls);
		count_record(out, &record);
		out->valid_bytes = cursor.offset;
		if (record.type == JOURNAL_SEAL) {
			out->sealed = true;
			break;
		}
		if (calls->on_record && !calls->on_record(calls->context, &record)) {
			out->stopped = true;
			break;
		}
	}
	if (step == JOURNAL_STEP_END)
		note_damage(out, &damage, calls);
	journal_window_fini(&cursor.window);
	return step != JOURNAL_STEP_MEMORY || error_set(err, ERROR_MEMORY, "scanning a journal file");
}

/* False: the name is gone or stands for another file, so what was read may be a mixture. */
static bool is_still(const char *path, int fd)
{
	struct stat named, opened;
	return stat(path, &named) == 0 && fstat(fd, &opened) == 0 && named.st_ino == opened.st_ino &&
	       named.st_dev == opened.st_dev;
}

bool journal_scan_file(const char *path, bool (*fn)(void *context, const struct journal_record *record), void *context,
                       struct journal_scan *out, struct error *err)
{
	*out = (struct journal_scan) { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set_errno(err, "%s", path);
	struct journal_file_header header;
	struct journal_scan_calls calls = { .on_record = fn, .context = context };
	bool ok = journal_header_read(fd, &header, err) && journal_scan_fd(fd, &header, &calls, out, err);
	if ((!ok || out->damage_count) && !is_still(path, fd))
		ok = error_set(err, ERROR_NOT_FOUND, "reused while it was read");
	close(fd);
	return ok || error_prepend(err, "%s", path);
}

static int compare_entries(const void *left, const void *right)
{
	const struct journal_entry *a = left, *b = right;
	if (a->epoch != b->epoch)
		return a->epoch < b->epoch ? -1 : 1;
	return a->first < b->first ? -1 : a->first > b->first;
}

static bool append_entry(struct journal_entry **list, size_t *count, const char *name)
{
	struct journal_entry entry;
	if (!journal_name_parse(name, &entry.epoch, &entry.first))
		return true;
	if ((*count & (*count - 1)) == 0) {
		struct journal_entry *grown = realloc(*list, (*count ? 2 * *count : 1) * sizeof(**list));
		if (!grown)
			return false;
		*list = grown;
	}
	memcpy(entry.name, name, strlen(name) + 1);
	(*list)[(*count)++] = entry;
	return true;
}

bool journal_list_lane(const char *lane_dir, struct journal_entry **out, size_t *count, struct error *err)
{
	*out = NULL;
	*count = 0;
	DIR *dir = opendir(lane_dir);
	if (!dir)
		return errno == ENOENT || error_set_errno(err, "%s", lane_dir);
	bool ok = true;
	for (struct dirent *entry; ok && (entry = readdir(dir));)
		ok = append_entry(out, count, entry->d_name);
	closedir(dir);
	if (!ok) {
		free(*out);
		*out = NULL;
		return error_set(err, ERROR_MEMORY, "listing %s", lane_dir);
	}
	if (*count)
		qsort(*out, *count, sizeof(**out), compare_entries);
	return true;
}

static bool append_lane(const char *lane_dir, uint32_t lane, struct journal_file_name **list, size_t *count,
                        struct error *err)
{
	struct journal_entry *entries;
	size_t found;
	if (!journal_list_lane(lane_dir, &entries, &found, err))
		return false;
	struct journal_file_name *grown = realloc(*list, (*count + found + 1) * sizeof(**list));
	if (!grown) {
		free(entries);
		return error_set(err, ERROR_MEMORY, "listing %s", lane_dir);
	}
	*list = grown;
	for (size_t i = 0; i < found; i++) {
		struct journal_file_name *name = &grown[(*count)++];
		name->lane = lane;
		snprintf(name->path, sizeof(name->path), "%s/%s", lane_dir, entries[i].name);
	}
	free(entries);
	return true;
}

bool journal_list_files(const char *data_dir, struct journal_file_name **out, size_t *count, struct error *err)
{
	*out = NULL;
	*count = 0;
	for (uint32_t lane = 0; lane < JOURNAL_LANES_MAX; lane++) {
		char lane_dir[sizeof((*out)->path) - JOURNAL_NAME_BYTES];
		int len = snprintf(lane_dir, sizeof(lane_dir), "%s/journal/%u", data_dir, lane);
		bool ok = len < (int)sizeof(lane_dir) || error_set(err, ERROR_CONFIG, "%s: name too long", data_dir);
		if (!ok || !append_lane(lane_dir, lane, out, count, err)) {
			free(*out);
			*out = NULL;
			*count = 0;
			return false;
		}
	}
	return true;
}
