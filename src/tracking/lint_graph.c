/* References followed through all files, each subschema once. A circle means that documents may nest as deep as
 * anybody likes; and a few lines of references that each lead to two others unfold to millions of checks. */
#include "tracking/lint.h"

#define SIZE_MAX_UNFOLDED 100000u
#define DEPTH_MAX 1000
#define OPEN UINT32_MAX /* is being looked at: seen again, it is a circle */

struct visit {
	struct lint *lint;
	struct slice pointer;
	uint32_t size;
	unsigned depth;
	bool found; /* something was reported below */
};

static void visit_schema(struct visit *up, struct spot at, struct slice pointer, struct slice from);

static void add_size(struct visit *v, uint32_t size)
{
	v->size =
	        size > SIZE_MAX_UNFOLDED || v->size + size > SIZE_MAX_UNFOLDED ? SIZE_MAX_UNFOLDED + 1 : v->size + size;
}

static bool visit_child(void *context, const struct source_child *child)
{
	struct visit *v = context;

	if (child->role != SOURCE_DEFINITION) {
		struct slice pointer = source_pointer(v->lint->src->arena, v->pointer, child);
		visit_schema(v, child->at, pointer, pointer);
	}
	return !v->found;
}

static void visit_reference(struct visit *v, struct spot at, const char *keyword)
{
	struct spot reference = spot_get(at, slice_of(keyword)), target;

	if (v->found || !reference.node || !source_follow(v->lint->src, reference, &target))
		return;
	struct slice fragment = spot_text(v->lint->src, reference);
	(void)slice_split(&fragment, '#');
	struct slice from = arena_print(v->lint->src->arena, "%.*s/%s", SLICE_ARG(v->pointer), keyword);
	bool is_pointer = fragment.len && fragment.at[0] == '/';
	struct slice before = v->pointer;
	v->pointer = from;
	visit_schema(v, target, is_pointer ? fragment : SLICE(""), from);
	v->pointer = before;
}

static void report(struct visit *v, const struct source_file *file, struct slice pointer, const char *reason)
{
	if (!v->found)
		lint_report(v->lint, LINT_ERROR, file, pointer, "%s", reason);
	v->found = true;
}

/* `from` is where it is referred to, within the file being looked at. */
static void visit_schema(struct visit *up, struct spot at, struct slice pointer, struct slice from)
{
	struct source_file *file = (struct source_file *)(uintptr_t)at.file;
	struct visit v = { .lint = up->lint, .pointer = pointer, .size = 1, .depth = up->depth + 1 };

	if (spot_type(at) != JSON_OBJECT)
		return;
	if (!file->marks)
		file->marks = arena_array(up->lint->src->arena, file->doc.count, sizeof *file->marks);
	if (!file->marks)
		return;
	uint32_t *mark = &file->marks[at.node];
	if (*mark == OPEN || v.depth > DEPTH_MAX) {
		report(up, file, *mark == OPEN ? from : pointer,
		       *mark == OPEN ? "leads back to a schema that it stands in: documents could nest without bound"
		                     : "leads through more than 1000 schemas");
		return;
	}
	if (*mark == 0) {
		*mark = OPEN;
		visit_reference(&v, at, "$ref");
		visit_reference(&v, at, "$dynamicRef");
		if (!v.found)
			(void)source_each_child(v.lint->src, at, visit_child, &v);
		*mark = v.size;
		if (v.size > SIZE_MAX_UNFOLDED && !v.found)
			report(&v, file, pointer, "unfolds to more than 100,000 schemas by its references");
		up->found |= v.found;
	}
	add_size(up, *mark);
}

static bool visit_definition(void *context, const struct source_child *child)
{
	struct visit *v = context;

	struct slice pointer = source_pointer(v->lint->src->arena, v->pointer, child);
	if (child->role == SOURCE_DEFINITION)
		visit_schema(v, child->at, pointer, pointer);
	return !v->found;
}

void lint_check_graph(struct lint *lint, struct spot at, struct slice pointer)
{
	struct visit v = { .lint = lint, .pointer = pointer };

	visit_schema(&v, at, pointer, pointer);
	if (!v.found)
		(void)source_each_child(lint->src, at, visit_definition, &v);
}
