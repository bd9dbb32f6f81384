/* Runs a compiled schema over the scanner's nodes. Recursion follows the document's nesting, which the scanner bounds,
 * and references, which cannot loop without going deeper (the compiler refuses that). Nothing is allocated unless a
 * value is wrong, or a string with escapes meets a pattern or a format and must be unescaped for it. */
#include "catalog/program.h"

static void run_subschema(struct run *run, const struct subschema *sub, uint32_t node, const struct frame *at);

static int compare_number(struct run *run, const struct schema_op *op, uint32_t node)
{
	struct decimal value = decimal_parse(json_raw(run->doc, node));

	return decimal_compare(&value, &op->number);
}

void validate_minimum(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	if (compare_number(run, op, node) < 0)
		message_add_got(run, at, op->rule, node, "must be >= %.*s", SLICE_ARG(op->number.text));
}

void validate_maximum(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	if (compare_number(run, op, node) > 0)
		message_add_got(run, at, op->rule, node, "must be <= %.*s", SLICE_ARG(op->number.text));
}

void validate_exclusive_minimum(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	if (compare_number(run, op, node) <= 0)
		message_add_got(run, at, op->rule, node, "must be > %.*s", SLICE_ARG(op->number.text));
}

void validate_exclusive_maximum(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	if (compare_number(run, op, node) >= 0)
		message_add_got(run, at, op->rule, node, "must be < %.*s", SLICE_ARG(op->number.text));
}

/* How many of something a value has; within x-pii not even that is told. */
static void add_count(struct run *run, const struct schema_op *op, const struct frame *at, const char *bound,
                      const char *unit, size_t got)
{
	unsigned long long want = op->size;
	const char *plural = want == 1 ? "" : "s";

	if (run->pii)
		message_add(run, at, op->rule, "must have %s %llu %s%s", bound, want, unit, plural);
	else
		message_add(run, at, op->rule, "must have %s %llu %s%s, got %zu", bound, want, unit, plural, got);
}

/* A character takes 1 to 4 bytes as itself, 2 to 12 with escapes: most strings need no counting. */
void validate_min_length(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	const struct json_node *n = &run->doc->nodes[node];
	uint64_t bytes = n->length - 2;
	uint64_t surely = n->flags & JSON_FLAG_ESCAPED ? bytes / 12 : (bytes + 3) / 4;

	if (surely >= op->size)
		return;
	size_t points = json_string_points(run->doc, node);
	if (points < op->size)
		add_count(run, op, at, "at least", "character", points);
}

void validate_max_length(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	if (run->doc->nodes[node].length - 2 <= op->size)
		return;
	size_t points = json_string_points(run->doc, node);
	if (points > op->size)
		add_count(run, op, at, "at most", "character", points);
}

/* The string's own bytes, or its unescaped copy; false if there is no memory: then the event must not pass. */
static bool unescaped(struct run *run, uint32_t node, struct slice *out)
{
	*out = json_inner(run->doc, node);
	if (run->doc->nodes[node].flags & JSON_FLAG_ESCAPED)
		*out = json_string(run->doc, node, run->out->arena);
	if (!out->at)
		run->failures++;
	return out->at != NULL;
}

void validate_pattern(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	struct slice text, shown = pattern_text(op->pattern);
	bool well_formed = !(run->doc->nodes[node].flags & JSON_FLAG_BAD_UTF8);

	if (!unescaped(run, node, &text))
		return;
	switch (pattern_search(op->pattern, text, well_formed)) {
	case PATTERN_FOUND:
		return;
	case PATTERN_NOT_FOUND:
		if (shown.len > 200)
			message_add(run, at, op->rule, "must match the schema's pattern");
		else
			message_add(run, at, op->rule, "must match the pattern %.*s", SLICE_ARG(shown));
		return;
	case PATTERN_GAVE_UP:
		message_add(run, at, op->rule, "takes too long to match against the schema's pattern");
	}
}

void validate_format(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	struct slice text;

	if (unescaped(run, node, &text) && !op->format->is_valid(text))
		message_add(run, at, op->rule, "must be in the format %.*s, as in %.*s", SLICE_ARG(op->format->name),
		            SLICE_ARG(op->format->example));
}

void validate_values(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	if (!value_set_holds(op->values, run->doc, node))
		message_add_values(run, at, op, node);
}

void validate_reference(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	run_subschema(run, op->sub, node, at);
}

/* A node's own count stops at 65,535. */
static size_t count_elements(const struct json_doc *doc, uint32_t node)
{
	size_t count = doc->nodes[node].count;

	if (count < UINT16_MAX)
		return count;
	count = 0;
	for (uint32_t i = node + 1; i < doc->nodes[node].next; i = doc->nodes[i].next)
		count++;
	return count;
}

void validate_min_items(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	size_t count = count_elements(run->doc, node);

	if (count < op->size)
		add_count(run, op, at, "at least", "item", count);
}

void validate_max_items(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	size_t count = count_elements(run->doc, node);

	if (count > op->size)
		add_count(run, op, at, "at most", "item", count);
}

void validate_items(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	uint32_t end = run->doc->nodes[node].next;
	struct frame frame = { at, 0, 0, NULL };

	for (uint32_t i = node + 1; i < end; i = run->doc->nodes[i].next, frame.index++)
		run_subschema(run, op->sub, i, &frame);
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
			message_add_missing(run, at, object->names.names[i]);
	}
	for (size_t i = 0; i < object->required_rest_count; i++) {
		struct slice name = object->names.names[object->required_rest[i]];
		if (!json_get(run->doc, node, name))
			message_add_missing(run, at, name);
	}
}

void validate_object(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	const struct object_rule *object = op->object;
	const struct json_node *nodes = run->doc->nodes;
	uint32_t end = nodes[node].next;
	uint64_t missing = object->required;

	for (uint32_t key = node + 1; key < end; key = nodes[key + 1].next) {
		struct frame frame = { at, key, 0, NULL };
		const struct subschema *sub = object->additional;
		uint32_t found = nodes[key].flags & JSON_FLAG_ESCAPED
		                         ? find_escaped(run->doc, key, &object->names)
		                         : name_table_find(&object->names, json_inner(run->doc, key));
		if (found != NAME_TABLE_NONE) {
			const struct property *property = &object->properties[found];
			missing &= ~property->required_bit;
			frame.label = &object->names.names[found];
			if (property->sub) {
				run_subschema(run, property->sub, key + 1, &frame);
				continue;
			}
		}
		if (!sub)
			continue;
		if (sub->never)
			message_add_unknown(run, &frame, object);
		else
			run_subschema(run, sub, key + 1, &frame);
	}
	if (missing || object->required_rest_count)
		check_missing(run, object, missing, node, at);
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

static void run_ops(struct run *run, const struct subschema *sub, enum op_class class, uint32_t node,
                    const struct frame *at)
{
	for (unsigned i = sub->starts[class]; i < sub->starts[class + 1]; i++)
		sub->ops[i].run(run, &sub->ops[i], node, at);
}

static void run_subschema(struct run *run, const struct subschema *sub, uint32_t node, const struct frame *at)
{
	static const uint8_t classes[] = { OP_ANY, OP_ANY, OP_ANY, OP_NUMBER, OP_STRING, OP_ARRAY, OP_OBJECT };
	bool pii = run->pii;

	run->pii |= sub->pii;
	if (sub->never) {
		message_add(run, at, SLICE("false"), "is not allowed here");
	} else if (sub->types != TYPE_ANY && !has_type(sub, run->doc, node)) {
		message_add_type(run, at, sub, node);
	} else {
		enum op_class class = (enum op_class)classes[run->doc->nodes[node].type];
		run_ops(run, sub, OP_ANY, node, at);
		if (class != OP_ANY)
			run_ops(run, sub, class, node, at);
	}
	run->pii = pii;
}

bool schema_validate(const struct schema *schema, const struct json_doc *doc, uint32_t node, struct slice at,
                     struct violations *out)
{
	struct run run = { .schema = schema, .doc = doc, .at = at, .out = out };

	run_subschema(&run, schema->root, node, NULL);
	return run.failures == 0;
}
