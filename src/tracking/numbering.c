/* The gravest change decides. */
#include "tracking/numbering.h"

struct gravest {
	bool any;
	enum version_part part;
	struct change change;
};

enum version_part numbering_part(const struct schema_version *before, const struct schema_version *after)
{
	if (before->model != after->model)
		return PART_MODEL;
	return before->revision != after->revision ? PART_REVISION : PART_ADDITION;
}

static void keep_gravest(void *context, const struct change *change)
{
	struct gravest *g = context;
	enum version_part part = change_part(change_class(change->kind));

	if (g->any && part <= g->part)
		return;
	*g = (struct gravest) { true, part, *change };
}

static struct source_file *file_of(struct lint *lint, const struct event_schema *schema, struct error *err)
{
	struct slice path = arena_print(lint->src->arena, "events/%.*s.json", SLICE_ARG(schema->name));

	return source_read(lint->src, path, err);
}

void numbering_check(struct lint *lint, const struct event_schema *before, const struct event_schema *after)
{
	struct error err = { 0 };
	struct gravest g = { .any = false };
	struct source_file *from = file_of(lint, before, &err), *to = file_of(lint, after, &err);

	if (!from || !to) {
		lint->errors++;
		lint->report(lint->context, LINT_ERROR, SLICE_NONE, SLICE_NONE, slice_of(err.message));
		return;
	}
	enum version_part grown = numbering_part(&before->version, &after->version);
	diff_schemas(lint->src, (struct spot) { from, 0 }, lint->src, (struct spot) { to, 0 }, keep_gravest, &g);
	if (g.any && g.part > grown)
		lint_report(lint, LINT_ERROR, to, g.change.pointer,
		            "%s since %.*s, which breaks %s: %s must grow, and only %s did", change_text(g.change.kind),
		            SLICE_ARG(before->version_text), change_class_text(change_class(g.change.kind)),
		            version_part_text(g.part), version_part_text(grown));
}
