/* Several key indexes become one. Happy path: the sources are read side by side in small pieces, the least entry goes
 * out, equal ones as one with the latest expiry, expired ones not at all, nor those that the table has had to forget.
 *
 * Failure modes: a source that is not sound is found out at its end, and the attempt is given up before the new file has
 * its name; so is any other failure, and a stop. A crash before the rename leaves a `.tmp`, which the next start removes;
 * one after it leaves sources whose keys stand in the new file as well: harmless, and merged again. */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "dedup/key_index.h"

#define OUT_ENTRIES ((size_t)16384)
#define SYNC_BYTES ((uint64_t)4 << 20) /* small bites: a lane's fdatasync may have to wait for one of them */

struct source {
	struct key_index_reader reader;
	const struct dedup_entry *entries;
	size_t at, count;
};

struct merge {
	struct source sources[KEY_INDEX_MERGE_MAX];
	size_t source_count, bad;
	int fd;
	int64_t now; /* bucket */
	struct key_index_header header;
	struct dedup_entry *out;
	size_t out_count;
	struct dedup_entry pending;
	int64_t pending_expiry;
	bool has_pending;
	uint64_t offset, synced;
	struct key_index_census census;
	const struct key_index_job *job;
};

/* False with `err` set: a failure. At the end the source has no entries. */
static bool refill(struct merge *merge, struct source *source, struct error *err)
{
	if (source->at < source->count)
		return true;
	source->at = 0;
	if (!merge->job->pace->go_on(merge->job->pace->context))
		return error_set(err, ERROR_UNAVAILABLE, "stopping");
	if (!key_index_read(&source->reader, &source->entries, &source->count, err))
		return false;
	if (source->count || key_index_is_sound(&source->reader))
		return true;
	merge->bad = (size_t)(source - merge->sources);
	return error_set(err, ERROR_DATA, "damaged key index");
}

static int compare(const struct dedup_entry *a, const struct dedup_entry *b)
{
	int order = memcmp(a->key.hash, b->key.hash, sizeof(a->key.hash));
	if (order)
		return order;
	return a->tag < b->tag ? -1 : a->tag > b->tag;
}

static struct source *least_of(struct merge *merge)
{
	struct source *least = NULL;
	for (size_t i = 0; i < merge->source_count; i++) {
		struct source *source = &merge->sources[i];
		if (source->count && (!least || compare(&source->entries[source->at], &least->entries[least->at]) < 0))
			least = source;
	}
	return least;
}

static bool flush(struct merge *merge, struct error *err)
{
	if (merge->job->known_to)
		merge->out_count = dedup_keep_known(merge->job->known_to, merge->out, merge->out_count);
	for (size_t i = 0; i < merge->out_count; i++)
		key_index_census_add(&merge->census, key_index_expiry(merge->now, merge->out[i].key.bucket));
	struct slice bytes = { (const char *)merge->out, merge->out_count * sizeof(*merge->out) };
	if (!file_write_at(merge->fd, bytes, merge->offset, err))
		return false;
	merge->header.entries_crc = hash_crc32c(merge->header.entries_crc, bytes.at, bytes.len);
	merge->header.count += merge->out_count;
	merge->offset += bytes.len;
	merge->out_count = 0;
	if (merge->offset - merge->synced >= SYNC_BYTES) {
		if (fdatasync(merge->fd) != 0)
			return error_set_errno(err, "fdatasync");
		merge->synced = merge->offset;
	}
	return true;
}

static bool emit(struct merge *merge, struct error *err)
{
	if (!merge->has_pending)
		return true;
	merge->has_pending = false;
	merge->out[merge->out_count++] = merge->pending;
	return merge->out_count < OUT_ENTRIES || flush(merge, err);
}

/* An entry waits until the next one is known to be another. */
static bool put(struct merge *merge, const struct dedup_entry *entry, int64_t expiry, struct error *err)
{
	if (expiry <= merge->now || !entry->key.bucket)
		return true;
	bool again = merge->has_pending && compare(&merge->pending, entry) == 0;
	if (again && expiry <= merge->pending_expiry)
		return true;
	if (!again && !emit(merge, err))
		return false;
	merge->pending = *entry;
	merge->pending_expiry = expiry;
	merge->has_pending = true;
	return true;
}

static bool merge_all(struct merge *merge, struct error *err)
{
	for (size_t i = 0; i < merge->source_count; i++)
		if (!refill(merge, &merge->sources[i], err))
			return false;
	for (struct source *source; (source = least_of(merge));) {
		const struct dedup_entry *entry = &source->entries[source->at];
		if (!put(merge, entry, key_index_expiry(source->reader.written, entry->key.bucket), err))
			return false;
		source->at++;
		if (!refill(merge, source, err))
			return false;
	}
	return emit(merge, err) && flush(merge, err);
}

static bool open_sources(struct merge *merge, struct error *err)
{
	for (size_t i = 0; i < merge->job->count; i++, merge->source_count++) {
		if (key_index_open(&merge->sources[i].reader, merge->job->from[i], err))
			continue;
		merge->bad = merge->source_count;
		return false;
	}
	return true;
}

static bool finish(struct merge *merge, const char *temporary, const char *to, struct error *err)
{
	struct key_index_header *header = &merge->header;
	key_index_header_close(header);
	if (!file_write_at(merge->fd, (struct slice) { (const char *)header, sizeof(*header) }, 0, err))
		return false;
	if (fdatasync(merge->fd) != 0)
		return error_set_errno(err, "fdatasync");
	if (rename(temporary, to) != 0)
		return error_set_errno(err, "%s", to);
	return file_sync_dir(to, err);
}

static bool run(struct merge *merge, struct error *err)
{
	char temporary[1024];
	const char *to = merge->job->to;
	int len = snprintf(temporary, sizeof(temporary), "%s.tmp", to);
	if (len < 0 || (size_t)len >= sizeof(temporary))
		return error_set(err, ERROR_CONFIG, "the data directory's path is too long");
	if (!open_sources(merge, err))
		return false;
	merge->fd = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (merge->fd < 0)
		return error_set_errno(err, "%s", temporary);
	bool ok = merge_all(merge, err) && finish(merge, temporary, to, err);
	if (!ok)
		(void)!unlink(temporary);
	return ok;
}

bool key_index_merge(const struct key_index_job *job, struct key_index_facts *facts, size_t *bad, struct error *err)
{
	struct merge *merge = calloc(1, sizeof(*merge));
	struct dedup_entry *out = malloc(OUT_ENTRIES * sizeof(*out));
	bool ok = false;
	assert(job->count <= KEY_INDEX_MERGE_MAX);
	if (!merge || !out) {
		free(merge);
		free(out);
		return error_set(err, ERROR_MEMORY, "merging key indexes");
	}
	merge->out = out;
	merge->fd = -1;
	merge->job = job;
	merge->now = job->wall_ms / DEDUP_BUCKET_MS;
	merge->header.written_ms = job->wall_ms;
	merge->offset = sizeof(merge->header);
	if (key_index_census_init(&merge->census, merge->now))
		ok = run(merge, err);
	else
		error_set(err, ERROR_MEMORY, "merging key indexes");
	*bad = merge->bad;
	if (ok)
		*facts = key_index_census_facts(&merge->census);
	key_index_census_fini(&merge->census);
	for (size_t i = 0; i < merge->source_count; i++)
		key_index_close(&merge->sources[i].reader);
	if (merge->fd >= 0)
		close(merge->fd);
	free(out);
	free(merge);
	return ok;
}
