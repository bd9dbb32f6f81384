/* Load generator: one thread, one epoll loop, N keep-alive connections, one request in flight on each (no pipelining).
 * Every event is a purchase of exactly EVENT_SIZE bytes that the shipped schema accepts, with an event_id and an
 * order_id that no other event of any run has. A batch is an array of such events.
 *
 *   load --port P [--connections 64] [--batch 1] [--seconds 5] [--key dev] [--rate R] [--acked FILE] [--once]
 *        [--hold] [--cookie TEXT] [--granted]
 *
 * --rate R      starts at most R requests a second, over all connections; 0 (default): as many as are answered.
 * --acked FILE  appends the event_id of every event answered "accepted", one a line, for tests that kill the server.
 * --cookie TEXT the header Cookie of each request, as a returning browser sends it.
 * --granted     ads are granted too, instead of denied: the event is kept whole.
 * --once        one request per connection; --hold keeps the connections open after that until stdin ends.
 * Prints one line: requests N events N seconds S requests_per_second R events_per_second E p50_us N p99_us N errors N.
 * A broken connection is an error; it is opened again unless nobody listens any more, which ends the run. Exit 0 when
 * there was at least one good answer. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENT_SIZE = 950, ANSWER_SIZE = 16384, ID_SIZE = 36, BUCKETS = 64 * 32 };

/* "@" marks what is rewritten for each event; the tilde is padded with letters until the event has EVENT_SIZE bytes. */
static const char event_template[] =
        "{\"event\":\"purchase\",\"event_id\":\"@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\","
        "\"anonymous_id\":\"4f6c1d6a-92c7-4d0e-8a51-1f0d5c9ab001\",\"user_id\":\"customer-1048576\","
        "\"session_id\":\"1763776860123\",\"consent\":{\"analytics\":\"granted\",\"ads\":\"denied\"},"
        "\"context\":{\"page\":{\"url\":\"https://shop.example/checkout/thanks?order=1\","
        "\"referrer\":\"https://shop.example/checkout/payment\",\"title\":\"~\"},"
        "\"locale\":\"ko-KR\",\"timezone\":\"Asia/Seoul\"},"
        "\"properties\":{\"order_id\":\"T-@@@@@@@@@@@@@@@@@@@@\",\"currency\":\"EUR\",\"value\":129.85,\"tax\":20.73,"
        "\"shipping\":4.9,\"coupon\":\"AUTUMN\",\"payment_method\":\"card\",\"items\":["
        "{\"product_id\":\"SKU-10001\",\"name\":\"Trail running shoe\",\"brand\":\"Northpath\",\"price\":99.95,"
        "\"quantity\":1},"
        "{\"product_id\":\"SKU-20417\",\"name\":\"Merino sock, two pairs\",\"brand\":\"Northpath\",\"price\":14.95,"
        "\"quantity\":2}]}}";

struct connection {
	int fd;
	bool waits;  /* for its turn; what happens to it meanwhile is seen then */
	bool failed; /* reconnecting did not work: out of the game */
	char *request;
	size_t request_size, sent;
	uint64_t started_us;
	uint64_t first_event; /* number of the first event of the request in flight */
	size_t answer_size;
	char answer[ANSWER_SIZE];
};

struct options {
	uint16_t port;
	unsigned connections, batch;
	double seconds, rate;
	const char *key, *acked_path, *cookie;
	bool once, hold, granted;
};

static struct options opt = { .connections = 64, .batch = 1, .seconds = 5, .key = "dev" };
static char event_bytes[EVENT_SIZE + 1];
static size_t event_id_at, order_id_at;
static uint64_t run_id, next_event, requests, events, errors;
static uint64_t histogram[BUCKETS];
static unsigned alive;
static bool stopping;
static uint64_t start_us, begun;
static struct connection **waiting; /* for their turn, where a rate is given */
static unsigned waiting_count;
static FILE *acked;
static int epoll_fd;

static uint64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Log-linear buckets: 32 per power of two, so a percentile is at most 3 % off. */
static size_t bucket_of(uint64_t us)
{
	if (us < 64)
		return us;
	unsigned top = 63u - (unsigned)__builtin_clzll(us);
	size_t bucket = (size_t)(top - 4) * 32 + ((us >> (top - 5)) & 31);
	return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static uint64_t bucket_value(size_t bucket)
{
	if (bucket < 64)
		return bucket;
	return (uint64_t)(32 + (bucket & 31)) << (bucket / 32 - 1);
}

static uint64_t percentile(double share)
{
	uint64_t seen = 0, wanted = (uint64_t)((double)requests * share);
	for (size_t i = 0; i < BUCKETS; i++) {
		seen += histogram[i];
		if (seen > wanted)
			return bucket_value(i);
	}
	return 0;
}

static void event_prepare(void)
{
	const char *pad = strchr(event_template, '~');
	size_t head = (size_t)(pad - event_template), length = sizeof(event_template) - 1;
	if (length - 1 > EVENT_SIZE) {
		fprintf(stderr, "load: the template has %zu bytes, more than %d\n", length - 1, EVENT_SIZE);
		exit(1);
	}
	size_t letters = EVENT_SIZE - (length - 1);
	memcpy(event_bytes, event_template, head);
	for (size_t i = 0; i < letters; i++)
		event_bytes[head + i] = "Thank you for your order "[i % 25];
	memcpy(event_bytes + head + letters, pad + 1, length - head);
	if (opt.granted)
		memcpy(strstr(event_bytes, "\"denied\""), "true    ", 8);
	event_id_at = (size_t)(strstr(event_bytes, "\"event_id\":\"@") - event_bytes) + 12;
	order_id_at = (size_t)(strstr(event_bytes, "T-@") - event_bytes) + 2;
	/* 48 bits of time and process make ids of different runs different. */
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	run_id = ((uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000) ^ ((uint64_t)getpid() << 32);
	run_id &= 0xffffffffffff;
}

/* The shape of a UUIDv7: 48 bits of the run, then the number of the event. */
static void event_id_format(uint64_t number, char *dst)
{
	char text[64];
	snprintf(text, sizeof(text), "%08" PRIx64 "-%04" PRIx64 "-7%03" PRIx64 "-8%03" PRIx64 "-%012" PRIx64,
	         run_id >> 16, run_id & 0xffff, (number >> 60) & 0xfff, (number >> 48) & 0xfff,
	         number & 0xffffffffffff);
	memcpy(dst, text, ID_SIZE);
}

static void hex_write(uint64_t number, unsigned digits, char *dst)
{
	for (unsigned i = digits; i-- > 0; number >>= 4)
		dst[i] = "0123456789abcdef"[number & 15];
}

/* Writes the request of a connection once; later requests only rewrite the ids. */
static void request_prepare(struct connection *c)
{
	size_t body = opt.batch == 1 ? EVENT_SIZE : (size_t)opt.batch * (EVENT_SIZE + 1) + 1;
	char head[1024];
	int head_size = snprintf(head, sizeof(head),
	                         "POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Type: application/json\r\n"
	                         "X-Write-Key: %s\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) load/1\r\n"
	                         "%s%s%sContent-Length: %zu\r\n\r\n",
	                         opt.port, opt.key, opt.cookie ? "Cookie: " : "", opt.cookie ? opt.cookie : "",
	                         opt.cookie ? "\r\n" : "", body);
	c->request_size = (size_t)head_size + body;
	c->request = malloc(c->request_size + 1);
	if (c->request == NULL || head_size >= (int)sizeof(head))
		die("request");
	memcpy(c->request, head, (size_t)head_size);
	char *p = c->request + head_size;
	if (opt.batch > 1)
		*p++ = '[';
	for (unsigned i = 0; i < opt.batch; i++) {
		memcpy(p, event_bytes, EVENT_SIZE);
		event_id_format(0, p + event_id_at);
		hex_write(run_id, 12, p + order_id_at);
		p += EVENT_SIZE;
		if (opt.batch > 1)
			*p++ = i + 1 < opt.batch ? ',' : ']';
	}
}

static void request_number(struct connection *c)
{
	size_t stride = opt.batch == 1 ? EVENT_SIZE : EVENT_SIZE + 1;
	char *p = c->request + c->request_size - (opt.batch == 1 ? EVENT_SIZE : (size_t)opt.batch * stride);
	c->first_event = next_event;
	next_event += opt.batch;
	for (unsigned i = 0; i < opt.batch; i++, p += stride) {
		hex_write(c->first_event + i, 12, p + event_id_at + ID_SIZE - 12);
		hex_write(c->first_event + i, 8, p + order_id_at + 12);
	}
}

static void watch(struct connection *c, uint32_t interest, int how)
{
	struct epoll_event ev = { .events = interest, .data.ptr = c };
	if (epoll_ctl(epoll_fd, how, c->fd, &ev) != 0)
		die("epoll_ctl");
}

/* Blocking on purpose: connections are opened before the clock starts, or after an error. */
static bool connection_open(struct connection *c)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		                       .sin_port = htons(opt.port),
		                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		die("socket");
	if (connect(c->fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		close(c->fd);
		c->fd = -1;
		return false;
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	watch(c, EPOLLIN, EPOLL_CTL_ADD);
	return true;
}

static void connection_retire(struct connection *c)
{
	c->failed = true;
	alive--;
}

/* Sends what is left of the request; waits for room only when the socket is full. */
static bool connection_send(struct connection *c)
{
	while (c->sent < c->request_size) {
		ssize_t n = send(c->fd, c->request + c->sent, c->request_size - c->sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
			return true;
		}
		if (n < 0)
			return false;
		c->sent += (size_t)n;
	}
	return true;
}

static bool connection_begin(struct connection *c)
{
	if (opt.rate > 0 && (double)begun >= opt.rate * (double)(now_us() - start_us) / 1e6) {
		c->waits = true;
		waiting[waiting_count++] = c;
		return true;
	}
	begun++;
	request_number(c);
	c->sent = 0;
	c->answer_size = 0;
	c->started_us = now_us();
	return connection_send(c);
}

static void connection_renew(struct connection *c)
{
	errors++;
	close(c->fd);
	c->fd = -1;
	if (stopping || opt.once || !connection_open(c))
		connection_retire(c);
	else if (!connection_begin(c))
		connection_retire(c);
}

/* Length of the complete answer at the start of the buffer, 0 while it is not complete. */
static size_t answer_complete(struct connection *c, int *status, const char **body)
{
	c->answer[c->answer_size] = 0;
	char *end = strstr(c->answer, "\r\n\r\n");
	if (end == NULL || c->answer_size < 12)
		return 0;
	size_t head = (size_t)(end - c->answer) + 4, length = 0;
	*status = atoi(c->answer + 9);
	for (char *line = strstr(c->answer, "\r\n"); line != NULL && line < end; line = strstr(line + 2, "\r\n"))
		if (strncasecmp(line + 2, "content-length:", 15) == 0)
			length = strtoul(line + 17, NULL, 10);
	*body = c->answer + head;
	return c->answer_size >= head + length ? head + length : 0;
}

static void answer_count(struct connection *c, int status, const char *body)
{
	const char *member = strstr(body, "\"accepted\":");
	unsigned accepted = member ? (unsigned)strtoul(member + 11, NULL, 10) : opt.batch;
	if (status / 100 != 2 || accepted != opt.batch) {
		if (errors++ == 0)
			fprintf(stderr, "load: first error: %.*s\n", (int)c->answer_size, c->answer);
		return;
	}
	requests++;
	events += opt.batch;
	histogram[bucket_of(now_us() - c->started_us)]++;
	for (unsigned i = 0; acked != NULL && i < opt.batch; i++) {
		char id[ID_SIZE + 1];
		event_id_format(c->first_event + i, id);
		id[ID_SIZE] = '\n';
		fwrite(id, 1, sizeof(id), acked);
	}
}

static void connection_read(struct connection *c)
{
	ssize_t n = recv(c->fd, c->answer + c->answer_size, ANSWER_SIZE - 1 - c->answer_size, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		connection_renew(c);
		return;
	}
	c->answer_size += (size_t)n;
	int status = 0;
	const char *body = NULL;
	if (answer_complete(c, &status, &body) == 0) {
		if (c->answer_size == ANSWER_SIZE - 1)
			connection_renew(c);
		return;
	}
	answer_count(c, status, body);
	if (stopping || opt.once)
		connection_retire(c);
	else if (!connection_begin(c))
		connection_renew(c);
}

static void connection_serve(struct connection *c, uint32_t happened)
{
	if (c->failed || c->waits || c->fd < 0)
		return;
	if (happened & EPOLLOUT) {
		watch(c, EPOLLIN, EPOLL_CTL_MOD);
		if (!connection_send(c)) {
			connection_renew(c);
			return;
		}
	}
	if (happened & (EPOLLIN | EPOLLERR | EPOLLHUP))
		connection_read(c);
}

static void waiting_release(void)
{
	for (unsigned i = waiting_count; i > 0; i--) {
		struct connection *c = waiting[--waiting_count];
		c->waits = false;
		if (stopping)
			connection_retire(c);
		else if (!connection_begin(c))
			connection_renew(c);
		if (waiting_count >= i) /* still not its turn, so nobody's */
			return;
	}
}

/* Until every connection is retired: after the deadline each ends with the answer it waits for (at most 10 s more). */
static void run(uint64_t deadline_us)
{
	struct epoll_event ready[512];
	while (alive > 0) {
		int n = epoll_wait(epoll_fd, ready, 512, waiting_count > 0 ? 1 : 100);
		uint64_t now = now_us();
		stopping = stopping || now >= deadline_us;
		if (now > deadline_us + 10000000)
			break;
		for (int i = 0; i < n; i++)
			connection_serve(ready[i].data.ptr, ready[i].events);
		waiting_release();
	}
	errors += alive;
}

static void options_read(int argc, char **argv)
{
	static const struct option table[] = {
		{ "port", 1, NULL, 'p' },    { "connections", 1, NULL, 'c' }, { "batch", 1, NULL, 'b' },
		{ "seconds", 1, NULL, 's' }, { "key", 1, NULL, 'k' },         { "rate", 1, NULL, 'r' },
		{ "acked", 1, NULL, 'a' },   { "once", 0, NULL, 'o' },        { "hold", 0, NULL, 'h' },
		{ "granted", 0, NULL, 'g' }, { "cookie", 1, NULL, 'i' },      { NULL, 0, NULL, 0 },
	};
	for (int c; (c = getopt_long(argc, argv, "", table, NULL)) != -1;) {
		if (c == 'p')
			opt.port = (uint16_t)strtoul(optarg, NULL, 10);
		else if (c == 'c')
			opt.connections = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'b')
			opt.batch = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 's')
			opt.seconds = strtod(optarg, NULL);
		else if (c == 'k')
			opt.key = optarg;
		else if (c == 'r')
			opt.rate = strtod(optarg, NULL);
		else if (c == 'a')
			opt.acked_path = optarg;
		else if (c == 'o')
			opt.once = true;
		else if (c == 'h')
			opt.hold = true;
		else if (c == 'i')
			opt.cookie = optarg;
		else if (c == 'g')
			opt.granted = true;
		else
			exit(64);
	}
	if (opt.port == 0 || opt.connections == 0 || opt.batch == 0 || strlen(opt.key) > 128) {
		fputs("load: --port, and at least one connection and event\n", stderr);
		exit(64);
	}
}

static struct connection *connections_open(void)
{
	struct rlimit files = { 0 };
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	struct connection *all = calloc(opt.connections, sizeof(*all));
	waiting = calloc(opt.connections, sizeof(struct connection *));
	if (all == NULL || waiting == NULL)
		die("connections");
	for (unsigned i = 0; i < opt.connections; i++) {
		request_prepare(&all[i]);
		if (!connection_open(&all[i]))
			die("connect");
		alive++;
	}
	return all;
}

int main(int argc, char **argv)
{
	options_read(argc, argv);
	event_prepare();
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (opt.acked_path != NULL && (acked = fopen(opt.acked_path, "a")) == NULL)
		die(opt.acked_path);
	struct connection *all = connections_open();
	start_us = now_us();
	for (unsigned i = 0; i < opt.connections; i++)
		if (!connection_begin(&all[i]))
			connection_renew(&all[i]);
	run(start_us + (uint64_t)(opt.seconds * 1e6));
	double took = (double)(now_us() - start_us) / 1e6;
	printf("requests %" PRIu64 " events %" PRIu64 " seconds %.3f requests_per_second %.0f events_per_second %.0f "
	       "p50_us %" PRIu64 " p99_us %" PRIu64 " errors %" PRIu64 "\n",
	       requests, events, took, (double)requests / took, (double)events / took, percentile(0.50),
	       percentile(0.99), errors);
	fflush(stdout);
	if (acked != NULL && fclose(acked) != 0)
		die("acked");
	char byte;
	while (opt.hold && read(STDIN_FILENO, &byte, 1) > 0)
		;
	return requests > 0 ? 0 : 1;
}
