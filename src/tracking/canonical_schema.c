/* The schema of a stored event stands alone: references are replaced by what they lead to, and names of other files
 * are gone. It describes what consumers get, so what consent and the rules for personal data may take away is neither
 * required nor held to the form it was sent in. */
#include "tracking/docs.h"

#define DEPTH_MAX 64

struct inliner {
	struct docs *docs;
	struct buffer *out;
	unsigned depth;
	bool failed;
};

static bool is_one_of(struct slice name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (slice_equal(name, slice_of(names[i])))
			return true;
	return false;
}

/* Belongs to the file that it stands in, or is written elsewhere. */
static bool is_left_out(struct slice name)
{
	static const char *const names[] = { "$schema", "$id",      "$defs",       "definitions",    "$anchor",
		                             "$ref",    "$comment", "$dynamicRef", "$dynamicAnchor", "x-headgate" };

	return is_one_of(name, names, sizeof names / sizeof *names);
}

static bool is_annotation(struct slice name)
{
	static const char *const names[] = { "title",      "description", "examples", "default",
		                             "deprecated", "readOnly",    "writeOnly" };

	return is_one_of(name, names, sizeof names / sizeof *names) || slice_starts(name, SLICE("x-"));
}

/* Keywords that look at each other: they must not come from two schemas that were apart. */
static unsigned group_of(struct slice name)
{
	static const char *const groups[][8] = {
		{ "properties", "patternProperties", "additionalProperties", "unevaluatedProperties" },
		{ "items", "prefixItems", "additionalItems", "unevaluatedItems", "contains", "minContains",
		  "maxContains" },
		{ "if", "then", "else" },
	};

	for (unsigned g = 0; g < sizeof groups / sizeof *groups; g++)
		for (size_t i = 0; i < 8 && groups[g][i]; i++)
			if (slice_equal(name, slice_of(groups[g][i])))
				return g + 1;
	return 0;
}

static bool meets(const struct inliner *in, struct slice name, struct spot other)
{
	struct source_member m = { .key = 0 };
	unsigned group = group_of(name);

	while (spot_next_member(&in->docs->src, other, &m))
		if (slice_equal(m.name, name) || (group && group_of(m.name) == group))
			return true;
	return false;
}

/* The members of a schema may stand beside those that its reference leads to: none of them says the same again, but
 * for annotations, of which the nearer ones count. */
static bool is_mergeable(const struct inliner *in, struct spot at, struct spot target)
{
	struct view view = source_view(&in->docs->src, target);
	struct source_member m = { .key = 0 };

	while (spot_next_member(&in->docs->src, at, &m)) {
		if (is_left_out(m.name) || is_annotation(m.name))
			continue;
		for (size_t i = 0; i < view.count; i++)
			if (meets(in, m.name, view.at[i]))
				return false;
	}
	return true;
}

static bool is_changed_when_stored(struct inliner *in, const struct view *view)
{
	struct spot action = view_get(view, SLICE("x-pii-action"));

	return view_get(view, SLICE("x-pii")).node != 0 &&
	       !(action.node && slice_equal(spot_text(&in->docs->src, action), SLICE("keep")));
}

static void put_name(struct inliner *in, bool *first, struct slice name)
{
	if (!*first)
		buffer_append_char(in->out, ',');
	*first = false;
	json_write_string(in->out, name);
	buffer_append_char(in->out, ':');
}

static void put_schema(struct inliner *in, struct spot at);

static void put_schemas(struct inliner *in, struct spot value, unsigned shapes)
{
	struct source_member m = { .key = 0 };
	bool first = true;

	if (spot_type(value) == JSON_ARRAY && (shapes & SOURCE_LIST)) {
		buffer_append_char(in->out, '[');
		for (struct spot e = { 0 }; spot_next_element(value, &e); first = false) {
			buffer_append(in->out, first ? SLICE("") : SLICE(","));
			put_schema(in, e);
		}
		buffer_append_char(in->out, ']');
	} else if (spot_type(value) == JSON_OBJECT && (shapes & SOURCE_MAP)) {
		buffer_append_char(in->out, '{');
		while (spot_next_member(&in->docs->src, value, &m)) {
			put_name(in, &first, m.name);
			if (spot_type(m.value) == JSON_ARRAY) /* dependencies of draft-07: names */
				json_write_node(in->out, &m.value.file->doc, m.value.node);
			else
				put_schema(in, m.value);
		}
		buffer_append_char(in->out, '}');
	} else {
		put_schema(in, value);
	}
}

static void put_required(struct inliner *in, const struct view *view, struct spot list)
{
	bool first = true;

	buffer_append_char(in->out, '[');
	for (struct spot e = { 0 }; spot_next_element(list, &e);) {
		struct view property = view_property(&in->docs->src, view, spot_text(&in->docs->src, e));
		if (is_changed_when_stored(in, &property))
			continue;
		buffer_append(in->out, first ? SLICE("") : SLICE(","));
		json_write_node(in->out, &e.file->doc, e.node);
		first = false;
	}
	buffer_append_char(in->out, ']');
}

/* Names that a nearer schema has said already: its description is meant, not that of the definition. */
struct said {
	const struct said *up;
	struct spot at;
};

static bool was_said(const struct said *said, struct slice name)
{
	for (; said; said = said->up)
		if (spot_get(said->at, name).node)
			return true;
	return false;
}

static bool find_target(struct inliner *in, struct spot at, struct spot *target)
{
	struct spot reference = spot_get(at, SLICE("$ref"));

	if (!reference.node)
		reference = spot_get(at, SLICE("$dynamicRef"));
	if (!reference.node)
		return false;
	if (!source_follow(&in->docs->src, reference, target))
		in->failed = true;
	return !in->failed;
}

static void put_members(struct inliner *in, struct spot at, const struct said *said, const struct view *view,
                        bool *first)
{
	struct source_member m = { .key = 0 };
	struct spot target = at, all = spot_get(at, SLICE("allOf"));
	bool leads = find_target(in, at, &target);
	bool merges = leads && (at.file->draft7 || is_mergeable(in, at, target));

	while (spot_next_member(&in->docs->src, at, &m)) {
		unsigned shapes = source_keyword_shapes(m.name);
		if (is_left_out(m.name) || was_said(said, m.name) || (m.value.node == all.node && leads && !merges))
			continue;
		if (leads && at.file->draft7 && !is_annotation(m.name))
			continue;
		put_name(in, first, m.name);
		if (slice_equal(m.name, SLICE("required")) && spot_type(m.value) == JSON_ARRAY)
			put_required(in, view, m.value);
		else if (shapes)
			put_schemas(in, m.value, shapes);
		else
			json_write_node(in->out, &m.value.file->doc, m.value.node);
	}
	if (!leads)
		return;
	if (merges) {
		const struct said here = { said, at };
		put_members(in, target, &here, view, first);
		return;
	}
	put_name(in, first, SLICE("allOf"));
	buffer_append_char(in->out, '[');
	put_schema(in, target);
	for (struct spot e = { 0 }; all.node && spot_next_element(all, &e);) {
		buffer_append_char(in->out, ',');
		put_schema(in, e);
	}
	buffer_append_char(in->out, ']');
}

static void put_schema(struct inliner *in, struct spot at)
{
	struct view view = source_view(&in->docs->src, at);
	bool first = true;

	if (spot_type(at) != JSON_OBJECT) {
		json_write_node(in->out, &at.file->doc, at.node);
		return;
	}
	buffer_append_char(in->out, '{');
	if (in->depth == DEPTH_MAX) {
		in->failed = true;
	} else if (is_changed_when_stored(in, &view)) {
		struct spot description = view_get(&view, SLICE("description"));
		if (description.node) {
			put_name(in, &first, SLICE("description"));
			json_write_node(in->out, &description.file->doc, description.node);
		}
		struct spot kind = view_get(&view, SLICE("x-pii"));
		put_name(in, &first, SLICE("x-pii"));
		json_write_node(in->out, &kind.file->doc, kind.node);
	} else {
		in->depth++;
		put_members(in, at, NULL, &view, &first);
		in->depth--;
	}
	buffer_append_char(in->out, '}');
}

#define TIME "{\"type\":\"string\",\"format\":\"date-time\"}"
#define TEXT "{\"type\":\"string\"}"
#define FLAG "{\"type\":\"boolean\"}"

static const char before_properties[] =
        "\"client_time\":" TIME ",\"sent_at\":" TIME ",\"received_at\":" TIME ",\"client_event_id\":" TEXT
        ",\"test\":" FLAG ",\"source\":{\"type\":\"object\",\"required\":[\"name\",\"kind\"],\"properties\":{"
        "\"name\":" TEXT ",\"kind\":{\"enum\":[\"browser\",\"app\",\"server\"]},\"protocol\":" TEXT ",\"sdk\":" TEXT
        "}},\"ids\":{\"type\":\"object\",\"additionalProperties\":" TEXT "},\"session\":{\"type\":\"object\","
        "\"properties\":{\"start\":" FLAG ",\"first\":" FLAG ",\"number\":{\"type\":\"integer\"}}},\"ids_linked\":" FLAG
        ",\"user\":{\"type\":\"object\"},\"consent\":{\"type\":\"object\",\"properties\":{\"basis\":{\"type\":"
        "\"object\"},\"gpc\":" FLAG ",\"applied\":" TEXT "}},\"context\":{\"type\":\"object\"},\"quality\":{\"type\":"
        "\"object\",\"properties\":{\"warnings\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
        "\"path\":" TEXT ",\"rule\":" TEXT "}}},\"more_warnings\":{\"type\":\"integer\"},\"repeat\":" FLAG
        ",\"late\":" FLAG ",\"unverified\":" FLAG "}},\"extra\":{\"type\":"
        "\"object\"},\"properties\":";

bool docs_write_canonical(struct docs *docs, const struct event_schema *schema, struct error *err)
{
	struct buffer text;
	struct docs_version v;
	struct inliner in = { .docs = docs, .out = &text };

	if (!docs_read_version(docs, schema, &v, err))
		return false;
	buffer_init(&text, docs->src.arena);
	buffer_append(&text, SLICE("{\"$schema\":"));
	json_write_string(&text, v.root.file->draft7 ? SLICE("http://json-schema.org/draft-07/schema#")
	                                             : SLICE("https://json-schema.org/draft/2020-12/schema"));
	buffer_append(&text, SLICE(",\"$id\":"));
	json_write_string(&text, schema->dataschema);
	buffer_append(&text, SLICE(",\"title\":"));
	json_write_string(&text, v.title.at ? v.title : schema->event);
	if (v.description.at) {
		buffer_append(&text, SLICE(",\"description\":"));
		json_write_string(&text, v.description);
	}
	buffer_append(&text,
	              SLICE(",\"type\":\"object\",\"required\":[\"format\",\"position\",\"event\",\"version\","
	                    "\"event_id\",\"event_time\",\"received_at\",\"source\",\"consent\",\"properties\"],"
	                    "\"properties\":{\"format\":{\"const\":1},\"position\":" TEXT ",\"event\":{\"const\":"));
	json_write_string(&text, schema->event);
	buffer_append(&text, SLICE("},\"version\":{\"const\":"));
	json_write_string(&text, schema->version_text);
	buffer_append(&text, SLICE("},\"event_id\":" TEXT ",\"event_time\":" TIME ","));
	buffer_append(&text, slice_of(before_properties));
	put_schema(&in, v.root);
	buffer_append(&text, SLICE("}}"));
	if (in.failed)
		return error_set(err, ERROR_SCHEMA, "%.*s: a reference leads nowhere, or too deep",
		                 SLICE_ARG(schema->name));
	docs_put_json(docs, docs->out, buffer_slice(&text));
	buffer_append_char(docs->out, '\n');
	return (!text.failed && !docs->out->failed && !docs->src.arena->overflowed) ||
	       error_set(err, ERROR_MEMORY, "no memory for the schema");
}
