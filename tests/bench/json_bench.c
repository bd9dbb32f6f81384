/* How long a scan takes, against cJSON on the same bytes in the same run. Prints `figure name value unit` lines. The
 * best of several rounds counts: on a shared machine the rest is other people's work. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "purchase.h"
#include "json/json.h"

#define ROUNDS 15
#define PER_ROUND 20000

static struct arena arena;
static const struct json_options OPTIONS = { .depth_max = 32, .nodes_max = 100000, .depth_refused = 0 };

static void scan_once(struct slice text)
{
	struct json_doc doc = { 0 };
	size_t at;
	arena_reset(&arena);
	if (json_scan(&doc, text, &OPTIONS, &arena, &at) != JSON_OK)
		abort();
}

static void parse_once(struct slice text)
{
	cJSON *tree = cJSON_ParseWithLength(text.at, text.len);
	if (!tree)
		abort();
	cJSON_Delete(tree);
}

static double best_ns(void (*run)(struct slice), struct slice text, int per_round)
{
	double best = 1e18;
	for (int round = 0; round < ROUNDS; round++) {
		int64_t from = clock_monotonic_us();
		for (int i = 0; i < per_round; i++)
			run(text);
		double ns = (double)(clock_monotonic_us() - from) * 1000 / per_round;
		best = ns < best ? ns : best;
	}
	return best;
}

int main(void)
{
	struct slice text = SLICE(PURCHASE);
	arena_init(&arena, 64u << 20);
	double scan = best_ns(scan_once, text, PER_ROUND);
	double tree = best_ns(parse_once, text, PER_ROUND / 10);
	printf("figure json_text_bytes %zu bytes\n", text.len);
	printf("figure json_scan_ns %.0f ns\n", scan);
	printf("figure json_scan_speed %.0f MB/s\n", (double)text.len * 1000 / scan);
	printf("figure json_cjson_parse_ns %.0f ns\n", tree);
	printf("figure json_cjson_over_scan %.1f times\n", tree / scan);
	arena_fini(&arena);
	return 0;
}
