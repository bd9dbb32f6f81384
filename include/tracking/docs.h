/* The catalog for people (HTML, Markdown) and for other tools (TypeScript, tracking plan, the canonical schema). All
 * are made of the schema files, by one model; everything written is a pure function of them. */
#ifndef HEADGATE_TRACKING_DOCS_H
#define HEADGATE_TRACKING_DOCS_H

#include "catalog/catalog.h"
#include "tracking/diff.h"
#include "tracking/outline.h"

struct docs {
	const struct catalog *cat;
	struct sources src;
	struct buffer *out;
};

/* One version of an event with all that is told of it. */
struct docs_version {
	const struct event_schema *schema;
	const struct event_schema *before; /* the version it is compared with; NULL: the first */
	struct spot root;
	struct slice title, description, when;
	struct outline outline;
	struct spot examples; /* node 0: none */
	struct spot aliases;
};

/* Each appends to docs->out. False: a schema could not be read (err says which), or there was no memory. */
bool docs_write_html(struct docs *docs, struct error *err);
bool docs_write_markdown(struct docs *docs, struct error *err);
bool docs_write_typescript(struct docs *docs, struct error *err);
bool docs_write_plan(struct docs *docs, struct error *err);
/* The JSON Schema of the whole stored event, that version's properties inlined. */
bool docs_write_canonical(struct docs *docs, const struct event_schema *schema, struct error *err);

/* Shared by the formats (docs.c). */
bool docs_read_version(struct docs *docs, const struct event_schema *schema, struct docs_version *out,
                       struct error *err);
/* Of the versions of an event, the one that senders get who name none. */
const struct event_schema *docs_default(const struct docs *docs, struct slice event);
/* {"event":"purchase","properties":<the example>} without white space. */
void docs_put_sent(struct buffer *out, const struct docs_version *v, struct spot example);
/* The canonical event that it becomes, values of others shown as …, and what is personal as its rule. */
void docs_put_stored(struct docs *docs, struct buffer *out, const struct docs_version *v, struct spot example);
/* "hashed", "dropped", … or that the configuration's rule for the kind decides. */
struct slice docs_pii_text(struct arena *arena, struct slice kind, struct slice action);
/* JSON with line breaks and two spaces a level; short containers on one line. */
void docs_put_json(struct docs *docs, struct buffer *out, struct slice json);

#endif
