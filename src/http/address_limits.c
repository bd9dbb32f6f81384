/* Open addressing with linear probing over twice as many slots as there may be connections, so that it never fills;
 * removal shifts followers back, so that it never ages. The hash is keyed: callers choose their addresses. */
#include "http/address_limits.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/hash.h"

struct slot {
	struct address group;
	uint32_t count; /* 0: free */
};

struct address_limits {
	pthread_mutex_t lock;
	struct hash_key key;
	size_t mask;
	struct slot slots[];
};

struct address_limits *address_limits_create(uint32_t connections, struct error *err)
{
	size_t count = 64;

	while (count < (size_t)connections * 2)
		count *= 2;
	struct address_limits *limits = calloc(1, sizeof(*limits) + count * sizeof(struct slot));
	if (!limits) {
		error_set(err, ERROR_MEMORY, "no memory for the table of addresses");
		return NULL;
	}
	pthread_mutex_init(&limits->lock, NULL);
	hash_random(&limits->key, sizeof(limits->key));
	limits->mask = count - 1;
	return limits;
}

void address_limits_destroy(struct address_limits **limits)
{
	if (!*limits)
		return;
	pthread_mutex_destroy(&(*limits)->lock);
	free(*limits);
	*limits = NULL;
}

static size_t home_of(const struct address_limits *limits, const struct address *group)
{
	struct slice bytes = { (const char *)group->bytes, sizeof(group->bytes) };

	return (size_t)hash_keyed64(&limits->key, bytes) & limits->mask;
}

/* The group's slot, or the free one where it would stand. */
static size_t find(const struct address_limits *limits, const struct address *group)
{
	size_t at = home_of(limits, group);

	while (limits->slots[at].count && memcmp(&limits->slots[at].group, group, sizeof(*group)) != 0)
		at = (at + 1) & limits->mask;
	return at;
}

static void remove_slot(struct address_limits *limits, size_t hole)
{
	for (size_t at = (hole + 1) & limits->mask; limits->slots[at].count; at = (at + 1) & limits->mask) {
		size_t home = home_of(limits, &limits->slots[at].group);
		/* stays if its home lies behind the hole on the way to it */
		if (((at - home) & limits->mask) < ((at - hole) & limits->mask))
			continue;
		limits->slots[hole] = limits->slots[at];
		hole = at;
	}
	limits->slots[hole].count = 0;
}

bool address_limits_enter(struct address_limits *limits, const struct address *address, uint32_t each)
{
	struct address group = address_group(address);

	pthread_mutex_lock(&limits->lock);
	struct slot *slot = &limits->slots[find(limits, &group)];
	bool enters = slot->count < each;
	if (enters) {
		slot->group = group;
		slot->count++;
	}
	pthread_mutex_unlock(&limits->lock);
	return enters;
}

void address_limits_leave(struct address_limits *limits, const struct address *address)
{
	struct address group = address_group(address);

	pthread_mutex_lock(&limits->lock);
	size_t at = find(limits, &group);
	if (limits->slots[at].count && --limits->slots[at].count == 0)
		remove_slot(limits, at);
	pthread_mutex_unlock(&limits->lock);
}
