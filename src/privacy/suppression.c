/* On disk:
 *
 *   headgate suppressed 1
 *   <32 hex digits: keyed hash of name and value> <wall ms of the request>
 *   crc32c <8 hex digits of all bytes before this line>
 *
 * replaced as a whole with each change, so that a crash leaves the old or the new list. In memory: an array sorted by
 * hash, behind a read-write lock that nobody touches while it is empty. */
#include "privacy/suppression.h"

#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"

#define HEAD "headgate suppressed 1"
#define HASH_DIGITS 32
#define FILE_BYTES_MAX ((size_t)256 << 20)

struct entry {
	struct hash128 hash;
	int64_t since_ms;
};

struct suppression {
	pthread_rwlock_t lock;
	pthread_mutex_t changes; /* one at a time, file and list together */
	struct hash_key key;
	_Atomic size_t count;
	struct entry *entries;
	char path[PATH_MAX];
};

static int compare(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;
	if (a->hash.high != b->hash.high)
		return a->hash.high < b->hash.high ? -1 : 1;
	return a->hash.low < b->hash.low ? -1 : a->hash.low > b->hash.low;
}

static struct hash128 hash_of(const struct suppression *suppression, struct slice name, struct slice value)
{
	const struct slice parts[] = { SLICE("suppressed"), name, value };
	return hash_keyed128_parts(&suppression->key, parts, 3);
}

/* ---- the file ---- */

static bool parse_hex(struct slice text, uint64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];
		unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
		                 : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
		                                        : 16;
		if (digit == 16)
			return false;
		*out = *out << 4 | digit;
	}
	return text.len == HASH_DIGITS / 2;
}

static bool parse_line(struct slice line, struct entry *out)
{
	uint64_t since;
	struct slice hash = slice_split(&line, ' ');
	if (hash.len != HASH_DIGITS || !slice_to_u64(line, &since))
		return false;
	out->since_ms = (int64_t)since;
	return parse_hex((struct slice) { hash.at, HASH_DIGITS / 2 }, &out->hash.high) &&
	       parse_hex((struct slice) { hash.at + HASH_DIGITS / 2, HASH_DIGITS / 2 }, &out->hash.low);
}

static bool check_crc(struct slice *text)
{
	static const size_t line = sizeof "crc32c 01234567\n" - 1;
	char expected[32];
	if (text->len < line)
		return false;
	text->len -= line;
	snprintf(expected, sizeof expected, "crc32c %08" PRIx32 "\n", hash_crc32c(0, text->at, text->len));
	return memcmp(text->at + text->len, expected, line) == 0;
}

static bool parse(struct suppression *suppression, struct slice text)
{
	if (!check_crc(&text) || !slice_equal(slice_split(&text, '\n'), SLICE(HEAD)))
		return false;
	suppression->entries = calloc(text.len / HASH_DIGITS + 1, sizeof *suppression->entries);
	size_t count = 0;
	while (suppression->entries && text.len)
		if (!parse_line(slice_split(&text, '\n'), &suppression->entries[count++]))
			return false;
	if (count)
		qsort(suppression->entries, count, sizeof *suppression->entries, compare);
	suppression->count = count;
	return suppression->entries != NULL;
}

static bool load(struct suppression *suppression, struct error *err)
{
	struct arena arena;
	struct slice text;
	struct error why = { 0 };
	arena_init(&arena, FILE_BYTES_MAX + 4096);
	bool read = file_read(&arena, suppression->path, FILE_BYTES_MAX, &text, &why);
	bool ok = read ? parse(suppression, text) : why.code == ERROR_NOT_FOUND;
	if (!ok && read)
		error_set(err, ERROR_DATA,
		          "%s: damaged, or of a later version; restore it, or remove it to let everybody in",
		          suppression->path);
	else if (!ok)
		error_set(err, why.code, "%s", why.message);
	arena_fini(&arena);
	return ok;
}

static bool save(const struct suppression *suppression, const struct entry *entries, size_t count, struct error *err)
{
	struct buffer text;
	buffer_init(&text, NULL);
	buffer_append(&text, SLICE(HEAD "\n"));
	for (size_t i = 0; i < count; i++)
		buffer_append_format(&text, "%016" PRIx64 "%016" PRIx64 " %" PRId64 "\n", entries[i].hash.high,
		                     entries[i].hash.low, entries[i].since_ms);
	buffer_append_format(&text, "crc32c %08" PRIx32 "\n", hash_crc32c(0, text.at, text.len));
	bool ok = text.failed ? error_set(err, ERROR_MEMORY, "%s", suppression->path)
	                      : file_replace(suppression->path, buffer_slice(&text), err);
	buffer_fini(&text);
	return ok;
}

/* ---- life ---- */

struct suppression *suppression_open(const char *data_dir, const struct hash_key *key, struct error *err)
{
	struct suppression *suppression = calloc(1, sizeof *suppression);
	if (!suppression) {
		error_set(err, ERROR_MEMORY, "list of the suppressed");
		return NULL;
	}
	pthread_rwlock_init(&suppression->lock, NULL);
	pthread_mutex_init(&suppression->changes, NULL);
	suppression->key = *key;
	int len = snprintf(suppression->path, sizeof suppression->path, "%s/suppressed", data_dir);
	if (len >= (int)sizeof suppression->path)
		error_set(err, ERROR_CONFIG, "data_dir: path too long");
	else if (load(suppression, err))
		return suppression;
	suppression_close(&suppression);
	return NULL;
}

void suppression_close(struct suppression **suppression)
{
	struct suppression *s = *suppression;
	if (!s)
		return;
	pthread_rwlock_destroy(&s->lock);
	pthread_mutex_destroy(&s->changes);
	free(s->entries);
	explicit_bzero(s, sizeof *s);
	free(s);
	*suppression = NULL;
}

/* ---- changes ---- */

static struct entry *find(const struct suppression *suppression, struct hash128 hash)
{
	const struct entry wanted = { .hash = hash };
	size_t count = atomic_load(&suppression->count);
	return count ? bsearch(&wanted, suppression->entries, count, sizeof wanted, compare) : NULL;
}

/* Makes the list without `gone`, and with `added`, the one in force. */
static bool change(struct suppression *suppression, const struct entry *gone, const struct entry *added,
                   struct error *err)
{
	size_t count = 0, old_count = atomic_load(&suppression->count);
	struct entry *fresh = calloc(old_count + 1, sizeof *fresh);
	if (!fresh)
		return error_set(err, ERROR_MEMORY, "list of the suppressed");
	for (size_t i = 0; i < old_count; i++)
		if (&suppression->entries[i] != gone)
			fresh[count++] = suppression->entries[i];
	if (added)
		fresh[count++] = *added;
	if (count)
		qsort(fresh, count, sizeof *fresh, compare);
	if (!save(suppression, fresh, count, err)) {
		free(fresh);
		return false;
	}
	pthread_rwlock_wrlock(&suppression->lock);
	struct entry *old = suppression->entries;
	suppression->entries = fresh;
	atomic_store(&suppression->count, count);
	pthread_rwlock_unlock(&suppression->lock);
	free(old);
	return true;
}

bool suppression_add(struct suppression *suppression, struct slice name, struct slice value, struct error *err)
{
	const struct entry added = { hash_of(suppression, name, value), clock_wall_ms() };
	pthread_mutex_lock(&suppression->changes);
	bool ok = find(suppression, added.hash) || change(suppression, NULL, &added, err);
	pthread_mutex_unlock(&suppression->changes);
	return ok;
}

bool suppression_remove(struct suppression *suppression, struct slice name, struct slice value, bool *was,
                        struct error *err)
{
	pthread_mutex_lock(&suppression->changes);
	const struct entry *gone = find(suppression, hash_of(suppression, name, value));
	*was = gone != NULL;
	bool ok = !gone || change(suppression, gone, NULL, err);
	pthread_mutex_unlock(&suppression->changes);
	return ok;
}

/* ---- looking up ---- */

bool suppression_holds(struct suppression *suppression, struct slice name, struct slice value, int64_t *since_ms)
{
	if (atomic_load_explicit(&suppression->count, memory_order_relaxed) == 0)
		return false;
	struct hash128 named = hash_of(suppression, name, value), any = hash_of(suppression, SLICE_NONE, value);
	pthread_rwlock_rdlock(&suppression->lock);
	const struct entry *found = find(suppression, named);
	if (!found)
		found = find(suppression, any);
	if (found && since_ms)
		*since_ms = found->since_ms;
	bool holds = found != NULL;
	pthread_rwlock_unlock(&suppression->lock);
	return holds;
}

static bool covers_node(struct suppression *suppression, const struct event *ev, struct slice name, uint32_t node,
                        struct arena *arena)
{
	switch (json_type_of(ev->doc, node)) {
	case JSON_STRING:
		return suppression_holds(suppression, name, json_string(ev->doc, node, arena), NULL);
	case JSON_NUMBER:
		return suppression_holds(suppression, name, json_raw(ev->doc, node), NULL);
	default:
		return false;
	}
}

/* The ids as they stand in an event that was not read to its end (too large, too deep, unfit). */
static bool covers_members(struct suppression *suppression, const struct event *ev, struct arena *arena)
{
	static const struct {
		enum event_member member;
		const char *name;
	} ids[] = { { EVENT_MEMBER_ANONYMOUS_ID, "anonymous_id" },
		    { EVENT_MEMBER_USER_ID, "user_id" },
		    { EVENT_MEMBER_SESSION_ID, "session_id" },
		    { EVENT_MEMBER_DEVICE_ID, "device_id" } };
	for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
		uint32_t node = ev->member[ids[i].member];
		if (node && covers_node(suppression, ev, slice_of(ids[i].name), node, arena))
			return true;
	}
	uint32_t object = ev->member[EVENT_MEMBER_IDS];
	if (!object || json_type_of(ev->doc, object) != JSON_OBJECT)
		return false;
	const struct json_node *nodes = ev->doc->nodes;
	for (uint32_t key = object + 1; key < nodes[object].next; key = nodes[key + 1].next)
		if (covers_node(suppression, ev, json_string(ev->doc, key, arena), key + 1, arena))
			return true;
	return false;
}

bool suppression_covers(struct suppression *suppression, const struct event *ev, struct arena *arena)
{
	if (atomic_load_explicit(&suppression->count, memory_order_relaxed) == 0 || !ev->doc)
		return false;
	for (uint32_t i = 0; i < ev->id_count; i++) {
		const struct event_id_pair *pair = &ev->ids[i];
		if (pair->value ? covers_node(suppression, ev, pair->name, pair->value, arena)
		                : suppression_holds(suppression, pair->name, pair->text, NULL))
			return true;
	}
	uint32_t event_id = ev->member[EVENT_MEMBER_EVENT_ID];
	return (event_id && covers_node(suppression, ev, SLICE("event_id"), event_id, arena)) ||
	       covers_members(suppression, ev, arena);
}

size_t suppression_count(struct suppression *suppression)
{
	return atomic_load(&suppression->count);
}
