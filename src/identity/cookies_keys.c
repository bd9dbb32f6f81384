/* What is kept of a key is the state of HMAC after the key's own blocks: half of the work for texts as short as ours.
 * A browser sends the same cookies with each event of a visit, so that each thread remembers what it verified lately, by
 * a hash under a secret of its own: to be taken for one of these a forgery would have to be it. */
#include "identity/cookies_keys.h"

#include "base/arena.h"
#include "base/file.h"

#define FILE_BYTES_MAX 4096
#define SECRET_BYTES_MIN 32
#define REMEMBERED 1024 /* a power of two */

static _Thread_local struct {
	struct hash128 hash;
	int which;
} remembered[REMEMBERED];

/* Secrets of any length and of other uses become keys of this use alone. */
static void add_key(struct cookies_keys *keys, struct slice secret)
{
	static const unsigned char use[] = "headgate cookies, version 1";
	unsigned char key[crypto_auth_hmacsha256_KEYBYTES];
	crypto_generichash(key, sizeof key, (const unsigned char *)secret.at, secret.len, use, sizeof use - 1);
	crypto_auth_hmacsha256_init(&keys->states[keys->count++], key, sizeof key);
	sodium_memzero(key, sizeof key);
}

static bool add_lines(struct cookies_keys *keys, struct slice text, struct slice path, struct error *err)
{
	while (text.len) {
		struct slice line = slice_trim(slice_split(&text, '\n'));
		if (!line.len)
			continue;
		if (line.len < SECRET_BYTES_MIN)
			return error_set(err, ERROR_CONFIG,
			                 "cookies.secret_file: %.*s: a secret is shorter than %d bytes",
			                 SLICE_ARG(path), SECRET_BYTES_MIN);
		if (keys->count + 1 == COOKIES_KEYS_MAX)
			return error_set(err, ERROR_CONFIG, "cookies.secret_file: %.*s: holds more than %d secrets",
			                 SLICE_ARG(path), COOKIES_KEYS_MAX - 1);
		add_key(keys, line);
	}
	if (!keys->count)
		return error_set(err, ERROR_CONFIG, "cookies.secret_file: %.*s: holds no secret", SLICE_ARG(path));
	return true;
}

static bool add_file(struct cookies_keys *keys, struct slice path, struct error *err)
{
	struct arena arena;
	struct slice text;
	arena_init(&arena, 64 * 1024);
	struct slice name = arena_copy(&arena, path);
	bool read = name.at && file_read(&arena, name.at, FILE_BYTES_MAX, &text, err);
	if (!name.at)
		(void)error_set(err, ERROR_MEMORY, "cookies.secret_file: out of memory");
	else if (!read)
		(void)error_prepend(err, "cookies.secret_file");
	bool done = read && add_lines(keys, text, path, err);
	if (read)
		sodium_memzero((void *)(uintptr_t)text.at, text.len);
	arena_fini(&arena);
	return done;
}

bool cookies_keys_load(struct cookies_keys *keys, const struct hash_key *own, struct slice secret_file,
                       struct error *err)
{
	keys->count = 0;
	hash_random(&keys->memory_key, sizeof keys->memory_key);
	if (secret_file.len && !add_file(keys, secret_file, err))
		return false;
	add_key(keys, (struct slice) { (const char *)own->bytes, sizeof own->bytes });
	return true;
}

static void make_tag(const struct cookies_keys *keys, uint32_t which, struct slice text,
                     uint8_t tag[crypto_auth_hmacsha256_BYTES])
{
	crypto_auth_hmacsha256_state state = keys->states[which];
	crypto_auth_hmacsha256_update(&state, (const unsigned char *)text.at, text.len);
	crypto_auth_hmacsha256_final(&state, tag);
}

void cookies_keys_sign(const struct cookies_keys *keys, struct slice text, uint8_t tag[COOKIES_TAG_BYTES])
{
	uint8_t whole[crypto_auth_hmacsha256_BYTES];
	make_tag(keys, 0, text, whole);
	memcpy(tag, whole, COOKIES_TAG_BYTES);
}

static int verify(const struct cookies_keys *keys, struct slice text, const uint8_t *tag)
{
	for (uint32_t i = 0; i < keys->count; i++) {
		uint8_t whole[crypto_auth_hmacsha256_BYTES];
		make_tag(keys, i, text, whole);
		if (sodium_memcmp(whole, tag, COOKIES_TAG_BYTES) == 0)
			return (int)i;
	}
	return -1;
}

int cookies_keys_verify(const struct cookies_keys *keys, struct slice text, const uint8_t tag[COOKIES_TAG_BYTES])
{
	const struct slice parts[] = { text, { (const char *)tag, COOKIES_TAG_BYTES } };
	struct hash128 hash = hash_keyed128_parts(&keys->memory_key, parts, sizeof parts / sizeof parts[0]);
	size_t place = hash.low % REMEMBERED;

	if (remembered[place].hash.low == hash.low && remembered[place].hash.high == hash.high)
		return remembered[place].which;
	int which = verify(keys, text, tag);
	if (which >= 0) {
		remembered[place].hash = hash;
		remembered[place].which = which;
	}
	return which;
}
