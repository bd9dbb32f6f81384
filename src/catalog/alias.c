/* Rules become a tree of foreign names, so that translating is one walk over the event. A bare name that leads into an
 * array's elements (`item_id` to `items[].product_id`) is planted beside the array, for the shops that send a single
 * product without one, and within the elements of every array that becomes it (`items`, `products`). */
#include "catalog/alias.h"

#define RULES_MAX 200

/* A node in the making. */
struct seed {
	struct slice name;
	struct seed *children, *next, *each;
	uint32_t count;
	uint32_t rule;
};

struct builder {
	struct compiler *c;
	struct alias_set *set;
	struct alias_rule *rules;
	size_t count;
	struct seed *root;
};

static enum json_type type_at(const struct place *place)
{
	return json_type_of(&place->file->doc, place->node);
}

static bool parse_path(struct slice text, struct alias_path *out)
{
	struct slice rest = text;

	*out = (struct alias_path) { .text = text, .each = ALIAS_NO_EACH };
	for (bool more = true; more; out->count++) {
		more = slice_find(rest, '.') < rest.len;
		struct slice step = slice_split(&rest, '.');
		if (out->count == ALIAS_STEPS_MAX)
			return false;
		if (slice_ends(step, SLICE("[]"))) {
			if (out->each != ALIAS_NO_EACH || !more)
				return false;
			out->each = out->count;
			step.len -= 2;
		}
		if (!step.len || slice_find(step, '[') < step.len)
			return false;
		out->steps[out->count] = step;
	}
	return true;
}

static bool read_path(struct builder *b, const struct place *place, struct slice text, struct alias_path *out)
{
	return parse_path(text, out) || compiler_refuse(b->c, place,
	                                                "must be a path of at most %d names, as in order_id or "
	                                                "items[].price, with [] once and not at its end",
	                                                ALIAS_STEPS_MAX);
}

/* The path up to its array. */
static struct alias_path array_of(const struct alias_path *path)
{
	struct alias_path array = *path;

	array.count = (uint8_t)(path->each + 1);
	array.each = ALIAS_NO_EACH;
	array.text.len = (size_t)(path->steps[path->each].at + path->steps[path->each].len - path->text.at);
	return array;
}

static struct alias_rule *add_rule(struct builder *b, const struct place *place)
{
	if (b->count == RULES_MAX) {
		compiler_refuse(b->c, place, "more than %d rules", RULES_MAX);
		return NULL;
	}
	return &b->rules[b->count++];
}

static bool read_properties(struct builder *b, const struct place *value)
{
	const struct json_doc *doc = &value->file->doc;

	if (type_at(value) != JSON_OBJECT)
		return compiler_refuse(b->c, value, "must be an object of strings");
	for (uint32_t key = value->node + 1; key < doc->nodes[value->node].next; key = doc->nodes[key + 1].next) {
		struct slice from = compiler_string(value->file, key);
		struct place place = compiler_place_member(b->c, value, from, key + 1);
		if (type_at(&place) != JSON_STRING)
			return compiler_refuse(b->c, &place, "must be a string");
		struct alias_rule *rule = add_rule(b, &place);
		if (!rule || !read_path(b, &place, from, &rule->from) ||
		    !read_path(b, &place, compiler_string(value->file, key + 1), &rule->to))
			return false;
		if (slice_equal(rule->from.text, rule->to.text))
			return compiler_refuse(b->c, &place, "leads to itself");
		if (rule->from.each != ALIAS_NO_EACH && rule->to.each == ALIAS_NO_EACH && rule->to.count > 1)
			return compiler_refuse(b->c, &place, "leads out of an array into an object");
	}
	return true;
}

static bool drop_one(struct builder *b, const struct place *place, struct slice text)
{
	for (size_t i = 0; i < b->count; i++) {
		if (slice_equal(b->rules[i].from.text, text)) {
			b->rules[i].drop = true;
			return true;
		}
	}
	struct alias_rule *rule = add_rule(b, place);
	if (!rule)
		return false;
	rule->drop = true;
	return read_path(b, place, text, &rule->from);
}

typedef bool (*text_fn)(struct builder *b, const struct place *place, struct slice text);

/* A string, or an array of strings. */
static bool read_texts(struct builder *b, const struct place *value, text_fn take)
{
	const struct json_doc *doc = &value->file->doc;
	size_t index = 0;

	if (type_at(value) == JSON_STRING)
		return take(b, value, compiler_string(value->file, value->node));
	if (type_at(value) != JSON_ARRAY)
		return compiler_refuse(b->c, value, "must be a string or an array of strings");
	for (uint32_t i = value->node + 1; i < doc->nodes[value->node].next; i = doc->nodes[i].next, index++) {
		struct place place = compiler_place_element(b->c, value, index, i);
		if (type_at(&place) != JSON_STRING)
			return compiler_refuse(b->c, &place, "must be a string");
		if (!take(b, &place, compiler_string(value->file, i)))
			return false;
	}
	return true;
}

static bool take_event(struct builder *b, const struct place *place, struct slice text)
{
	if (!text.len || text.len > 256)
		return compiler_refuse(b->c, place, "must have 1 to 256 bytes");
	struct slice *grown = compiler_alloc(b->c, b->set->events_count + 1, sizeof *grown);
	if (!grown)
		return false;
	if (b->set->events_count)
		memcpy(grown, b->set->events, b->set->events_count * sizeof *grown);
	grown[b->set->events_count++] = text;
	b->set->events = grown;
	return true;
}

static bool take_compute(struct builder *b, const struct place *place, struct slice text)
{
	b->set->line_totals = slice_equal(text, SLICE("line_total_to_price"));
	return b->set->line_totals || compiler_refuse(b->c, place, "must be line_total_to_price");
}

static struct seed *new_seed(struct builder *b, struct slice name)
{
	struct seed *seed = compiler_alloc(b->c, 1, sizeof *seed);

	if (seed) {
		seed->name = name;
		seed->rule = ALIAS_NO_RULE;
	}
	return seed;
}

static struct seed *grow(struct builder *b, struct seed *at, struct slice name)
{
	struct seed **link = &at->children;

	while (*link && !slice_equal((*link)->name, name))
		link = &(*link)->next;
	if (!*link) {
		*link = new_seed(b, name);
		at->count++;
	}
	return *link;
}

/* The seed at a foreign path, grown where it is not there yet; NULL: no memory. */
static struct seed *reach(struct builder *b, const struct alias_path *path)
{
	struct seed *at = b->root;

	for (uint8_t i = 0; at && i < path->count; i++) {
		at = grow(b, at, path->steps[i]);
		if (at && i == path->each) {
			if (!at->each)
				at->each = new_seed(b, SLICE("[]"));
			at = at->each;
		}
	}
	return at;
}

/* An explicit rule is planted first and stays. */
static bool plant(struct builder *b, const struct alias_path *from, uint32_t rule)
{
	struct seed *seed = reach(b, from);

	if (seed && seed->rule == ALIAS_NO_RULE)
		seed->rule = rule;
	return seed != NULL;
}

/* What becomes of an array is told once, be it by several rules. */
static bool plant_array(struct builder *b, const struct place *place, const struct alias_rule *rule)
{
	struct alias_path from = array_of(&rule->from), to = array_of(&rule->to);
	struct seed *seed;

	if (slice_equal(from.text, to.text))
		return true;
	seed = reach(b, &from);
	if (!seed)
		return false;
	if (seed->rule != ALIAS_NO_RULE)
		return slice_equal(b->rules[seed->rule].to.text, to.text) ||
		       compiler_refuse(b->c, place, "\"%.*s\" is sent to two places", SLICE_ARG(from.text));
	struct alias_rule *whole = add_rule(b, place);
	if (!whole)
		return false;
	*whole = (struct alias_rule) { .from = from, .to = to };
	seed->rule = (uint32_t)(b->count - 1);
	return true;
}

static bool plant_within(struct builder *b, struct alias_path array, uint32_t index)
{
	const struct alias_rule *rule = &b->rules[index];
	bool is_itself = slice_equal(array.text, array_of(&rule->to).text) && rule->to.count == array.count + 1 &&
	                 slice_equal(rule->from.steps[0], rule->to.steps[array.count]);

	if (is_itself || array.count == ALIAS_STEPS_MAX)
		return true;
	array.each = (uint8_t)(array.count - 1);
	array.steps[array.count++] = rule->from.steps[0];
	return plant(b, &array, index);
}

/* The bare name within the elements of the array it leads into, and of all that become that array. */
static bool plant_bare(struct builder *b, uint32_t index)
{
	struct alias_path to = array_of(&b->rules[index].to);

	if (!plant_within(b, to, index))
		return false;
	for (size_t i = 0; i < b->count; i++)
		if (b->rules[i].to.each == ALIAS_NO_EACH && slice_equal(b->rules[i].to.text, to.text) &&
		    !plant_within(b, b->rules[i].from, index))
			return false;
	return true;
}

/* A bare name that has no place with us, within the elements of all arrays that are known. */
static bool plant_drop(struct builder *b, struct seed *at, uint32_t index)
{
	if (at->each) {
		struct seed *seed = grow(b, at->each, b->rules[index].from.steps[0]);
		if (!seed)
			return false;
		if (seed->rule == ALIAS_NO_RULE)
			seed->rule = index;
	}
	for (struct seed *child = at->children; child; child = child->next)
		if (!plant_drop(b, child, index))
			return false;
	return true;
}

static bool plant_all(struct builder *b, const struct place *place)
{
	size_t told = b->count;

	b->root = new_seed(b, SLICE(""));
	if (!b->root)
		return false;
	for (uint32_t i = 0; i < told; i++)
		if (!plant(b, &b->rules[i].from, i))
			return false;
	for (size_t i = 0; i < told; i++)
		if (b->rules[i].from.each != ALIAS_NO_EACH && b->rules[i].to.each != ALIAS_NO_EACH &&
		    b->rules[i].to.count && !plant_array(b, place, &b->rules[i]))
			return false;
	for (uint32_t i = 0; i < told; i++)
		if (b->rules[i].from.count == 1 && b->rules[i].to.count && b->rules[i].to.each != ALIAS_NO_EACH &&
		    !plant_bare(b, i))
			return false;
	for (uint32_t i = 0; i < told; i++)
		if (b->rules[i].from.count == 1 && !b->rules[i].to.count && !plant_drop(b, b->root, i))
			return false;
	return true;
}

/* From seeds to nodes with hashed names. As deep as paths are long. */
static const struct alias_node *finish(struct builder *b, const struct seed *seed)
{
	struct alias_node *node = compiler_alloc(b->c, 1, sizeof *node);
	struct slice *names = compiler_alloc(b->c, seed->count, sizeof *names);
	const struct alias_node **children = compiler_alloc(b->c, seed->count, sizeof(struct alias_node *));
	size_t i = 0;

	if (!node || !names || !children)
		return NULL;
	for (const struct seed *child = seed->children; child; child = child->next, i++) {
		names[i] = child->name;
		children[i] = finish(b, child);
		if (!children[i])
			return NULL;
	}
	node->rule = seed->rule;
	node->children = children;
	node->each = seed->each ? finish(b, seed->each) : NULL;
	if ((seed->each && !node->each) || !name_table_init(&node->names, names, seed->count, b->c->arena))
		return NULL;
	return node;
}

static bool read_member(struct builder *b, const struct place *value, struct slice name)
{
	if (slice_equal(name, SLICE("event")))
		return read_texts(b, value, take_event);
	if (slice_equal(name, SLICE("properties")))
		return read_properties(b, value);
	if (slice_equal(name, SLICE("drop")))
		return read_texts(b, value, drop_one);
	if (slice_equal(name, SLICE("compute")))
		return read_texts(b, value, take_compute);
	return compiler_refuse(b->c, value, "is not known here");
}

static void choose_line_totals(struct builder *b)
{
	b->set->line_totals_are_prices = b->set->line_totals;
	for (size_t i = 0; i < b->count; i++)
		if (b->rules[i].to.each != ALIAS_NO_EACH && b->rules[i].to.count &&
		    slice_equal(b->rules[i].to.steps[b->rules[i].to.count - 1], SLICE("line_total")))
			b->set->line_totals_are_prices = false;
}

const struct alias_set *alias_compile(struct compiler *c, const struct place *place)
{
	/* properties before drop, whatever their order in the file */
	static const char *const order[] = { "event", "properties", "drop", "compute" };
	const struct json_doc *doc = &place->file->doc;
	struct builder b = { .c = c };

	if (type_at(place) != JSON_OBJECT) {
		compiler_refuse(c, place, "must be an object");
		return NULL;
	}
	b.set = compiler_alloc(c, 1, sizeof *b.set);
	b.rules = compiler_alloc(c, RULES_MAX, sizeof *b.rules);
	if (!b.set || !b.rules)
		return NULL;
	for (uint32_t key = place->node + 1; key < doc->nodes[place->node].next; key = doc->nodes[key + 1].next) {
		struct slice name = compiler_string(place->file, key);
		struct place value = compiler_place_member(c, place, name, key + 1);
		bool known = false;
		for (size_t i = 0; i < sizeof order / sizeof *order; i++)
			known = known || slice_equal(name, slice_of(order[i]));
		if (!known) {
			compiler_refuse(c, &value, "is not known here");
			return NULL;
		}
	}
	for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
		uint32_t node = json_get(doc, place->node, slice_of(order[i]));
		struct place value = compiler_place_member(c, place, slice_of(order[i]), node);
		if (node && !read_member(&b, &value, slice_of(order[i])))
			return NULL;
	}
	if (!plant_all(&b, place))
		return NULL;
	choose_line_totals(&b);
	b.set->rules = b.rules;
	b.set->rules_count = b.count;
	b.set->root = finish(&b, b.root);
	return b.set->root ? b.set : NULL;
}
