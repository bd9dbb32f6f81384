/* What the look at a purchase's sum and decimals costs, and one at an event without a currency. Guard: beyond the limit
 * the exit code is 1. */
#include <stdio.h>
#include <time.h>

#include "catalog/money.h"
#include "purchase.h"

#define ROUNDS 400000
#define RUNS 9
#define LIMIT_NS 150.0

/* Of this thread: the machine's other work does not count. */
static double cpu_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double cost_ns(struct arena *arena, struct slice text, struct slice member)
{
	const struct json_options options = { .depth_max = 32, .nodes_max = 10000 };
	struct money_finding found[MONEY_FINDINGS_MAX];
	struct json_doc doc = { 0 };
	double best_ns = 1e12;
	size_t at, findings = 0;

	if (json_scan(&doc, text, &options, arena, &at) != JSON_OK)
		return -1;
	uint32_t properties = json_get(&doc, 0, member);
	for (int run = 0; run < RUNS; run++) {
		double start_ns = cpu_ns();
		for (int i = 0; i < ROUNDS; i++)
			findings += money_check(&doc, properties, arena, found);
		double took_ns = cpu_ns() - start_ns;
		if (took_ns < best_ns)
			best_ns = took_ns;
	}
	return findings ? -1 : best_ns / ROUNDS;
}

int main(void)
{
	struct arena arena;

	arena_init(&arena, 16 << 20);
	double purchase_ns = cost_ns(&arena, SLICE(PURCHASE), SLICE("properties"));
	double other_ns = cost_ns(&arena, SLICE(PURCHASE), SLICE("context"));
	printf("figure money_purchase_ns %.0f ns\n", purchase_ns);
	printf("figure money_no_currency_ns %.0f ns\n", other_ns);
	arena_fini(&arena);
	return purchase_ns < 0 || other_ns < 0 || purchase_ns > LIMIT_NS;
}
