/* Rare requests: the list is written anew for each, into the request's arena. */
#include "http/catalog_routes.h"

#include "catalog/catalog.h"
#include "json/json.h"

static void write_versions(const struct catalog *cat, size_t event_index, struct buffer *out)
{
	bool first = true;

	for (size_t i = 0; i < catalog_schema_count(cat); i++) {
		const struct event_schema *schema = catalog_schema_at(cat, i);
		if (schema->event_index != event_index)
			continue;
		if (!first)
			buffer_append_char(out, ',');
		first = false;
		json_write_string(out, schema->version_text);
	}
}

static void write_list(const struct catalog *cat, struct buffer *out)
{
	buffer_append(out, SLICE("{\"events\":["));
	for (size_t i = 0; i < catalog_event_count(cat); i++) {
		struct slice name = catalog_event_name(cat, i);
		const struct event_schema *schema = NULL;
		buffer_append(out, i ? SLICE(",{\"event\":") : SLICE("{\"event\":"));
		json_write_string(out, name);
		buffer_append(out, SLICE(",\"versions\":["));
		write_versions(cat, i, out);
		buffer_append(out, SLICE("]"));
		if (catalog_find(cat, name, SLICE(""), &schema) == CATALOG_FOUND) {
			buffer_append(out, SLICE(",\"default\":"));
			json_write_string(out, schema->version_text);
		}
		buffer_append(out, SLICE("}"));
	}
	buffer_append(out, SLICE("]}"));
}

enum refusal catalog_routes_answer(const struct catalog *cat, struct slice base, struct slice path, struct arena *arena,
                                   struct answer *out)
{
	const struct event_schema *schema = NULL;
	struct slice rest = { path.at + base.len, path.len - base.len };
	struct buffer text;

	*out = (struct answer) { .status = 200 };
	if (!rest.len || slice_equal(rest, SLICE("/"))) {
		buffer_init(&text, arena);
		write_list(cat, &text);
		out->content_type = "application/json";
		out->body = buffer_slice(&text);
		return text.failed ? REFUSAL_NO_MEMORY : REFUSAL_NONE;
	}
	rest = (struct slice) { rest.at + 1, rest.len - 1 };
	struct slice event = slice_split(&rest, '/');
	if (!rest.len || catalog_find(cat, event, rest, &schema) != CATALOG_FOUND)
		return REFUSAL_NOT_FOUND;
	out->content_type = "application/schema+json";
	out->body = schema->source_text;
	return REFUSAL_NONE;
}
