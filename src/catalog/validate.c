/* Runs a compiled schema over the scanner's nodes. Recursion follows the document's nesting, which the scanner bounds,
 * and references and combinations at one place, which cannot loop (the compiler refuses that, and the depth is bounded
 * where dynamic references do). A schema may branch, and branches within branches multiply: the work is counted, and
 * bounded by the size of the document. Nothing is allocated unless a value is wrong, a string with escapes
 * must be unescaped for a pattern, or a container with hundreds of children is asked what was left unevaluated or
 * whether all are different. */
#include "catalog/program.h"

#include <assert.h>

#define DEPTH_MAX 2000
#define BUDGET_BASE 1000000
#define BUDGET_PER_NODE 200

void validate_abort(struct run *run, enum run_abort why)
{
	if (run->abort == RUN_GOES_ON)
		run->abort = why;
	run->budget = 0;
	run->failures++;
}

bool validate_unescape(struct run *run, uint32_t node, struct slice *out)
{
	*out = json_inner(run->doc, node);
	if (!(run->doc->nodes[node].flags & JSON_FLAG_ESCAPED))
		return true;
	*out = json_string(run->doc, node, run->out->arena);
	if (!out->at)
		validate_abort(run, RUN_NO_MEMORY);
	return out->at != NULL;
}

size_t validate_count(const struct json_doc *doc, uint32_t node)
{
	size_t count = doc->nodes[node].count;
	bool is_object = json_type_of(doc, node) == JSON_OBJECT;

	if (count < UINT16_MAX)
		return count;
	count = 0;
	for (uint32_t i = node + 1; i < doc->nodes[node].next; i = doc->nodes[is_object ? i + 1 : i].next)
		count++;
	return count;
}

void validate_values(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	if (!value_set_holds(op->values, run->doc, node))
		message_add_values(run, at, op, node);
}

static bool has_type(const struct subschema *sub, const struct json_doc *doc, uint32_t node)
{
	const struct json_node *n = &doc->nodes[node];

	if (sub->types & 1u << n->type)
		return true;
	if (n->type != JSON_NUMBER || !(sub->types & TYPE_INTEGER))
		return false;
	return (n->flags & JSON_FLAG_INTEGER) || decimal_is_integer(json_raw(doc, node));
}

__attribute__((always_inline)) static inline void run_ops(struct run *run, const struct subschema *sub,
                                                          enum op_class class, uint32_t node, const struct frame *at)
{
	uint32_t before = run->failures;

	for (unsigned i = sub->starts[class]; i < sub->starts[class + 1]; i++) {
		sub->ops[i].run(run, &sub->ops[i], node, at);
		if (validate_is_decided(run, before))
			return;
	}
}

/* Most of the time goes by here: one call a value. */
__attribute__((always_inline)) static inline void run_plain(struct run *run, const struct subschema *sub, uint32_t node,
                                                            const struct frame *at)
{
	static const uint8_t classes[] = { OP_ANY, OP_ANY, OP_ANY, OP_NUMBER, OP_STRING, OP_ARRAY, OP_OBJECT };
	enum op_class class = (enum op_class)classes[run->doc->nodes[node].type];
	uint32_t before = run->failures;

	if (sub->types != TYPE_ANY && !has_type(sub, run->doc, node)) {
		message_add_type(run, at, sub, node);
		return;
	}
	run_ops(run, sub, OP_ANY, node, at);
	if (class != OP_ANY && !validate_is_decided(run, before))
		run_ops(run, sub, class, node, at);
}

static void run_plain_rarely(struct run *run, const struct subschema *sub, uint32_t node, const struct frame *at)
{
	run_plain(run, sub, node, at);
}

/* What nothing else has looked at. */
static void run_rest(struct run *run, const struct subschema *rest, uint32_t node, const struct marks *marks,
                     const struct frame *at)
{
	const struct json_doc *doc = run->doc;
	bool is_object = json_type_of(doc, node) == JSON_OBJECT;
	uint32_t end = doc->nodes[node].next, before = run->failures;
	struct frame frame = { at, 0, 0, NULL };

	for (uint32_t i = node + 1; i < end && !validate_is_decided(run, before); frame.index++) {
		uint32_t value = is_object ? i + 1 : i;
		frame.key = is_object ? i : 0;
		i = doc->nodes[value].next;
		if (marks_has(marks, frame.index))
			continue;
		if (rest->never && is_object)
			message_add_unknown(run, &frame, SLICE("unevaluatedProperties"), NULL);
		else if (rest->never)
			message_add(run, &frame, SLICE("unevaluatedItems"), "is not allowed here");
		else
			validate_subschema(run, rest, value, &frame);
	}
}

static void run_unevaluated(struct run *run, const struct subschema *sub, const struct subschema *rest, uint32_t node,
                            const struct frame *at)
{
	struct marks *outer = run->marks, inner;
	uint32_t before = run->failures;

	if (marks_open(run, &inner, validate_count(run->doc, node))) {
		run->marks = &inner;
		run_plain_rarely(run, sub, node, at);
		run->marks = NULL;
		if (!inner.all && !validate_is_decided(run, before))
			run_rest(run, rest, node, &inner, at);
		run->marks = outer;
		if (outer)
			outer->all = true;
	}
	marks_close(run, &inner);
}

/* What few schemas have: marks of personal data, `false`, a resource's root, unevaluated… */
__attribute__((noinline)) static void run_special(struct run *run, const struct subschema *sub, uint32_t node,
                                                  const struct frame *at)
{
	const struct scope *outer = run->scope;
	struct scope scope = { outer, sub->resource };
	enum json_type type = json_type_of(run->doc, node);
	const struct subschema *rest = type == JSON_OBJECT  ? sub->unevaluated_properties
	                               : type == JSON_ARRAY ? sub->unevaluated_items
	                                                    : NULL;
	bool pii = run->pii;

	assert(outer);
	run->pii |= sub->pii;
	if (sub->resource != outer->resource)
		run->scope = &scope;
	if (sub->never)
		message_add(run, at, SLICE("false"), "is not allowed here");
	else if (rest)
		run_unevaluated(run, sub, rest, node, at);
	else
		run_plain_rarely(run, sub, node, at);
	run->scope = outer;
	run->pii = pii;
}

void validate_subschema(struct run *run, const struct subschema *sub, uint32_t node, const struct frame *at)
{
	if (sub->special)
		run_special(run, sub, node, at);
	else
		run_plain(run, sub, node, at);
}

void validate_here(struct run *run, const struct subschema *sub, uint32_t node, const struct frame *at)
{
	if (run->budget == 0 || run->depth >= DEPTH_MAX) {
		validate_abort(run, run->budget ? RUN_TOO_DEEP : RUN_TOO_MUCH);
		return;
	}
	run->budget--;
	run->depth++;
	validate_subschema(run, sub, node, at);
	run->depth--;
}

/* A reference may lead into another resource, which thereby enters the dynamic scope. */
static void enter(struct run *run, const struct subschema *sub, uint32_t node, const struct frame *at)
{
	const struct scope *outer = run->scope;
	struct scope scope = { outer, sub->resource };

	assert(outer);
	if (sub->resource != outer->resource)
		run->scope = &scope;
	validate_here(run, sub, node, at);
	run->scope = outer;
}

void validate_reference(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	enter(run, op->sub, node, at);
}

void validate_dynamic_reference(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	const struct subschema *sub = op->dynamic->sub;

	for (const struct scope *scope = run->scope; scope; scope = scope->up)
		for (const struct anchor *anchor = scope->resource->anchors; anchor; anchor = anchor->next)
			if (anchor->dynamic && anchor->sub && slice_equal(anchor->name, op->dynamic->name))
				sub = anchor->sub;
	enter(run, sub, node, at);
}

/* Each walk over a container's children is paid for. */
static inline void charge(struct run *run, uint32_t node)
{
	uint64_t cost = run->doc->nodes[node].count;

	if (cost > run->budget)
		validate_abort(run, RUN_TOO_MUCH);
	else
		run->budget -= cost;
}

void validate_items(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	uint32_t end = run->doc->nodes[node].next, before = run->failures;
	struct frame frame = { at, 0, 0, NULL };
	struct marks *marks = run->marks;

	run->marks = NULL;
	charge(run, node);
	for (uint32_t i = node + 1; i < end && !validate_is_decided(run, before);
	     i = run->doc->nodes[i].next, frame.index++)
		validate_subschema(run, op->sub, i, &frame);
	run->marks = marks;
	if (marks)
		marks->all = true;
}

static uint32_t find_escaped(const struct json_doc *doc, uint32_t key, const struct name_table *names)
{
	for (uint32_t i = 0; i < names->count; i++)
		if (json_string_equals(doc, key, names->names[i]))
			return i;
	return NAME_TABLE_NONE;
}

static void check_missing(struct run *run, const struct object_rule *object, uint64_t missing, uint32_t node,
                          const struct frame *at)
{
	for (uint32_t i = 0; missing && i < object->names.count; i++) {
		if (object->properties[i].required_bit & missing)
			message_add_missing(run, at, SLICE("required"), object->names.names[i], SLICE_NONE);
	}
	for (size_t i = 0; i < object->required_rest_count; i++) {
		struct slice name = object->names.names[object->required_rest[i]];
		if (!json_get(run->doc, node, name))
			message_add_missing(run, at, SLICE("required"), name, SLICE_NONE);
	}
}

/* Whether any pattern had a say about the member. */
static bool run_patterns(struct run *run, const struct object_rule *object, uint32_t key, const struct frame *frame)
{
	bool well_formed = !(run->doc->nodes[key].flags & JSON_FLAG_BAD_UTF8), any = false;
	struct slice name;

	if (!validate_unescape(run, key, &name))
		return true;
	for (size_t i = 0; i < object->patterns_count; i++) {
		switch (pattern_search(object->patterns[i].pattern, name, well_formed)) {
		case PATTERN_FOUND:
			any = true;
			validate_subschema(run, object->patterns[i].sub, key + 1, frame);
			break;
		case PATTERN_NOT_FOUND:
			break;
		case PATTERN_GAVE_UP:
			validate_abort(run, RUN_SLOW_PATTERN);
		}
	}
	return any;
}

static inline bool run_member(struct run *run, const struct object_rule *object, uint32_t key, const struct frame *at,
                              uint64_t *missing)
{
	const struct json_node *nodes = run->doc->nodes;
	struct frame frame = { at, key, 0, NULL };
	const struct subschema *sub = object->additional;
	bool evaluated = false;
	uint32_t found = nodes[key].flags & JSON_FLAG_ESCAPED
	                         ? find_escaped(run->doc, key, &object->names)
	                         : name_table_find(&object->names, json_inner(run->doc, key));

	if (found != NAME_TABLE_NONE) {
		const struct property *property = &object->properties[found];
		*missing &= ~property->required_bit;
		frame.label = &object->names.names[found];
		if (property->sub) {
			validate_subschema(run, property->sub, key + 1, &frame);
			evaluated = true;
		}
	}
	if (object->patterns_count && run_patterns(run, object, key, &frame))
		evaluated = true;
	if (evaluated || !sub)
		return evaluated;
	if (sub->never)
		message_add_unknown(run, &frame, SLICE("additionalProperties"), &object->names);
	else
		validate_subschema(run, sub, key + 1, &frame);
	return true;
}

void validate_object(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	const struct object_rule *object = op->object;
	const struct json_node *nodes = run->doc->nodes;
	uint32_t end = nodes[node].next, before = run->failures;
	uint64_t missing = object->required;
	struct marks *marks = run->marks;
	size_t index = 0;

	run->marks = NULL;
	charge(run, node);
	for (uint32_t key = node + 1; key < end; key = nodes[key + 1].next, index++) {
		bool evaluated = run_member(run, object, key, at, &missing);
		if (marks && evaluated)
			marks_set(marks, index);
		if (validate_is_decided(run, before))
			break;
	}
	run->marks = marks;
	if (validate_is_decided(run, before))
		return;
	if (missing || object->required_rest_count)
		check_missing(run, object, missing, node, at);
}

static void report_abort(struct run *run)
{
	static const char *const reasons[] = {
		[RUN_GOES_ON] = "",
		[RUN_TOO_MUCH] = "takes too long to check: the schema branches too much for a value of this size",
		[RUN_TOO_DEEP] = "takes too long to check: references lead too deep",
		[RUN_NO_MEMORY] = "needs too much memory to check",
		[RUN_SLOW_PATTERN] = "takes too long to match against one of the schema's patterns",
	};

	run->quiet = 0;
	message_add(run, NULL, SLICE("limit"), "%s", reasons[run->abort]);
}

bool schema_validate(const struct schema *schema, const struct json_doc *doc, uint32_t node, struct slice at,
                     struct violations *out)
{
	const struct scope scope = { NULL, schema->root->resource };
	struct run run = { .schema = schema, .doc = doc, .at = at, .out = out, .scope = &scope };

	run.budget = BUDGET_BASE + (uint64_t)BUDGET_PER_NODE * (doc->nodes[node].next - node);
	validate_subschema(&run, schema->root, node, NULL);
	if (run.abort != RUN_GOES_ON)
		report_abort(&run);
	return run.failures == 0;
}
