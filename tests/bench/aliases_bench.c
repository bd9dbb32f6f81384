/* What a source that takes foreign names pays: for an event that is under our names already, and for one that is not. */
#include <stdio.h>
#include <time.h>

#include "catalog/normalise.h"
#include "purchase.h"

#define ROUNDS 50000
#define RUNS 7

static const char FOREIGN[] =
        "{\"event\":\"Order Completed\",\"event_id\":\"0190b6a2-7c1e-7b3a-9d4e-5f60718293a4\",\"properties\":{"
        "\"order_id\":\"A-2026-118233\",\"currency\":\"KRW\",\"revenue\":128000,\"tax\":11636,\"shipping\":3000,"
        "\"products\":[{\"sku\":\"SKU-1001\",\"name\":\"Merino sweater\",\"price\":\"69000\",\"quantity\":1,"
        "\"category\":\"Knit\",\"image_url\":\"https://shop.example/1001.jpg\"},{\"sku\":\"SKU-2040\",\"name\":"
        "\"Wool socks, 3 pairs\",\"price\":\"29500\",\"quantity\":2,\"category\":\"Socks\",\"position\":1}]}}";

/* Of this thread: the machine's other work does not count. */
static double cpu_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* -1 if the event is not translated as expected. */
static double cost_ns(const struct catalog *cat, struct slice text, bool translated)
{
	const struct json_options options = { .depth_max = 32, .nodes_max = 10000 };
	struct json_doc doc = { 0 };
	struct arena arena, work;
	double best_ns = 1e12;
	bool good = true;
	size_t at;

	arena_init(&arena, 16 << 20);
	arena_init(&work, 16 << 20);
	if (json_scan(&doc, text, &options, &arena, &at) != JSON_OK)
		good = false;
	for (int run = 0; good && run < RUNS; run++) {
		double start_ns = cpu_ns();
		for (int i = 0; i < ROUNDS; i++) {
			struct buffer out;
			arena_reset(&work);
			buffer_init(&out, &work);
			good = catalog_normalise(cat, &doc, 0, &work, &out) == translated && good;
		}
		double took_ns = cpu_ns() - start_ns;
		if (took_ns < best_ns)
			best_ns = took_ns;
	}
	arena_fini(&work);
	arena_fini(&arena);
	return good ? best_ns / ROUNDS : -1;
}

int main(void)
{
	const struct catalog_options options = { .dir = SLICE("schemas"), .base_uri = SLICE("urn:headgate:") };
	struct error err;
	struct catalog *cat = catalog_load(&options, &err);

	if (!cat) {
		fprintf(stderr, "run it in the project's root: %s\n", err.message);
		return 1;
	}
	double ours_ns = cost_ns(cat, SLICE(PURCHASE), false), foreign_ns = cost_ns(cat, SLICE(FOREIGN), true);
	printf("figure aliases_ours_ns %.0f ns\n", ours_ns);
	printf("figure aliases_foreign_ns %.0f ns\n", foreign_ns);
	catalog_destroy(&cat);
	return ours_ns < 0 || foreign_ns < 0;
}
