/* Operations on numbers and strings. Nothing is allocated unless a string with escapes meets a pattern or a format and
 * must be unescaped for it. */
#include "catalog/program.h"

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

void validate_multiple_of(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	bool divides = false;

	if (!decimal_divides(op->number.text, json_raw(run->doc, node), &divides) || !divides)
		message_add_got(run, at, op->rule, node, "must be a multiple of %.*s", SLICE_ARG(op->number.text));
}

void validate_report_count(struct run *run, const struct schema_op *op, const struct frame *at, const char *bound,
                           const char *unit, uint64_t wanted, size_t got)
{
	unsigned long long want = wanted;
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
		validate_report_count(run, op, at, "at least", "character", op->size, points);
}

void validate_max_length(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	if (run->doc->nodes[node].length - 2 <= op->size)
		return;
	size_t points = json_string_points(run->doc, node);
	if (points > op->size)
		validate_report_count(run, op, at, "at most", "character", op->size, points);
}

void validate_pattern(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	struct slice text, shown = pattern_text(op->pattern);
	bool well_formed = !(run->doc->nodes[node].flags & JSON_FLAG_BAD_UTF8);

	if (!validate_unescape(run, node, &text))
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
		if (run->quiet)
			validate_abort(run, RUN_SLOW_PATTERN);
		message_add(run, at, op->rule, "takes too long to match against the schema's pattern");
	}
}

void validate_format(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at)
{
	struct slice text;

	if (validate_unescape(run, node, &text) && !op->format->is_valid(text))
		message_add(run, at, op->rule, "must be in the format %.*s, as in %.*s", SLICE_ARG(op->format->name),
		            SLICE_ARG(op->format->example));
}
