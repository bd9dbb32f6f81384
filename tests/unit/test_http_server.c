/* The listener as a caller sees it: what is refused and how, keep-alive, waiting for commit and mailbox, drain. */
#include "http_fixture.h"

#include <zlib.h>

static struct http_server *server;

static int start(void **state)
{
	(void)state;
	metrics_register_thread();
	server = fixture_start();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	http_server_stop(&server);
	assert_int_equal(fixture_snapshot.references, 0);
	return 0;
}

#define KEY "X-Write-Key: web\r\n"
#define HEAD(path) "POST " path " HTTP/1.1\r\nHost: a\r\n"

static const char post[] = HEAD("/v1/events") KEY "Content-Length: 2\r\n\r\n{}";

static void expect(const char *request, size_t len, int status, bool closes)
{
	struct fixture_answer answer;
	fixture_ask(server, request, len, closes, &answer);
	if (answer.status != status || answer.closed != closes)
		fail_msg("%d (closed: %d) instead of %d (%d) to %.200s", answer.status, answer.closed, status, closes,
		         request);
	if (status != 200)
		assert_non_null(strstr(answer.text, "X-Request-Id: "));
	assert_non_null(strstr(answer.text, "Cache-Control: no-store"));
	assert_non_null(strstr(answer.text, "X-Content-Type-Options: nosniff"));
}

#define EXPECT(request, status, closes) expect(request, sizeof(request) - 1, status, closes)

static void framing_is_refused_and_closed(void **state)
{
	(void)state;
	EXPECT(HEAD("/v1/events") KEY "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, true);
	EXPECT(HEAD("/v1/events") KEY "Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello", 400, true);
	EXPECT(HEAD("/v1/events") KEY "Content-Length: 0\r\nContent-Length: 35\r\n\r\n", 400, true);
	EXPECT(HEAD("/v1/events") KEY "Content-Length : 35\r\n\r\n", 400, true);
	EXPECT(HEAD("/v1/events") KEY "Transfer-Encoding:\r\n chunked\r\n\r\n", 400, true);
	EXPECT(HEAD("/v1/events") KEY "Transfer-Encoding: gzip, chunked\r\n\r\n", 501, true);
	EXPECT(HEAD("/v1/events") KEY "Transfer-Encoding: xchunked\r\n\r\n", 501, true);
	EXPECT(HEAD("/v1/events") KEY "Content-Length: 18446744073709551615\r\n\r\n", 413, true);
	EXPECT("POST /v1/events HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, true);
	EXPECT("GET /v1/pixel.gif HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, true);
	EXPECT("GET /v1/pixel.gif HTTP/1.1\r\n\r\n", 400, true);
	EXPECT("GET /v1/pixel.gif HTTP/1.2\r\nHost: a\r\n\r\n", 505, true);
	EXPECT("CONNECT /v1/events HTTP/1.1\r\nHost: a\r\n\r\n", 405, true);
	EXPECT("G\x01"
	       "ET /v1/events HTTP/1.1\r\nHost: a\r\n\r\n",
	       400, true);
	EXPECT("GET /v1/pixel.gif HTTP/1.1\r\nHost: a\r\nX-A: b\x02\r\n\r\n", 400, true);
	EXPECT("GET /v1/pixel.gif%00x HTTP/1.1\r\nHost: a\r\n\r\n", 400, true);
	EXPECT("GET /v1/ pixel.gif HTTP/1.1\r\nHost: a\r\n\r\n", 400, true);
	EXPECT("GET http://a/v1/pixel.gif HTTP/1.1\r\nHost: a\r\n\r\n", 400, true);
	EXPECT(HEAD("/v1/events") KEY "\r\n", 411, true);
	EXPECT(HEAD("/v1/events") KEY "Content-Length: 2\r\nExpect: 200-ok\r\n\r\n{}", 417, true);
	EXPECT("GET /v1/pixel.gif HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", 400, true);
}

static void rights_are_refused_and_the_connection_kept(void **state)
{
	(void)state;
	EXPECT(HEAD("/v1/nothing") KEY "Content-Length: 2\r\n\r\n{}", 404, false);
	EXPECT("PUT /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", 405, false);
	EXPECT(HEAD("/v1/events") "Content-Length: 2\r\n\r\n{}", 401, false);
	EXPECT(HEAD("/v1/events") "X-Write-Key: wrong\r\nContent-Length: 2\r\n\r\n{}", 401, false);
	EXPECT(HEAD("/v1/events") KEY "Origin: https://evil.example\r\nContent-Length: 2\r\n\r\n{}", 403, false);
	EXPECT(HEAD("/v1/events") KEY "Referer: https://evil.example/x\r\nContent-Length: 2\r\n\r\n{}", 403, false);
	EXPECT(HEAD("/v1/events") "X-Write-Key: back\r\nOrigin: https://shop.example\r\nContent-Length: 2\r\n\r\n{}",
	       403, false);
	EXPECT(HEAD("/v1/events") KEY "Content-Type: text/html\r\nContent-Length: 2\r\n\r\n{}", 415, false);
	EXPECT(HEAD("/v1/events") KEY "Content-Encoding: br\r\nContent-Length: 2\r\n\r\n{}", 415, false);
	EXPECT(HEAD("/v1/events") KEY "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", 400, false);
	fake_headroom = false;
	EXPECT(HEAD("/v1/events") KEY "Content-Length: 2\r\n\r\n{}", 503, false);
	EXPECT(HEAD("/v1/validate") KEY "Content-Length: 2\r\n\r\n{}", 200, false);
}

static void keys_are_found_in_all_their_places(void **state)
{
	(void)state;
	EXPECT(HEAD("/v1/events") "Authorization: Bearer web\r\nContent-Length: 2\r\n\r\n{}", 200, false);
	EXPECT(HEAD("/v1/events") "Authorization: Basic d2ViOg==\r\nContent-Length: 2\r\n\r\n{}", 200, false);
	EXPECT(HEAD("/v1/events?a=b&key=%77eb") "Content-Length: 2\r\n\r\n{}", 200, false);
	EXPECT(HEAD("/collect") KEY "Content-Length: 2\r\n\r\n{}", 200, false);
	EXPECT(HEAD("/e/x/y") KEY "Content-Length: 2\r\n\r\n{}", 200, false);
	EXPECT("GET /v1/pixel.gif?key=web&event=page_view HTTP/1.1\r\nHost: a\r\n\r\n", 200, false);
	EXPECT("GET /v1/pixel.gif?key=web&event=page_view HTTP/1.0\r\n\r\n", 200, true);
}

static void bodies_are_bounded(void **state)
{
	static char request[70000];
	int head;
	(void)state;
	/* up to four times the limit: read, then refused on a connection that stays */
	head = snprintf(request, sizeof(request), HEAD("/v1/events") KEY "Content-Length: 16000\r\n\r\n");
	memset(request + head, ' ', 16000);
	expect(request, (size_t)head + 16000, 413, false);
	/* beyond: at once */
	head = snprintf(request, sizeof(request), HEAD("/v1/events") KEY "Content-Length: 60000\r\n\r\n");
	expect(request, (size_t)head, 413, true);
	/* chunked */
	head = snprintf(request, sizeof(request), HEAD("/v1/events") KEY "Transfer-Encoding: chunked\r\n\r\n1388\r\n");
	memset(request + head, ' ', 5000);
	memcpy(request + head + 5000, "\r\n0\r\n\r\n", 7);
	expect(request, (size_t)head + 5007, 413, false);
	head = snprintf(request, sizeof(request), HEAD("/v1/events") KEY "Transfer-Encoding: chunked\r\n\r\n8000\r\n");
	memset(request + head, ' ', 32768);
	struct fixture_answer answer;
	fixture_ask(server, request, (size_t)head + 32768, true, &answer);
	assert_int_equal(answer.status, 0);
	assert_true(answer.closed);
	/* the largest that fits, in two pieces */
	head = snprintf(request, sizeof(request), HEAD("/v1/events") KEY "Content-Length: 4096\r\n\r\n");
	memset(request + head, 'x', 4096);
	int fd = fixture_connect(server);
	fixture_send(fd, request, (size_t)head + 100);
	usleep(20000);
	fixture_send(fd, request + head + 100, 3996);
	fixture_read(fd, false, &answer);
	close(fd);
	assert_int_equal(answer.status, 200);
	assert_int_equal(strlen(fake_body), 4096);
}

/* Begins a request with a body of `size` bytes, and leaves out the last one. */
static int begin_body(size_t size)
{
	static char request[60000];
	int head = snprintf(request, sizeof(request),
	                    HEAD("/v1/events") "X-Write-Key: back\r\nContent-Length: %zu\r\n\r\n", size);
	memset(request + head, ' ', size - 1);
	int fd = fixture_connect(server);
	fixture_send(fd, request, (size_t)head + size - 1);
	return fd;
}

static void bodies_in_flight_are_bounded_together(void **state)
{
	enum { COUNT = 5, SIZE = 40000 };
	struct fixture_answer answer;
	int fds[COUNT], refused = 0;
	(void)state;
	fixture_sources[1].body_bytes = SIZE;
	fixture_config.limits.bodies_bytes = SIZE * 3;
	for (int i = 0; i < 3; i++)
		fds[i] = begin_body(SIZE);
	fixture_until(fixture_bodies(server) == SIZE * 3); /* exactly: no older copy counts */
	for (int i = 3; i < COUNT; i++)
		fds[i] = begin_body(SIZE);
	EXPECT(HEAD("/v1/events") KEY "Content-Length: 2\r\n\r\n{}", 200, false);
	for (int i = 0; i < COUNT; i++) {
		fixture_send(fds[i], " ", 1);
		fixture_read(fds[i], false, &answer);
		if (answer.status == 503) {
			refused++;
			assert_non_null(strstr(answer.text, "Retry-After: "));
			assert_non_null(strstr(answer.text, "\"bodies_in_flight\""));
			fixture_send(fds[i], post, sizeof(post) - 1); /* the connection is kept */
			fixture_read(fds[i], false, &answer);
		}
		assert_int_equal(answer.status, 200);
		close(fds[i]);
	}
	assert_int_equal(refused, COUNT - 3);
	fixture_until(fixture_bodies(server) == 0);
	close(begin_body(SIZE)); /* given up half way */
	fixture_until(fixture_bodies(server) == 0);
}

static void heads_are_bounded(void **state)
{
	static char request[20000];
	char *at = request;
	(void)state;
	at += sprintf(at, "GET /v1/pixel.gif?");
	memset(at, 'a', 3000);
	strcpy(at + 3000, " HTTP/1.1\r\nHost: a\r\n\r\n");
	expect(request, strlen(request), 414, true);
	at = request + sprintf(request, "GET /v1/pixel.gif HTTP/1.1\r\nHost: a\r\n");
	for (int i = 0; i < 50; i++)
		at += sprintf(at, "X-Header-%d: %0100d\r\n", i, i);
	strcpy(at, "\r\n");
	expect(request, strlen(request), 431, true);
	at = request + sprintf(request, "GET /v1/pixel.gif?a");
	for (int i = 0; i < 300; i++)
		at += sprintf(at, "&b");
	strcpy(at, " HTTP/1.1\r\nHost: a\r\n\r\n");
	expect(request, strlen(request), 414, true);
}

static void cors_headers_are_exact(void **state)
{
	struct fixture_answer answer;
	(void)state;
#define ASK(text) fixture_ask(server, text, sizeof(text) - 1, false, &answer)
	ASK("OPTIONS /v1/events HTTP/1.1\r\nHost: a\r\nOrigin: https://shop.example\r\n"
	    "Access-Control-Request-Method: POST\r\n\r\n");
	assert_int_equal(answer.status, 204);
	assert_non_null(strstr(answer.text, "Access-Control-Allow-Origin: https://shop.example\r\n"));
	assert_non_null(strstr(answer.text, "Access-Control-Allow-Credentials: true\r\n"));
	assert_non_null(strstr(answer.text, "Access-Control-Max-Age: 7200\r\n"));
	assert_non_null(strstr(answer.text, "Access-Control-Allow-Methods: POST, OPTIONS\r\n"));
	assert_non_null(strstr(answer.text, "Vary: Origin\r\n"));
	ASK("OPTIONS /v1/events HTTP/1.1\r\nHost: a\r\nOrigin: https://evil.example\r\n\r\n");
	assert_int_equal(answer.status, 403);
	assert_null(strstr(answer.text, "Access-Control-"));
	for (int i = 0; i < 3; i++) { /* built, shared, shared */
		ASK(HEAD("/v1/events") KEY "Origin: https://shop.example\r\nContent-Length: 2\r\n\r\n{}");
		assert_int_equal(answer.status, 200);
		assert_non_null(strstr(answer.text, "Access-Control-Allow-Origin: https://shop.example\r\n"));
		assert_non_null(strstr(answer.text, "Access-Control-Expose-Headers: Retry-After, X-Request-Id\r\n"));
		assert_null(strstr(answer.text, "X-Request-Id: "));
		ASK(HEAD("/v1/events") KEY "Origin: null\r\nContent-Length: 2\r\n\r\n{}");
		assert_non_null(strstr(answer.text, "Access-Control-Allow-Origin: null\r\n"));
		ASK(HEAD("/v1/events") KEY "Content-Length: 2\r\n\r\n{}");
		assert_null(strstr(answer.text, "Access-Control-"));
	}
	ASK(HEAD("/v1/events") "Origin: https://shop.example\r\nContent-Length: 2\r\n\r\n{}");
	assert_int_equal(answer.status, 401);
	assert_non_null(strstr(answer.text, "Access-Control-Allow-Origin: https://shop.example\r\n"));
	ASK(HEAD("/v1/events") KEY "X-Request-Id: abc.1\r\nContent-Length: 2\r\n\r\n{}");
	assert_int_equal(answer.status, 200);
	assert_non_null(strstr(answer.text, "X-Request-Id: abc.1\r\n"));
#undef ASK
}

static void gzip_is_inflated_and_capped(void **state)
{
	static unsigned char plain[400000], packed[40000];
	static char request[50000];
	struct fixture_answer answer;
	z_stream stream = { 0 };
	(void)state;
	for (int bomb = 0; bomb < 2; bomb++) {
		size_t size = bomb ? sizeof(plain) : 2000;
		memset(plain, 'a', sizeof(plain));
		assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
		stream.next_in = plain;
		stream.avail_in = (uInt)size;
		stream.next_out = packed;
		stream.avail_out = sizeof(packed);
		assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
		size_t len = stream.total_out;
		deflateEnd(&stream);
		int head =
		        snprintf(request, sizeof(request),
		                 HEAD("/v1/events") KEY "Content-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", len);
		memcpy(request + head, packed, len);
		fixture_ask(server, request, (size_t)head + len, false, &answer);
		assert_int_equal(answer.status, bomb ? 413 : 200);
		if (bomb)
			continue;
		assert_int_equal(strlen(fake_body), 2000);
		/* a second member */
		head = snprintf(request, sizeof(request),
		                HEAD("/v1/events") KEY "Content-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
		                len * 2);
		memcpy(request + head, packed, len);
		memcpy(request + head + len, packed, len);
		fixture_ask(server, request, (size_t)head + 2 * len, false, &answer);
		assert_int_equal(answer.status, 400);
		/* cut */
		head = snprintf(request, sizeof(request),
		                HEAD("/v1/events") KEY "Content-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
		                len - 1);
		memcpy(request + head, packed, len - 1);
		fixture_ask(server, request, (size_t)head + len - 1, false, &answer);
		assert_int_equal(answer.status, 400);
	}
}

static void requests_wait_for_the_commit(void **state)
{
	struct fixture_answer answer;
	(void)state;
	fake_mode = FAKE_AT_COMMIT;
	unsigned before = fake_submitted;
	int fd = fixture_connect(server);
	for (int i = 0; i < 100; i++) {
		fixture_send(fd, post, sizeof(post) - 1);
		fixture_read(fd, false, &answer);
		assert_int_equal(answer.status, 200);
	}
	close(fd);
	assert_int_equal(fake_submitted - before, 100);
}

static void many_connections_share_a_commit(void **state)
{
	enum { COUNT = 64, ROUNDS = 30 };
	int fds[COUNT];
	struct fixture_answer answer;
	(void)state;
	fake_mode = FAKE_AT_COMMIT;
	for (int i = 0; i < COUNT; i++)
		fds[i] = fixture_connect(server);
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < COUNT; i++)
			fixture_send(fds[i], post, sizeof(post) - 1);
		for (int i = 0; i < COUNT; i++) {
			fixture_read(fds[i], false, &answer);
			assert_int_equal(answer.status, 200);
		}
	}
	for (int i = 0; i < COUNT; i++)
		close(fds[i]);
}

static void a_request_waits_for_another_lane(void **state)
{
	struct fixture_answer answer;
	uint64_t one = 1;
	(void)state;
	fake_mode = FAKE_BY_MAIL;
	int fds[3];
	for (int i = 0; i < 3; i++) {
		fds[i] = fixture_connect(server);
		fixture_send(fds[i], post, sizeof(post) - 1);
	}
	fixture_until(fake_held == 3);
	usleep(50000);
	close(fds[2]); /* gives up while it is suspended */
	assert_int_equal(write(fake_mailbox, &one, sizeof(one)), sizeof(one));
	for (int i = 0; i < 2; i++) {
		fixture_read(fds[i], false, &answer);
		assert_int_equal(answer.status, 200);
		close(fds[i]);
	}
}

static void a_lost_journal_is_told_once(void **state)
{
	struct fixture_answer answer;
	(void)state;
	fake_mode = FAKE_FAILS;
	fixture_ask(server, post, sizeof(post) - 1, false, &answer);
	assert_int_equal(answer.status, 503);
	assert_non_null(strstr(answer.text, "Retry-After: "));
	fixture_until(fixture_fatal == 1);
	fake_mode = FAKE_AT_ONCE;
	fixture_ask(server, post, sizeof(post) - 1, false, &answer);
	assert_int_equal(answer.status, 503);
	assert_int_equal(fixture_fatal, 1);
}

static void slow_heads_and_bodies_are_cut(void **state)
{
	struct fixture_answer answer;
	(void)state;
	fixture_config.limits.head_timeout_ms = 300;
	fixture_config.limits.body_rate_over_ms = 300;
	static const char slow[] = HEAD("/v1/events") KEY "Origin: https://shop.example\r\nX-Request-Id: mine\r\n"
	                                                  "Content-Length: 2\r\n\r\n{";
	int head = fixture_connect(server), body = fixture_connect(server), mute = fixture_connect(server);
	int pixel = fixture_connect(server);
	fixture_send(pixel, "GET /v1/pixel.gif?key=web HTTP/1.1\r\nHost", 40);
	fixture_send(head, "POST /v1/events HT", 18);
	fixture_send(body, slow, sizeof(slow) - 1);
	fixture_read(head, true, &answer);
	assert_int_equal(answer.status, 408);
	assert_true(answer.closed);
	assert_non_null(strstr(answer.text, "X-Request-Id: "));
	assert_non_null(strstr(answer.text, "Connection: close\r\n"));
	fixture_read(pixel, true, &answer);
	assert_int_equal(answer.status, 408);
	assert_non_null(strstr(answer.text, "Content-Type: image/gif\r\n"));
	assert_non_null(strstr(answer.text, "\r\n\r\nGIF89a"));
	fixture_read(body, true, &answer);
	assert_int_equal(answer.status, 408);
	assert_true(answer.closed);
	assert_non_null(strstr(answer.text, "\"body_timeout\""));
	assert_non_null(strstr(answer.text, "Access-Control-Allow-Origin: https://shop.example\r\n"));
	assert_non_null(strstr(answer.text, "Vary: Origin\r\n"));
	assert_non_null(strstr(answer.text, "X-Request-Id: mine\r\n"));
	fixture_read(mute, true, &answer);
	assert_int_equal(answer.status, 0);
	assert_true(answer.closed);
	close(head), close(body), close(mute), close(pixel);
}

static void a_head_is_timed_from_its_first_byte_on_a_kept_connection(void **state)
{
	struct fixture_answer answer;
	(void)state;
	fixture_config.limits.head_timeout_ms = 1500;
	int idle = fixture_connect(server), fd = fixture_connect(server);
	for (int i = 0; i < 2; i++) {
		fixture_send(i ? fd : idle, post, sizeof(post) - 1);
		fixture_read(i ? fd : idle, false, &answer);
		assert_int_equal(answer.status, 200);
	}
	int64_t began_ms = clock_monotonic_ms();
	for (const char *byte = "POST /v1/eventsPOST /v1/events"; *byte; byte++) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		fixture_send(fd, byte, 1);
		if (poll(&wait, 1, 200))
			break;
	}
	fixture_read(fd, true, &answer);
	assert_int_equal(answer.status, 408);
	assert_true(answer.closed);
	assert_in_range(clock_monotonic_ms() - began_ms, 1500, 5000);
	fixture_send(idle, post, sizeof(post) - 1);
	fixture_read(idle, false, &answer);
	assert_int_equal(answer.status, 200);
	close(fd), close(idle);
}

static void idle_connections_are_closed(void **state)
{
	struct fixture_answer answer;
	(void)state;
	fixture_config.limits.idle_timeout_ms = 200;
	int fd = fixture_connect(server);
	fixture_send(fd, post, sizeof(post) - 1);
	fixture_read(fd, true, &answer);
	assert_int_equal(answer.status, 200);
	assert_true(answer.closed);
	close(fd);
}

static void *drain(void *argument)
{
	int64_t began_ms = clock_monotonic_ms();
	metrics_register_thread();
	http_server_drain(server, 10000);
	*(int64_t *)argument = clock_monotonic_ms() - began_ms;
	return NULL;
}

static void a_drain_answers_what_is_in_flight(void **state)
{
	struct fixture_answer answer;
	uint64_t one = 1;
	int64_t took_ms = 0;
	pthread_t thread;
	(void)state;
	fake_mode = FAKE_BY_MAIL;
	int idle = fixture_connect(server), busy = fixture_connect(server);
	fake_mode = FAKE_AT_ONCE;
	fixture_send(idle, post, sizeof(post) - 1);
	fixture_read(idle, false, &answer);
	fake_mode = FAKE_BY_MAIL;
	fixture_send(busy, post, sizeof(post) - 1);
	fixture_until(fake_held == 1);
	pthread_create(&thread, NULL, drain, &took_ms);
	fixture_read(idle, true, &answer);
	assert_true(answer.closed);
	assert_true(http_server_is_draining(server));
	assert_int_equal(write(fake_mailbox, &one, sizeof(one)), sizeof(one));
	fixture_read(busy, true, &answer);
	assert_int_equal(answer.status, 200);
	assert_non_null(strstr(answer.text, "Connection: close\r\n"));
	assert_true(answer.closed);
	pthread_join(thread, NULL);
	assert_true(took_ms < 5000);
	close(idle), close(busy);
}

static void an_address_in_use_is_busy(void **state)
{
	struct error err = { 0 };
	struct config other = fixture_config;
	(void)state;
	other.listen.port = http_server_port(server);
	struct http_options options = { .cfg = &other, .lanes = 1 };
	assert_null(http_server_start(&options, &err));
	assert_int_equal(err.code, ERROR_BUSY);
}

static void clients_behind_proxies_are_known(void **state)
{
	(void)state;
	EXPECT(HEAD("/v1/events") KEY "X-Forwarded-For: 1.2.3.4, 203.0.113.9\r\nX-Forwarded-For: 127.0.0.9\r\n"
	                              "Content-Length: 2\r\n\r\n{}",
	       200, false);
	assert_string_equal(fake_ip, "203.0.113.9");
	EXPECT(HEAD("/v1/events") KEY "X-Forwarded-For: 1.2.3.4, bogus\r\nContent-Length: 2\r\n\r\n{}", 200, false);
	assert_string_equal(fake_ip, "127.0.0.1");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(framing_is_refused_and_closed),
		TEST(rights_are_refused_and_the_connection_kept),
		TEST(keys_are_found_in_all_their_places),
		TEST(bodies_are_bounded),
		TEST(bodies_in_flight_are_bounded_together),
		TEST(heads_are_bounded),
		TEST(cors_headers_are_exact),
		TEST(gzip_is_inflated_and_capped),
		TEST(requests_wait_for_the_commit),
		TEST(many_connections_share_a_commit),
		TEST(a_request_waits_for_another_lane),
		TEST(a_lost_journal_is_told_once),
		TEST(slow_heads_and_bodies_are_cut),
		TEST(a_head_is_timed_from_its_first_byte_on_a_kept_connection),
		TEST(idle_connections_are_closed),
		TEST(a_drain_answers_what_is_in_flight),
		TEST(an_address_in_use_is_busy),
		TEST(clients_behind_proxies_are_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
