#include "base/hash.h"

#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

#define CRC32C_POLYNOMIAL 0x82F63B78u /* reflected */
#define PARTS_MAX 16
/* A longer part enters by its length and its own hash, so that any parts fit a buffer on the stack. */
#define PART_BYTES_MAX 256

_Static_assert(crypto_shorthash_KEYBYTES == sizeof(struct hash_key), "64-bit key");
_Static_assert(crypto_shorthash_siphashx24_KEYBYTES == sizeof(struct hash_key), "128-bit key");
_Static_assert(crypto_shorthash_siphashx24_BYTES == sizeof(struct hash128), "128-bit hash");

static uint32_t crc_table[8][256];
static pthread_once_t crc_once = PTHREAD_ONCE_INIT;
static pthread_once_t sodium_once = PTHREAD_ONCE_INIT;

static void make_crc_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (crc & 1 ? CRC32C_POLYNOMIAL : 0);
		crc_table[0][i] = crc;
	}
	for (uint32_t i = 0; i < 256; i++)
		for (int k = 1; k < 8; k++)
			crc_table[k][i] = (crc_table[k - 1][i] >> 8) ^ crc_table[0][crc_table[k - 1][i] & 0xff];
}

uint32_t hash_crc32c_portable(uint32_t crc, const void *bytes, size_t len)
{
	pthread_once(&crc_once, make_crc_table);
	const uint8_t *at = bytes;
	crc = ~crc;
	/* Slicing by eight: eight table look-ups per eight bytes instead of a chain of eight. */
	for (; len >= 8; len -= 8, at += 8) {
		uint32_t low =
		        crc ^ ((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24);
		crc = crc_table[7][low & 0xff] ^ crc_table[6][low >> 8 & 0xff] ^ crc_table[5][low >> 16 & 0xff] ^
		      crc_table[4][low >> 24] ^ crc_table[3][at[4]] ^ crc_table[2][at[5]] ^ crc_table[1][at[6]] ^
		      crc_table[0][at[7]];
	}
	for (; len; len--, at++)
		crc = (crc >> 8) ^ crc_table[0][(crc ^ *at) & 0xff];
	return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	uint64_t wide = (uint32_t)~crc;
	for (; len >= 8; len -= 8, at += 8) {
		uint64_t word;
		memcpy(&word, at, 8);
		wide = __builtin_ia32_crc32di(wide, word);
	}
	uint32_t narrow = (uint32_t)wide;
	for (; len; len--, at++)
		narrow = __builtin_ia32_crc32qi(narrow, *at);
	return ~narrow;
}
#endif

uint32_t hash_crc32c(uint32_t crc, const void *bytes, size_t len)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		return crc32c_sse42(crc, bytes, len);
#endif
	return hash_crc32c_portable(crc, bytes, len);
}

static const uint8_t *bytes_of(struct slice s)
{
	return (const uint8_t *)(s.len ? s.at : "");
}

struct hash128 hash_keyed128(const struct hash_key *key, struct slice s)
{
	uint8_t out[sizeof(struct hash128)];
	struct hash128 hash;
	crypto_shorthash_siphashx24(out, bytes_of(s), s.len, key->bytes);
	memcpy(&hash, out, sizeof hash);
	return hash;
}

uint64_t hash_keyed64(const struct hash_key *key, struct slice s)
{
	uint8_t out[sizeof(uint64_t)];
	uint64_t hash;
	crypto_shorthash(out, bytes_of(s), s.len, key->bytes);
	memcpy(&hash, out, sizeof hash);
	return hash;
}

struct hash128 hash_keyed128_parts(const struct hash_key *key, const struct slice *parts, size_t count)
{
	assert(count <= PARTS_MAX);
	char joined[PARTS_MAX * (sizeof(uint64_t) + PART_BYTES_MAX)];
	size_t len = 0;
	for (size_t i = 0; i < count; i++) {
		uint64_t part_len = parts[i].len;
		memcpy(joined + len, &part_len, sizeof part_len);
		len += sizeof part_len;
		if (parts[i].len > PART_BYTES_MAX) {
			struct hash128 own = hash_keyed128(key, parts[i]);
			memcpy(joined + len, &own, sizeof own);
			len += sizeof own;
		} else if (parts[i].len) {
			memcpy(joined + len, parts[i].at, parts[i].len);
			len += parts[i].len;
		}
	}
	return hash_keyed128(key, (struct slice) { joined, len });
}

static void start_sodium(void)
{
	if (sodium_init() < 0)
		abort();
}

void hash_random(void *to, size_t len)
{
	pthread_once(&sodium_once, start_sodium);
	randombytes_buf(to, len);
}
