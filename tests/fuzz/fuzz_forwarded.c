/* Bytes as Forwarded headers, a line each: what is read lies within them, and the client found is an address. */
#include <stdint.h>
#include <stdlib.h>

#include "config/config.h"
#include "http/address.h"
#include "http/forwarded.h"

#define HEADERS_MAX 16

static const struct config_network TRUSTED[] = { { { [10] = 0xff, [11] = 0xff, [12] = 10 }, 104 } };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void must(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct slice rest = { (const char *)bytes, len }, headers[HEADERS_MAX], clients[FORWARDED_ELEMENTS_MAX];
	struct address peer, client;
	char text[ADDRESS_TEXT_BYTES + 1];
	size_t count = 0;
	while (rest.len && count < HEADERS_MAX)
		headers[count++] = slice_split(&rest, '\n');
	size_t found = forwarded_read(headers, count, clients);
	must(found <= FORWARDED_ELEMENTS_MAX);
	for (size_t i = 0; i < found; i++)
		must(!clients[i].len || (clients[i].at >= (const char *)bytes &&
		                         clients[i].at + clients[i].len <= (const char *)bytes + len));
	must(address_parse(SLICE("10.0.0.1"), &peer));
	client = address_of_client(&peer, clients, found, TRUSTED, 1);
	must(address_format(&client, text) > 0);
	return 0;
}
