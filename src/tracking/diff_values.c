/* Keywords whose value can be weighed: types, lists, bounds, formats; what is marked; what is only said. */
#include "catalog/decimal.h"
#include "tracking/diff.h"

static struct slice raw(struct spot at)
{
	struct slice text = json_raw(&at.file->doc, at.node);

	return text.len > 60 ? SLICE("…") : text;
}

static struct slice from_to(const struct diff *d, struct spot a, struct spot b)
{
	return arena_print(d->to_src->arena, "%.*s to %.*s", SLICE_ARG(raw(a)), SLICE_ARG(raw(b)));
}

static void diff_types(const struct diff *d, const struct view *from, const struct view *to, struct slice pointer)
{
	unsigned was = view_declared_types(from), is = view_declared_types(to);
	struct slice at = diff_step(d, pointer, "type");
	struct arena *arena = d->to_src->arena;

	if (was == is)
		return;
	struct slice before = source_types_text(arena, was, " or "), after = source_types_text(arena, is, " or ");
	struct slice detail = arena_print(arena, "%.*s to %.*s", SLICE_ARG(before), SLICE_ARG(after));
	if (was == TYPE_BITS_ANY)
		diff_report(d, CHANGE_TYPE_ADDED, at, after);
	else if (is == TYPE_BITS_ANY)
		diff_report(d, CHANGE_TYPE_REMOVED, at, before);
	else if ((was & ~is) && (is & ~was))
		diff_report(d, CHANGE_TYPE_CHANGED, at, detail);
	else
		diff_report(d, was & ~is ? CHANGE_TYPE_NARROWED : CHANGE_TYPE_WIDENED, at, detail);
}

/* The list of `enum`, or the value of `const` as a list of one. */
struct list {
	struct spot values, one;
};

static struct list list_of(const struct view *view)
{
	return (struct list) { view_get(view, SLICE("enum")), view_get(view, SLICE("const")) };
}

static bool list_next(const struct list *list, struct spot *at)
{
	if (list->one.node) {
		bool first = at->node == 0;
		*at = list->one;
		return first;
	}
	return list->values.node && spot_next_element(list->values, at);
}

static bool list_holds(const struct list *list, struct spot value)
{
	for (struct spot e = { 0 }; list_next(list, &e);)
		if (spot_equal(e, value))
			return true;
	return false;
}

static void diff_lists(const struct diff *d, const struct view *from, const struct view *to, struct slice pointer)
{
	struct list a = list_of(from), b = list_of(to);
	bool was = a.values.node || a.one.node, is = b.values.node || b.one.node;
	struct slice at = diff_step(d, pointer, (is ? b : a).one.node ? "const" : "enum");

	if (was != is) {
		diff_report(d, is ? CHANGE_VALUES_LISTED : CHANGE_VALUES_UNLISTED, at, SLICE_NONE);
		return;
	}
	for (struct spot e = { 0 }; was && list_next(&a, &e);)
		if (!list_holds(&b, e))
			diff_report(d, CHANGE_VALUES_REMOVED, at, raw(e));
	for (struct spot e = { 0 }; is && list_next(&b, &e);)
		if (!list_holds(&a, e))
			diff_report(d, CHANGE_VALUES_ADDED, at, raw(e));
}

static const struct {
	const char *keyword;
	bool is_upper;
	bool zero_is_none;
} bounds[] = {
	{ "minimum", false, false },         { "exclusiveMinimum", false, false }, { "maximum", true, false },
	{ "exclusiveMaximum", true, false }, { "minLength", false, true },         { "maxLength", true, false },
	{ "minItems", false, true },         { "maxItems", true, false },          { "minProperties", false, true },
	{ "maxProperties", true, false },    { "minContains", false, false },      { "maxContains", true, false },
};

static int compare_numbers(struct spot a, struct spot b)
{
	struct decimal x = decimal_parse(json_raw(&a.file->doc, a.node));
	struct decimal y = decimal_parse(json_raw(&b.file->doc, b.node));

	return decimal_compare(&x, &y);
}

static bool is_bound(struct spot at, bool zero_is_none)
{
	int64_t value;

	if (!at.node || spot_type(at) != JSON_NUMBER)
		return false;
	return !zero_is_none || !json_to_i64(&at.file->doc, at.node, &value) || value != 0;
}

static void diff_bounds(const struct diff *d, const struct view *from, const struct view *to, struct slice pointer)
{
	for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
		struct spot a = view_get(from, slice_of(bounds[i].keyword));
		struct spot b = view_get(to, slice_of(bounds[i].keyword));
		struct slice at = diff_step(d, pointer, bounds[i].keyword);
		bool was = is_bound(a, bounds[i].zero_is_none), is = is_bound(b, bounds[i].zero_is_none);
		if (was && is) {
			int order = compare_numbers(a, b);
			if (order != 0)
				diff_report(d,
				            (order > 0) == bounds[i].is_upper ? CHANGE_BOUND_TIGHTENED
				                                              : CHANGE_BOUND_RELAXED,
				            at, from_to(d, a, b));
		} else if (was != is) {
			diff_report(d, is ? CHANGE_BOUND_ADDED : CHANGE_BOUND_REMOVED, at, raw(is ? b : a));
		}
	}
}

static const struct {
	const char *keyword;
	enum change_kind added, removed, changed;
} plain[] = {
	{ "multipleOf", CHANGE_STEP_ADDED, CHANGE_STEP_REMOVED, CHANGE_STEP_CHANGED },
	{ "pattern", CHANGE_PATTERN_ADDED, CHANGE_PATTERN_REMOVED, CHANGE_PATTERN_CHANGED },
	{ "format", CHANGE_FORMAT_ADDED, CHANGE_FORMAT_REMOVED, CHANGE_FORMAT_CHANGED },
	{ "x-pii", CHANGE_PII_ADDED, CHANGE_PII_REMOVED, CHANGE_PII_CHANGED },
	{ "x-pii-action", CHANGE_PII_CHANGED, CHANGE_PII_CHANGED, CHANGE_PII_CHANGED },
	{ "title", CHANGE_DOCUMENTATION, CHANGE_DOCUMENTATION, CHANGE_DOCUMENTATION },
	{ "description", CHANGE_DOCUMENTATION, CHANGE_DOCUMENTATION, CHANGE_DOCUMENTATION },
	{ "examples", CHANGE_DOCUMENTATION, CHANGE_DOCUMENTATION, CHANGE_DOCUMENTATION },
	{ "default", CHANGE_DOCUMENTATION, CHANGE_DOCUMENTATION, CHANGE_DOCUMENTATION },
	{ "deprecated", CHANGE_DOCUMENTATION, CHANGE_DOCUMENTATION, CHANGE_DOCUMENTATION },
	{ "$comment", CHANGE_DOCUMENTATION, CHANGE_DOCUMENTATION, CHANGE_DOCUMENTATION },
};

static void diff_plain(const struct diff *d, const struct view *from, const struct view *to, struct slice pointer)
{
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
		struct spot a = view_get(from, slice_of(plain[i].keyword));
		struct spot b = view_get(to, slice_of(plain[i].keyword));
		struct slice at = diff_step(d, pointer, plain[i].keyword);
		if (a.node && b.node) {
			if (!spot_equal(a, b))
				diff_report(d, plain[i].changed, at, from_to(d, a, b));
		} else if (a.node || b.node) {
			diff_report(d, b.node ? plain[i].added : plain[i].removed, at, raw(b.node ? b : a));
		}
	}
}

static bool is_unique(const struct view *view)
{
	struct spot at = view_get(view, SLICE("uniqueItems"));

	return at.node && spot_type(at) == JSON_TRUE;
}

void diff_values(const struct diff *d, const struct view *from, const struct view *to, struct slice pointer)
{
	diff_types(d, from, to, pointer);
	diff_lists(d, from, to, pointer);
	diff_bounds(d, from, to, pointer);
	if (is_unique(from) != is_unique(to))
		diff_report(d, is_unique(to) ? CHANGE_UNIQUE_ADDED : CHANGE_UNIQUE_REMOVED,
		            diff_step(d, pointer, "uniqueItems"), SLICE_NONE);
	diff_plain(d, from, to, pointer);
}

static struct spot declared(struct spot root, const char *member)
{
	struct spot at = spot_get(root, SLICE("x-headgate"));

	return at.node ? spot_get(at, slice_of(member)) : at;
}

/* Each name of the old is still understood, as the same. */
static bool aliases_kept(struct sources *src, struct spot old, struct spot new)
{
	struct source_member m = { .key = 0 };
	struct spot names = old.node ? spot_get(old, SLICE("properties")) : old;
	struct spot now = new.node ? spot_get(new, SLICE("properties")) : new;
	struct spot events = old.node ? spot_get(old, SLICE("event")) : old;
	struct spot events_now = new.node ? spot_get(new, SLICE("event")) : new;

	while (names.node && spot_next_member(src, names, &m)) {
		struct spot other = now.node ? spot_get(now, m.name) : now;
		if (!other.node || !spot_equal(other, m.value))
			return false;
	}
	for (struct spot e = { 0 }; events.node && spot_next_element(events, &e);) {
		bool found = false;
		for (struct spot x = { 0 }; events_now.node && spot_next_element(events_now, &x);)
			found |= spot_equal(e, x);
		if (!found)
			return false;
	}
	return true;
}

void diff_declarations(const struct diff *d, struct spot from, struct spot to)
{
	static const struct {
		const char *member;
		enum change_kind kind;
	} members[] = {
		{ "purposes", CHANGE_PURPOSES_CHANGED }, { "topic", CHANGE_TOPIC_CHANGED },
		{ "key", CHANGE_KEY_CHANGED },           { "unique", CHANGE_IDENTITY_CHANGED },
		{ "dedup", CHANGE_IDENTITY_CHANGED },    { "aliases", CHANGE_ALIAS_ADDED },
		{ "owner", CHANGE_DOCUMENTATION },       { "when", CHANGE_DOCUMENTATION },
	};
	struct slice root = diff_step(d, SLICE(""), "x-headgate");

	for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
		struct spot a = declared(from, members[i].member), b = declared(to, members[i].member);
		enum change_kind kind = members[i].kind;
		if ((!a.node && !b.node) || (a.node && b.node && spot_equal(a, b)))
			continue;
		if (kind == CHANGE_ALIAS_ADDED && !aliases_kept(d->from_src, a, b))
			kind = CHANGE_ALIAS_REMOVED;
		diff_report(d, kind, diff_step(d, root, members[i].member), SLICE_NONE);
	}
}
