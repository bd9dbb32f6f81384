/* The measure of all ratios: a bare libmicrohttpd server (internal epoll, thread pool of as many threads as cores) that
 * reads the body, throws it away and answers 204. What headgate does beyond this is what headgate costs.
 * Usage: bare [threads]. Prints "listening PORT" and runs until its stdin ends. */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct MHD_Response *no_content;

static enum MHD_Result answer(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *upload, size_t *upload_size, void **req_cls)
{
	static int seen_head;
	(void)cls, (void)url, (void)method, (void)version, (void)upload;
	if (*req_cls == NULL) {
		*req_cls = &seen_head;
		return MHD_YES;
	}
	if (*upload_size > 0) {
		*upload_size = 0;
		return MHD_YES;
	}
	return MHD_queue_response(connection, MHD_HTTP_NO_CONTENT, no_content);
}

int main(int argc, char **argv)
{
	long threads = argc > 1 ? strtol(argv[1], NULL, 10) : sysconf(_SC_NPROCESSORS_ONLN);
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	no_content = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	/* A pool of one is refused by the library: one thread is what it runs without a pool. */
	struct MHD_Daemon *daemon = MHD_start_daemon(
	        MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, answer, NULL, MHD_OPTION_SOCK_ADDR,
	        (struct sockaddr *)&address, MHD_OPTION_CONNECTION_LIMIT, 20000u, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	        (size_t)32768, MHD_OPTION_THREAD_POOL_SIZE, threads > 1 ? (unsigned)threads : 0u, MHD_OPTION_END);
	if (daemon == NULL || no_content == NULL) {
		fputs("bare: libmicrohttpd did not start\n", stderr);
		return 1;
	}
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
	printf("listening %u\n", (unsigned)info->port);
	fflush(stdout);
	char byte;
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	MHD_stop_daemon(daemon);
	MHD_destroy_response(no_content);
	return 0;
}
