/* The `aliases` of an event's schema, compiled: which foreign names of events and properties are ours.
 *   {"event":["Order Completed"],                     other names of the event
 *    "properties":{"transaction_id":"order_id",       foreign path: our path; the first that is there wins
 *                  "products":"items",                an array with another name
 *                  "item_id":"items[].product_id",    within each item, or beside a single product's other properties
 *                  "products[].id":"items[].product_id"},
 *    "drop":["image_url"],                            has no place with us; also where the place of its own is taken
 *    "compute":"line_total_to_price"}                 items' line_total (or, under a foreign event name and where no
 *                                                     property becomes line_total, price) is that of all pieces
 * A path is names joined by `.`; `[]` behind a name stands for each element of an array, once a path at most. */
#ifndef HEADGATE_CATALOG_ALIAS_H
#define HEADGATE_CATALOG_ALIAS_H

#include "catalog/compiler.h"

#define ALIAS_STEPS_MAX 6
#define ALIAS_NO_EACH UINT8_MAX
#define ALIAS_NO_RULE UINT32_MAX

struct alias_path {
	struct slice text; /* as it stands in the schema */
	struct slice steps[ALIAS_STEPS_MAX];
	uint8_t count;
	uint8_t each; /* the step whose elements are meant, or ALIAS_NO_EACH */
};

struct alias_rule {
	struct alias_path from, to; /* to.count 0: nowhere */
	bool drop;                  /* where its place is taken */
};

/* What is known at one foreign place. */
struct alias_node {
	struct name_table names;            /* of the members below … */
	const struct alias_node **children; /* … and each one's node */
	const struct alias_node *each;      /* an array's elements; NULL: nothing known of them */
	uint32_t rule;                      /* index, or ALIAS_NO_RULE */
};

struct alias_set {
	const struct slice *events;
	size_t events_count;
	const struct alias_rule *rules; /* in the order in which they win */
	size_t rules_count;
	const struct alias_node *root;
	bool line_totals;            /* prices are to be computed … */
	bool line_totals_are_prices; /* … from `price`, else from `line_total` */
};

/* Compiles the member at the place. NULL: err names file, pointer and reason. */
const struct alias_set *alias_compile(struct compiler *c, const struct place *place);

#endif
