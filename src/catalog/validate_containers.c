/* The rarer operations on arrays and objects. While the children are looked at, nobody asks for marks: they belong to the
 * container alone. */
#include "catalog/program.h"

void validate_min_items(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	size_t count = validate_count(run->doc, node);

	if (count < op->size)
		validate_report_count(run, op, at, "at least", "item", op->size, count);
}

void validate_max_items(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	size_t count = validate_count(run->doc, node);

	if (count > op->size)
		validate_report_count(run, op, at, "at most", "item", op->size, count);
}

void validate_min_properties(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	size_t count = validate_count(run->doc, node);

	if (count < op->size)
		validate_report_count(run, op, at, "at least", "member", op->size, count);
}

void validate_max_properties(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	size_t count = validate_count(run->doc, node);

	if (count > op->size)
		validate_report_count(run, op, at, "at most", "member", op->size, count);
}

void validate_tuple(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	const struct array_rule *array = op->array;
	uint32_t end = run->doc->nodes[node].next, before = run->failures;
	struct frame frame = { at, 0, 0, NULL };
	struct marks *marks = run->marks;

	run->marks = NULL;
	for (uint32_t i = node + 1; i < end && !validate_is_decided(run, before);
	     i = run->doc->nodes[i].next, frame.index++) {
		const struct subschema *sub =
		        frame.index < array->prefix_count ? array->prefix[frame.index] : array->rest;
		if (!sub)
			break;
		validate_subschema(run, sub, i, &frame);
		if (marks)
			marks_set(marks, frame.index);
	}
	run->marks = marks;
	if (marks && array->rest)
		marks->all = true;
}

/* Does the child fit, without a report? */
static bool child_fits(struct run *run, const struct subschema *sub, uint32_t node, const struct frame *at)
{
	uint32_t before = run->failures;

	run->quiet++;
	validate_subschema(run, sub, node, at);
	run->quiet--;
	bool fits = run->failures == before;
	run->failures = before;
	return fits;
}

void validate_contains(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	const struct contains_rule *contains = op->contains;
	uint32_t end = run->doc->nodes[node].next;
	struct frame frame = { at, 0, 0, NULL };
	struct marks *marks = run->marks;
	uint64_t found = 0;

	run->marks = NULL;
	for (uint32_t i = node + 1; i < end; i = run->doc->nodes[i].next, frame.index++) {
		if (!marks && found >= contains->least && (contains->most == UINT64_MAX || found > contains->most))
			break;
		if (!child_fits(run, contains->sub, i, &frame))
			continue;
		found++;
		if (marks && contains->marks)
			marks_set(marks, frame.index);
	}
	run->marks = marks;
	if (found < contains->least)
		message_add(run, at, contains->least == 1 ? op->rule : SLICE("minContains"),
		            "must have at least %llu item%s of the kind that the schema asks for",
		            (unsigned long long)contains->least, contains->least == 1 ? "" : "s");
	else if (found > contains->most)
		message_add(run, at, SLICE("maxContains"),
		            "must have at most %llu item%s of the kind that the schema counts",
		            (unsigned long long)contains->most, contains->most == 1 ? "" : "s");
}

void validate_property_names(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	const struct json_node *nodes = run->doc->nodes;
	uint32_t before = run->failures;
	struct marks *marks = run->marks;

	run->marks = NULL;
	for (uint32_t key = node + 1; key < nodes[node].next && !validate_is_decided(run, before);
	     key = nodes[key + 1].next) {
		struct frame frame = { at, key, 0, NULL };
		if (!child_fits(run, op->sub, key, &frame))
			message_add(run, &frame, op->rule, "is not a name that the schema allows");
	}
	run->marks = marks;
}

void validate_dependencies(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	const struct dependency_list *list = op->dependencies;
	uint32_t before = run->failures;

	for (size_t i = 0; i < list->count && !validate_is_decided(run, before); i++) {
		const struct dependency *dependency = &list->at[i];
		if (!json_get(run->doc, node, dependency->name))
			continue;
		for (size_t n = 0; n < dependency->required_count; n++)
			if (!json_get(run->doc, node, dependency->required[n]))
				message_add_missing(run, at, op->rule, dependency->required[n], dependency->name);
		if (dependency->sub)
			validate_here(run, dependency->sub, node, at);
	}
}
