/* Combinations of schemas at one place. A branch is first tried without a report; what it marked as evaluated counts
 * only where it fits. */
#include "catalog/program.h"

static bool branch_fits(struct run *run, const struct subschema *sub, uint32_t node, const struct frame *at)
{
	struct marks *outer = run->marks, inner;
	uint32_t before = run->failures;

	if (outer) {
		if (!marks_open(run, &inner, outer->words_count * 64))
			return false;
		run->marks = &inner;
	}
	run->quiet++;
	validate_here(run, sub, node, at);
	run->quiet--;
	bool fits = run->failures == before;
	run->failures = before;
	run->marks = outer;
	if (outer) {
		if (fits)
			marks_merge(outer, &inner);
		marks_close(run, &inner);
	}
	return fits;
}

void validate_all_of(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	uint32_t before = run->failures;

	for (size_t i = 0; i < op->list->count && !validate_is_decided(run, before); i++)
		validate_here(run, op->list->at[i], node, at);
}

/* The one branch that is meant for values of this type, if there is one: what it finds wrong is the better report. */
static const struct subschema *only_branch(struct run *run, const struct subschema_list *list, uint32_t node)
{
	const struct subschema *only = NULL;
	unsigned bit = 1u << run->doc->nodes[node].type;

	if (run->doc->nodes[node].type == JSON_NUMBER)
		bit |= TYPE_INTEGER;
	for (size_t i = 0; i < list->count; i++) {
		if (list->at[i]->never || !(list->at[i]->types & bit))
			continue;
		if (only)
			return NULL;
		only = list->at[i];
	}
	return only;
}

static void report_no_branch(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	uint32_t before = run->failures;
	const struct subschema *only = run->quiet ? NULL : only_branch(run, op->list, node);

	if (only)
		validate_here(run, only, node, at);
	if (run->failures == before)
		message_add(run, at, op->rule, "must fit one of the %zu alternatives of the schema, fits none",
		            op->list->count);
}

/* Once one fits the others matter only for what they mark. */
void validate_any_of(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	bool any = false;

	for (size_t i = 0; i < op->list->count && (!any || run->marks); i++)
		any |= branch_fits(run, op->list->at[i], node, at);
	if (!any)
		report_no_branch(run, op, node, at);
}

void validate_one_of(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	size_t first = 0, count = 0;

	for (size_t i = 0; i < op->list->count && count < 2; i++) {
		if (!branch_fits(run, op->list->at[i], node, at))
			continue;
		if (++count == 1)
			first = i;
		else
			message_add(run, at, op->rule,
			            "must fit exactly one of the schema's alternatives, fits number %zu and %zu",
			            first + 1, i + 1);
	}
	if (count == 0)
		report_no_branch(run, op, node, at);
}

void validate_not(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	struct marks *marks = run->marks;

	run->marks = NULL;
	bool fits = branch_fits(run, op->sub, node, at);
	run->marks = marks;
	if (fits)
		message_add(run, at, op->rule, "must not be what the schema excludes here");
}

void validate_condition(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	const struct conditional *conditional = op->conditional;

	if (!conditional->then && !conditional->otherwise && !run->marks)
		return;
	bool fits = branch_fits(run, conditional->condition, node, at);
	const struct subschema *next = fits ? conditional->then : conditional->otherwise;
	if (next)
		validate_here(run, next, node, at);
}
