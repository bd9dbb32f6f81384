/* The admin listener over raw sockets: doors (Host, method, token), answers, the token's file, drafts of schemas. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "admin/admin.h"
#include "admin/draft.h"
#include "admin/token.h"
#include "base/metrics.h"

static char folder[] = "/tmp/headgate-admin-XXXXXX";
static char token_file[128];
static char token[ADMIN_TOKEN_BYTES + 1];
static struct admin *admin;
static bool is_ready = true, reload_works = true;
static int reloads;

static void set_gauges(void *context)
{
	assert_ptr_equal(context, folder);
}

static bool readyz(void *context, struct buffer *reason)
{
	assert_ptr_equal(context, folder);
	buffer_append(reason, is_ready ? SLICE("ready") : SLICE("draining"));
	return is_ready;
}

static void status(void *context, struct buffer *json)
{
	assert_ptr_equal(context, folder);
	buffer_append(json, SLICE("{\"version\":\"x\"}"));
}

static bool reload(void *context, struct error *err)
{
	assert_ptr_equal(context, folder);
	reloads++;
	return reload_works || error_set(err, ERROR_CONFIG, "lanes: \"wrong\"");
}

static const struct slice more_hosts[] = { { "ops.example", 11 }, { "gate:7000", 9 } };

static struct admin_options options_of(uint16_t port)
{
	return (struct admin_options) { .listen = { SLICE("127.0.0.1"), port },
		                        .token_file = slice_of(token_file),
		                        .hosts = { more_hosts, 2 },
		                        .context = folder,
		                        .set_gauges = set_gauges,
		                        .readyz = readyz,
		                        .status = status,
		                        .reload = reload };
}

static int start(void **state)
{
	struct error err = { 0 };
	(void)state;
	metrics_register_thread();
	if (!mkdtemp(folder))
		return -1;
	snprintf(token_file, sizeof(token_file), "%s/admin.token", folder);
	const struct admin_options options = options_of(0);
	admin = admin_start(&options, &err);
	return admin && admin_token_load(token_file, token, &err) ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	admin_stop(&admin);
	return admin || unlink(token_file) || rmdir(folder) ? -1 : 0;
}

/* Sends the bytes and reads until the server closes; the answer is NUL-terminated and lives until the next call. */
static const char *exchange(const char *bytes, size_t len)
{
	static char answer[1 << 16];
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(admin_port(admin)) };
	struct timeval patience = { .tv_sec = 10 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	size_t got = 0;
	inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	for (size_t sent = 0; sent < len;) {
		ssize_t n = send(fd, bytes + sent, len - sent, MSG_NOSIGNAL);
		if (n <= 0)
			break; /* answered before it was all read */
		sent += (size_t)n;
	}
	for (ssize_t n; (n = recv(fd, answer + got, sizeof(answer) - 1 - got, 0)) > 0;)
		got += (size_t)n;
	close(fd);
	answer[got] = 0;
	return answer;
}

static const char *ask(const char *method, const char *path, const char *headers, const char *body)
{
	static char request[1 << 14];
	int len = snprintf(request, sizeof(request),
	                   "%s %s HTTP/1.1\r\n%sConnection: close\r\nContent-Length: %zu\r\n\r\n%s", method, path,
	                   headers, strlen(body), body);
	assert_in_range(len, 1, sizeof(request) - 1);
	return exchange(request, (size_t)len);
}

#define HOST "Host: localhost\r\n"

static const char *bearer(const char *value)
{
	static char headers[256];
	snprintf(headers, sizeof(headers), HOST "Authorization: %s\r\n", value);
	return headers;
}

static const char *authorised(void)
{
	char value[96];
	snprintf(value, sizeof(value), "Bearer %s", token);
	return bearer(value);
}

static void check_status(const char *answer, int wanted, const char *what)
{
	if (strncmp(answer, "HTTP/1.1 ", 9) != 0 || atoi(answer + 9) != wanted)
		fail_msg("%s: wanted %d, got %.200s", what, wanted, answer);
}

static void test_routes(void **state)
{
	(void)state;
	static const struct {
		const char *method, *path;
		int status;
		const char *holds;
	} cases[] = {
		{ "GET", "/livez", 200, "\r\n\r\nalive\n" },
		{ "HEAD", "/livez", 200, "Content-Length: 6" },
		{ "GET", "/livez?x=1", 200, "alive" },
		{ "GET", "/readyz", 200, "ready" },
		{ "GET", "/metrics", 200, "# TYPE headgate_requests_total counter" },
		{ "GET", "/metrics", 200, "Content-Type: text/plain; version=0.0.4" },
		{ "GET", "/status", 200, "{\"version\":\"x\"}" },
		{ "GET", "/status", 200, "Content-Type: application/json" },
		{ "GET", "/status", 200, "Cache-Control: no-store" },
		{ "GET", "/status", 200, "X-Content-Type-Options: nosniff" },
		{ "GET", "/", 404, "\"not_found\"" },
		{ "GET", "/livez/", 404, "\"not_found\"" },
		{ "GET", "/v1/events", 404, "Cache-Control: no-store" },
		{ "POST", "/livez", 405, "Allow: GET" },
		{ "DELETE", "/status", 405, "Allow: GET" },
		{ "GET", "/reload", 405, "Allow: POST" },
		{ "GET", "/v1/validate", 405, "Allow: POST" },
		{ "POST", "/reload", 401, "WWW-Authenticate: Bearer" },
		{ "POST", "/v1/validate", 401, "\"unauthorized\"" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *answer = ask(cases[i].method, cases[i].path, HOST, "");
		check_status(answer, cases[i].status, cases[i].path);
		if (!strstr(answer, cases[i].holds))
			fail_msg("%s %s: no \"%s\" in %s", cases[i].method, cases[i].path, cases[i].holds, answer);
	}
	assert_int_equal(reloads, 0);
}

static void test_hosts(void **state)
{
	(void)state;
	static const struct {
		const char *headers;
		int status;
	} cases[] = {
		{ "Host: localhost:9090\r\n", 200 },
		{ "Host: LOCALHOST\r\n", 200 },
		{ "Host: 127.0.0.1:1\r\n", 200 },
		{ "Host: [::1]:9090\r\n", 200 },
		{ "Host: ops.example\r\n", 200 },
		{ "Host: ops.example:443\r\n", 200 },
		{ "Host: gate:7000\r\n", 200 },
		{ "Host: gate:7001\r\n", 403 },
		{ "Host: evil.example\r\n", 403 },
		{ "Host: localhost.evil.example\r\n", 403 },
		{ "Host: 127.0.0.1.evil.example\r\n", 403 },
		{ "Host: \r\n", 403 },
		{ "Host: [::1\r\n", 403 },
		{ "Host: [\r\n", 403 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_status(ask("GET", "/status", cases[i].headers, ""), cases[i].status, cases[i].headers);
	assert_null(strstr(ask("GET", "/status", "Host: evil.example\r\n", ""), "version"));
}

static void test_token(void **state)
{
	(void)state;
	char almost[96], longer[96];
	snprintf(almost, sizeof(almost), "Bearer %s", token);
	almost[strlen(almost) - 1] ^= 1;
	snprintf(longer, sizeof(longer), "Bearer %s0", token);
	const char *const wrong[] = { "Bearer ", "Bearer", "Bearer x", almost, longer, "Basic Og==", token };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		check_status(ask("POST", "/reload", bearer(wrong[i]), ""), 401, wrong[i]);
	assert_int_equal(reloads, 0);
	const char *answer = ask("POST", "/reload", authorised(), "");
	check_status(answer, 200, "reload");
	assert_int_equal(reloads, 1);
	reload_works = false;
	answer = ask("POST", "/reload", authorised(), "");
	check_status(answer, 422, "reload");
	assert_non_null(strstr(answer, "lanes: \\\"wrong\\\""));
	reload_works = true;
}

static void test_not_ready(void **state)
{
	(void)state;
	is_ready = false;
	const char *answer = ask("GET", "/readyz", HOST, "");
	check_status(answer, 503, "/readyz");
	assert_non_null(strstr(answer, "draining"));
	check_status(ask("GET", "/livez", HOST, ""), 200, "/livez");
	is_ready = true;
}

static void test_validate(void **state)
{
	(void)state;
	const char *answer = ask("POST", "/v1/validate", authorised(),
	                         "{\"schema\":{\"type\":\"object\",\"properties\":{\"n\":{\"minimum\":0}}},"
	                         "\"documents\":[{\"n\":1},{\"n\":-3}]}");
	check_status(answer, 200, "validate");
	assert_non_null(strstr(answer,
	                       "{\"valid\":1,\"invalid\":1,\"documents\":[{\"index\":0,\"valid\":true},"
	                       "{\"index\":1,\"valid\":false,\"errors\":[{\"path\":\"/n\",\"rule\":\"minimum\""));
	answer = ask("POST", "/v1/validate", authorised(),
	             "{\"schema\":{\"typ\":1},\"documents\":[],\"rules\":\"catalog\"}");
	check_status(answer, 422, "a keyword that is not there");
	assert_non_null(strstr(answer, "schema_refused"));
	answer = ask("POST", "/v1/validate", authorised(),
	             "{\"schema\":{\"typ\":1,\"format\":\"ipv4\"},\"documents\":[\"x\"]}");
	assert_non_null(strstr(answer, "{\"valid\":1,\"invalid\":0"));
	answer = ask("POST", "/v1/validate", authorised(),
	             "{\"schema\":{\"typ\":1,\"format\":\"ipv4\"},\"documents\":[\"x\"],\"assert_format\":true}");
	assert_non_null(strstr(answer, "{\"valid\":0,\"invalid\":1"));
	check_status(ask("POST", "/v1/validate", authorised(), "{\"schema\":true,\"documents\":[],\"rules\":1}"), 400,
	             "rules that are not there");
	check_status(ask("POST", "/v1/validate", authorised(), "{"), 400, "not JSON");
	check_status(ask("POST", "/v1/validate", authorised(), ""), 400, "no body");
}

static void test_large_body(void **state)
{
	(void)state;
	size_t size = (4u << 20) + 1;
	char head[256], *request = malloc(sizeof(head) + size);
	int len = snprintf(head, sizeof(head),
	                   "POST /v1/validate HTTP/1.1\r\n%sConnection: close\r\nContent-Length: %zu\r\n\r\n",
	                   authorised(), size);
	assert_non_null(request);
	memcpy(request, head, (size_t)len);
	memset(request + len, ' ', size);
	check_status(exchange(request, (size_t)len + size), 413, "4 MiB and a byte");
	free(request);
}

static void test_port_taken(void **state)
{
	struct error err = { 0 };
	const struct admin_options options = options_of(admin_port(admin));
	(void)state;
	assert_null(admin_start(&options, &err));
	assert_int_equal(err.code, ERROR_BUSY);
	check_status(ask("GET", "/livez", HOST, ""), 200, "the first one goes on");
}

static void write_token(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void test_token_file(void **state)
{
	(void)state;
	struct error err = { 0 };
	struct stat st;
	char path[160], one[ADMIN_TOKEN_BYTES + 1], two[ADMIN_TOKEN_BYTES + 1];
	snprintf(path, sizeof(path), "%s/other.token", folder);
	assert_true(admin_token_load(path, one, &err));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(strlen(one), 64);
	assert_true(admin_token_load(path, two, &err));
	assert_string_equal(one, two);
	assert_string_not_equal(one, token);
	assert_int_equal(chmod(path, 0644), 0);
	assert_false(admin_token_load(path, two, &err));
	assert_int_equal(err.code, ERROR_CONFIG);
	assert_int_equal(chmod(path, 0640), 0);
	assert_false(admin_token_load(path, two, &err));
	write_token(path, "short\n", 0600);
	assert_false(admin_token_load(path, two, &err));
	write_token(path, "", 0600);
	assert_false(admin_token_load(path, two, &err));
	write_token(path, "chosen by the operator\n", 0600);
	assert_true(admin_token_load(path, two, &err));
	assert_true(admin_token_matches(two, SLICE("chosen by the operator")));
	assert_false(admin_token_matches(two, SLICE("chosen by the operato")));
	assert_false(admin_token_matches(two, SLICE_NONE));
	assert_int_equal(unlink(path), 0);
}

static void test_drafts(void **state)
{
	(void)state;
	static const struct {
		const char *body;
		enum error_code code;
		const char *holds;
	} cases[] = {
		{ "{\"schema\":{},\"documents\":[]}", ERROR_NONE, "{\"valid\":0,\"invalid\":0,\"documents\":[]}" },
		{ "{\"schema\":true,\"documents\":[1]}", ERROR_NONE, "\"valid\":1" },
		{ "{\"schema\":{},\"documents\":[{\"a\":1,\"a\":2}]}", ERROR_NONE, "duplicate_name" },
		{ "{\"schema\":{},\"documents\":[{\"a\":\"\\u0000\"}, 2],\"rules\":\"catalog\"}", ERROR_NONE,
		  "nul_escape" },
		{ "{\"schema\":{},\"documents\":[{\"a\":\"\\u0000\"}, 2]}", ERROR_NONE, "\"valid\":2" },
		{ "{\"schema\":{},\"documents\":[\"\xff\"]}", ERROR_NONE, "utf8" },
		{ "{\"schema\":{\"x-headgate\":{\"purposes\":[\"ads\"]}},\"documents\":[]}", ERROR_NONE,
		  "\"valid\":0" },
		{ "{\"schema\":{\"x-headgate\":{\"purpose\":[\"ads\"]}},\"documents\":[],\"rules\":\"catalog\"}",
		  ERROR_SCHEMA, "" },
		{ "{\"schema\":{\"$ref\":\"file:///etc/passwd\"},\"documents\":[]}", ERROR_SCHEMA, "" },
		{ "{\"schema\":{\"$ref\":\"..%2f..%2f..%2fetc/passwd.json\"},\"documents\":[]}", ERROR_SCHEMA, "" },
		{ "{\"schema\":{},\"documents\":[],\"assert_format\":1}", ERROR_DATA, "" },
		{ "{\"schema\":{\"type\":\"objct\"},\"documents\":[]}", ERROR_SCHEMA, "" },
		{ "{\"schema\":{\"$ref\":\"../../../etc/passwd\"},\"documents\":[]}", ERROR_SCHEMA, "" },
		{ "{\"schema\":[],\"documents\":[]}", ERROR_SCHEMA, "" },
		{ "", ERROR_DATA, "" },
		{ "[]", ERROR_DATA, "" },
		{ "{\"schema\":{}}", ERROR_DATA, "" },
		{ "{\"documents\":[]}", ERROR_DATA, "" },
		{ "{\"schema\":{},\"documents\":{}}", ERROR_DATA, "" },
		{ "{\"schema\":{},\"documents\":[],\"x\":1}", ERROR_DATA, "" },
		{ "{\"schema\":{},\"schema\":{},\"documents\":[]}", ERROR_DATA, "" },
		{ "{\"schema\":{},\"documents\":[]} x", ERROR_DATA, "" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error err = { 0 };
		struct buffer out;
		buffer_init(&out, NULL);
		bool ok = admin_draft_judge(slice_of(cases[i].body), slice_of(folder), &out, &err);
		buffer_append_char(&out, 0);
		if (ok != (cases[i].code == ERROR_NONE) || err.code != cases[i].code || !strstr(out.at, cases[i].holds))
			fail_msg("%s: code %d, %s, %s", cases[i].body, (int)err.code, err.message, out.at);
		buffer_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_routes),     cmocka_unit_test(test_hosts),      cmocka_unit_test(test_token),
		cmocka_unit_test(test_not_ready),  cmocka_unit_test(test_validate),   cmocka_unit_test(test_large_body),
		cmocka_unit_test(test_port_taken), cmocka_unit_test(test_token_file), cmocka_unit_test(test_drafts),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
