/* Two passes. First the properties are walked along the tree of foreign names: what is known there is put on its rule's
 * list, all else takes its place in a tree of ours. Then the rules are applied in their order, so that which of two
 * foreign names wins does not depend on the order in which they were sent. A tree, not the text, because a property may
 * move into an array that comes later. Nothing here knows values: they are copied by their bytes. */
#include "catalog/normalise.h"

#include <stdlib.h>

#include "catalog/alias.h"
#include "catalog/catalog_state.h"
#include "catalog/unit_price.h"

enum branch_kind { BRANCH_LEAF, BRANCH_OBJECT, BRANCH_ARRAY };

struct branch {
	struct slice name;
	struct branch *children, *last, *next;
	uint32_t node;     /* leaf: the value … */
	struct slice text; /* … unless this was computed */
	uint32_t count;
	uint8_t kind;
};

/* A value on its way. */
struct move {
	struct move *next;
	struct branch *here; /* where it stood: the object, or the element */
	struct slice name;
	uint32_t value;
	const struct alias_node *each; /* an array whose elements are to be walked */
	bool in_element;
};

struct queue {
	struct move *first, *last;
};

struct translation {
	const struct json_doc *doc;
	struct arena *arena;
	const struct event_schema *schema;
	const struct alias_set *set;
	struct branch root;
	struct queue *arrays, *leaves; /* by rule */
	struct slice steps[2 * ALIAS_STEPS_MAX + 2];
	size_t depth;
	bool changed;
};

static struct branch *find_branch(const struct branch *up, struct slice name)
{
	for (struct branch *child = up->children; child; child = child->next)
		if (slice_equal(child->name, name))
			return child;
	return NULL;
}

/* NULL after overflow of the arena, which the caller of catalog_normalise learns from it. */
static struct branch *add_branch(struct translation *tr, struct branch *up, struct slice name, enum branch_kind kind,
                                 uint32_t node)
{
	struct branch *child = arena_zalloc(tr->arena, sizeof *child);

	if (!child)
		return NULL;
	child->name = name;
	child->kind = (uint8_t)kind;
	child->node = node;
	if (up->last)
		up->last->next = child;
	else
		up->children = child;
	up->last = child;
	up->count++;
	return child;
}

static void put_off(struct translation *tr, struct queue *queue, struct move move)
{
	struct move *kept = arena_alloc(tr->arena, sizeof *kept);

	if (!kept)
		return;
	*kept = move;
	kept->next = NULL;
	if (queue->last)
		queue->last->next = kept;
	else
		queue->first = kept;
	queue->last = kept;
}

static void walk(struct translation *tr, uint32_t object, const struct alias_node *known, struct branch *here,
                 bool in_element);

static void build_array(struct translation *tr, struct branch *up, struct slice name, uint32_t array,
                        const struct alias_node *each)
{
	const struct json_node *nodes = tr->doc->nodes;
	struct branch *branch = add_branch(tr, up, name, BRANCH_ARRAY, array);

	for (uint32_t i = array + 1; branch && i < nodes[array].next; i = nodes[i].next) {
		bool is_object = nodes[i].type == JSON_OBJECT;
		struct branch *element = add_branch(tr, branch, SLICE_NONE, is_object ? BRANCH_OBJECT : BRANCH_LEAF, i);
		if (element && is_object)
			walk(tr, i, each, element, true);
	}
}

static void take_member(struct translation *tr, uint32_t key, const struct alias_node *known, struct branch *here,
                        bool in_element)
{
	struct slice name = json_string(tr->doc, key, tr->arena);
	uint32_t value = key + 1, found = name_table_find(&known->names, name);
	const struct alias_node *at = found == NAME_TABLE_NONE ? NULL : known->children[found];
	enum json_type type = json_type_of(tr->doc, value);
	struct move move = { .here = here, .name = name, .value = value, .in_element = in_element };

	if (at && at->each && type == JSON_ARRAY) {
		move.each = at->each;
		if (at->rule == ALIAS_NO_RULE)
			build_array(tr, here, name, value, at->each);
		else
			put_off(tr, &tr->arrays[at->rule], move);
	} else if (at && at->rule != ALIAS_NO_RULE) {
		put_off(tr, &tr->leaves[at->rule], move);
	} else if (at && at->names.count && type == JSON_OBJECT) {
		struct branch *branch = add_branch(tr, here, name, BRANCH_OBJECT, value);
		if (branch)
			walk(tr, value, at, branch, in_element);
	} else {
		add_branch(tr, here, name, BRANCH_LEAF, value);
	}
}

/* As deep as the paths of the rules are long. */
static void walk(struct translation *tr, uint32_t object, const struct alias_node *known, struct branch *here,
                 bool in_element)
{
	const struct json_node *nodes = tr->doc->nodes;

	for (uint32_t key = object + 1; key < nodes[object].next; key = nodes[key + 1].next)
		take_member(tr, key, known, here, in_element);
}

static struct branch *step_into(struct translation *tr, struct branch *at, struct slice name, enum branch_kind kind)
{
	struct branch *next = find_branch(at, name);

	if (!next)
		return add_branch(tr, at, name, kind, 0);
	return next->kind == kind ? next : NULL;
}

/* The object that the rule's last step belongs into; NULL if something else stands in the way. */
static struct branch *container_of(struct translation *tr, const struct alias_path *to, const struct move *move)
{
	struct branch *at = &tr->root;
	uint8_t i = 0;

	if (to->each != ALIAS_NO_EACH && move->in_element) {
		at = move->here;
		i = (uint8_t)(to->each + 1);
	}
	for (; at && i + 1 < to->count; i++) {
		at = step_into(tr, at, to->steps[i], i == to->each ? BRANCH_ARRAY : BRANCH_OBJECT);
		if (at && i == to->each) {
			at = at->children ? at->children : add_branch(tr, at, SLICE_NONE, BRANCH_OBJECT, 0);
			if (at && at->kind != BRANCH_OBJECT)
				at = NULL;
		}
	}
	return at;
}

static void put_back(struct translation *tr, const struct move *move)
{
	add_branch(tr, move->here, move->name, BRANCH_LEAF, move->value);
}

static void apply(struct translation *tr, const struct alias_rule *rule, const struct move *move)
{
	struct branch *up = rule->to.count ? container_of(tr, &rule->to, move) : NULL;
	struct branch *there = up ? find_branch(up, rule->to.steps[rule->to.count - 1]) : NULL;

	if (up && !there) {
		struct slice name = rule->to.steps[rule->to.count - 1];
		if (move->each)
			build_array(tr, up, name, move->value, move->each);
		else
			add_branch(tr, up, name, BRANCH_LEAF, move->value);
		tr->changed = true;
		return;
	}
	bool same = there && there->kind == BRANCH_LEAF &&
	            slice_equal(json_raw(tr->doc, there->node), json_raw(tr->doc, move->value));
	if (rule->drop || same)
		tr->changed = true;
	else
		put_back(tr, move);
}

/* Arrays first: their elements bring further leaves. */
static void apply_rules(struct translation *tr)
{
	for (size_t i = 0; i < tr->set->rules_count; i++)
		for (struct move *move = tr->arrays[i].first; move; move = move->next)
			apply(tr, &tr->set->rules[i], move);
	for (size_t i = 0; i < tr->set->rules_count; i++)
		for (struct move *move = tr->leaves[i].first; move; move = move->next)
			apply(tr, &tr->set->rules[i], move);
}

static struct slice number_of(const struct translation *tr, const struct branch *leaf)
{
	if (!leaf || leaf->kind != BRANCH_LEAF)
		return SLICE_NONE;
	struct slice raw = json_raw(tr->doc, leaf->node);
	if (json_type_of(tr->doc, leaf->node) == JSON_STRING)
		raw = json_inner(tr->doc, leaf->node);
	return unit_price_is_number(raw) ? raw : SLICE_NONE;
}

static void remove_branch(struct branch *up, struct branch *child)
{
	struct branch *before = NULL;

	for (struct branch *at = up->children; at != child; at = at->next)
		before = at;
	if (before)
		before->next = child->next;
	else
		up->children = child->next;
	if (up->last == child)
		up->last = before;
	up->count--;
}

static void compute_price(struct translation *tr, struct branch *item, bool from_price)
{
	struct branch *total = find_branch(item, from_price ? SLICE("price") : SLICE("line_total"));
	struct branch *price = from_price ? total : find_branch(item, SLICE("price"));
	struct branch *pieces = find_branch(item, SLICE("quantity"));
	struct slice text;

	if (!total)
		return;
	if (price && !from_price) {
		if (number_of(tr, price).len) {
			remove_branch(item, total);
			tr->changed = true;
		}
		return;
	}
	text = unit_price_compute(number_of(tr, total), pieces ? number_of(tr, pieces) : SLICE("1"), tr->arena);
	if (!text.len)
		return;
	total->name = SLICE("price");
	total->text = text;
	tr->changed = true;
}

static void compute_prices(struct translation *tr, bool by_foreign_name)
{
	struct branch *items = find_branch(&tr->root, SLICE("items"));

	if (!tr->set->line_totals || (tr->set->line_totals_are_prices && !by_foreign_name))
		return;
	if (!items || items->kind != BRANCH_ARRAY)
		return;
	for (struct branch *item = items->children; item; item = item->next)
		if (item->kind == BRANCH_OBJECT)
			compute_price(tr, item, tr->set->line_totals_are_prices);
}

static size_t rank_of(struct slice name)
{
	static const struct slice names[] = {
#define CANONICAL_NAME(text) { text, sizeof(text) - 1 },
#include "catalog/canonical_names.def"
#undef CANONICAL_NAME
	};
	size_t rank = 0;

	while (rank < sizeof names / sizeof *names && !slice_equal(names[rank], name))
		rank++;
	return rank;
}

struct ranked {
	size_t rank;
	const struct branch *branch;
};

static int compare_ranked(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return slice_compare(x->branch->name, y->branch->name);
}

static void write_branch(struct translation *tr, struct buffer *out, const struct branch *branch);

static void write_leaf(struct translation *tr, struct buffer *out, const struct branch *leaf)
{
	if (leaf->text.len) {
		buffer_append(out, leaf->text);
		return;
	}
	if (json_type_of(tr->doc, leaf->node) == JSON_STRING && unit_price_is_number(json_inner(tr->doc, leaf->node))) {
		enum schema_want want = schema_want_at(tr->schema->properties, tr->steps, tr->depth);
		if (want == SCHEMA_WANT_NUMBER || want == SCHEMA_WANT_INTEGER) {
			buffer_append(out, json_inner(tr->doc, leaf->node));
			tr->changed = true;
			return;
		}
	}
	json_write_node(out, tr->doc, leaf->node);
}

/* An object that all has moved out of, or that nothing could move into. */
static bool is_left_over(const struct translation *tr, const struct branch *branch)
{
	return branch->kind == BRANCH_OBJECT && !branch->children &&
	       (!branch->node || tr->doc->nodes[branch->node].next > branch->node + 1);
}

static void write_object(struct translation *tr, struct buffer *out, const struct branch *object)
{
	struct ranked *order = arena_array(tr->arena, object->count + 1, sizeof *order);
	size_t count = 0;

	if (!order)
		return;
	for (const struct branch *child = object->children; child; child = child->next)
		if (!is_left_over(tr, child))
			order[count++] = (struct ranked) { rank_of(child->name), child };
	qsort(order, count, sizeof *order, compare_ranked);
	buffer_append_char(out, '{');
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buffer_append_char(out, ',');
		json_write_string(out, order[i].branch->name);
		buffer_append_char(out, ':');
		tr->steps[tr->depth++] = order[i].branch->name;
		write_branch(tr, out, order[i].branch);
		tr->depth--;
	}
	buffer_append_char(out, '}');
}

/* The index of an element does not matter to the schema's types: "0" stands for all. */
static void write_array(struct translation *tr, struct buffer *out, const struct branch *array)
{
	buffer_append_char(out, '[');
	tr->steps[tr->depth++] = SLICE("0");
	for (const struct branch *element = array->children; element; element = element->next) {
		if (element != array->children)
			buffer_append_char(out, ',');
		write_branch(tr, out, element);
	}
	tr->depth--;
	buffer_append_char(out, ']');
}

static void write_branch(struct translation *tr, struct buffer *out, const struct branch *branch)
{
	if (branch->kind == BRANCH_OBJECT)
		write_object(tr, out, branch);
	else if (branch->kind == BRANCH_ARRAY)
		write_array(tr, out, branch);
	else
		write_leaf(tr, out, branch);
}

/* The event's properties under our names; false if they are as they should be. */
static bool write_properties(struct translation *tr, uint32_t properties, bool by_foreign_name, struct buffer *out)
{
	tr->arrays = arena_array(tr->arena, tr->set->rules_count + 1, sizeof *tr->arrays);
	tr->leaves = arena_array(tr->arena, tr->set->rules_count + 1, sizeof *tr->leaves);
	if (!tr->arrays || !tr->leaves)
		return false;
	walk(tr, properties, tr->set->root, &tr->root, false);
	apply_rules(tr);
	compute_prices(tr, by_foreign_name);
	write_object(tr, out, &tr->root);
	return tr->changed;
}

/* The schema of the event's name and version; *name is ours, *foreign tells that it was sent under another. */
static const struct event_schema *find_schema(const struct catalog *cat, const struct json_doc *doc, uint32_t node,
                                              struct arena *arena, struct slice *name, bool *foreign)
{
	uint32_t event = json_get(doc, node, SLICE("event")), version = json_get(doc, node, SLICE("version"));
	const struct event_schema *schema = NULL;
	struct slice wanted = SLICE_NONE;

	*foreign = false;
	if (!event || json_type_of(doc, event) != JSON_STRING)
		return NULL;
	*name = json_string(doc, event, arena);
	if (name_table_find(&cat->names, *name) == NAME_TABLE_NONE) {
		uint32_t at = name_table_find(&cat->foreign, *name);
		if (at == NAME_TABLE_NONE)
			return NULL;
		*foreign = true;
		*name = cat->names.names[cat->foreign_events[at]];
	}
	if (version && json_type_of(doc, version) == JSON_STRING)
		wanted = json_inner(doc, version);
	return catalog_find(cat, *name, wanted, &schema) == CATALOG_FOUND ? schema : NULL;
}

bool catalog_normalise(const struct catalog *cat, const struct json_doc *doc, uint32_t node, struct arena *arena,
                       struct buffer *out)
{
	const struct json_node *nodes = doc->nodes;
	struct buffer properties;
	struct slice name;
	bool foreign, changed = false;
	const struct event_schema *schema = find_schema(cat, doc, node, arena, &name, &foreign);
	uint32_t object = json_get(doc, node, SLICE("properties"));

	buffer_init(&properties, arena);
	if (schema && schema->alias_set && object && json_type_of(doc, object) == JSON_OBJECT) {
		struct translation tr = { .doc = doc, .arena = arena, .schema = schema, .set = schema->alias_set };
		changed = write_properties(&tr, object, foreign, &properties);
	}
	if (!foreign && !changed)
		return false;
	buffer_append_char(out, '{');
	for (uint32_t key = node + 1; key < nodes[node].next; key = nodes[key + 1].next) {
		if (key > node + 1)
			buffer_append_char(out, ',');
		buffer_append(out, json_raw(doc, key));
		buffer_append_char(out, ':');
		if (foreign && json_string_equals(doc, key, SLICE("event")))
			json_write_string(out, name);
		else if (changed && key + 1 == object)
			buffer_append(out, buffer_slice(&properties));
		else
			json_write_node(out, doc, key + 1);
	}
	buffer_append_char(out, '}');
	return true;
}
