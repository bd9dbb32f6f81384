#include "base/uuid.h"

#include "base/hex.h"

#define COUNTER_MAX 0xfffu
/* Seeds leave the top bit free, so that an id per microsecond does not run ahead of the clock. */
#define COUNTER_SEED_MASK 0x7ffu
#define POOL_BYTES 512

/* The system's random source costs a system call; a thread takes 51 ids out of one. */
static _Thread_local struct {
	uint8_t bytes[POOL_BYTES];
	size_t left;
} pool;

static _Thread_local struct {
	uint64_t ms;
	uint32_t counter;
} last;

static void take_random(uint8_t *to, size_t len)
{
	if (pool.left < len) {
		hash_random(pool.bytes, POOL_BYTES);
		pool.left = POOL_BYTES;
	}
	pool.left -= len;
	memcpy(to, pool.bytes + pool.left, len);
	/* What was given out is not left lying in memory. */
	memset(pool.bytes + pool.left, 0, len);
}

static void write_text(const uint8_t *bytes, char *to)
{
	static const char HEX[] = "0123456789abcdef";
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*to++ = '-';
		*to++ = HEX[bytes[i] >> 4];
		*to++ = HEX[bytes[i] & 15];
	}
}

static void mark(uint8_t *bytes, unsigned version)
{
	bytes[6] = (uint8_t)((bytes[6] & 0x0f) | version << 4);
	bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
}

void uuid_v7(int64_t wall_ms, char *to)
{
	uint8_t bytes[16], seed[2];
	uint64_t ms = wall_ms > 0 ? (uint64_t)wall_ms : 0;
	if (ms > last.ms) {
		take_random(seed, sizeof seed);
		last.ms = ms;
		last.counter = ((uint32_t)seed[0] << 8 | seed[1]) & COUNTER_SEED_MASK;
	} else if (++last.counter > COUNTER_MAX) {
		/* Exhausted, or the clock was set back: the id's time runs ahead rather than lose the order. */
		last.ms++;
		last.counter = 0;
	}
	for (unsigned i = 0; i < 6; i++)
		bytes[i] = (uint8_t)(last.ms >> (40 - 8 * i));
	bytes[6] = (uint8_t)(last.counter >> 8);
	bytes[7] = (uint8_t)last.counter;
	take_random(bytes + 8, 8);
	mark(bytes, 7);
	write_text(bytes, to);
}

void uuid_v8(struct hash128 hash, char *to)
{
	uint8_t bytes[16];
	memcpy(bytes, &hash, sizeof bytes);
	mark(bytes, 8);
	write_text(bytes, to);
}

bool uuid_is_valid(struct slice text)
{
	if (text.len != UUID_TEXT_BYTES)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];
		bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
		if (hyphen ? c != '-' : !hex_is_digit(c))
			return false;
	}
	return true;
}
