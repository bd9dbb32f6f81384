/* Rules over one schema file, subschema by subschema as they stand; what a reference leads to is looked at for what it
 * adds here, and judged by itself in its own file. */
#include "tracking/lint.h"

#include <stdarg.h>
#include <stdio.h>

#include "catalog/pattern_risk.h"

#define SAMPLES_MAX 32
#define PATTERN_BYTES ((size_t)64 * 1024 * 1024)
#define TYPE_BIT(type) (1u << (type))

/* Values that the root's examples hold at some place. */
struct samples {
	struct spot at[SAMPLES_MAX];
	size_t count;
};

struct walk {
	struct lint *lint;
	const struct source_file *file;
	struct slice pointer;
	struct samples samples;
	bool is_event;
};

void lint_report(struct lint *lint, enum lint_level level, const struct source_file *file, struct slice pointer,
                 const char *format, ...)
{
	char text[400];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (level == LINT_ERROR)
		lint->errors++;
	else
		lint->warnings++;
	lint->report(lint->context, level, file->path, pointer, slice_of(text));
}

static struct slice below(const struct walk *w, const char *keyword)
{
	return arena_print(w->lint->src->arena, "%.*s/%s", SLICE_ARG(w->pointer), keyword);
}

static bool has(const struct view *view, const char *keyword)
{
	return view_get(view, slice_of(keyword)).node != 0;
}

static struct pattern_risk judge(struct slice text)
{
	struct arena arena;
	struct pattern_risk risk;

	arena_init(&arena, PATTERN_BYTES);
	pattern_risk_judge(text, &arena, &risk);
	arena_fini(&arena);
	return risk;
}

static bool is_listed(const struct view *view)
{
	return has(view, "enum") || has(view, "const");
}

static void check_pattern(const struct walk *w, struct spot at, const struct view *view)
{
	struct spot pattern = spot_get(at, SLICE("pattern"));

	if (!pattern.node)
		return;
	struct pattern_risk risk = judge(spot_text(w->lint->src, pattern));
	if (risk.danger)
		lint_report(w->lint, LINT_ERROR, w->file, below(w, "pattern"), "%s", risk.danger);
	else if (!risk.bounded && !has(view, "maxLength") && !is_listed(view))
		lint_report(w->lint, LINT_ERROR, w->file, below(w, "pattern"),
		            "a pattern without a bound to the text's length: add maxLength, or anchor it and bound its "
		            "repetitions");
}

static void check_name_patterns(const struct walk *w, struct spot at)
{
	struct spot all = spot_get(at, SLICE("patternProperties"));
	struct source_member m = { .key = 0 };
	const struct source_child child = { .keyword = SLICE("patternProperties") };

	while (all.node && spot_next_member(w->lint->src, all, &m)) {
		struct source_child one = child;
		struct pattern_risk risk = judge(m.name);
		one.step = m.name;
		if (risk.danger)
			lint_report(w->lint, LINT_ERROR, w->file, source_pointer(w->lint->src->arena, w->pointer, &one),
			            "%s", risk.danger);
	}
}

static bool is_string_bounded(const struct walk *w, const struct view *view)
{
	static const char *const short_formats[] = { "date-time", "date", "time", "uuid", "ipv4", "ipv6" };
	struct slice format = spot_text(
	        w->lint->src, view_get(view, SLICE("format")).node ? view_get(view, SLICE("format")) : view->at[0]);
	struct spot pattern = view_get(view, SLICE("pattern"));

	if (has(view, "maxLength") || is_listed(view))
		return true;
	for (size_t i = 0; i < sizeof short_formats / sizeof *short_formats; i++)
		if (slice_equal(format, slice_of(short_formats[i])))
			return true;
	return pattern.node && judge(spot_text(w->lint->src, pattern)).bounded;
}

static bool is_array_bounded(const struct view *view)
{
	struct spot items = view_get(view, SLICE("items"));
	struct spot rest = view_get(view, SLICE("additionalItems"));
	bool closed = items.node && spot_type(items) == JSON_FALSE;

	return has(view, "maxItems") || is_listed(view) || closed || (rest.node && spot_type(rest) == JSON_FALSE);
}

static void warn(const struct walk *w, const char *text)
{
	lint_report(w->lint, LINT_WARNING, w->file, w->pointer, "%s", text);
}

static void check_bounds(const struct walk *w, const struct view *view)
{
	unsigned types = view_types(view);

	if (types == TYPE_BITS_ANY) {
		if (!has(view, "anyOf") && !has(view, "oneOf") && !has(view, "if") && !has(view, "not"))
			warn(w, "no type: any value is taken");
		return;
	}
	if ((types & TYPE_BIT(JSON_STRING)) && !is_string_bounded(w, view))
		warn(w, "a string without maxLength");
	if ((types & TYPE_BIT(JSON_ARRAY)) && !is_array_bounded(view))
		warn(w, "an array without maxItems");
	if ((types & (TYPE_BIT(JSON_NUMBER) | TYPE_BIT_INTEGER)) && !is_listed(view)) {
		bool low = has(view, "minimum") || has(view, "exclusiveMinimum");
		bool high = has(view, "maximum") || has(view, "exclusiveMaximum");
		if (!low || !high)
			warn(w, !low && !high ? "a number without minimum and maximum"
			        : low         ? "a number without maximum"
			                      : "a number without minimum");
	}
}

static void check_property(const struct walk *w, const struct view *view)
{
	const unsigned plain = TYPE_BIT(JSON_STRING) | TYPE_BIT(JSON_NUMBER) | TYPE_BIT_INTEGER;

	if (view->never)
		return;
	if (!has(view, "description"))
		warn(w, "no description");
	check_bounds(w, view);
	if (w->is_event && (view_types(view) & plain) && !is_listed(view) && !has(view, "examples") &&
	    w->samples.count == 0)
		warn(w, "no example: neither here nor in the event's examples");
}

static void check_schema(const struct walk *w, struct spot at, enum source_role role);

static struct samples samples_below(const struct samples *from, const struct source_child *child)
{
	struct samples out = { .count = 0 };

	for (size_t i = 0; i < from->count; i++) {
		if (child->role == SOURCE_SAME)
			out.at[out.count++] = from->at[i];
		if (child->role == SOURCE_PROPERTY) {
			struct spot value = spot_get(from->at[i], child->step);
			if (value.node)
				out.at[out.count++] = value;
		}
		if (child->role == SOURCE_ITEM)
			for (struct spot e = { 0 }; out.count < SAMPLES_MAX && spot_next_element(from->at[i], &e);)
				out.at[out.count++] = e;
		if (out.count == SAMPLES_MAX)
			break;
	}
	return out;
}

static bool check_child(void *context, const struct source_child *child)
{
	const struct walk *up = context;
	struct walk w = { .lint = up->lint, .file = up->file, .is_event = up->is_event };

	w.pointer = source_pointer(up->lint->src->arena, up->pointer, child);
	w.samples = samples_below(&up->samples, child);
	check_schema(&w, child->at, child->role);
	return true;
}

static void check_schema(const struct walk *w, struct spot at, enum source_role role)
{
	struct view view = source_view(w->lint->src, at);

	if (spot_type(at) != JSON_OBJECT)
		return;
	check_pattern(w, at, &view);
	check_name_patterns(w, at);
	if (role == SOURCE_PROPERTY)
		check_property(w, &view);
	else if (role == SOURCE_ITEM || (role == SOURCE_REST && has(&view, "type")))
		check_bounds(w, &view);
	(void)source_each_child(w->lint->src, at, check_child, (void *)(uintptr_t)w);
}

static void check_root(struct walk *w, struct slice event)
{
	const struct spot root = { w->file, 0 };
	struct spot examples = spot_get(root, SLICE("examples"));
	struct spot declared = spot_get(root, SLICE("x-headgate"));
	struct spot purposes = declared.node ? spot_get(declared, SLICE("purposes")) : declared;

	if (!spot_get(root, SLICE("description")).node)
		warn(w, "no description: what does it mean, and when does it fire?");
	for (struct spot e = { 0 }; examples.node && w->samples.count < SAMPLES_MAX && spot_next_element(examples, &e);)
		w->samples.at[w->samples.count++] = e;
	if (!w->is_event)
		return;
	if (w->samples.count == 0)
		warn(w, "no examples");
	struct view view = source_view(w->lint->src, root);
	if (!(view_types(&view) & TYPE_BIT(JSON_OBJECT)) || view_types(&view) == TYPE_BITS_ANY)
		warn(w, "no type: properties are an object");
	for (struct spot e = { 0 }; purposes.node && spot_next_element(purposes, &e);)
		if (json_string_equals(&e.file->doc, e.node, SLICE("necessary")) &&
		    !slice_equal(event, SLICE("consent_update")))
			lint_report(
			        w->lint, LINT_WARNING, w->file, SLICE("/x-headgate/purposes"),
			        "claims the purpose necessary, which nobody can refuse: only consent_update should");
}

void lint_check_file(struct lint *lint, const struct source_file *file, struct slice event)
{
	struct walk w = { .lint = lint, .file = file, .pointer = SLICE(""), .is_event = event.len > 0 };
	const struct spot root = { file, 0 };

	check_root(&w, event);
	check_schema(&w, root, SOURCE_SAME);
}
