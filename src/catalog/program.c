/* Walks over a compiled schema: what it knows, what it marks, what it wants. Marks on subschemas keep a walk from
 * going round; they are used at load only, by one thread. */
#include "catalog/program.h"

#define PII_DEPTH 32
#define PII_VISITS 100000
#define REFERENCES_MAX 64 /* one after the other at one place */

enum mark { MARK_NONE, MARK_OPEN };

/* Compiled subschemas are constant to all others; marks and links are written at load, and only here. */
static struct subschema *writable(const struct subschema *sub)
{
	return (struct subschema *)(uintptr_t)sub;
}

struct reach {
	struct subschema *last;
};

static void reach_add(struct reach *reach, const struct subschema *sub)
{
	if (!sub || sub->mark != MARK_NONE)
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
	for (const struct subschema *sub = root; sub; sub = sub->next) {
		for (unsigned i = 0; i < sub->starts[OP_CLASS_count]; i++) {
			const struct schema_op *op = &sub->ops[i];
			if (op->run == validate_items || op->run == validate_reference)
				reach_add(&reach, op->sub);
			if (op->run != validate_object)
				continue;
			for (uint32_t n = 0; n < op->object->names.count; n++)
				reach_add(&reach, op->object->properties[n].sub);
			reach_add(&reach, op->object->additional);
		}
	}
	for (const struct subschema *sub = root; sub; sub = sub->next)
		writable(sub)->mark = MARK_NONE;
}

/* Notes the names of all linked subschemas, or with `to` NULL counts them; one that occurs twice is noted twice. */
static size_t list_names(const struct subschema *root, struct slice *to)
{
	size_t count = 0;

	for (const struct subschema *sub = root; sub; sub = sub->next) {
		for (unsigned i = sub->starts[OP_OBJECT]; i < sub->starts[OP_OBJECT + 1]; i++) {
			if (sub->ops[i].run != validate_object)
				continue;
			const struct name_table *table = &sub->ops[i].object->names;
			if (to && table->count)
				memcpy(to + count, table->names, table->count * sizeof *to);
			count += table->count;
		}
	}
	return count;
}

static const struct subschema *reference_of(const struct subschema *sub)
{
	for (unsigned i = sub->starts[OP_ANY]; i < sub->starts[OP_ANY + 1]; i++)
		if (sub->ops[i].run == validate_reference)
			return sub->ops[i].sub;
	return NULL;
}

const struct subschema *program_find_loop(const struct subschema *root)
{
	reach_all(root);
	for (const struct subschema *sub = root; sub; sub = sub->next) {
		unsigned steps = 0;
		for (const struct subschema *to = sub; to; to = reference_of(to))
			if (steps++ > REFERENCES_MAX)
				return sub;
	}
	return NULL;
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

static void pii_visit(struct pii_walk *walk, const struct subschema *sub);

static void pii_visit_below(struct pii_walk *walk, struct slice step, const struct subschema *sub)
{
	struct slice pointer = walk->pointer;
	struct buffer below;

	buffer_init(&below, walk->arena);
	buffer_append(&below, pointer);
	json_write_pointer_step(&below, step);
	walk->failed |= below.failed;
	walk->pointer = buffer_slice(&below);
	pii_visit(walk, sub);
	walk->pointer = pointer;
}

/* A subschema that is open already stands for a recursive structure: its marks were noted at the first level, and
 * deeper levels repeat them without end. */
static void pii_visit(struct pii_walk *walk, const struct subschema *sub)
{
	if (walk->failed || sub->mark == MARK_OPEN || walk->depth >= PII_DEPTH)
		return;
	if (++walk->visits > PII_VISITS) {
		walk->failed = true;
		return;
	}
	writable(sub)->mark = MARK_OPEN;
	walk->depth++;
	if (sub->pii)
		pii_add(walk, sub);
	for (unsigned i = 0; i < sub->starts[OP_CLASS_count]; i++) {
		const struct schema_op *op = &sub->ops[i];
		if (op->run == validate_reference)
			pii_visit(walk, op->sub);
		else if (op->run == validate_items)
			pii_visit_below(walk, SLICE("*"), op->sub);
		if (op->run != validate_object)
			continue;
		for (uint32_t n = 0; n < op->object->names.count; n++)
			if (op->object->properties[n].sub)
				pii_visit_below(walk, op->object->names.names[n], op->object->properties[n].sub);
		if (op->object->additional)
			pii_visit_below(walk, SLICE("*"), op->object->additional);
	}
	walk->depth--;
	writable(sub)->mark = MARK_NONE;
}

bool program_collect_pii(const struct schema *schema, struct arena *arena, const struct schema_pii **out, size_t *count)
{
	struct pii_walk walk = { .arena = arena, .pointer = SLICE("") };

	pii_visit(&walk, schema->root);
	*out = walk.at;
	*count = walk.count;
	return !walk.failed;
}

static const struct subschema *step_into(const struct schema_op *op, struct slice step)
{
	if (op->run == validate_items)
		return step.len && step.at[0] >= '0' && step.at[0] <= '9' ? op->sub : NULL;
	if (op->run != validate_object)
		return NULL;
	uint32_t found = name_table_find(&op->object->names, step);
	if (found != NAME_TABLE_NONE && op->object->properties[found].sub)
		return op->object->properties[found].sub;
	return op->object->additional;
}

/* The subschemas for one place: itself and what it refers to. References cannot loop. */
static enum schema_want want_at(const struct subschema *sub, const struct slice *steps, size_t count)
{
	enum schema_want want = SCHEMA_WANT_STRING;

	if (count == 0 && sub->types != TYPE_ANY && !(sub->types & TYPE_STRING)) {
		if (sub->types & TYPE_NUMBER)
			return SCHEMA_WANT_NUMBER;
		if (sub->types & TYPE_INTEGER)
			return SCHEMA_WANT_INTEGER;
		if (sub->types & TYPE_BOOLEAN)
			return SCHEMA_WANT_BOOLEAN;
	}
	for (unsigned i = 0; i < sub->starts[OP_CLASS_count] && want == SCHEMA_WANT_STRING; i++) {
		const struct schema_op *op = &sub->ops[i];
		if (op->run == validate_reference) {
			want = want_at(op->sub, steps, count);
		} else if (count > 0) {
			const struct subschema *next = step_into(op, steps[0]);
			if (next)
				want = want_at(next, steps + 1, count - 1);
		}
	}
	return want;
}

enum schema_want schema_want_at(const struct schema *schema, const struct slice *steps, size_t count)
{
	return want_at(schema->root, steps, count);
}
