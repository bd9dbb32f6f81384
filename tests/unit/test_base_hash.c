/* CRC32C vectors, keyed hashes, UUIDs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/hash.h"
#include "base/uuid.h"

static void crc_of_the_check_string(void **state)
{
	(void)state;
	assert_int_equal(hash_crc32c(0, "123456789", 9), 0xE3069283);
	assert_int_equal(hash_crc32c_portable(0, "123456789", 9), 0xE3069283);
	assert_int_equal(hash_crc32c(0, "", 0), 0);
}

/* RFC 3720 appendix B.4. */
static void crc_of_rfc_3720(void **state)
{
	uint8_t bytes[32];
	(void)state;
	memset(bytes, 0, sizeof bytes);
	assert_int_equal(hash_crc32c(0, bytes, 32), 0x8A9136AA);
	memset(bytes, 0xff, sizeof bytes);
	assert_int_equal(hash_crc32c(0, bytes, 32), 0x62A8AB43);
	for (uint8_t i = 0; i < 32; i++)
		bytes[i] = i;
	assert_int_equal(hash_crc32c(0, bytes, 32), 0x46DD794E);
}

static void crc_agrees_at_every_length_and_cut(void **state)
{
	(void)state;
	enum { MOST = 4096, LONG = 40000 };
	uint8_t *bytes = malloc(LONG + 64);
	assert_non_null(bytes);
	hash_random(bytes, LONG + 64);
	for (size_t len = 0; len <= LONG; len += len < MOST ? 1 : 997) {
		uint32_t seed;
		hash_random(&seed, sizeof seed);
		const uint8_t *at = bytes + seed % 64;
		uint32_t whole = hash_crc32c_portable(0, at, len);
		assert_int_equal(hash_crc32c(0, at, len), whole);
		assert_int_equal(hash_crc32c(seed, at, len), hash_crc32c_portable(seed, at, len));
		size_t cut = len ? seed % len : 0;
		assert_int_equal(hash_crc32c(hash_crc32c(0, at, cut), at + cut, len - cut), whole);
	}
	free(bytes);
}

/* The vectors of the SipHash authors: key 00..0f, message 00..0e (64 bits of output) and empty (128 bits). */
static void keyed_hash_vectors(void **state)
{
	struct hash_key key;
	char message[15];
	(void)state;
	for (uint8_t i = 0; i < 16; i++)
		key.bytes[i] = i;
	for (int i = 0; i < 15; i++)
		message[i] = (char)i;
	assert_true(hash_keyed64(&key, (struct slice) { message, 15 }) == UINT64_C(0xa129ca6149be45e5));
	struct hash128 empty = hash_keyed128(&key, SLICE_NONE);
	static const uint8_t EXPECTED[16] = { 0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6,
		                              0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93 };
	assert_memory_equal(&empty, EXPECTED, 16);
}

static bool same(struct hash128 a, struct hash128 b)
{
	return a.low == b.low && a.high == b.high;
}

static void parts_are_kept_apart(void **state)
{
	struct hash_key key = { { 1, 2, 3 } };
	char large[1000];
	(void)state;
	memset(large, 'x', sizeof large);
	struct slice one[] = { SLICE("ab"), SLICE("c") }, other[] = { SLICE("a"), SLICE("bc") };
	assert_false(same(hash_keyed128_parts(&key, one, 2), hash_keyed128_parts(&key, other, 2)));
	assert_true(same(hash_keyed128_parts(&key, one, 2), hash_keyed128_parts(&key, one, 2)));
	struct slice none[] = { SLICE("ab"), SLICE_NONE };
	assert_false(same(hash_keyed128_parts(&key, none, 2), hash_keyed128_parts(&key, none, 1)));
	struct slice all[16];
	for (size_t i = 0; i < 16; i++)
		all[i] = (struct slice) { large, 256 + i % 3 };
	struct hash128 before = hash_keyed128_parts(&key, all, 16);
	all[15].len = 999;
	struct hash128 longer = hash_keyed128_parts(&key, all, 16);
	large[998] = 'y';
	assert_false(same(before, longer));
	assert_false(same(longer, hash_keyed128_parts(&key, all, 16)));
}

static void uuid_v7_is_in_order(void **state)
{
	char before[UUID_TEXT_BYTES] = { 0 }, now[UUID_TEXT_BYTES];
	int64_t ms = INT64_C(1795312860123);
	(void)state;
	for (int i = 0; i < 20000; i++) {
		/* The clock stands still, moves, and is set back. */
		uuid_v7(ms + (i / 7000) * 5 - (i > 15000 ? 3600000 : 0), now);
		assert_true(uuid_is_valid((struct slice) { now, UUID_TEXT_BYTES }));
		assert_int_equal(now[14], '7');
		assert_non_null(memchr("89ab", now[19], 4));
		assert_true(memcmp(before, now, UUID_TEXT_BYTES) < 0);
		memcpy(before, now, UUID_TEXT_BYTES);
	}
}

static void uuid_v7_carries_the_time(void **state)
{
	char text[UUID_TEXT_BYTES];
	(void)state;
	uuid_v7(INT64_C(0x01ffffffff00), text); /* later than in the tests before */
	assert_memory_equal(text, "01ffffff-ff00-7", 15);
}

static void uuid_v8_is_derived(void **state)
{
	char one[UUID_TEXT_BYTES], two[UUID_TEXT_BYTES];
	struct hash_key key = { { 9 } };
	(void)state;
	uuid_v8(hash_keyed128(&key, SLICE("x")), one);
	uuid_v8(hash_keyed128(&key, SLICE("x")), two);
	assert_memory_equal(one, two, UUID_TEXT_BYTES);
	assert_int_equal(one[14], '8');
	assert_true(uuid_is_valid((struct slice) { one, UUID_TEXT_BYTES }));
}

static void uuid_syntax(void **state)
{
	(void)state;
	assert_true(uuid_is_valid(SLICE("0190B6a2-0000-7000-8000-00000000000F")));
	assert_false(uuid_is_valid(SLICE("0190b6a2-0000-7000-8000-00000000000g")));
	assert_false(uuid_is_valid(SLICE("0190b6a2-0000-7000-8000-00000000000")));
	assert_false(uuid_is_valid(SLICE("0190b6a20-000-7000-8000-000000000000")));
	assert_false(uuid_is_valid(SLICE_NONE));
}

static void random_differs(void **state)
{
	uint8_t one[32], two[32];
	(void)state;
	hash_random(one, sizeof one);
	hash_random(two, sizeof two);
	assert_memory_not_equal(one, two, sizeof one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc_of_the_check_string),
		cmocka_unit_test(crc_of_rfc_3720),
		cmocka_unit_test(crc_agrees_at_every_length_and_cut),
		cmocka_unit_test(keyed_hash_vectors),
		cmocka_unit_test(parts_are_kept_apart),
		cmocka_unit_test(uuid_v7_is_in_order),
		cmocka_unit_test(uuid_v7_carries_the_time),
		cmocka_unit_test(uuid_v8_is_derived),
		cmocka_unit_test(uuid_syntax),
		cmocka_unit_test(random_differs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
