/* One page that needs nothing else: style and search stand in it, and a policy in its head lets it load nothing. */
#include "tracking/docs.h"
#include "tracking/docs_page.h"
#include "tracking/markup.h"

#define VALUES_SHOWN 12

struct page {
	struct docs *docs;
	struct buffer *out;
};

static void put(struct page *p, const char *html)
{
	buffer_append(p->out, slice_of(html));
}

/* Text of the schemas: never markup. */
static void put_text(struct page *p, struct slice text)
{
	markup_put_html(p->out, text);
}

static void put_element(struct page *p, const char *open, struct slice text, const char *close)
{
	put(p, open);
	put_text(p, text);
	put(p, close);
}

static void put_node(struct page *p, struct spot at)
{
	struct buffer text;

	buffer_init(&text, p->docs->src.arena);
	json_write_node(&text, &at.file->doc, at.node);
	put_element(p, "<code>", buffer_slice(&text), "</code>");
}

static void put_list(struct page *p, const char *before, struct spot list)
{
	size_t n = 0, all = list.node ? spot_count(list) : 0;

	if (!all)
		return;
	put(p, before);
	for (struct spot e = { 0 }; spot_next_element(list, &e) && n < VALUES_SHOWN; n++) {
		put(p, n ? ", " : "");
		put_node(p, e);
	}
	if (all > n)
		buffer_append_format(p->out, " and %zu more", all - n);
}

static void put_row(struct page *p, const struct outline_row *row)
{
	put_element(p, "<tr><th scope=\"row\"><code>", row->path, "</code>");
	if (row->required)
		put(p, " <span class=\"tag req\">required</span>");
	if (row->deprecated)
		put(p, " <span class=\"tag\">deprecated</span>");
	put_element(p, "</th><td>", row->types, "</td><td>");
	put_text(p, row->bounds);
	put_list(p, row->bounds.len ? "<br>one of " : "one of ", row->values);
	put_element(p, "</td><td>", row->description, "");
	put_list(p, "<br><span class=\"soft\">for example</span> ", row->examples);
	put(p, "</td><td>");
	if (row->pii.len) {
		put_element(p, "<span class=\"tag pii\">personal: ", row->pii, "</span> ");
		put_text(p, docs_pii_text(p->docs->src.arena, row->pii, row->pii_action));
	} else {
		put(p, "as sent");
	}
	put(p, "</td></tr>\n");
}

static void put_scroll(struct page *p, const char *what, struct slice event)
{
	put(p, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"");
	put(p, what);
	put_element(p, " of ", event, "\">");
}

static void put_properties(struct page *p, const struct docs_version *v)
{
	if (v->outline.count) {
		put_scroll(p, "Properties", v->schema->name);
		put_element(p, "<table><caption>Properties of ", v->schema->name,
		            "</caption><thead><tr><th scope=\"col\">Name</th><th scope=\"col\">Type</th><th "
		            "scope=\"col\">Bounds</th><th scope=\"col\">Meaning</th><th scope=\"col\">Stored</th></tr>"
		            "</thead><tbody>\n");
		for (size_t i = 0; i < v->outline.count; i++)
			put_row(p, &v->outline.rows[i]);
		put(p, "</tbody></table></div>\n");
	}
	put(p, v->outline.open ? "<p class=\"soft\">Other properties are taken as they come.</p>\n"
	                       : "<p class=\"soft\">Other properties are refused.</p>\n");
	if (v->outline.rules.len)
		put_element(p, "<p class=\"soft\">The schema has rules besides: ", v->outline.rules, ".</p>\n");
}

static void put_slices(struct page *p, const struct slice *texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		put_element(p, i ? ", <code>" : "<code>", texts[i], "</code>");
}

static void put_fact(struct page *p, const char *name)
{
	put(p, "<dt>");
	put(p, name);
	put(p, "</dt><dd>");
}

static void put_facts(struct page *p, const struct docs_version *v)
{
	const struct event_schema *s = v->schema;

	put(p, "<dl class=\"facts\">");
	put_fact(p, "Version");
	put_element(p, "<code>", s->version_text, "</code></dd>");
	put_fact(p, "Purposes");
	for (size_t i = 0; i < s->purposes_count; i++)
		put_element(p, "<span class=\"tag purpose\">", s->purposes[i], "</span> ");
	put(p, "</dd>");
	if (s->unique_by_count) {
		put_fact(p, "One event by");
		put_slices(p, s->unique_by, s->unique_by_count);
		unsigned long long hours = s->unique_window_ms / 3600000;
		buffer_append_format(p->out, " within %llu %s</dd>", hours % 24 ? hours : hours / 24,
		                     hours % 24 ? "hours" : "days");
	}
	if (s->topic.len) {
		put_fact(p, "Topic");
		put_element(p, "<code>", s->topic, "</code></dd>");
	}
	if (s->key_count) {
		put_fact(p, "Record key");
		put_slices(p, s->key, s->key_count);
		put(p, "</dd>");
	}
	if (s->owner.len) {
		put_fact(p, "Owner");
		put_element(p, "", s->owner, "</dd>");
	}
	put_fact(p, "Schema");
	put_element(p, "<code>", s->dataschema, "</code></dd></dl>\n");
}

static void put_json(struct page *p, const char *what, const struct docs_version *v, struct slice json)
{
	struct buffer text;

	buffer_init(&text, p->docs->src.arena);
	docs_put_json(p->docs, &text, json);
	put(p, "<pre tabindex=\"0\" role=\"region\" aria-label=\"");
	put(p, what);
	put_element(p, " of ", v->schema->name, "\">");
	put_text(p, buffer_slice(&text));
	put(p, "</pre>\n");
}

/* For a shell: the body in single quotes. */
static void put_curl(struct page *p, const struct docs_version *v, struct slice sent)
{
	put_element(p, "<h3>Send it</h3>\n<pre tabindex=\"0\" role=\"region\" aria-label=\"Command that sends ",
	            v->schema->name,
	            "\">curl http://127.0.0.1:8080/v1/events -H &#39;X-Write-Key: dev&#39; -H &#39;Content-Type: "
	            "application/json&#39; -d &#39;");
	for (size_t i = 0; i < sent.len; i++)
		if (sent.at[i] == '\'')
			put(p, "&#39;\\&#39;&#39;");
		else
			put_text(p, (struct slice) { sent.at + i, 1 });
	put(p, "&#39;</pre>\n");
}

static void put_examples(struct page *p, const struct docs_version *v)
{
	struct spot first = { v->root.file, 0 };
	struct buffer sent, stored;
	bool more = v->examples.node && spot_count(v->examples) > 1;

	if (v->examples.node)
		for (struct spot e = { 0 }; !first.node && spot_next_element(v->examples, &e);)
			first = e;
	buffer_init(&sent, p->docs->src.arena);
	buffer_init(&stored, p->docs->src.arena);
	docs_put_sent(&sent, v, first);
	docs_put_stored(p->docs, &stored, v, first);
	put_curl(p, v, buffer_slice(&sent));
	put(p, "<div class=\"both\"><div><h3>What is sent</h3>\n");
	put_json(p, "What is sent", v, buffer_slice(&sent));
	put(p, "</div><div><h3>What is stored</h3>\n");
	put_json(p, "What is stored", v, buffer_slice(&stored));
	put(p, "<p class=\"soft\">Consent may remove more; … is filled in by the server.</p></div></div>\n");
	if (!more)
		return;
	put(p, "<details><summary>More examples</summary>\n");
	struct spot e = { 0 };
	for (size_t i = 0; spot_next_element(v->examples, &e); i++)
		if (i > 0)
			put_json(p, "Another example", v, json_raw(&e.file->doc, e.node));
	put(p, "</details>\n");
}

/* A paragraph with a value, or with those of a list. */
static void put_one_or_more(struct page *p, const char *before, struct spot at)
{
	if (!at.node)
		return;
	if (spot_type(at) == JSON_ARRAY) {
		put_list(p, before, at);
	} else {
		put(p, before);
		put_node(p, at);
	}
	put(p, "</p>\n");
}

static void put_aliases(struct page *p, const struct docs_version *v)
{
	struct spot events = v->aliases.node ? spot_get(v->aliases, SLICE("event")) : v->aliases;
	struct spot names = v->aliases.node ? spot_get(v->aliases, SLICE("properties")) : v->aliases;
	struct source_member m = { .key = 0 };

	if (!v->aliases.node)
		return;
	put(p, "<h3>Other names</h3>\n");
	put_one_or_more(p, "<p>The event is also known as ", events);
	put(p, "<ul>");
	while (names.node && spot_next_member(&p->docs->src, names, &m)) {
		put_element(p, "<li><code>", m.name, "</code> is ");
		put_node(p, m.value);
		put(p, "</li>");
	}
	put(p, "</ul>\n");
	put_one_or_more(p, "<p>Left out: ", spot_get(v->aliases, SLICE("drop")));
	put_one_or_more(p, "<p>Computed: ", spot_get(v->aliases, SLICE("compute")));
}

static void put_change(void *context, const struct change *change)
{
	struct page *p = context;
	enum change_class class = change_class(change->kind);

	put_element(p, "<li><code>", change->pointer.len ? change->pointer : SLICE("/"), "</code>: ");
	put(p, change_text(change->kind));
	if (change->detail.len)
		put_element(p, " (", change->detail, ")");
	put(p, class == BREAKS_NOTHING ? "" : ", breaks ");
	put(p, class == BREAKS_NOTHING ? "" : change_class_text(class));
	put(p, "</li>\n");
}

static bool put_version(struct page *p, const struct event_schema *schema, bool in_full, struct error *err)
{
	struct docs_version v, before;

	if (!docs_read_version(p->docs, schema, &v, err))
		return false;
	put_element(p, "<li><code>", schema->version_text, "</code>");
	if (!v.before) {
		put(p, ", the first");
	} else {
		if (!docs_read_version(p->docs, v.before, &before, err))
			return false;
		put(p, "<ul>\n");
		diff_schemas(&p->docs->src, before.root, &p->docs->src, v.root, put_change, p);
		put(p, "</ul>");
	}
	if (in_full) {
		put_element(p, "<details><summary>Properties of ", schema->version_text, "</summary>\n");
		put_properties(p, &v);
		put(p, "</details>");
	}
	put(p, "</li>\n");
	return true;
}

static bool put_event(struct page *p, struct slice name, struct error *err)
{
	const struct event_schema *current = docs_default(p->docs, name);
	struct docs_version v;

	if (!docs_read_version(p->docs, current, &v, err))
		return false;
	put_element(p, "<section class=\"event\" id=\"", name, "\" aria-labelledby=\"h-");
	put_element(p, "", name, "\">\n<h2 id=\"h-");
	put_element(p, "", name, "\"><code>");
	put_element(p, "", name, "</code>");
	put_element(p, " <span class=\"soft\">", v.title, "</span></h2>\n");
	put_element(p, "<p>", v.description, "</p>\n");
	if (v.when.len)
		put_element(p, "<p><strong>Fires</strong> ", v.when, "</p>\n");
	put_facts(p, &v);
	put(p, "<h3>Properties</h3>\n");
	put_properties(p, &v);
	put_examples(p, &v);
	put_aliases(p, &v);
	put(p, "<h3>Versions</h3>\n<ul>\n");
	for (size_t i = catalog_schema_count(p->docs->cat); i-- > 0;) {
		const struct event_schema *schema = catalog_schema_at(p->docs->cat, i);
		if (slice_equal(schema->event, name) && !put_version(p, schema, schema != current, err))
			return false;
	}
	put(p, "</ul>\n</section>\n");
	return true;
}

static void put_head(struct page *p)
{
	put(p, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	       "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
	       "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
	       "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
	       "<title>Event catalog</title>\n<style>\n");
	put(p, docs_page_style);
	put(p,
	    "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#all-events\">To the events</a>\n<div "
	    "class=\"page\">\n"
	    "<header class=\"side\">\n<h1>Event catalog</h1>\n<search role=\"search\"><label "
	    "for=\"search-box\">Search events and properties</label><input id=\"search-box\" type=\"search\" "
	    "autocomplete=\"off\" spellcheck=\"false\" aria-describedby=\"shown-count\"></search>\n<p class=\"soft\" "
	    "id=\"shown-count\" role=\"status\">");
	buffer_append_format(p->out, "%zu events</p>\n<nav aria-label=\"Events\"><ul>\n",
	                     catalog_event_count(p->docs->cat));
	for (size_t i = 0; i < catalog_event_count(p->docs->cat); i++) {
		struct slice name = catalog_event_name(p->docs->cat, i);
		put_element(p, "<li id=\"to-", name, "\"><a href=\"#");
		put_element(p, "", name, "\">");
		put_element(p, "", name, "</a></li>\n");
	}
	put(p, "</ul></nav>\n</header>\n<main id=\"all-events\" tabindex=\"-1\">\n");
	put_element(
	        p,
	        "<p class=\"soft\">What a website, an app or a back end may send, and what becomes of it. Made from "
	        "the schemas with fingerprint <code>",
	        catalog_fingerprint(p->docs->cat), "</code>.</p>\n");
}

bool docs_write_html(struct docs *docs, struct error *err)
{
	struct page p = { docs, docs->out };

	put_head(&p);
	for (size_t i = 0; i < catalog_event_count(docs->cat); i++)
		if (!put_event(&p, catalog_event_name(docs->cat, i), err))
			return false;
	put(&p, "</main>\n</div>\n<script>\n");
	put(&p, docs_page_script);
	put(&p, "</script>\n</body>\n</html>\n");
	return (!docs->out->failed && !docs->src.arena->overflowed) ||
	       error_set(err, ERROR_MEMORY, "no memory for the documents");
}
