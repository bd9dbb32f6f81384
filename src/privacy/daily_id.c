#include "privacy/daily_id.h"

#include <pthread.h>
#include <sodium.h>
#include <stdio.h>

#include "base/hash.h"

#define DAY_MS (24 * 3600 * 1000LL)

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct hash_key salt;
static int64_t salt_day = -1;

static struct hash_key salt_of(int64_t day)
{
	pthread_mutex_lock(&mutex);
	bool is_straggler = day == salt_day - 1; /* read before midnight */
	if (day != salt_day && !is_straggler) {
		hash_random(&salt, sizeof salt); /* over the old one */
		salt_day = day;
	}
	struct hash_key copy = salt;
	pthread_mutex_unlock(&mutex);
	return copy;
}

void daily_id_make(int64_t wall_ms, struct slice source, struct slice ip, struct slice user_agent, char *to)
{
	struct hash_key key = salt_of(wall_ms / DAY_MS);
	const struct slice parts[] = { source, ip, user_agent };
	struct hash128 hash = hash_keyed128_parts(&key, parts, sizeof parts / sizeof parts[0]);
	sodium_memzero(&key, sizeof key);
	char hex[DAILY_ID_BYTES + 1];
	snprintf(hex, sizeof hex, "%016llx%016llx", (unsigned long long)hash.high, (unsigned long long)hash.low);
	memcpy(to, hex, DAILY_ID_BYTES);
}
