/* One walk over the properties, one over the items. Amounts are counted in 10^-12 of the currency's unit in 128 bits:
 * below the bounds set here nothing overflows (10^15 units, 10^6 pieces, 65,535 items), and what lies outside is not
 * judged. Digits beyond the 12th decimal are cut: they come from binary arithmetic at the sender (41.24999999999999),
 * and a difference counts only from the smallest coin on. */
#include "catalog/money.h"

#include "catalog/decimal.h"

#define SCALE 12
#define UNITS_MAX 1000000000000000
#define PIECES_MAX 1000000
#define SHORT_DIGITS 15 /* below UNITS_MAX */
#define ITEM_NONE UINT32_MAX

__extension__ typedef __int128 wide;

static const int64_t powers[] = { 1,
	                          10,
	                          100,
	                          1000,
	                          10000,
	                          100000,
	                          1000000,
	                          10000000,
	                          100000000,
	                          1000000000,
	                          10000000000,
	                          100000000000,
	                          1000000000000,
	                          10000000000000,
	                          100000000000000,
	                          1000000000000000,
	                          10000000000000000,
	                          100000000000000000 };

enum member { MEMBER_OTHER, VALUE, TOTAL, CURRENCY, TAX, SHIPPING, DISCOUNT, ITEMS, PRICE, QUANTITY, MEMBER_count };

struct sum {
	const struct json_doc *doc;
	struct arena *arena;
	struct money_finding *out;
	size_t count;
	unsigned units; /* decimals of the currency */
	wide items;     /* price times quantity */
	wide slack;     /* tax, shipping, discounts */
	bool unknown;   /* something is missing or beyond the bounds: the sum is not judged */
};

/* Lengths are written out so that each comparison is one of integers. A name with escapes is passed over: no sender
 * escapes letters. */
#define IS(text) (memcmp(name.at, text, sizeof(text) - 1) == 0)

static enum member member_of(struct slice name)
{
	switch (name.len) {
	case 3:
		return IS("tax") ? TAX : MEMBER_OTHER;
	case 5:
		return IS("price")   ? PRICE
		       : IS("value") ? VALUE
		       : IS("items") ? ITEMS
		       : IS("total") ? TOTAL
		                     : MEMBER_OTHER;
	case 8:
		return IS("quantity")   ? QUANTITY
		       : IS("currency") ? CURRENCY
		       : IS("shipping") ? SHIPPING
		       : IS("discount") ? DISCOUNT
		                        : MEMBER_OTHER;
	default:
		return MEMBER_OTHER;
	}
}

static void find_members(const struct json_doc *doc, uint32_t object, uint32_t found[MEMBER_count])
{
	const struct json_node *nodes = doc->nodes;

	for (uint32_t key = object + 1; key < nodes[object].next; key = nodes[key + 1].next)
		found[member_of(json_inner(doc, key))] = key + 1;
}

unsigned money_minor_units(struct slice currency)
{
	if (currency.len != 3)
		return 2;
#define MINOR_UNITS(a, b, c, decimals)   \
	case (a) << 16 | (b) << 8 | (c): \
		return decimals;
	const unsigned char *at = (const unsigned char *)currency.at; /* not char: negative beyond ASCII */
	switch (at[0] << 16 | at[1] << 8 | at[2]) {
#include "catalog/minor_units.def"
	default:
		return 2;
	}
#undef MINOR_UNITS
}

static void add_finding(struct sum *sum, struct slice path, struct slice rule)
{
	if (sum->count < MONEY_FINDINGS_MAX)
		sum->out[sum->count++] = (struct money_finding) { path, rule };
}

/* The last place is kept for the sum. */
static void add_decimals(struct sum *sum, const char *name, uint32_t item)
{
	if (sum->count == MONEY_FINDINGS_MAX - 1)
		return;
	struct slice path = item == ITEM_NONE
	                            ? arena_print(sum->arena, "/properties/%s", name)
	                            : arena_print(sum->arena, "/properties/items/%u/%s", (unsigned)item, name);

	add_finding(sum, path, SLICE("currency_decimals"));
}

static bool is_number(const struct json_doc *doc, uint32_t node)
{
	return json_type_of(doc, node) == JSON_NUMBER;
}

/* Nearly all amounts and quantities: a few digits without sign, point or exponent. */
static bool read_digits(const struct json_doc *doc, uint32_t node, int64_t *out)
{
	const struct json_node *n = &doc->nodes[node];
	const char *at = doc->text + n->offset;
	int64_t value = 0;

	if (!(n->flags & JSON_FLAG_INTEGER) || n->type != JSON_NUMBER || n->length > SHORT_DIGITS || at[0] == '-')
		return false;
	for (uint32_t i = 0; i < n->length; i++)
		value = value * 10 + (at[i] - '0');
	*out = value;
	return true;
}

/* Zero for an amount that is absent. */
static wide read_amount(struct sum *sum, uint32_t node, const char *name, uint32_t item)
{
	int64_t whole;

	if (!node)
		return 0;
	if (read_digits(sum->doc, node, &whole))
		return (wide)whole * powers[SCALE];
	if (!is_number(sum->doc, node)) {
		sum->unknown = true;
		return 0;
	}
	struct decimal d = decimal_parse(json_raw(sum->doc, node));
	if ((!d.small || d.scale > sum->units) && decimal_places(d.text) > sum->units)
		add_decimals(sum, name, item);
	if (!d.small || d.mantissa < 0 || (d.mantissa >= UNITS_MAX && d.mantissa / powers[d.scale] >= UNITS_MAX)) {
		sum->unknown = true;
		return 0;
	}
	return d.scale <= SCALE ? (wide)d.mantissa * powers[SCALE - d.scale] : d.mantissa / powers[d.scale - SCALE];
}

/* One piece where no quantity is told. */
static int64_t read_quantity(struct sum *sum, uint32_t node)
{
	int64_t whole;

	if (!node)
		return 1;
	if (read_digits(sum->doc, node, &whole) && whole <= PIECES_MAX)
		return whole;
	if (is_number(sum->doc, node)) {
		struct decimal d = decimal_parse(json_raw(sum->doc, node));
		int64_t pieces = d.small && d.scale ? d.mantissa / powers[d.scale] : d.mantissa;
		if (d.small && pieces >= 0 && pieces <= PIECES_MAX && pieces * powers[d.scale] == d.mantissa)
			return pieces;
	}
	sum->unknown = true;
	return 0;
}

static void add_items(struct sum *sum, uint32_t items)
{
	const struct json_node *nodes = sum->doc->nodes;
	uint32_t index = 0;

	for (uint32_t i = items + 1; i < nodes[items].next; i = nodes[i].next, index++) {
		uint32_t found[MEMBER_count] = { 0 };
		if (json_type_of(sum->doc, i) != JSON_OBJECT || index > UINT16_MAX) {
			sum->unknown = true;
			return;
		}
		find_members(sum->doc, i, found);
		if (!found[PRICE])
			sum->unknown = true;
		int64_t pieces = read_quantity(sum, found[QUANTITY]);
		sum->items += read_amount(sum, found[PRICE], "price", index) * pieces;
		sum->slack += read_amount(sum, found[DISCOUNT], "discount", index) * pieces;
	}
}

static bool differs(const struct sum *sum, wide value)
{
	wide difference = value > sum->items ? value - sum->items : sum->items - value;

	return difference - sum->slack >= powers[SCALE - sum->units];
}

size_t money_check(const struct json_doc *doc, uint32_t properties, struct arena *arena,
                   struct money_finding out[MONEY_FINDINGS_MAX])
{
	struct sum sum = { .doc = doc, .arena = arena, .out = out };
	uint32_t found[MEMBER_count] = { 0 };

	find_members(doc, properties, found);
	if (!found[CURRENCY] || json_type_of(doc, found[CURRENCY]) != JSON_STRING)
		return 0;
	sum.units = money_minor_units(json_inner(doc, found[CURRENCY]));
	wide value = read_amount(&sum, found[VALUE], "value", ITEM_NONE);
	read_amount(&sum, found[TOTAL], "total", ITEM_NONE);
	sum.slack = read_amount(&sum, found[TAX], "tax", ITEM_NONE) +
	            read_amount(&sum, found[SHIPPING], "shipping", ITEM_NONE) +
	            read_amount(&sum, found[DISCOUNT], "discount", ITEM_NONE);
	if (!found[ITEMS] || json_type_of(doc, found[ITEMS]) != JSON_ARRAY)
		return sum.count;
	add_items(&sum, found[ITEMS]);
	if (found[VALUE] && !sum.unknown && differs(&sum, value))
		add_finding(&sum, SLICE("/properties/value"), SLICE("value_differs"));
	return sum.count;
}
