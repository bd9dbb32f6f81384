/* CRC32C (Castagnoli, RFC 3720 appendix B.4; SSE4.2 and carry-less multiplication where the processor has them) and
 * keyed hashes: SipHash-2-4 with 128 and 64 bits of output, keyed per installation, so that callers cannot aim at
 * collisions. */
#ifndef HEADGATE_BASE_HASH_H
#define HEADGATE_BASE_HASH_H

#include "base/slice.h"

struct hash_key {
	uint8_t bytes[16];
};

struct hash128 {
	uint64_t low, high;
};

/* `crc` is 0 for the first run of bytes, or what the last call returned: the runs then count as one. */
uint32_t hash_crc32c(uint32_t crc, const void *bytes, size_t len);
/* The table implementation, for tests and processors without SSE4.2. */
uint32_t hash_crc32c_portable(uint32_t crc, const void *bytes, size_t len);
struct hash128 hash_keyed128(const struct hash_key *key, struct slice s);
uint64_t hash_keyed64(const struct hash_key *key, struct slice s);
/* Parts are hashed with their lengths, so that ("ab","c") and ("a","bc") differ. At most 16 parts. */
struct hash128 hash_keyed128_parts(const struct hash_key *key, const struct slice *parts, size_t count);
/* Fills from the system's random source; never fails (libsodium aborts where there is none). */
void hash_random(void *to, size_t len);

#endif
