/* The tracking plan: the catalog as one JSON document, flat, for spreadsheets and for tools that know no JSON Schema. */
#include "tracking/docs.h"

static void put_text(struct buffer *out, const char *name, struct slice text)
{
	if (!text.at)
		return;
	buffer_append_format(out, "\"%s\":", name);
	json_write_string(out, text);
	buffer_append_char(out, ',');
}

static void put_texts(struct buffer *out, const char *name, const struct slice *texts, size_t count)
{
	buffer_append_format(out, "\"%s\":[", name);
	for (size_t i = 0; i < count; i++) {
		if (i)
			buffer_append_char(out, ',');
		json_write_string(out, texts[i]);
	}
	buffer_append(out, SLICE("],"));
}

static void put_value(struct buffer *out, const char *name, struct spot value)
{
	if (!value.node)
		return;
	buffer_append_format(out, "\"%s\":", name);
	json_write_node(out, &value.file->doc, value.node);
	buffer_append_char(out, ',');
}

static void put_property(struct buffer *out, const struct outline_row *row)
{
	buffer_append_char(out, '{');
	put_text(out, "path", row->path);
	put_text(out, "type", row->types);
	if (row->bounds.len)
		put_text(out, "bounds", row->bounds);
	put_text(out, "description", row->description);
	put_text(out, "pii", row->pii);
	put_text(out, "pii_action", row->pii_action);
	put_value(out, "values", row->values);
	put_value(out, "examples", row->examples);
	if (row->deprecated)
		buffer_append(out, SLICE("\"deprecated\":true,"));
	buffer_append_format(out, "\"required\":%s}", row->required ? "true" : "false");
}

static void put_version(struct docs *docs, const struct docs_version *v)
{
	const struct event_schema *schema = v->schema;
	struct buffer *out = docs->out;

	buffer_append_char(out, '{');
	put_text(out, "event", schema->event);
	put_text(out, "version", schema->version_text);
	put_text(out, "schema", schema->dataschema);
	buffer_append_format(out, "\"default\":%s,", docs_default(docs, schema->event) == schema ? "true" : "false");
	put_text(out, "title", v->title);
	put_text(out, "description", v->description);
	put_text(out, "when", v->when);
	if (schema->owner.len)
		put_text(out, "owner", schema->owner);
	if (schema->topic.len)
		put_text(out, "topic", schema->topic);
	put_texts(out, "purposes", schema->purposes, schema->purposes_count);
	if (schema->unique_by_count)
		put_texts(out, "unique_by", schema->unique_by, schema->unique_by_count);
	buffer_append_format(out, "\"other_properties\":%s,\"properties\":[", v->outline.open ? "true" : "false");
	for (size_t i = 0; i < v->outline.count; i++) {
		if (i)
			buffer_append_char(out, ',');
		put_property(out, &v->outline.rows[i]);
	}
	buffer_append(out, SLICE("],"));
	put_value(out, "aliases", v->aliases);
	buffer_append(out, SLICE("\"examples\":"));
	if (v->examples.node)
		json_write_node(out, &v->examples.file->doc, v->examples.node);
	else
		buffer_append(out, SLICE("[]"));
	buffer_append_char(out, '}');
}

bool docs_write_plan(struct docs *docs, struct error *err)
{
	struct docs_version v;

	buffer_append(docs->out, SLICE("{\"format\":1,"));
	put_text(docs->out, "fingerprint", catalog_fingerprint(docs->cat));
	buffer_append(docs->out, SLICE("\"events\":["));
	for (size_t i = 0; i < catalog_schema_count(docs->cat); i++) {
		if (!docs_read_version(docs, catalog_schema_at(docs->cat, i), &v, err))
			return false;
		buffer_append(docs->out, i ? SLICE(",\n") : SLICE("\n"));
		put_version(docs, &v);
	}
	buffer_append(docs->out, SLICE("\n]}\n"));
	return (!docs->out->failed && !docs->src.arena->overflowed) ||
	       error_set(err, ERROR_MEMORY, "no memory for the plan");
}
