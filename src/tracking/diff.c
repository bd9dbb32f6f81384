/* Both schemas are walked together as views, so that moving a definition to another file is no change. */
#include "tracking/diff.h"

#define DEPTH_MAX 48

static const struct {
	const char *text;
	enum change_class class;
} kinds[] = {
#define CHANGE(name, text, class) { text, BREAKS_##class },
#include "tracking/changes.def"
#undef CHANGE
};

const char *change_text(enum change_kind kind)
{
	return kinds[kind].text;
}

enum change_class change_class(enum change_kind kind)
{
	return kinds[kind].class;
}

const char *change_class_text(enum change_class class)
{
	static const char *const texts[] = { "nothing", "consumers", "producers", "producers and consumers" };

	return texts[class];
}

enum version_part change_part(enum change_class class)
{
	if (class == BREAKS_NOTHING)
		return PART_ADDITION;
	return class == BREAKS_CONSUMERS ? PART_REVISION : PART_MODEL;
}

const char *version_part_text(enum version_part part)
{
	static const char *const texts[] = { "ADDITION", "REVISION", "MODEL" };

	return texts[part];
}

void diff_report(const struct diff *d, enum change_kind kind, struct slice pointer, struct slice detail)
{
	const struct change change = { kind, pointer, detail };

	d->fn(d->context, &change);
}

static struct slice step(const struct diff *d, struct slice pointer, struct slice name)
{
	struct buffer text;

	buffer_init(&text, d->to_src->arena);
	buffer_append(&text, pointer);
	json_write_pointer_step(&text, name);
	return buffer_slice(&text);
}

struct slice diff_step(const struct diff *d, struct slice pointer, const char *keyword)
{
	return step(d, pointer, slice_of(keyword));
}

static void diff_views(struct diff *d, const struct view *from, const struct view *to, struct slice pointer);

static void diff_spots(struct diff *d, struct spot from, struct spot to, struct slice pointer)
{
	struct view a = source_view(d->from_src, from), b = source_view(d->to_src, to);

	diff_views(d, &a, &b, pointer);
}

static void diff_property(struct diff *d, const struct view *from, const struct view *to, struct slice name,
                          struct slice pointer)
{
	struct slice at = step(d, diff_step(d, pointer, "properties"), name);
	struct view a = view_property(d->from_src, from, name), b = view_property(d->to_src, to, name);
	bool was = a.count || a.never, is = b.count || b.never;
	bool was_required = view_requires(from, name), is_required = view_requires(to, name);

	if (!was && is) {
		diff_report(d, is_required && !was_required ? CHANGE_PROPERTY_ADDED_REQUIRED : CHANGE_PROPERTY_ADDED,
		            at, SLICE_NONE);
		return;
	}
	if (was && !is) {
		diff_report(d, view_is_closed(to) ? CHANGE_PROPERTY_REMOVED : CHANGE_PROPERTY_UNCHECKED, at,
		            SLICE_NONE);
		return;
	}
	if (was_required != is_required)
		diff_report(d, is_required ? CHANGE_REQUIRED_ADDED : CHANGE_REQUIRED_REMOVED, at, SLICE_NONE);
	if (was && is)
		diff_views(d, &a, &b, at);
}

static bool holds(const struct slice *names, size_t count, struct slice name)
{
	for (size_t i = 0; i < count; i++)
		if (slice_equal(names[i], name))
			return true;
	return false;
}

/* Names that only `required` knows. */
static void diff_bare_required(struct diff *d, const struct view *from, const struct view *to, struct slice pointer,
                               enum change_kind kind, struct sources *src)
{
	for (size_t i = 0; i < to->count; i++) {
		struct spot list = spot_get(to->at[i], SLICE("required"));
		for (struct spot e = { 0 }; list.node && spot_next_element(list, &e);) {
			struct slice name = spot_text(src, e);
			struct view named = view_property(src, to, name);
			struct view other = view_property(src, from, name);
			if (!named.count && !other.count && !view_requires(from, name))
				diff_report(d, kind, step(d, diff_step(d, pointer, "required"), name), SLICE_NONE);
		}
	}
}

static void diff_rest(struct diff *d, const struct view *from, const struct view *to, struct slice pointer)
{
	struct spot a = view_get(from, SLICE("additionalProperties"));
	struct spot b = view_get(to, SLICE("additionalProperties"));
	bool was_closed = view_is_closed(from), is_closed = view_is_closed(to);
	struct slice at = diff_step(d, pointer, "additionalProperties");

	if (was_closed != is_closed) {
		diff_report(d, is_closed ? CHANGE_CLOSED : CHANGE_OPENED, at, SLICE_NONE);
		return;
	}
	bool was = a.node && spot_type(a) == JSON_OBJECT, is = b.node && spot_type(b) == JSON_OBJECT;
	if (was && is)
		diff_spots(d, a, b, at);
	else if (was != is)
		diff_report(d, is ? CHANGE_REST_ADDED : CHANGE_REST_REMOVED, at, SLICE_NONE);
}

static void diff_objects(struct diff *d, const struct view *from, const struct view *to, struct slice pointer)
{
	size_t before, after;
	const struct slice *was = view_property_names(d->from_src, from, &before);
	const struct slice *is = view_property_names(d->to_src, to, &after);

	for (size_t i = 0; i < before; i++)
		diff_property(d, from, to, was[i], pointer);
	for (size_t i = 0; i < after; i++)
		if (!holds(was, before, is[i]))
			diff_property(d, from, to, is[i], pointer);
	diff_bare_required(d, from, to, pointer, CHANGE_REQUIRED_ADDED, d->to_src);
	diff_bare_required(d, to, from, pointer, CHANGE_REQUIRED_REMOVED, d->from_src);
	diff_rest(d, from, to, pointer);
}

static bool is_list(struct spot at)
{
	return at.node && spot_type(at) == JSON_ARRAY;
}

/* By place: prefixItems, and items as draft-07 may have it. */
static void diff_tuple(struct diff *d, struct spot a, struct spot b, struct slice pointer)
{
	struct spot x = { 0 }, y = { 0 };

	for (size_t i = 0;; i++) {
		bool was = is_list(a) && spot_next_element(a, &x), is = is_list(b) && spot_next_element(b, &y);
		struct slice at = step(d, pointer, arena_print(d->to_src->arena, "%zu", i));
		if (was && is)
			diff_spots(d, x, y, at);
		else if (was != is)
			diff_report(d, is ? CHANGE_ITEMS_ADDED : CHANGE_ITEMS_REMOVED, at, SLICE_NONE);
		if (!was || !is)
			return;
	}
}

static void diff_arrays(struct diff *d, const struct view *from, const struct view *to, struct slice pointer)
{
	struct spot a = view_get(from, SLICE("items")), b = view_get(to, SLICE("items"));
	struct slice at = diff_step(d, pointer, "items");

	if (is_list(a) || is_list(b))
		diff_tuple(d, a, b, at);
	else if (a.node && b.node)
		diff_spots(d, a, b, at);
	else if (a.node || b.node)
		diff_report(d, b.node ? CHANGE_ITEMS_ADDED : CHANGE_ITEMS_REMOVED, at, SLICE_NONE);
	a = view_get(from, SLICE("prefixItems"));
	b = view_get(to, SLICE("prefixItems"));
	if (a.node || b.node)
		diff_tuple(d, a, b, diff_step(d, pointer, "prefixItems"));
}

static bool list_holds(struct spot list, struct spot value)
{
	for (struct spot e = { 0 }; is_list(list) && spot_next_element(list, &e);)
		if (spot_equal(e, value))
			return true;
	return false;
}

static void diff_alternatives(struct diff *d, struct spot a, struct spot b, struct slice pointer)
{
	size_t gone = 0, come = 0;

	for (struct spot e = { 0 }; spot_next_element(a, &e);)
		gone += !list_holds(b, e);
	for (struct spot e = { 0 }; spot_next_element(b, &e);)
		come += !list_holds(a, e);
	if (gone && come)
		diff_report(d, CHANGE_RULE_CHANGED, pointer, SLICE_NONE);
	else if (gone)
		diff_report(d, CHANGE_ALTERNATIVE_REMOVED, pointer, SLICE_NONE);
	else if (come)
		diff_report(d, CHANGE_ALTERNATIVE_ADDED, pointer, SLICE_NONE);
}

/* What cannot be weighed is compared as it stands. */
static void diff_rules(struct diff *d, const struct view *from, const struct view *to, struct slice pointer)
{
	static const char *const keywords[] = {
		"anyOf",
		"oneOf",
		"not",
		"if",
		"then",
		"else",
		"contains",
		"dependentSchemas",
		"dependencies",
		"dependentRequired",
		"patternProperties",
		"propertyNames",
		"additionalItems",
		"unevaluatedItems",
		"contentMediaType",
		"contentEncoding",
	};

	for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
		struct spot a = view_get(from, slice_of(keywords[i])), b = view_get(to, slice_of(keywords[i]));
		struct slice at = diff_step(d, pointer, keywords[i]);
		if (a.node && b.node && i < 2 && is_list(a) && is_list(b))
			diff_alternatives(d, a, b, at);
		else if (a.node && b.node) {
			if (!spot_equal(a, b))
				diff_report(d, CHANGE_RULE_CHANGED, at, SLICE_NONE);
		} else if (a.node || b.node) {
			diff_report(d, b.node ? CHANGE_RULE_ADDED : CHANGE_RULE_REMOVED, at, SLICE_NONE);
		}
	}
}

static void diff_views(struct diff *d, const struct view *from, const struct view *to, struct slice pointer)
{
	if (from->never != to->never) {
		diff_report(d, to->never ? CHANGE_PROPERTY_FORBIDDEN : CHANGE_PROPERTY_PERMITTED, pointer, SLICE_NONE);
		return;
	}
	if (d->depth == DEPTH_MAX)
		return;
	d->depth++;
	diff_values(d, from, to, pointer);
	diff_objects(d, from, to, pointer);
	diff_arrays(d, from, to, pointer);
	diff_rules(d, from, to, pointer);
	d->depth--;
}

void diff_schemas(struct sources *from_src, struct spot from, struct sources *to_src, struct spot to, change_fn fn,
                  void *context)
{
	struct diff d = { .from_src = from_src, .to_src = to_src, .fn = fn, .context = context };

	diff_spots(&d, from, to, SLICE(""));
	diff_declarations(&d, from, to);
}
