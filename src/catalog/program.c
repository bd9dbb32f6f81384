/* Walks over a compiled schema: what it knows, what it marks, what it wants. Marks on subschemas keep a walk from
 * going round; they are used at load only, by one thread. */
#include "catalog/program.h"

#define PII_DEPTH 32
#define PII_VISITS 100000
#define WANT_VISITS 1000
#define IN_PLACE_MAX 128 /* schemas one after the other at one place */

enum mark { MARK_NONE, MARK_OPEN };

/* Where a child applies, seen from its parent's place. */
enum where { WHERE_HERE, WHERE_HERE_DYNAMIC, WHERE_MEMBER, WHERE_ANY_CHILD, WHERE_NAME };

typedef void (*child_fn)(void *context, const struct subschema *child, enum where where, struct slice name);

/* Compiled subschemas are constant to all others; marks and links are written at load, and only here. */
static struct subschema *writable(const struct subschema *sub)
{
	return (struct subschema *)(uintptr_t)sub;
}

static void each_of(const struct subschema *const *at, size_t count, enum where where, child_fn fn, void *context)
{
	for (size_t i = 0; i < count; i++)
		if (at[i])
			fn(context, at[i], where, SLICE_NONE);
}

static void each_member(const struct object_rule *object, child_fn fn, void *context)
{
	for (uint32_t n = 0; n < object->names.count; n++)
		if (object->properties[n].sub)
			fn(context, object->properties[n].sub, WHERE_MEMBER, object->names.names[n]);
	for (size_t n = 0; n < object->patterns_count; n++)
		fn(context, object->patterns[n].sub, WHERE_ANY_CHILD, SLICE_NONE);
	each_of(&object->additional, 1, WHERE_ANY_CHILD, fn, context);
}

/* Wherever the dynamic scope may lead. */
static void each_dynamic(const struct dynamic_reference *dynamic, child_fn fn, void *context)
{
	fn(context, dynamic->sub, WHERE_HERE_DYNAMIC, SLICE_NONE);
	for (const struct schema_file *file = *dynamic->files; file; file = file->next)
		for (size_t i = 0; i < file->resources_count; i++)
			for (const struct anchor *a = file->resources[i]->anchors; a; a = a->next)
				if (a->sub && a->sub != dynamic->sub && slice_equal(a->name, dynamic->name))
					fn(context, a->sub, WHERE_HERE_DYNAMIC, SLICE_NONE);
}

static void each_operand(const struct schema_op *op, child_fn fn, void *context)
{
	switch ((enum op_kind)op->kind) {
	case OP_CHECK:
		break;
	case OP_SUB:
		fn(context, op->sub, WHERE_HERE, SLICE_NONE);
		break;
	case OP_NAMES:
		fn(context, op->sub, WHERE_NAME, SLICE_NONE);
		break;
	case OP_LIST:
		each_of(op->list->at, op->list->count, WHERE_HERE, fn, context);
		break;
	case OP_CONDITION:
		each_of(&op->conditional->condition, 1, WHERE_HERE, fn, context);
		each_of(&op->conditional->then, 1, WHERE_HERE, fn, context);
		each_of(&op->conditional->otherwise, 1, WHERE_HERE, fn, context);
		break;
	case OP_CONTAINS:
		fn(context, op->contains->sub, WHERE_ANY_CHILD, SLICE_NONE);
		break;
	case OP_ITEMS:
		fn(context, op->sub, WHERE_ANY_CHILD, SLICE_NONE);
		break;
	case OP_TUPLE:
		each_of(op->array->prefix, op->array->prefix_count, WHERE_ANY_CHILD, fn, context);
		each_of(&op->array->rest, 1, WHERE_ANY_CHILD, fn, context);
		break;
	case OP_MEMBERS:
		each_member(op->object, fn, context);
		break;
	case OP_DEPENDENCIES:
		for (size_t i = 0; i < op->dependencies->count; i++)
			each_of(&op->dependencies->at[i].sub, 1, WHERE_HERE, fn, context);
		break;
	case OP_DYNAMIC:
		each_dynamic(op->dynamic, fn, context);
		break;
	}
}

static void each_child(const struct subschema *sub, child_fn fn, void *context)
{
	for (unsigned i = 0; i < sub->starts[OP_CLASS_count]; i++)
		each_operand(&sub->ops[i], fn, context);
	each_of(&sub->unevaluated_items, 1, WHERE_ANY_CHILD, fn, context);
	each_of(&sub->unevaluated_properties, 1, WHERE_ANY_CHILD, fn, context);
}

struct reach {
	struct subschema *last;
};

static void reach_add(void *context, const struct subschema *sub, enum where where, struct slice name)
{
	struct reach *reach = context;

	(void)where, (void)name;
	if (sub->mark != MARK_NONE)
		return;
	reach->last->next = writable(sub);
	reach->last = writable(sub);
	reach->last->mark = MARK_OPEN;
	reach->last->next = NULL;
}

/* Links all that can be reached from the root, breadth first: a schema may nest deeper than the stack allows. */
static void reach_all(const struct subschema *root)
{
	struct reach reach = { writable(root) };

	reach.last->mark = MARK_OPEN;
	reach.last->next = NULL;
	for (const struct subschema *sub = root; sub; sub = sub->next)
		each_child(sub, reach_add, &reach);
	for (const struct subschema *sub = root; sub; sub = sub->next)
		writable(sub)->mark = MARK_NONE;
}

/* Notes the names of all linked subschemas, or with `to` NULL counts them; one that occurs twice is noted twice. */
static size_t list_names(const struct subschema *root, struct slice *to)
{
	size_t count = 0;

	for (const struct subschema *sub = root; sub; sub = sub->next) {
		for (unsigned i = sub->starts[OP_OBJECT]; i < sub->starts[OP_OBJECT + 1]; i++) {
			if (sub->ops[i].kind != OP_MEMBERS)
				continue;
			const struct name_table *table = &sub->ops[i].object->names;
			if (to && table->count)
				memcpy(to + count, table->names, table->count * sizeof *to);
			count += table->count;
		}
	}
	return count;
}

struct loop_search {
	const struct subschema *found;
	unsigned depth;
	unsigned height; /* of the children seen */
};

/* Depth first along what applies at the same place. The height of what was searched is kept, so that each is searched
 * once; where a dynamic reference leads is known at run time only, and bounded there. */
static void search_loop(void *context, const struct subschema *sub, enum where where, struct slice name)
{
	struct loop_search *search = context;
	unsigned outer = search->height;

	(void)name;
	if (where != WHERE_HERE || search->found)
		return;
	if (sub->mark == MARK_OPEN || search->depth + sub->height > IN_PLACE_MAX) {
		search->found = sub;
		return;
	}
	if (!sub->height) {
		writable(sub)->mark = MARK_OPEN;
		search->height = 0;
		search->depth++;
		each_child(sub, search_loop, search);
		search->depth--;
		writable(sub)->height = (uint16_t)(search->height + 1);
		writable(sub)->mark = MARK_NONE;
	}
	search->height = sub->height > outer ? sub->height : outer;
}

const struct subschema *program_find_loop(const struct subschema *root)
{
	struct loop_search search = { 0 };

	reach_all(root);
	for (const struct subschema *sub = root; sub && !search.found; sub = sub->next) {
		search.height = 0;
		search_loop(&search, sub, WHERE_HERE, SLICE_NONE);
	}
	return search.found;
}

bool program_collect_names(struct schema *schema, struct arena *arena)
{
	reach_all(schema->root);
	size_t count = list_names(schema->root, NULL);
	struct slice *names = arena_array(arena, count + 1, sizeof *names);
	if (!names)
		return false;
	list_names(schema->root, names);
	return name_table_init(&schema->names, names, count, arena);
}

bool schema_knows_name(const struct schema *schema, struct slice name)
{
	return name_table_find(&schema->names, name) != NAME_TABLE_NONE;
}

struct pii_walk {
	struct arena *arena;
	struct schema_pii *at;
	size_t count, room;
	struct slice pointer;
	unsigned depth, visits;
	bool failed;
};

static void pii_add(struct pii_walk *walk, const struct subschema *sub)
{
	if (walk->count == walk->room) {
		size_t room = walk->room ? walk->room * 2 : 16;
		struct schema_pii *at = arena_array(walk->arena, room, sizeof *at);
		if (!at) {
			walk->failed = true;
			return;
		}
		if (walk->count)
			memcpy(at, walk->at, walk->count * sizeof *at);
		walk->at = at;
		walk->room = room;
	}
	walk->at[walk->count++] = (struct schema_pii) { walk->pointer, sub->pii_kind, sub->pii_action };
}

static void pii_visit(void *context, const struct subschema *sub, enum where where, struct slice name);

static void pii_visit_below(struct pii_walk *walk, struct slice step, const struct subschema *sub)
{
	struct slice pointer = walk->pointer;
	struct buffer below;

	buffer_init(&below, walk->arena);
	buffer_append(&below, pointer);
	json_write_pointer_step(&below, step);
	walk->failed |= below.failed;
	walk->pointer = buffer_slice(&below);
	pii_visit(walk, sub, WHERE_HERE, SLICE_NONE);
	walk->pointer = pointer;
}

/* A subschema that is open already stands for a recursive structure: its marks were noted at the first level, and
 * deeper levels repeat them without end. */
static void pii_visit(void *context, const struct subschema *sub, enum where where, struct slice name)
{
	struct pii_walk *walk = context;

	if (where == WHERE_MEMBER || where == WHERE_ANY_CHILD) {
		pii_visit_below(walk, where == WHERE_MEMBER ? name : SLICE("*"), sub);
		return;
	}
	if (where == WHERE_NAME || walk->failed || sub->mark == MARK_OPEN || walk->depth >= PII_DEPTH)
		return;
	if (++walk->visits > PII_VISITS) {
		walk->failed = true;
		return;
	}
	writable(sub)->mark = MARK_OPEN;
	walk->depth++;
	if (sub->pii)
		pii_add(walk, sub);
	each_child(sub, pii_visit, walk);
	walk->depth--;
	writable(sub)->mark = MARK_NONE;
}

bool program_collect_pii(const struct schema *schema, struct arena *arena, const struct schema_pii **out, size_t *count)
{
	struct pii_walk walk = { .arena = arena, .pointer = SLICE("") };

	pii_visit(&walk, schema->root, WHERE_HERE, SLICE_NONE);
	*out = walk.at;
	*count = walk.count;
	return !walk.failed;
}

struct want_search {
	const struct slice *steps;
	size_t count;
	unsigned visits;
	enum schema_want want;
};

static void want_visit(struct want_search *search, const struct subschema *sub);

static void want_below(struct want_search *search, const struct subschema *sub)
{
	search->steps++;
	search->count--;
	want_visit(search, sub);
	search->steps--;
	search->count++;
}

/* The subschemas for one place: itself and what applies with it. */
static void want_child(void *context, const struct subschema *sub, enum where where, struct slice name)
{
	struct want_search *search = context;
	bool below = search->count > 0;

	if (search->want != SCHEMA_WANT_STRING)
		return;
	if (where == WHERE_HERE || where == WHERE_HERE_DYNAMIC)
		want_visit(search, sub);
	else if (below && (where == WHERE_ANY_CHILD || (where == WHERE_MEMBER && slice_equal(name, search->steps[0]))))
		want_below(search, sub);
}

/* Of an object the member's own schema, or that of names without one. */
static void want_member(struct want_search *search, const struct object_rule *object)
{
	uint32_t found = name_table_find(&object->names, search->steps[0]);

	if (found != NAME_TABLE_NONE && object->properties[found].sub) {
		want_below(search, object->properties[found].sub);
		return;
	}
	for (size_t i = 0; i < object->patterns_count; i++)
		if (pattern_search(object->patterns[i].pattern, search->steps[0], false) == PATTERN_FOUND)
			want_below(search, object->patterns[i].sub);
	if (object->additional)
		want_below(search, object->additional);
}

/* A name leads into objects, a number into arrays as well. */
static void want_operand(struct want_search *search, const struct schema_op *op)
{
	bool is_index =
	        search->count && search->steps[0].len && search->steps[0].at[0] >= '0' && search->steps[0].at[0] <= '9';

	if (op->kind == OP_DYNAMIC)
		want_visit(search, op->dynamic->sub);
	else if (op->kind == OP_MEMBERS && search->count)
		want_member(search, op->object);
	else if (op->kind == OP_SUB && op->run == validate_not)
		return;
	else if ((op->kind != OP_ITEMS && op->kind != OP_TUPLE && op->kind != OP_CONTAINS) || is_index)
		each_operand(op, want_child, search);
}

static void want_visit(struct want_search *search, const struct subschema *sub)
{
	if (search->want != SCHEMA_WANT_STRING || search->visits++ > WANT_VISITS)
		return;
	if (search->count == 0 && sub->types != TYPE_ANY && !(sub->types & TYPE_STRING)) {
		search->want = sub->types & TYPE_NUMBER    ? SCHEMA_WANT_NUMBER
		               : sub->types & TYPE_INTEGER ? SCHEMA_WANT_INTEGER
		               : sub->types & TYPE_BOOLEAN ? SCHEMA_WANT_BOOLEAN
		                                           : SCHEMA_WANT_STRING;
	}
	for (unsigned i = 0; i < sub->starts[OP_CLASS_count] && search->want == SCHEMA_WANT_STRING; i++)
		want_operand(search, &sub->ops[i]);
}

enum schema_want schema_want_at(const struct schema *schema, const struct slice *steps, size_t count)
{
	struct want_search search = { .steps = steps, .count = count, .want = SCHEMA_WANT_STRING };

	want_visit(&search, schema->root);
	return search.want;
}
