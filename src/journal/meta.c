/* The identity of a log: its id, the key of its hashes and every epoch it ever ran under. Losing it would make positions
 * and dedup keys meaningless, so it is replaced atomically, carries a CRC, and a damaged one stops the start.
 *
 * On disk: struct meta_bytes, then the epochs. */
#include "journal/meta.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/file.h"

#define META_MAGIC "HGMETA\r\n"
#define META_VERSION 1
#define PATH_BYTES 512

struct meta_bytes {
	char magic[8];
	uint32_t version;
	uint32_t crc; /* of everything, this field as 0 */
	uint32_t epoch_count;
	uint32_t clean;
	uint8_t log_id[16];
	uint8_t hash_key[16];
	struct {
		uint64_t events, dead_letters;
	} totals[JOURNAL_LANES_MAX];
};

static bool decode(struct slice text, struct meta *out, struct error *err)
{
	struct meta_bytes head;
	if (text.len < sizeof(head))
		return error_set(err, ERROR_DATA, "too short");
	memcpy(&head, text.at, sizeof(head));
	if (memcmp(head.magic, META_MAGIC, sizeof(head.magic)) != 0)
		return error_set(err, ERROR_DATA, "not a headgate meta file");
	if (head.version != META_VERSION)
		return error_set(err, ERROR_DATA, "version %u, this program reads version %u", head.version,
		                 META_VERSION);
	size_t epochs_bytes = text.len - sizeof(head);
	uint32_t crc = head.crc;
	head.crc = 0;
	if (hash_crc32c(hash_crc32c(0, &head, sizeof(head)), text.at + sizeof(head), epochs_bytes) != crc)
		return error_set(err, ERROR_DATA, "wrong checksum");
	if (head.epoch_count > META_EPOCHS_MAX || epochs_bytes != head.epoch_count * sizeof(uint64_t))
		return error_set(err, ERROR_DATA, "wrong length");
	*out = (struct meta) { .clean = head.clean != 0, .epoch_count = head.epoch_count };
	memcpy(out->log_id, head.log_id, sizeof(out->log_id));
	memcpy(out->hash_key.bytes, head.hash_key, sizeof(out->hash_key.bytes));
	memcpy(out->totals, head.totals, sizeof(out->totals));
	memcpy(out->epochs, text.at + sizeof(head), epochs_bytes);
	return true;
}

bool meta_read(const char *data_dir, struct meta *out, struct error *err)
{
	char path[PATH_BYTES];
	snprintf(path, sizeof(path), "%s/meta", data_dir);
	struct arena arena;
	arena_init(&arena, 1 << 20);
	struct slice text;
	bool ok = file_read(&arena, path, sizeof(struct meta_bytes) + sizeof(out->epochs), &text, err);
	if (ok && !decode(text, out, err))
		ok = error_prepend(err, "%s", path);
	arena_fini(&arena);
	return ok;
}

void meta_init(struct meta *meta)
{
	*meta = (struct meta) { .clean = true };
	hash_random(meta->log_id, sizeof(meta->log_id));
	hash_random(meta->hash_key.bytes, sizeof(meta->hash_key.bytes));
}

bool meta_write(const char *data_dir, const struct meta *meta, struct error *err)
{
	struct meta_bytes head = { .version = META_VERSION, .epoch_count = meta->epoch_count, .clean = meta->clean };
	memcpy(head.magic, META_MAGIC, sizeof(head.magic));
	memcpy(head.log_id, meta->log_id, sizeof(head.log_id));
	memcpy(head.hash_key, meta->hash_key.bytes, sizeof(head.hash_key));
	memcpy(head.totals, meta->totals, sizeof(head.totals));
	size_t epochs_bytes = meta->epoch_count * sizeof(meta->epochs[0]);
	head.crc = hash_crc32c(hash_crc32c(0, &head, sizeof(head)), meta->epochs, epochs_bytes);
	char *bytes = malloc(sizeof(head) + epochs_bytes);
	if (!bytes)
		return error_set(err, ERROR_MEMORY, "writing meta");
	memcpy(bytes, &head, sizeof(head));
	memcpy(bytes + sizeof(head), meta->epochs, epochs_bytes);
	char path[PATH_BYTES];
	snprintf(path, sizeof(path), "%s/meta", data_dir);
	bool ok = file_replace(path, (struct slice) { bytes, sizeof(head) + epochs_bytes }, err);
	free(bytes);
	return ok;
}

uint64_t meta_add_epoch(struct meta *meta, int64_t wall_ms)
{
	uint64_t epoch = wall_ms > 0 ? (uint64_t)wall_ms / 1000 : 1;
	if (meta->epoch_count) {
		uint64_t next = meta->epochs[meta->epoch_count - 1] + 1;
		if (epoch < next)
			epoch = next;
	}
	if (meta->epoch_count == META_EPOCHS_MAX) {
		memmove(meta->epochs, meta->epochs + 1, (META_EPOCHS_MAX - 1) * sizeof(meta->epochs[0]));
		meta->epoch_count--;
	}
	meta->epochs[meta->epoch_count++] = epoch;
	return epoch;
}

bool meta_knows_epoch(const struct meta *meta, uint64_t epoch)
{
	if (meta->epoch_count == META_EPOCHS_MAX && epoch < meta->epochs[0])
		return true;
	for (uint32_t i = meta->epoch_count; i > 0 && meta->epochs[i - 1] >= epoch; i--)
		if (meta->epochs[i - 1] == epoch)
			return true;
	return false;
}
