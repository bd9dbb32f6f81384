/* What all formats tell, said once. */
#include "tracking/docs.h"

#include "catalog/catalog_state.h"

#define LINE_BYTES 100

bool docs_read_version(struct docs *docs, const struct event_schema *schema, struct docs_version *out,
                       struct error *err)
{
	struct slice path = arena_print(docs->src.arena, "events/%.*s.json", SLICE_ARG(schema->name));
	const struct source_file *file = path.at ? source_read(&docs->src, path, err) : NULL;

	*out = (struct docs_version) { .schema = schema };
	if (!file)
		return path.at ? false : error_set(err, ERROR_MEMORY, "no memory for the documents");
	out->root = (struct spot) { file, 0 };
	out->title = spot_member_text(&docs->src, out->root, SLICE("title"));
	out->description = spot_member_text(&docs->src, out->root, SLICE("description"));
	out->examples = spot_get(out->root, SLICE("examples"));
	struct spot declared = spot_get(out->root, SLICE("x-headgate"));
	if (declared.node) {
		out->when = spot_member_text(&docs->src, declared, SLICE("when"));
		out->aliases = spot_get(declared, SLICE("aliases"));
	}
	for (size_t i = 1; i < docs->cat->schemas_count; i++)
		if (&docs->cat->schemas[i] == schema && schema[-1].event_index == schema->event_index)
			out->before = schema - 1;
	return outline_read(&docs->src, out->root, &out->outline) ||
	       error_set(err, ERROR_SCHEMA, "%.*s: too many properties to tell of", SLICE_ARG(schema->name));
}

const struct event_schema *docs_default(const struct docs *docs, struct slice event)
{
	const struct event_schema *schema = NULL;

	(void)catalog_find(docs->cat, event, SLICE_NONE, &schema);
	return schema;
}

void docs_put_sent(struct buffer *out, const struct docs_version *v, struct spot example)
{
	buffer_append_format(out, "{\"event\":\"%.*s\",", SLICE_ARG(v->schema->event));
	buffer_append(out, SLICE("\"anonymous_id\":\"visitor-1\",\"properties\":"));
	if (example.node)
		json_write_node(out, &example.file->doc, example.node);
	else
		buffer_append(out, SLICE("{}"));
	buffer_append_char(out, '}');
}

struct slice docs_pii_text(struct arena *arena, struct slice kind, struct slice action)
{
	static const char *const texts[][2] = {
		{ "keep", "kept" }, { "drop", "dropped" }, { "mask", "masked" }, { "hash", "hashed" }
	};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (slice_equal(action, slice_of(texts[i][0])))
			return slice_of(texts[i][1]);
	return arena_print(arena, "as the rule for %.*s says", SLICE_ARG(kind));
}

static void put_stored_value(struct docs *docs, struct buffer *out, struct spot value, const struct view *view);

static void put_stored_object(struct docs *docs, struct buffer *out, struct spot value, const struct view *view)
{
	struct source_member m = { .key = 0 };
	bool first = true;

	buffer_append_char(out, '{');
	while (spot_next_member(&docs->src, value, &m)) {
		struct view inner = view_property(&docs->src, view, m.name);
		struct spot rest = view_get(view, SLICE("additionalProperties"));
		if (!inner.count && rest.node)
			inner = source_view(&docs->src, rest);
		if (!first)
			buffer_append_char(out, ',');
		first = false;
		json_write_string(out, m.name);
		buffer_append_char(out, ':');
		put_stored_value(docs, out, m.value, &inner);
	}
	buffer_append_char(out, '}');
}

static void put_stored_value(struct docs *docs, struct buffer *out, struct spot value, const struct view *view)
{
	struct spot pii = view_get(view, SLICE("x-pii")), action = view_get(view, SLICE("x-pii-action"));
	struct spot items = view_get(view, SLICE("items"));
	bool first = true;

	if (pii.node && !(action.node && slice_equal(spot_text(&docs->src, action), SLICE("keep")))) {
		struct slice kind = spot_text(&docs->src, pii);
		struct slice how =
		        docs_pii_text(docs->src.arena, kind, action.node ? spot_text(&docs->src, action) : SLICE_NONE);
		json_write_string(out, arena_print(docs->src.arena, "(%.*s: %.*s)", SLICE_ARG(kind), SLICE_ARG(how)));
	} else if (spot_type(value) == JSON_OBJECT) {
		put_stored_object(docs, out, value, view);
	} else if (spot_type(value) == JSON_ARRAY && items.node) {
		struct view inner = source_view(&docs->src, items);
		buffer_append_char(out, '[');
		for (struct spot e = { 0 }; spot_next_element(value, &e);) {
			if (!first)
				buffer_append_char(out, ',');
			first = false;
			put_stored_value(docs, out, e, &inner);
		}
		buffer_append_char(out, ']');
	} else {
		json_write_node(out, &value.file->doc, value.node);
	}
}

void docs_put_stored(struct docs *docs, struct buffer *out, const struct docs_version *v, struct spot example)
{
	struct view view = source_view(&docs->src, v->root);

	buffer_append_format(
	        out,
	        "{\"format\":1,\"position\":\"…\",\"event\":\"%.*s\",\"version\":\"%.*s\",\"event_id\":"
	        "\"…\",\"event_time\":\"…\",\"received_at\":\"…\",\"source\":{\"name\":\"…\",\"kind\":\"…\"},"
	        "\"ids\":{\"anonymous_id\":\"visitor-1\"},\"consent\":{\"…\":\"…\"},\"context\":{\"…\":\"…\"},"
	        "\"properties\":",
	        SLICE_ARG(v->schema->event), SLICE_ARG(v->schema->version_text));
	if (example.node)
		put_stored_value(docs, out, example, &view);
	else
		buffer_append(out, SLICE("{}"));
	buffer_append_char(out, '}');
}

static void new_line(struct buffer *out, unsigned level)
{
	buffer_append_char(out, '\n');
	for (unsigned i = 0; i < level; i++)
		buffer_append(out, SLICE("  "));
}

static void put_pretty(struct buffer *out, const struct json_doc *doc, uint32_t node, unsigned level)
{
	const struct json_node *n = &doc->nodes[node];
	bool object = n->type == JSON_OBJECT, first = true;

	if ((!object && n->type != JSON_ARRAY) || n->length + 2u * level < LINE_BYTES) {
		buffer_append(out, json_raw(doc, node));
		return;
	}
	buffer_append_char(out, object ? '{' : '[');
	for (uint32_t i = node + 1; i < n->next; i = doc->nodes[i].next) {
		if (!first)
			buffer_append_char(out, ',');
		first = false;
		new_line(out, level + 1);
		if (object) {
			buffer_append(out, json_raw(doc, i));
			buffer_append(out, SLICE(": "));
			i++;
		}
		put_pretty(out, doc, i, level + 1);
	}
	new_line(out, level);
	buffer_append_char(out, object ? '}' : ']');
}

/* White space between the tokens of the text goes first, or short containers would keep their line breaks. */
void docs_put_json(struct docs *docs, struct buffer *out, struct slice json)
{
	const struct json_options options = { .depth_max = 128, .nodes_max = 500000 };
	struct json_doc doc = { 0 }, dense = { 0 };
	struct buffer text;
	size_t offset;

	buffer_init(&text, docs->src.arena);
	if (json_scan(&doc, json, &options, docs->src.arena, &offset) != JSON_OK)
		return;
	json_write_node(&text, &doc, 0);
	if (text.failed || json_scan(&dense, buffer_slice(&text), &options, docs->src.arena, &offset) != JSON_OK) {
		out->failed = true;
		return;
	}
	put_pretty(out, &dense, 0, 0);
}
