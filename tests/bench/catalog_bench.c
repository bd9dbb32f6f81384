/* Cost of validating the properties of the bench's purchase against the shipped schema, beside the cost of
 * scanning the event. Run in the folder that holds schemas/. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "catalog/catalog.h"
#include "purchase.h"

#define ROUNDS 200000
#define RUNS 7

static double best_ns(int64_t *us)
{
	int64_t best = us[0];

	for (int i = 1; i < RUNS; i++)
		if (us[i] < best)
			best = us[i];
	return (double)best * 1000.0 / ROUNDS;
}

int main(void)
{
	const struct catalog_options options = { .dir = SLICE("schemas"), .base_uri = SLICE("urn:headgate:") };
	const struct json_options limits = { .depth_max = 32, .nodes_max = 10000 };
	const struct event_schema *es;
	struct slice text = SLICE(PURCHASE);
	struct json_doc doc = { 0 };
	struct violations v;
	struct arena arena;
	struct error err;
	size_t offset;
	int64_t validate_us[RUNS], scan_us[RUNS];

	arena_init(&arena, 16 << 20);
	struct catalog *cat = catalog_load(&options, &err);
	if (!cat || catalog_find(cat, SLICE("purchase"), SLICE_NONE, &es) != CATALOG_FOUND) {
		fprintf(stderr, "%s\n", cat ? "no purchase in schemas/" : err.message);
		return 1;
	}
	for (int run = 0; run < RUNS; run++) {
		int64_t start = clock_monotonic_us();
		for (int i = 0; i < ROUNDS; i++)
			if (json_scan(&doc, text, &limits, &arena, &offset) != JSON_OK)
				return 1;
		scan_us[run] = clock_monotonic_us() - start;
		uint32_t properties = json_get(&doc, 0, SLICE("properties"));
		start = clock_monotonic_us();
		for (int i = 0; i < ROUNDS; i++) {
			violations_init(&v, &arena);
			if (!schema_validate(es->properties, &doc, properties, SLICE("/properties"), &v))
				return 1;
		}
		validate_us[run] = clock_monotonic_us() - start;
	}
	printf("figure purchase_bytes %zu bytes\n", text.len);
	printf("figure scan_purchase_ns %.0f ns\n", best_ns(scan_us));
	printf("figure validate_purchase_ns %.0f ns\n", best_ns(validate_us));
	printf("figure validate_to_scan %.2f times\n", best_ns(validate_us) / best_ns(scan_us));
	catalog_destroy(&cat);
	arena_fini(&arena);
	return 0;
}
