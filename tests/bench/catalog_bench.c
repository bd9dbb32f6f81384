/* Cost of validating the properties of the bench's purchase against the shipped schema, beside the cost of
 * scanning the event, and of the last example of each shipped schema against it. Run in the folder that holds schemas/. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "catalog/catalog.h"
#include "purchase.h"

#define ROUNDS 200000
#define RUNS 7
#define EXAMPLE_ROUNDS 20000

static double best_ns(int64_t *us)
{
	int64_t best = us[0];

	for (int i = 1; i < RUNS; i++)
		if (us[i] < best)
			best = us[i];
	return (double)best * 1000.0 / ROUNDS;
}

static const struct json_options limits = { .depth_max = 32, .nodes_max = 10000 };

/* False: the value does not pass. */
static bool time_runs(const struct schema *schema, const struct json_doc *doc, uint32_t node, int rounds,
                      struct arena *arena, int64_t *us)
{
	struct violations v;
	int64_t start = clock_monotonic_us();

	for (int i = 0; i < rounds; i++) {
		violations_init(&v, arena);
		if (!schema_validate(schema, doc, node, SLICE("/properties"), &v))
			return false;
	}
	*us = clock_monotonic_us() - start;
	return true;
}

static bool measure_purchase(const struct event_schema *es, struct arena *arena)
{
	struct slice text = SLICE(PURCHASE);
	struct json_doc doc = { 0 };
	size_t offset;
	int64_t validate_us[RUNS], scan_us[RUNS];

	for (int run = 0; run < RUNS; run++) {
		int64_t start = clock_monotonic_us();
		for (int i = 0; i < ROUNDS; i++)
			if (json_scan(&doc, text, &limits, arena, &offset) != JSON_OK)
				return false;
		scan_us[run] = clock_monotonic_us() - start;
		uint32_t properties = json_get(&doc, 0, SLICE("properties"));
		if (!time_runs(es->properties, &doc, properties, ROUNDS, arena, &validate_us[run]))
			return false;
	}
	printf("figure purchase_bytes %zu bytes\n", text.len);
	printf("figure scan_purchase_ns %.0f ns\n", best_ns(scan_us));
	printf("figure validate_purchase_ns %.0f ns\n", best_ns(validate_us));
	printf("ratio validate_to_scan %.2f want 1.5\n", best_ns(validate_us) / best_ns(scan_us));
	return true;
}

static bool measure_example(const struct event_schema *es, struct arena *arena)
{
	const struct json_options deep = { .depth_max = 128, .nodes_max = 100000 };
	struct json_doc doc = { 0 };
	size_t offset;
	uint32_t last = 0;
	int64_t us[RUNS];

	if (json_scan(&doc, es->source_text, &deep, arena, &offset) != JSON_OK)
		return false;
	uint32_t examples = json_get(&doc, 0, SLICE("examples"));
	if (!examples)
		return true;
	for (uint32_t i = examples + 1; i < doc.nodes[examples].next; i = doc.nodes[i].next)
		last = i;
	for (int run = 0; run < RUNS && last; run++)
		if (!time_runs(es->properties, &doc, last, EXAMPLE_ROUNDS, arena, &us[run]))
			return false;
	if (last)
		printf("figure validate_%.*s_%zu_bytes_ns %.0f ns\n", SLICE_ARG(es->event), json_raw(&doc, last).len,
		       best_ns(us) * ROUNDS / EXAMPLE_ROUNDS);
	return true;
}

int main(void)
{
	const struct catalog_options options = { .dir = SLICE("schemas"), .base_uri = SLICE("urn:headgate:") };
	const struct event_schema *es;
	struct arena arena;
	struct error err;
	bool good;

	arena_init(&arena, 64 << 20);
	struct catalog *cat = catalog_load(&options, &err);
	if (!cat || catalog_find(cat, SLICE("purchase"), SLICE_NONE, &es) != CATALOG_FOUND) {
		fprintf(stderr, "%s\n", cat ? "no purchase in schemas/" : err.message);
		return 1;
	}
	good = measure_purchase(es, &arena);
	for (size_t i = 0; good && i < catalog_schema_count(cat); i++)
		good = measure_example(catalog_schema_at(cat, i), &arena);
	catalog_destroy(&cat);
	arena_fini(&arena);
	return good ? 0 : 1;
}
