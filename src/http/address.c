/* Only what a trusted proxy wrote is believed: each proxy appends on the right, so everything left of the first
 * untrusted address is the caller's own text and is never looked at. */
#include "http/address.h"

#include <arpa/inet.h>

#include "config/config.h"

static const uint8_t mapped_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static bool is_mapped(const struct address *address)
{
	return memcmp(address->bytes, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

static void address_set_v4(struct address *out, const void *four)
{
	memcpy(out->bytes, mapped_prefix, sizeof(mapped_prefix));
	memcpy(out->bytes + 12, four, 4);
}

bool address_from_socket(const struct sockaddr *from, struct address *out)
{
	if (from->sa_family == AF_INET) {
		address_set_v4(out, &((const struct sockaddr_in *)(const void *)from)->sin_addr);
		return true;
	}
	if (from->sa_family == AF_INET6) {
		memcpy(out->bytes, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, 16);
		return true;
	}
	return false;
}

static bool is_port(struct slice s)
{
	uint64_t port;

	return s.len > 0 && s.len <= 5 && slice_to_u64(s, &port) && port <= 65535;
}

/* Leaves the bare address: [v6], [v6]:port and v4:port are stripped. */
static bool strip_port(struct slice *s)
{
	if (s->len && s->at[0] == '[') {
		size_t end = slice_find(*s, ']');
		if (end == s->len)
			return false;
		struct slice rest = { s->at + end + 1, s->len - end - 1 };
		*s = (struct slice) { s->at + 1, end - 1 };
		return !rest.len || (rest.at[0] == ':' && is_port((struct slice) { rest.at + 1, rest.len - 1 }));
	}
	size_t colon = slice_find(*s, ':');
	if (colon == s->len)
		return true;
	struct slice rest = { s->at + colon + 1, s->len - colon - 1 };
	if (slice_find(rest, ':') != rest.len)
		return true; /* a second colon: IPv6 */
	s->len = colon;
	return is_port(rest);
}

bool address_parse(struct slice text, struct address *out)
{
	char copy[ADDRESS_TEXT_BYTES + 1];
	uint8_t four[4];
	struct slice s = slice_trim(text);

	if (!strip_port(&s) || !s.len || s.len >= sizeof(copy))
		return false;
	memcpy(copy, s.at, s.len);
	copy[s.len] = 0;
	if (strlen(copy) != s.len)
		return false;
	if (inet_pton(AF_INET, copy, four) == 1) {
		address_set_v4(out, four);
		return true;
	}
	return inet_pton(AF_INET6, copy, out->bytes) == 1;
}

size_t address_format(const struct address *address, char *to)
{
	const char *done;

	if (is_mapped(address))
		done = inet_ntop(AF_INET, address->bytes + 12, to, ADDRESS_TEXT_BYTES);
	else
		done = inet_ntop(AF_INET6, address->bytes, to, ADDRESS_TEXT_BYTES);
	return done ? strlen(to) : 0;
}

bool address_is_loopback(const struct address *address)
{
	static const uint8_t v6_loopback[16] = { [15] = 1 };

	return (is_mapped(address) && address->bytes[12] == 127) || memcmp(address->bytes, v6_loopback, 16) == 0;
}

bool address_is_in(const struct address *address, const struct config_network *networks, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (config_network_contains(&networks[i], address->bytes))
			return true;
	}
	return false;
}

struct address address_group(const struct address *address)
{
	struct address group = *address;

	if (!is_mapped(address))
		memset(group.bytes + 8, 0, 8);
	return group;
}

struct address address_of_client(const struct address *peer, const struct slice *forwarded_for, size_t count,
                                 const struct config_network *trusted, size_t trusted_count)
{
	struct address client = *peer;

	if (!address_is_in(peer, trusted, trusted_count))
		return *peer;
	for (size_t i = count; i-- > 0;) {
		struct slice rest = forwarded_for[i];
		if (rest.len == 0)
			return *peer;
		for (bool more = true; more;) {
			size_t comma = rest.len;
			while (comma > 0 && rest.at[comma - 1] != ',')
				comma--;
			more = comma > 0;
			if (!address_parse((struct slice) { rest.at + comma, rest.len - comma }, &client))
				return *peer;
			if (!address_is_in(&client, trusted, trusted_count))
				return client;
			rest.len = more ? comma - 1 : 0;
		}
	}
	return client;
}
