/* The keys of a file, remembered while its records are written, so that its key index need not read it again.
 *
 * Happy path: 24 bytes a key, kept from the record's commit until the index is written, soon after the file is sealed.
 * Failure modes: no memory, or the keeper behind by so many files that all keys together reach the bound: the
 * file's keys are given up, and the index is made from the file. */
#include "journal/internal.h"

#include <stdlib.h>

#define KEYS_FIRST 1024

static bool is_none(const uint8_t key[16])
{
	uint64_t halves[2];
	memcpy(halves, key, sizeof(halves));
	return (halves[0] | halves[1]) == 0;
}

static bool grow(struct journal *journal, struct journal_keys *keys)
{
	size_t capacity = keys->capacity ? keys->capacity * 2 : KEYS_FIRST;
	size_t more = (capacity - keys->capacity) * sizeof(*keys->entries);
	size_t most = JOURNAL_KEYS_BYTES_PER_LANE * journal->options.lanes;
	if (atomic_fetch_add(&journal->keys_bytes, more) + more <= most) {
		struct journal_key_entry *grown = realloc(keys->entries, capacity * sizeof(*grown));
		if (grown) {
			keys->entries = grown;
			keys->capacity = capacity;
			return true;
		}
	}
	atomic_fetch_sub(&journal->keys_bytes, more);
	return false;
}

static void add(struct journal *journal, struct journal_keys *keys, const uint8_t key[16], uint64_t tag)
{
	if (is_none(key) || keys->unknown)
		return;
	if (keys->count == keys->capacity && !grow(journal, keys)) {
		journal_keys_fini(journal, keys);
		return;
	}
	struct journal_key_entry *entry = &keys->entries[keys->count++];
	memcpy(entry->key, key, sizeof(entry->key));
	entry->tag = tag;
}

void journal_keys_add(struct journal *journal, struct journal_keys *keys, const struct journal_record_header *header)
{
	if (!journal->options.write_index || header->type != JOURNAL_EVENT)
		return;
	add(journal, keys, header->key1, header->tag1);
	add(journal, keys, header->key2, header->tag2);
}

void journal_keys_fini(struct journal *journal, struct journal_keys *keys)
{
	atomic_fetch_sub(&journal->keys_bytes, keys->capacity * sizeof(*keys->entries));
	free(keys->entries);
	*keys = (struct journal_keys) { .unknown = true };
}

const struct journal_key_entry *journal_keys_get(const struct journal_keys *keys, size_t *count)
{
	static const struct journal_key_entry none;
	*count = keys->count;
	if (keys->unknown)
		return NULL;
	return keys->entries ? keys->entries : &none;
}
