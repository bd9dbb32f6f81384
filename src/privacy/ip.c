#include "privacy/ip.h"

#include <arpa/inet.h>
#include <stdio.h>

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static bool is_v4(const uint8_t address[16])
{
	return memcmp(address, mapped, sizeof mapped) == 0;
}

bool ip_parse(struct slice text, uint8_t address[16])
{
	char copy[INET6_ADDRSTRLEN];
	if (text.len == 0 || text.len >= sizeof copy || memchr(text.at, 0, text.len))
		return false;
	memcpy(copy, text.at, text.len);
	copy[text.len] = 0;
	if (inet_pton(AF_INET, copy, address + 12) == 1) {
		memcpy(address, mapped, sizeof mapped);
		return true;
	}
	return inet_pton(AF_INET6, copy, address) == 1;
}

static struct slice network_of(const uint8_t address[16], char *to)
{
	uint8_t network[16];
	memcpy(network, address, sizeof network);
	bool four = is_v4(address);
	if (four)
		network[15] = 0;
	else
		memset(network + 6, 0, 10);
	const char *text = inet_ntop(four ? AF_INET : AF_INET6, four ? network + 12 : network, to, IP_TEXT_BYTES);
	return slice_of(text);
}

struct slice ip_shorten(struct slice text, enum ip_mode mode, const struct hash_key *key, char *to)
{
	uint8_t address[16];
	if (mode == IP_NONE || !text.len)
		return SLICE_NONE;
	if (mode == IP_FULL)
		return text;
	if (!ip_parse(text, address))
		return SLICE_NONE;
	if (mode == IP_TRUNCATED)
		return network_of(address, to);
	const struct slice parts[] = { SLICE("ip"), { (const char *)address, sizeof address } };
	struct hash128 hash = hash_keyed128_parts(key, parts, 2);
	int len = snprintf(to, IP_TEXT_BYTES, "%016llx%016llx", (unsigned long long)hash.high,
	                   (unsigned long long)hash.low);
	return (struct slice) { to, (size_t)len };
}
