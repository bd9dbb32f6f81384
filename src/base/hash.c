#include "base/hash.h"

#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

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
/* One crc32 instruction takes three cycles, but three of them, independent, take no longer: long runs are cut into three
 * parts of the same length, whose states are then combined. A state moves over n zero bytes by being multiplied by
 * x^8n; a carry-less product of two reflected numbers followed by one crc32 instruction multiplies by x^33 too many, which
 * the factors already lack. */
#define WORDS_MAX 170   /* of a part: 4 KiB at a time */
#define PARTS_BYTES 192 /* shorter runs gain nothing */

static uint32_t shift_factor[2 * WORDS_MAX + 1]; /* [w] = x^(64w - 33), reflected */
static pthread_once_t shift_once = PTHREAD_ONCE_INIT;

__attribute__((target("sse4.2"))) static void make_shift_factors(void)
{
	shift_factor[1] = 1; /* x^31 */
	for (size_t i = 2; i <= 2 * WORDS_MAX; i++)
		shift_factor[i] = (uint32_t)__builtin_ia32_crc32di(shift_factor[i - 1], 0);
}

static uint64_t word_at(const uint8_t *at)
{
	uint64_t word;
	memcpy(&word, at, sizeof word);
	return word;
}

__attribute__((target("sse4.2,pclmul"))) static uint64_t crc32c_parts(uint64_t crc, const uint8_t *at, size_t words)
{
	const uint8_t *second = at + 8 * words, *third = second + 8 * words, *end = second;
	uint64_t one = crc, two = 0, three = 0;
	for (; at < end; at += 8, second += 8, third += 8) {
		one = __builtin_ia32_crc32di(one, word_at(at));
		two = __builtin_ia32_crc32di(two, word_at(second));
		three = __builtin_ia32_crc32di(three, word_at(third));
	}
	__m128i states = _mm_set_epi64x((long long)two, (long long)one);
	__m128i factors = _mm_set_epi64x(shift_factor[words], shift_factor[2 * words]);
	__m128i moved =
	        _mm_xor_si128(_mm_clmulepi64_si128(states, factors, 0x00), _mm_clmulepi64_si128(states, factors, 0x11));
	return three ^ __builtin_ia32_crc32di(0, (uint64_t)_mm_cvtsi128_si64(moved));
}

static uint32_t crc32c_three(uint32_t crc, const uint8_t *at, size_t *len)
{
	uint64_t wide = (uint32_t)~crc;
	pthread_once(&shift_once, make_shift_factors);
	while (*len >= PARTS_BYTES) {
		size_t words = *len / 24 < WORDS_MAX ? *len / 24 : WORDS_MAX;
		wide = crc32c_parts(wide, at, words);
		at += 24 * words;
		*len -= 24 * words;
	}
	return ~(uint32_t)wide;
}

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
	if (len >= PARTS_BYTES && __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul")) {
		size_t left = len;
		crc = crc32c_three(crc, bytes, &left);
		bytes = (const uint8_t *)bytes + (len - left);
		len = left;
	}
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
