/* Views walked depth first; the linter has refused recursion, and depth is bounded all the same. */
#include "tracking/outline.h"

#define ROWS_MAX 3000
#define DEPTH_MAX 16

struct outliner {
	struct sources *src;
	struct outline *out;
	size_t room;
	unsigned depth;
	bool failed;
};

static void put_part(struct buffer *text, const char *before, struct slice value)
{
	if (text->len)
		buffer_append(text, SLICE(", "));
	buffer_append(text, slice_of(before));
	buffer_append(text, value);
}

static struct slice raw_of(const struct view *view, const char *keyword)
{
	struct spot at = view_get(view, slice_of(keyword));

	return at.node ? json_raw(&at.file->doc, at.node) : SLICE_NONE;
}

/* "1 to 128 characters", "at most 500 items"; a lower bound of 0 says nothing. */
static void put_range(struct buffer *text, const struct view *view, const char *low_keyword, const char *high_keyword,
                      const char *unit)
{
	struct slice low = raw_of(view, low_keyword), high = raw_of(view, high_keyword);

	if (slice_equal(low, SLICE("0")) && *unit)
		low = SLICE_NONE;
	if (!low.at && !high.at)
		return;
	if (text->len)
		buffer_append(text, SLICE(", "));
	if (low.at && high.at)
		buffer_append_format(text, "%.*s to %.*s", SLICE_ARG(low), SLICE_ARG(high));
	else
		buffer_append_format(text, "%s %.*s", low.at ? "at least" : "at most", SLICE_ARG(low.at ? low : high));
	buffer_append(text, slice_of(unit));
}

static struct slice bounds_text(const struct outliner *o, const struct view *view)
{
	struct buffer text;
	struct spot unique = view_get(view, SLICE("uniqueItems"));

	buffer_init(&text, o->src->arena);
	put_range(&text, view, "minLength", "maxLength", " characters");
	put_range(&text, view, "minimum", "maximum", "");
	if (raw_of(view, "exclusiveMinimum").at)
		put_part(&text, "more than ", raw_of(view, "exclusiveMinimum"));
	if (raw_of(view, "exclusiveMaximum").at)
		put_part(&text, "less than ", raw_of(view, "exclusiveMaximum"));
	put_range(&text, view, "minItems", "maxItems", " items");
	put_range(&text, view, "minProperties", "maxProperties", " members");
	if (raw_of(view, "multipleOf").at)
		put_part(&text, "a multiple of ", raw_of(view, "multipleOf"));
	if (unique.node && spot_type(unique) == JSON_TRUE)
		put_part(&text, "", SLICE("no item twice"));
	struct spot format = view_get(view, SLICE("format")), pattern = view_get(view, SLICE("pattern"));
	struct spot value = view_get(view, SLICE("const"));
	if (format.node)
		put_part(&text, "format ", spot_text(o->src, format));
	if (pattern.node)
		put_part(&text, "pattern ", spot_text(o->src, pattern));
	if (value.node)
		put_part(&text, "always ", json_raw(&value.file->doc, value.node));
	return buffer_slice(&text);
}

static struct outline_row *new_row(struct outliner *o)
{
	static struct outline_row spare;

	if (o->out->count == o->room) {
		size_t room = o->room ? o->room * 2 : 64;
		struct outline_row *rows = o->room < ROWS_MAX ? arena_array(o->src->arena, room, sizeof *rows) : NULL;
		if (!rows) {
			o->failed = true;
			return &spare;
		}
		if (o->out->count)
			memcpy(rows, o->out->rows, o->out->count * sizeof *rows);
		o->out->rows = rows;
		o->room = room;
	}
	return &o->out->rows[o->out->count++];
}

static struct slice text_of(const struct outliner *o, const struct view *view, const char *keyword)
{
	struct spot at = view_get(view, slice_of(keyword));

	return at.node ? spot_text(o->src, at) : SLICE_NONE;
}

static void add_row(struct outliner *o, const struct view *view, struct slice path, bool required)
{
	struct outline_row *row = new_row(o);
	struct spot deprecated = view_get(view, SLICE("deprecated"));

	*row = (struct outline_row) {
		.path = path,
		.types =
		        view->never ? SLICE("not allowed") : source_types_text(o->src->arena, view_types(view), " or "),
		.required = required,
		.deprecated = deprecated.node && spot_type(deprecated) == JSON_TRUE,
		.bounds = bounds_text(o, view),
		.description = text_of(o, view, "description"),
		.pii = text_of(o, view, "x-pii"),
		.pii_action = text_of(o, view, "x-pii-action"),
		.examples = view_get(view, SLICE("examples")),
		.values = view_get(view, SLICE("enum")),
	};
}

static void walk_object(struct outliner *o, const struct view *view, struct slice path);

/* What stands within a value: members, items, and items' items. */
static void walk_inside(struct outliner *o, const struct view *view, struct slice path)
{
	struct spot items = view_get(view, SLICE("items"));
	struct spot rest = view_get(view, SLICE("additionalProperties"));
	struct arena *arena = o->src->arena;

	if (o->depth++ < DEPTH_MAX && !o->failed) {
		walk_object(o, view, path);
		if (rest.node && spot_type(rest) == JSON_OBJECT) {
			struct view inner = source_view(o->src, rest);
			struct slice below = arena_print(arena, "%.*s%s*", SLICE_ARG(path), path.len ? "." : "");
			add_row(o, &inner, below, false);
			walk_inside(o, &inner, below);
		}
		if (items.node && spot_type(items) == JSON_OBJECT) {
			struct view inner = source_view(o->src, items);
			struct slice below = arena_print(arena, "%.*s[]", SLICE_ARG(path));
			size_t names;
			if (!view_property_names(o->src, &inner, &names))
				add_row(o, &inner, below, false);
			walk_inside(o, &inner, below);
		}
	}
	o->depth--;
}

static void walk_object(struct outliner *o, const struct view *view, struct slice path)
{
	size_t count;
	const struct slice *names = view_property_names(o->src, view, &count);

	for (int required = 1; required >= 0; required--) /* the required ones first */
		for (size_t i = 0; i < count && !o->failed; i++) {
			struct view inner = view_property(o->src, view, names[i]);
			struct slice below = arena_print(o->src->arena, "%.*s%s%.*s", SLICE_ARG(path),
			                                 path.len ? "." : "", SLICE_ARG(names[i]));
			if (view_requires(view, names[i]) != (required == 1))
				continue;
			add_row(o, &inner, below, required == 1);
			walk_inside(o, &inner, below);
		}
}

static struct slice rules_text(const struct outliner *o, const struct view *view)
{
	static const char *const keywords[] = { "anyOf",
		                                "oneOf",
		                                "not",
		                                "if",
		                                "dependentRequired",
		                                "dependentSchemas",
		                                "dependencies",
		                                "patternProperties",
		                                "propertyNames" };
	struct buffer text;

	buffer_init(&text, o->src->arena);
	for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
		if (view_get(view, slice_of(keywords[i])).node)
			put_part(&text, "", slice_of(keywords[i]));
	return buffer_slice(&text);
}

bool outline_read(struct sources *src, struct spot root, struct outline *out)
{
	struct outliner o = { .src = src, .out = out };
	struct view view = source_view(src, root);

	*out = (struct outline) { .open = !view_is_closed(&view), .rules = rules_text(&o, &view) };
	walk_inside(&o, &view, SLICE(""));
	return !o.failed && !src->arena->overflowed;
}
