/* TypeScript for those who send: one interface a version, the names of the default versions without number, and one
 * type of all events. What a type cannot say (bounds, formats, rules between properties) stands in comments, and
 * types are never narrower than the schema. */
#include "tracking/docs.h"

#define DEPTH_MAX 16
#define BIT(type) (1u << (type))

struct typer {
	struct docs *docs;
	struct buffer *out;
	unsigned depth;
};

static void put(struct typer *t, const char *text)
{
	buffer_append(t->out, slice_of(text));
}

static void put_line(struct typer *t, unsigned level)
{
	put(t, "\n");
	for (unsigned i = 0; i < level; i++)
		put(t, "\t");
}

/* Text within a comment cannot end it. */
static void put_comment_text(struct typer *t, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i] == '\n' || text.at[i] == '\r' ? ' ' : text.at[i];
		buffer_append_char(t->out, c);
		if (c == '*' && i + 1 < text.len && text.at[i + 1] == '/')
			put(t, " ");
	}
}

static struct slice text_of(struct typer *t, const struct view *view, const char *keyword)
{
	struct spot at = view_get(view, slice_of(keyword));

	return at.node ? spot_text(&t->docs->src, at) : SLICE_NONE;
}

static void put_comment(struct typer *t, const struct view *view, unsigned level)
{
	struct slice description = text_of(t, view, "description"), pii = text_of(t, view, "x-pii");
	struct spot deprecated = view_get(view, SLICE("deprecated"));
	bool gone = deprecated.node && spot_type(deprecated) == JSON_TRUE;

	if (!description.at && !pii.at && !gone)
		return;
	put(t, "/** ");
	put_comment_text(t, description);
	if (pii.at) {
		put(t, description.at ? " Personal data: " : "Personal data: ");
		put_comment_text(t, pii);
		put(t, ".");
	}
	put(t, gone ? " @deprecated */" : " */");
	put_line(t, level);
}

static void put_view(struct typer *t, const struct view *view, unsigned level);

static void put_spot(struct typer *t, struct spot at, unsigned level)
{
	struct view view = source_view(&t->docs->src, at);

	put_view(t, &view, level);
}

static void put_property_name(struct typer *t, struct slice name)
{
	bool plain = name.len > 0 && !(name.at[0] >= '0' && name.at[0] <= '9');

	for (size_t i = 0; i < name.len; i++) {
		char c = name.at[i];
		plain &= (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
	}
	if (plain)
		buffer_append(t->out, name);
	else
		json_write_string_safe(t->out, name);
}

static void put_object(struct typer *t, const struct view *view, unsigned level)
{
	size_t count;
	const struct slice *names = view_property_names(&t->docs->src, view, &count);
	struct spot rest = view_get(view, SLICE("additionalProperties"));

	if (!count && rest.node && spot_type(rest) == JSON_OBJECT) {
		put(t, "Record<string, ");
		put_spot(t, rest, level);
		put(t, ">");
		return;
	}
	put(t, "{");
	for (size_t i = 0; i < count; i++) {
		struct view inner = view_property(&t->docs->src, view, names[i]);
		put_line(t, level + 1);
		put_comment(t, &inner, level + 1);
		put_property_name(t, names[i]);
		put(t, view_requires(view, names[i]) ? ": " : "?: ");
		put_view(t, &inner, level + 1);
		put(t, ";");
	}
	if (!view_is_closed(view)) {
		put_line(t, level + 1);
		put(t, "[name: string]: unknown;");
	} else if (!count) {
		put_line(t, level + 1);
		put(t, "[name: string]: never;");
	}
	put_line(t, level);
	put(t, "}");
}

static void put_array(struct typer *t, const struct view *view, unsigned level)
{
	struct spot items = view_get(view, SLICE("items"));
	struct spot first = view_get(view, SLICE("prefixItems"));

	put(t, "Array<");
	if (items.node && spot_type(items) == JSON_OBJECT && !first.node)
		put_spot(t, items, level);
	else
		put(t, "unknown");
	put(t, ">");
}

static void put_literals(struct typer *t, struct spot values, struct spot value)
{
	bool first = true;

	if (value.node)
		json_write_node(t->out, &value.file->doc, value.node);
	for (struct spot e = { 0 }; !value.node && spot_next_element(values, &e);) {
		put(t, first ? "" : " | ");
		json_write_node(t->out, &e.file->doc, e.node);
		first = false;
	}
}

/* Values that TypeScript can name: no containers. */
static bool are_plain(struct spot values, struct spot value)
{
	if (value.node)
		return spot_type(value) <= JSON_STRING;
	if (!values.node || spot_count(values) == 0)
		return false;
	for (struct spot e = { 0 }; spot_next_element(values, &e);)
		if (spot_type(e) > JSON_STRING)
			return false;
	return true;
}

static void put_alternatives(struct typer *t, struct spot list, unsigned level)
{
	bool first = true;

	for (struct spot e = { 0 }; spot_next_element(list, &e);) {
		put(t, first ? "(" : " | ");
		put_spot(t, e, level);
		first = false;
	}
	put(t, first ? "unknown" : ")");
}

static void put_types(struct typer *t, const struct view *view, unsigned types, unsigned level)
{
	static const struct {
		unsigned bits;
		const char *name;
	} plain[] = {
		{ BIT(JSON_STRING), "string" },
		{ BIT(JSON_NUMBER) | TYPE_BIT_INTEGER, "number" },
		{ BIT(JSON_TRUE), "boolean" },
		{ BIT(JSON_NULL), "null" },
	};
	bool any = false;

	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
		if (!(types & plain[i].bits))
			continue;
		put(t, any ? " | " : "");
		put(t, plain[i].name);
		any = true;
	}
	if (types & BIT(JSON_ARRAY)) {
		put(t, any ? " | " : "");
		put_array(t, view, level);
		any = true;
	}
	if (types & BIT(JSON_OBJECT)) {
		put(t, any ? " | " : "");
		put_object(t, view, level);
		any = true;
	}
	put(t, any ? "" : "never");
}

/* "add_to_cart" is AddToCart. */
static void put_name(struct typer *t, struct slice event)
{
	bool upper = true;

	for (size_t i = 0; i < event.len; i++) {
		char c = event.at[i];
		if (c != '_' && c != '-')
			buffer_append_char(t->out, upper && c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c);
		upper = c == '_' || c == '-';
	}
}

/* A list of values that is a shared file of its own ("common/currency.json") has a name: "Currency". SLICE_NONE: not
 * one of these. */
static struct slice shared_name(struct spot values)
{
	struct slice path = values.file ? values.file->path : SLICE_NONE;

	if (!values.node || !slice_starts(path, SLICE("common/")) || !slice_ends(path, SLICE(".json")) ||
	    spot_get((struct spot) { values.file, 0 }, SLICE("enum")).node != values.node)
		return SLICE_NONE;
	return (struct slice) { path.at + 7, path.len - 12 };
}

static void put_view(struct typer *t, const struct view *view, unsigned level)
{
	unsigned types = view_types(view);
	struct spot values = view_get(view, SLICE("enum")), value = view_get(view, SLICE("const"));
	struct spot any = view_get(view, SLICE("anyOf")), one = view_get(view, SLICE("oneOf"));

	if (t->depth == DEPTH_MAX) {
		put(t, "unknown");
		return;
	}
	t->depth++;
	if (view->never)
		put(t, "never");
	else if (are_plain(values, value) && !value.node && shared_name(values).at)
		put_name(t, shared_name(values));
	else if (are_plain(values, value))
		put_literals(t, values, value);
	else if (types != TYPE_BITS_ANY)
		put_types(t, view, types, level);
	else if (any.node || one.node)
		put_alternatives(t, any.node ? any : one, level);
	else
		put(t, "unknown");
	t->depth--;
}

static void put_version_name(struct typer *t, const struct event_schema *schema)
{
	put_name(t, schema->event);
	buffer_append_format(t->out, "V%u_%u_%u", schema->version.model, schema->version.revision,
	                     schema->version.addition);
}

static bool put_version(struct typer *t, const struct event_schema *schema, struct error *err)
{
	struct slice path = arena_print(t->docs->src.arena, "events/%.*s.json", SLICE_ARG(schema->name));
	const struct source_file *file = path.at ? source_read(&t->docs->src, path, err) : NULL;

	if (!file)
		return false;
	struct view view = source_view(&t->docs->src, (struct spot) { file, 0 });
	put(t, "\n");
	put_comment(t, &view, 0);
	put(t, "export type ");
	put_version_name(t, schema);
	put(t, " = ");
	put_object(t, &view, 0);
	put(t, ";\n");
	if (docs_default(t->docs, schema->event) == schema) {
		put(t, "export type ");
		put_name(t, schema->event);
		put(t, " = ");
		put_version_name(t, schema);
		put(t, ";\n");
	}
	return true;
}

/* `user` and `context`, if the catalog describes them. */
static void put_shared(struct typer *t, const char *name, const char *path)
{
	struct error ignored;
	const struct source_file *file = source_read(&t->docs->src, slice_of(path), &ignored);

	put(t, "\nexport type ");
	put(t, name);
	put(t, " = ");
	if (file)
		put_spot(t, (struct spot) { file, 0 }, 0);
	else
		put(t, "Record<string, unknown>");
	put(t, ";\n");
}

/* Lists that were referred to by name. */
static void put_shared_lists(struct typer *t)
{
	for (const struct source_file *file = t->docs->src.files; file; file = file->next) {
		struct spot values = spot_get((struct spot) { file, 0 }, SLICE("enum"));
		const struct spot none = { file, 0 };
		if (!shared_name(values).at || !are_plain(values, none))
			continue;
		put(t, "\nexport type ");
		put_name(t, shared_name(values));
		put(t, " = ");
		put_literals(t, values, none);
		put(t, ";\n");
	}
}

bool docs_write_typescript(struct docs *docs, struct error *err)
{
	struct typer t = { .docs = docs, .out = docs->out };

	put(&t, "// Made from the event catalog by `headgate catalog types`. Do not edit: change the schemas.\n");
	for (size_t i = 0; i < catalog_schema_count(docs->cat); i++)
		if (!put_version(&t, catalog_schema_at(docs->cat, i), err))
			return false;
	put_shared(&t, "User", "common/user.json");
	put_shared(&t, "Context", "common/context.json");
	put_shared_lists(&t);
	put(&t, "\n/** Properties by event, of the version that is meant where none is named. */\n"
	        "export interface EventProperties {\n");
	for (size_t i = 0; i < catalog_event_count(docs->cat); i++) {
		buffer_append_format(docs->out, "\t%.*s: ", SLICE_ARG(catalog_event_name(docs->cat, i)));
		put_name(&t, catalog_event_name(docs->cat, i));
		put(&t, ";\n");
	}
	put(&t, "}\n\nexport type EventName = keyof EventProperties;\n\n"
	        "export type ConsentValue = \"granted\" | \"denied\" | \"unknown\" | boolean;\n\n"
	        "/** What every event may carry besides its properties. */\n"
	        "export interface EventMembers {\n\tversion?: string;\n\tevent_id?: string;\n"
	        "\tevent_time?: string | number;\n\tsent_at?: string | number;\n\tanonymous_id?: string;\n"
	        "\tuser_id?: string;\n\tsession_id?: string;\n\tdevice_id?: string;\n"
	        "\tids?: Record<string, string | number>;\n\tuser?: User;\n"
	        "\tconsent?: Record<string, ConsentValue | string | number>;\n\tcontext?: Context;\n\ttest?: "
	        "boolean;\n}\n\n"
	        "/** An event as POST /v1/events takes it: properties may be left out where none is required. */\n"
	        "export type HeadgateEvent<E extends EventName = EventName> = {\n"
	        "\t[N in E]: EventMembers & { event: N } & (Record<string, never> extends EventProperties[N]\n"
	        "\t\t? { properties?: EventProperties[N] }\n\t\t: { properties: EventProperties[N] });\n}[E];\n");
	return (!docs->out->failed && !docs->src.arena->overflowed) ||
	       error_set(err, ERROR_MEMORY, "no memory for the types");
}
