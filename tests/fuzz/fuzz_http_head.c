/* Bytes as a request head: the target line, then header lines. Whatever passes the guard must be free of what could make
 * two readers disagree; addresses, keys and origins found must lie within their bounds. */
#include <stdint.h>
#include <stdlib.h>

#include "base/percent.h"
#include "http/address.h"
#include "http/credentials.h"
#include "http/guard.h"
#include "http/origin.h"
#include "http/target.h"
#include "protocol/protocol.h"

#define MUST(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

static const struct config_network TRUSTED[] = { { { [10] = 0xff, [11] = 0xff, [12] = 10 }, 104 } };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_client(const struct http_head *head)
{
	struct address peer, client;
	char text[ADDRESS_TEXT_BYTES + 1];
	if (head->forwarded_count > HEAD_FORWARDED_MAX)
		return;
	MUST(address_parse(SLICE("10.0.0.1"), &peer));
	client = address_of_client(&peer, head->forwarded_for, head->forwarded_count, TRUSTED, 1);
	size_t size = address_format(&client, text);
	struct address again;
	MUST(size > 0 && size < sizeof(text));
	MUST(address_parse((struct slice) { text, size }, &again) && memcmp(&again, &client, sizeof(again)) == 0);
}

static void check_passed(const struct http_head *head, const struct http_framing *framing)
{
	MUST(!(head->has_content_length && head->has_transfer_encoding));
	MUST(framing->is_chunked == head->has_transfer_encoding);
	MUST(head->bytes <= 16384);
	if (framing->method == METHOD_POST)
		MUST(framing->is_chunked || head->has_content_length);
}

static void check_target(struct slice raw, const struct http_head *head, struct arena *arena)
{
	struct http_target target;
	if (target_parse(raw, 16384, &target) != REFUSAL_NONE)
		return;
	MUST(target.path.len && target.path.at[0] == '/');
	struct slice path = percent_decode(target.path, false, arena);
	MUST(path.len && path.len <= target.path.len && !memchr(path.at, 0, path.len));
	struct slice key = credentials_key(head, target.query, ~0u, arena);
	MUST(key.len <= 512);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct slice rest = { (const char *)bytes, len };
	struct http_head head = { 0 };
	struct http_framing framing;
	struct arena arena;
	char origin[ORIGIN_BYTES_MAX];
	struct slice method = slice_split(&rest, ' ');
	struct slice raw = slice_split(&rest, '\n');
	arena_init(&arena, (size_t)1 << 20);
	while (rest.len) {
		struct slice value = slice_split(&rest, '\n');
		struct slice name = slice_split(&value, ':');
		head_add(&head, name, slice_trim(value));
	}
	if (guard_check(&head, method, SLICE("HTTP/1.1"), 16384, &framing) == REFUSAL_NONE)
		check_passed(&head, &framing);
	check_target(raw, &head, &arena);
	check_client(&head);
	MUST(origin_of_url(head.referer, origin).len <= ORIGIN_BYTES_MAX);
	arena_fini(&arena);
	return 0;
}
