/* What reads a caller's bytes before anything is known of it: head, guard, target, key, origin, addresses, gzip. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/percent.h"
#include "http/address.h"
#include "http/address_limits.h"
#include "http/credentials.h"
#include "http/forwarded.h"
#include "http/guard.h"
#include "http/gzip.h"
#include "http/origin.h"
#include "http/target.h"
#include "protocol/protocol.h"

struct line {
	const char *name, *value;
};

static enum refusal judge(const char *method, const char *version, const struct line *lines, struct http_framing *out)
{
	struct http_head head = { 0 };
	for (; lines->name; lines++)
		head_add(&head, slice_of(lines->name), slice_of(lines->value));
	return guard_check(&head, slice_of(method), slice_of(version), 1000, out);
}

static const struct {
	const char *method, *version;
	struct line lines[4];
	enum refusal refusal;
} heads[] = {
	{ "POST", "HTTP/1.1", { { "Host", "a" }, { "Content-Length", "5" } }, REFUSAL_NONE },
	{ "POST", "HTTP/1.1", { { "host", "a" }, { "TRANSFER-ENCODING", "Chunked" } }, REFUSAL_NONE },
	{ "POST", "HTTP/1.0", { { "Content-Length", "5" } }, REFUSAL_NONE },
	{ "POST", "HTTP/1.0", { { "Transfer-Encoding", "chunked" } }, REFUSAL_BAD_REQUEST },
	{ "POST", "HTTP/1.1", { { "Content-Length", "5" } }, REFUSAL_BAD_HOST },
	{ "POST", "HTTP/1.1", { { "Host", "" }, { "Content-Length", "5" } }, REFUSAL_BAD_HOST },
	{ "GET", "HTTP/1.1", { { "Host", "a" }, { "Host", "a" } }, REFUSAL_BAD_HOST },
	{ "POST", "HTTP/1.1", { { "Host", "a" } }, REFUSAL_LENGTH_REQUIRED },
	{ "POST", "HTTP/1.1", { { "Host", "a" }, { "Content-Length", "0" } }, REFUSAL_NONE },
	{ "POST", "HTTP/1.1", { { "Host", "a" }, { "Content-Length", "+5" } }, REFUSAL_BAD_REQUEST },
	{ "POST", "HTTP/1.1", { { "Host", "a" }, { "Content-Length", "" } }, REFUSAL_BAD_REQUEST },
	{ "POST",
	  "HTTP/1.1",
	  { { "Host", "a" }, { "Content-Length", "18446744073709551615" } },
	  REFUSAL_BODY_TOO_LARGE },
	{ "POST", "HTTP/1.1", { { "Host", "a" }, { "Content-Length", "18446744073709551616" } }, REFUSAL_BAD_REQUEST },
	{ "POST",
	  "HTTP/1.1",
	  { { "Host", "a" }, { "Content-Length", "5" }, { "Content-Length", "5" } },
	  REFUSAL_REPEATED_HEADER },
	{ "POST",
	  "HTTP/1.1",
	  { { "Host", "a" }, { "Content-Length", "5" }, { "Transfer-Encoding", "chunked" } },
	  REFUSAL_BAD_REQUEST },
	{ "POST", "HTTP/1.1", { { "Host", "a" }, { "Transfer-Encoding", "chunked " } }, REFUSAL_TRANSFER_CODING },
	{ "POST", "HTTP/1.1", { { "Host", "a" }, { "Transfer-Encoding", "" } }, REFUSAL_TRANSFER_CODING },
	{ "POST", "HTTP/1.1", { { "Host", "a" }, { "Content-Length ", "5" } }, REFUSAL_BAD_REQUEST },
	{ "POST", "HTTP/1.1", { { "Host", "a" }, { "Transfer-Encodingchunked", "" } }, REFUSAL_BAD_REQUEST },
	{ "POST", "HTTP/1.1", { { "Host", "a" }, { "content-length-x", "5" } }, REFUSAL_BAD_REQUEST },
	{ "GET", "HTTP/1.1", { { "Host", "a" }, { "X-A", "b\x7f" } }, REFUSAL_BAD_REQUEST },
	{ "GET", "HTTP/1.1", { { "Host", "a" }, { "X-A", "b\tc \xc3\xa9" } }, REFUSAL_NONE },
	{ "GET", "HTTP/1.1", { { "Host", "a" }, { "X A", "b" } }, REFUSAL_BAD_REQUEST },
	{ "GET", "HTTP/1.1", { { "Host", "a" }, { "", "b" } }, REFUSAL_BAD_REQUEST },
	{ "GET", "HTTP/1.1", { { "Host", "a" }, { "Origin", "x" }, { "Origin", "x" } }, REFUSAL_REPEATED_HEADER },
	{ "GET", "HTTP/1.1", { { "Host", "a" }, { "Content-Length", "1" } }, REFUSAL_UNEXPECTED_BODY },
	{ "HEAD", "HTTP/1.1", { { "Host", "a" }, { "Transfer-Encoding", "chunked" } }, REFUSAL_UNEXPECTED_BODY },
	{ "POST",
	  "HTTP/1.1",
	  { { "Host", "a" }, { "Content-Length", "1" }, { "Expect", "100-Continue" } },
	  REFUSAL_NONE },
	{ "POST", "HTTP/1.1", { { "Host", "a" }, { "Content-Length", "1" }, { "Expect", "" } }, REFUSAL_EXPECTATION },
	{ "DELETE", "HTTP/1.1", { { "Host", "a" } }, REFUSAL_NONE },
	{ "CONNECT", "HTTP/1.1", { { "Host", "a" } }, REFUSAL_METHOD },
	{ "G(T", "HTTP/1.1", { { "Host", "a" } }, REFUSAL_BAD_REQUEST },
	{ "GET", "HTTP/2.0", { { "Host", "a" } }, REFUSAL_HTTP_VERSION },
	{ "GET", "http/1.1", { { "Host", "a" } }, REFUSAL_BAD_REQUEST },
	{ "GET", "", { { "Host", "a" } }, REFUSAL_BAD_REQUEST },
};

static void the_guard_decides(void **state)
{
	struct http_framing framing;
	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
		enum refusal got = judge(heads[i].method, heads[i].version, heads[i].lines, &framing);
		if (got != heads[i].refusal)
			fail_msg("case %zu: %s instead of %s", i, refusal_code(got), refusal_code(heads[i].refusal));
	}
	static char big[1000];
	memset(big, 'x', sizeof(big) - 1);
	struct line lines[] = { { "Host", "a" }, { "X-A", big }, { NULL, NULL } };
	assert_int_equal(judge("GET", "HTTP/1.1", lines, &framing), REFUSAL_HEADERS_TOO_LARGE);
}

static void targets_are_split_and_decoded(void **state)
{
	struct http_target target;
	struct slice value;
	struct arena arena;
	(void)state;
	arena_init(&arena, 1 << 20);
	assert_int_equal(target_parse(SLICE("/v1/pixel.gif?a=1&key=x%2By&key=z"), 100, &target), REFUSAL_NONE);
	assert_true(slice_equal(target.path, SLICE("/v1/pixel.gif")));
	assert_int_equal(target_argument_count(target.query), 3);
	assert_int_equal(target_argument_count(SLICE("")), 0);
	assert_true(target_argument(target.query, SLICE("key"), &value));
	assert_true(slice_equal(percent_decode(value, true, &arena), SLICE("x+y")));
	assert_false(target_argument(target.query, SLICE("ke"), &value));
	assert_true(slice_equal(percent_decode(SLICE("a%4a+%zz%4"), true, &arena), SLICE("aJ %zz%4")));
	assert_true(slice_equal(percent_decode(SLICE("a+b%2F"), false, &arena), SLICE("a+b/")));
	assert_true(slice_equal(percent_decode_text(SLICE("%B0%A1+%EA%B0%80%00%4a%e"), true, &arena),
	                        SLICE("%B0%A1 \xea\xb0\x80\0J%e")));
	assert_true(slice_equal(percent_decode_text(SLICE("%EA%B0"), true, &arena), SLICE("%EA%B0")));
	assert_int_equal(target_parse(SLICE("/a?b=%00"), 100, &target), REFUSAL_BAD_TARGET);
	assert_int_equal(target_parse(SLICE("/a b"), 100, &target), REFUSAL_BAD_TARGET);
	assert_int_equal(target_parse(SLICE("/a\x01"), 100, &target), REFUSAL_BAD_TARGET);
	assert_int_equal(target_parse(SLICE("*"), 100, &target), REFUSAL_BAD_TARGET);
	assert_int_equal(target_parse(SLICE(""), 100, &target), REFUSAL_BAD_TARGET);
	assert_int_equal(target_parse(SLICE("/aaaa"), 4, &target), REFUSAL_TARGET_TOO_LONG);
	arena_fini(&arena);
}

static void keys_are_read(void **state)
{
	const unsigned all = KEY_IN_AUTHORIZATION | KEY_IN_HEADER | KEY_IN_QUERY;
	struct arena arena;
	struct http_head head = { 0 };
	(void)state;
	arena_init(&arena, 1 << 20);
#define KEY_IS(want, places) \
	assert_true(slice_equal(credentials_key(&head, SLICE("a=b&key=qu%65ry"), places, &arena), SLICE(want)))
	KEY_IS("query", all);
	KEY_IS("", KEY_IN_HEADER);
	head.write_key = SLICE(" header ");
	KEY_IS("header", all);
	head.authorization = SLICE("bearer  token ");
	KEY_IS("token", all);
	KEY_IS("header", KEY_IN_HEADER | KEY_IN_QUERY);
	head.authorization = SLICE("Basic a2V5OnBhc3M=");
	KEY_IS("key", all);
	head.authorization = SLICE("Basic a2V5");
	KEY_IS("key", all);
	head.authorization = SLICE("Basic !!!!");
	KEY_IS("header", all);
	head.authorization = SLICE("Digest x");
	KEY_IS("header", all);
	head.authorization = SLICE("Bearer ");
	KEY_IS("header", all);
#undef KEY_IS
	arena_fini(&arena);
}

static void origins_are_cut_from_urls(void **state)
{
	static const struct {
		const char *url, *origin;
	} cases[] = {
		{ "https://Shop.Example/a?b#c", "https://shop.example" },
		{ "https://shop.example:443/", "https://shop.example" },
		{ "https://shop.example:80", "https://shop.example:80" },
		{ "HTTP://shop.example:80", "http://shop.example" },
		{ "http://user:pw@evil@shop.example/", "http://shop.example" },
		{ "https://shop.example@evil.example/", "https://evil.example" },
		{ "https://evil.example\\@shop.example/", "https://evil.example" },
		{ "https://evil.example?@shop.example", "https://evil.example" },
		{ "android-app://x/", "" },
		{ "https://", "" },
		{ "https:///x", "" },
		{ "", "" },
	};
	char text[ORIGIN_BYTES_MAX];
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct slice got = origin_of_url(slice_of(cases[i].url), text);
		if (!slice_equal(got, slice_of(cases[i].origin)))
			fail_msg("%s gave %.*s", cases[i].url, SLICE_ARG(got));
	}
}

static void origins_are_judged_by_the_kind(void **state)
{
	const struct slice listed[] = { { "https://shop.example", 20 } };
	struct source source = { .kind = SOURCE_BROWSER, .origins = { listed, 1 } };
	const struct slice shop = listed[0], none = SLICE_NONE, null = SLICE("null");
	(void)state;
	assert_int_equal(origin_check(&source, true, shop, none), REFUSAL_NONE);
	assert_int_equal(origin_check(&source, true, SLICE("https://shop.example.evil"), none), REFUSAL_ORIGIN);
	assert_int_equal(origin_check(&source, true, null, none), REFUSAL_ORIGIN);
	assert_int_equal(origin_check(&source, true, SLICE(""), none), REFUSAL_ORIGIN);
	assert_int_equal(origin_check(&source, false, none, none), REFUSAL_NONE);
	assert_int_equal(origin_check(&source, false, none, SLICE("https://shop.example/x")), REFUSAL_NONE);
	assert_int_equal(origin_check(&source, false, none, SLICE("https://evil.example/x")), REFUSAL_ORIGIN);
	assert_int_equal(origin_check(&source, false, none, SLICE("about:blank")), REFUSAL_NONE);
	source.kind = SOURCE_SERVER;
	assert_int_equal(origin_check(&source, true, shop, none), REFUSAL_SERVER_KEY);
	assert_int_equal(origin_check(&source, false, none, SLICE("https://evil.example/x")), REFUSAL_NONE);
}

static void addresses_are_read_and_written(void **state)
{
	static const struct {
		const char *text, *form;
	} cases[] = {
		{ "203.0.113.9", "203.0.113.9" },
		{ " 203.0.113.9:443 ", "203.0.113.9" },
		{ "[2001:DB8::1]", "2001:db8::1" },
		{ "[2001:db8::1]:80", "2001:db8::1" },
		{ "2001:db8::1", "2001:db8::1" },
		{ "::ffff:1.2.3.4", "1.2.3.4" },
		{ "203.0.113", NULL },
		{ "203.0.113.9:x", NULL },
		{ "203.0.113.9:99999", NULL },
		{ "[2001:db8::1", NULL },
		{ "[2001:db8::1]x", NULL },
		{ "unknown", NULL },
		{ "_hidden", NULL },
		{ "", NULL },
		{ "1.2.3.4, 5.6.7.8", NULL },
		{ "fe80::1%eth0", NULL },
	};
	char text[ADDRESS_TEXT_BYTES + 1];
	struct address address;
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		bool is_address = address_parse(slice_of(cases[i].text), &address);
		assert_int_equal(is_address, cases[i].form != NULL);
		if (is_address) {
			size_t len = address_format(&address, text);
			assert_true(slice_equal((struct slice) { text, len }, slice_of(cases[i].form)));
		}
	}
	assert_true(address_parse(SLICE("::1"), &address) && address_is_loopback(&address));
	assert_true(address_parse(SLICE("127.9.9.9"), &address) && address_is_loopback(&address));
	assert_true(address_parse(SLICE("128.0.0.1"), &address) && !address_is_loopback(&address));
}

static void clients_are_found_from_the_right(void **state)
{
	/* 10.0.0.0/8 */
	static const struct config_network trusted[] = { { { [10] = 0xff, [11] = 0xff, [12] = 10 }, 104 } };
	static const struct {
		const char *peer, *first, *second, *client;
	} cases[] = {
		{ "10.0.0.1", "1.1.1.1", NULL, "1.1.1.1" },
		{ "10.0.0.1", "6.6.6.6, 1.1.1.1", NULL, "1.1.1.1" },
		{ "10.0.0.1", "6.6.6.6, 1.1.1.1,10.0.0.2", NULL, "1.1.1.1" },
		{ "10.0.0.1", "6.6.6.6, 1.1.1.1", "10.0.0.2,10.0.0.3", "1.1.1.1" },
		{ "10.0.0.1", "rubbish, 1.1.1.1", NULL, "1.1.1.1" },
		{ "10.0.0.1", "1.1.1.1, rubbish", NULL, "10.0.0.1" },
		{ "10.0.0.1", "1.1.1.1,", NULL, "10.0.0.1" },
		{ "10.0.0.1", "", NULL, "10.0.0.1" },
		{ "10.0.0.1", "10.0.0.9, 10.0.0.2", NULL, "10.0.0.9" },
		{ "9.9.9.9", "1.1.1.1", NULL, "9.9.9.9" },
	};
	char text[ADDRESS_TEXT_BYTES + 1];
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct slice headers[2] = { slice_of(cases[i].first), slice_of(cases[i].second) };
		struct address peer, client;
		assert_true(address_parse(slice_of(cases[i].peer), &peer));
		client = address_of_client(&peer, headers, cases[i].second ? 2 : 1, trusted, 1);
		size_t len = address_format(&client, text);
		if (!slice_equal((struct slice) { text, len }, slice_of(cases[i].client)))
			fail_msg("case %zu gave %s", i, text);
	}
}

static void forwarded_headers_are_read(void **state)
{
	static const struct {
		const char *header, *clients; /* separated by blanks; NULL: not to be believed */
	} cases[] = {
		{ "for=1.1.1.1", "1.1.1.1" },
		{ "For=\"[2001:db8::1]:4711\";proto=https;by=10.0.0.2", "[2001:db8::1]:4711" },
		{ "for=6.6.6.6, for=1.1.1.1;host=\"a,b;c\" , by=x;FOR=10.0.0.2", "6.6.6.6 1.1.1.1 10.0.0.2" },
		{ "for=unknown,for=_hidden;", "unknown _hidden" },
		{ "proto=http", "" },
		{ ";;for=1.1.1.1;", "1.1.1.1" },
		{ "for=\"1.1.1.1", NULL },
		{ "for=\"1.1.1.1\\\"\"", NULL },
		{ "for=1.1.1.1;for=2.2.2.2", NULL },
		{ "for=[::1]", NULL }, /* brackets want quotes */
		{ "for", NULL },
		{ "for=", NULL },
		{ "for = 1.1.1.1", NULL },
	};
	struct slice found[FORWARDED_ELEMENTS_MAX];
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct slice header = slice_of(cases[i].header), rest = slice_of(cases[i].clients);
		size_t count = forwarded_read(&header, 1, found);
		if ((count == 0) != (cases[i].clients == NULL))
			fail_msg("%s gave %zu elements", cases[i].header, count);
		for (size_t k = 0; k < count; k++)
			if (!slice_equal(found[k], slice_split(&rest, ' ')))
				fail_msg("%s: element %zu is %.*s", cases[i].header, k, SLICE_ARG(found[k]));
	}
	char many[512] = "";
	for (int i = 0; i <= FORWARDED_ELEMENTS_MAX; i++)
		strcat(many, "for=1.1.1.1,");
	struct slice header = slice_of(many);
	assert_int_equal(forwarded_read(&header, 1, found), 0);
}

static void addresses_have_a_share_each(void **state)
{
	struct address_limits *limits = address_limits_create(300, NULL);
	struct address address, neighbour;
	(void)state;
	assert_true(address_parse(SLICE("2001:db8::1"), &address));
	assert_true(address_parse(SLICE("2001:db8::ffff:0:0:1"), &neighbour)); /* the same /64 */
	assert_true(address_limits_enter(limits, &address, 2));
	assert_true(address_limits_enter(limits, &neighbour, 2));
	assert_false(address_limits_enter(limits, &address, 2));
	address_limits_leave(limits, &neighbour);
	assert_true(address_limits_enter(limits, &address, 2));
	address_limits_leave(limits, &address);
	address_limits_leave(limits, &address);
	/* many groups come and go: each is found again although others were removed around it */
	address_parse(SLICE("198.51.0.0"), &address);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 300; i++) {
			address.bytes[14] = (uint8_t)(i >> 8), address.bytes[15] = (uint8_t)i;
			assert_true(address_limits_enter(limits, &address, 1));
			assert_false(address_limits_enter(limits, &address, 1));
		}
		for (int i = 0; i < 300; i++) {
			int k = (i * 7 + round) % 300;
			address.bytes[14] = (uint8_t)(k >> 8), address.bytes[15] = (uint8_t)k;
			assert_false(address_limits_enter(limits, &address, 1));
			address_limits_leave(limits, &address);
		}
	}
	address_limits_destroy(&limits);
	assert_null(limits);
}

static size_t pack(const char *plain, size_t len, char *to, size_t size)
{
	z_stream stream = { 0 };
	assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	stream.next_in = (Bytef *)(uintptr_t)plain;
	stream.avail_in = (uInt)len;
	stream.next_out = (Bytef *)to;
	stream.avail_out = (uInt)size;
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	deflateEnd(&stream);
	return stream.total_out;
}

static void gzip_has_caps(void **state)
{
	static char plain[1 << 20], packed[1 << 16];
	struct gzip *gzip = gzip_create(NULL);
	struct arena arena;
	struct slice out;
	(void)state;
	arena_init(&arena, 16 << 20);
	memset(plain, 'a', sizeof(plain));
	for (size_t i = 0; i < 30000; i++)
		plain[i] = (char)('a' + (i * i >> 3) % 23);
	size_t len = pack(plain, 30000, packed, sizeof(packed));
#define INFLATE(size, limit) gzip_inflate(gzip, (struct slice) { packed, size }, limit, &arena, &out)
	assert_int_equal(INFLATE(len, 30000), REFUSAL_NONE);
	assert_int_equal(out.len, 30000);
	assert_memory_equal(out.at, plain, 30000);
	assert_int_equal(INFLATE(len, 29999), REFUSAL_INFLATED_TOO_LARGE);
	assert_int_equal(INFLATE(0, 30000), REFUSAL_BAD_GZIP);
	for (size_t cut = 1; cut < 40; cut++)
		assert_int_equal(INFLATE(len - cut, 30000), REFUSAL_BAD_GZIP);
	packed[len] = 0;
	assert_int_equal(INFLATE(len + 1, 30000), REFUSAL_BAD_GZIP);
	memcpy(packed + len, packed, len);
	assert_int_equal(INFLATE(2 * len, 100000), REFUSAL_BAD_GZIP);
	packed[len / 2] ^= 0x55;
	assert_int_not_equal(INFLATE(len, 100000), REFUSAL_NONE);
	/* a ratio of about 1000, below the limit of size */
	memset(plain, 'a', sizeof(plain));
	len = pack(plain, sizeof(plain), packed, sizeof(packed));
	assert_int_equal(INFLATE(len, sizeof(plain)), REFUSAL_INFLATED_TOO_LARGE);
	/* such a ratio is let through while it is small */
	len = pack(plain, 60000, packed, sizeof(packed));
	assert_int_equal(INFLATE(len, sizeof(plain)), REFUSAL_NONE);
#undef INFLATE
	arena_fini(&arena);
	gzip_destroy(&gzip);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_guard_decides),
		cmocka_unit_test(targets_are_split_and_decoded),
		cmocka_unit_test(keys_are_read),
		cmocka_unit_test(origins_are_cut_from_urls),
		cmocka_unit_test(origins_are_judged_by_the_kind),
		cmocka_unit_test(addresses_are_read_and_written),
		cmocka_unit_test(clients_are_found_from_the_right),
		cmocka_unit_test(forwarded_headers_are_read),
		cmocka_unit_test(addresses_have_a_share_each),
		cmocka_unit_test(gzip_has_caps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
