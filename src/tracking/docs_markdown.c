/* The same as the page, for a repository or a wiki. */
#include "tracking/docs.h"
#include "tracking/markup.h"

#define VALUES_SHOWN 12

struct sheet {
	struct docs *docs;
	struct buffer *out;
};

static void put(struct sheet *s, const char *text)
{
	buffer_append(s->out, slice_of(text));
}

static void put_text(struct sheet *s, struct slice text)
{
	markup_put_markdown(s->out, text);
}

static void put_code(struct sheet *s, struct slice text)
{
	markup_put_markdown_code(s->out, text);
}

static void put_list(struct sheet *s, const char *before, struct spot list)
{
	size_t n = 0, all = list.node ? spot_count(list) : 0;

	if (!all)
		return;
	put(s, before);
	for (struct spot e = { 0 }; spot_next_element(list, &e) && n < VALUES_SHOWN; n++) {
		struct buffer text;
		buffer_init(&text, s->docs->src.arena);
		json_write_node(&text, &e.file->doc, e.node);
		put(s, n ? ", " : "");
		put_code(s, buffer_slice(&text));
	}
	if (all > n)
		buffer_append_format(s->out, " and %zu more", all - n);
}

static void put_properties(struct sheet *s, const struct docs_version *v)
{
	if (v->outline.count)
		put(s, "| property | type | bounds | meaning | stored |\n|---|---|---|---|---|\n");
	for (size_t i = 0; i < v->outline.count; i++) {
		const struct outline_row *row = &v->outline.rows[i];
		put(s, "| ");
		put_code(s, row->path);
		put(s, row->required ? " **required**" : "");
		put(s, row->deprecated ? " deprecated" : "");
		put(s, " | ");
		put_text(s, row->types);
		put(s, " | ");
		put_text(s, row->bounds);
		put_list(s, row->bounds.len ? "; one of " : "one of ", row->values);
		put(s, " | ");
		put_text(s, row->description);
		put_list(s, " For example ", row->examples);
		put(s, " | ");
		if (row->pii.len) {
			put(s, "**personal: ");
			put_text(s, row->pii);
			put(s, "**, ");
			put_text(s, docs_pii_text(s->docs->src.arena, row->pii, row->pii_action));
		} else {
			put(s, "as sent");
		}
		put(s, " |\n");
	}
	put(s, v->outline.open ? "\nOther properties are taken as they come.\n" : "\nOther properties are refused.\n");
	if (v->outline.rules.len) {
		put(s, "The schema has rules besides: ");
		put_text(s, v->outline.rules);
		put(s, ".\n");
	}
}

static void put_block(struct sheet *s, const char *heading, struct slice json)
{
	put(s, "\n");
	put(s, heading);
	put(s, "\n\n```json\n");
	docs_put_json(s->docs, s->out, json);
	put(s, "\n```\n");
}

static void put_examples(struct sheet *s, const struct docs_version *v)
{
	struct spot first = { v->root.file, 0 };
	struct buffer sent, stored;

	for (struct spot e = { 0 }; v->examples.node && !first.node && spot_next_element(v->examples, &e);)
		first = e;
	buffer_init(&sent, s->docs->src.arena);
	buffer_init(&stored, s->docs->src.arena);
	docs_put_sent(&sent, v, first);
	docs_put_stored(s->docs, &stored, v, first);
	put(s, "\nSend it:\n\n```sh\ncurl http://127.0.0.1:8080/v1/events -H 'X-Write-Key: dev' -H 'Content-Type: "
	       "application/json' -d '");
	for (size_t i = 0; i < sent.len; i++)
		if (sent.at[i] == '\'')
			put(s, "'\\''");
		else
			buffer_append_char(s->out, sent.at[i]);
	put(s, "'\n```\n");
	put_block(s, "What is sent:", buffer_slice(&sent));
	put_block(s, "What is stored (consent may remove more; … is filled in by the server):", buffer_slice(&stored));
}

static void put_facts(struct sheet *s, const struct docs_version *v)
{
	const struct event_schema *schema = v->schema;

	put(s, "\nVersion ");
	put_code(s, schema->version_text);
	put(s, "; purposes ");
	for (size_t i = 0; i < schema->purposes_count; i++) {
		put(s, i ? ", " : "");
		put_code(s, schema->purposes[i]);
	}
	for (size_t i = 0; i < schema->unique_by_count; i++) {
		put(s, i ? " and " : "; one event by ");
		put_code(s, schema->unique_by[i]);
	}
	if (schema->topic.len) {
		put(s, "; topic ");
		put_code(s, schema->topic);
	}
	if (schema->owner.len) {
		put(s, "; owner ");
		put_text(s, schema->owner);
	}
	put(s, "; schema ");
	put_code(s, schema->dataschema);
	put(s, ".\n\n");
}

static void put_aliases(struct sheet *s, const struct docs_version *v)
{
	struct spot names = v->aliases.node ? spot_get(v->aliases, SLICE("properties")) : v->aliases;
	struct source_member m = { .key = 0 };

	if (!v->aliases.node)
		return;
	put(s, "\nOther names:\n\n");
	put_list(s, "- the event: ", spot_get(v->aliases, SLICE("event")));
	put(s, "\n");
	while (names.node && spot_next_member(&s->docs->src, names, &m)) {
		put(s, "- ");
		put_code(s, m.name);
		put(s, " is ");
		put_code(s, spot_text(&s->docs->src, m.value));
		put(s, "\n");
	}
	put_list(s, "- left out: ", spot_get(v->aliases, SLICE("drop")));
	put(s, "\n");
}

static void put_change(void *context, const struct change *change)
{
	struct sheet *s = context;
	enum change_class class = change_class(change->kind);

	put(s, "  - ");
	put_code(s, change->pointer.len ? change->pointer : SLICE("/"));
	put(s, ": ");
	put(s, change_text(change->kind));
	if (change->detail.len) {
		put(s, " (");
		put_text(s, change->detail);
		put(s, ")");
	}
	put(s, class == BREAKS_NOTHING ? "" : ", breaks ");
	put(s, class == BREAKS_NOTHING ? "" : change_class_text(class));
	put(s, "\n");
}

static bool put_versions(struct sheet *s, struct slice name, struct error *err)
{
	struct docs_version v, before;

	put(s, "\nVersions:\n\n");
	for (size_t i = catalog_schema_count(s->docs->cat); i-- > 0;) {
		const struct event_schema *schema = catalog_schema_at(s->docs->cat, i);
		if (!slice_equal(schema->event, name))
			continue;
		if (!docs_read_version(s->docs, schema, &v, err) ||
		    (v.before && !docs_read_version(s->docs, v.before, &before, err)))
			return false;
		put(s, "- ");
		put_code(s, schema->version_text);
		put(s, v.before ? "\n" : ", the first\n");
		if (v.before)
			diff_schemas(&s->docs->src, before.root, &s->docs->src, v.root, put_change, s);
	}
	return true;
}

static bool put_event(struct sheet *s, struct slice name, struct error *err)
{
	struct docs_version v;

	if (!docs_read_version(s->docs, docs_default(s->docs, name), &v, err))
		return false;
	put(s, "\n## ");
	buffer_append(s->out, name);
	put(s, "\n\n");
	put_text(s, v.description);
	put(s, "\n");
	if (v.when.len) {
		put(s, "\n**Fires** ");
		put_text(s, v.when);
		put(s, "\n");
	}
	put_facts(s, &v);
	put_properties(s, &v);
	put_examples(s, &v);
	put_aliases(s, &v);
	return put_versions(s, name, err);
}

bool docs_write_markdown(struct docs *docs, struct error *err)
{
	struct sheet s = { docs, docs->out };

	put(&s, "# Event catalog\n\nWhat a website, an app or a back end may send, and what becomes of it.\n\n");
	for (size_t i = 0; i < catalog_event_count(docs->cat); i++)
		buffer_append_format(docs->out, "- [%.*s](#%.*s)\n", SLICE_ARG(catalog_event_name(docs->cat, i)),
		                     SLICE_ARG(catalog_event_name(docs->cat, i)));
	for (size_t i = 0; i < catalog_event_count(docs->cat); i++)
		if (!put_event(&s, catalog_event_name(docs->cat, i), err))
			return false;
	return (!docs->out->failed && !docs->src.arena->overflowed) ||
	       error_set(err, ERROR_MEMORY, "no memory for the documents");
}
