/* All examples of a file are judged by one schema made for it: {"properties":{"0":{"items":{"$ref":"<file>#<where the
 * examples stand>"}},…}} over {"0":<the examples>,…}. So the examples meet what events will meet, and nothing else. */
#include "tracking/lint.h"

#include "catalog/schema.h"

#define PLACES_MAX 4000
#define MEMORY_BYTES ((size_t)256 * 1024 * 1024)

struct gathering {
	struct lint *lint;
	const struct source_file *file;
	struct slice pointer;
	struct slice *places; /* pointers of the schemas that have examples */
	size_t *count;
	struct buffer *schema, *document;
};

/* A pointer as the fragment of a reference. */
static void put_fragment(struct buffer *out, struct slice pointer)
{
	for (size_t i = 0; i < pointer.len; i++) {
		unsigned char c = (unsigned char)pointer.at[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
		             c == '_' || c == '-' || c == '.' || c == '~' || c == '$';
		if (plain)
			buffer_append_char(out, (char)c);
		else
			buffer_append_format(out, "%%%02X", c);
	}
}

static bool gather(void *context, const struct source_child *child);

static void gather_at(struct gathering *g, struct spot at)
{
	struct spot examples = spot_get(at, SLICE("examples"));

	if (examples.node && spot_type(examples) == JSON_ARRAY && *g->count < PLACES_MAX) {
		size_t n = *g->count;
		g->places[(*g->count)++] = g->pointer;
		buffer_append_format(g->schema, "%s\"%zu\":{\"items\":{\"$ref\":\"%.*s#", n ? "," : "", n,
		                     SLICE_ARG(g->file->path));
		put_fragment(g->schema, g->pointer);
		buffer_append(g->schema, SLICE("\"}}"));
		buffer_append_format(g->document, "%s\"%zu\":", n ? "," : "", n);
		buffer_append(g->document, json_raw(&examples.file->doc, examples.node));
	}
	(void)source_each_child(g->lint->src, at, gather, g);
}

static bool gather(void *context, const struct source_child *child)
{
	struct gathering g = *(struct gathering *)context;

	g.pointer = source_pointer(g.lint->src->arena, g.pointer, child);
	gather_at(&g, child->at);
	return true;
}

/* "/3/0/items/1" is within the first example of place 3. */
static void report_violation(const struct gathering *g, const struct violation *v)
{
	struct slice rest = v->path;
	uint64_t place = 0;

	(void)slice_split(&rest, '/');
	if (!slice_to_u64(slice_split(&rest, '/'), &place) || place >= *g->count)
		place = 0;
	struct slice number = slice_split(&rest, '/');
	struct slice pointer =
	        arena_print(g->lint->src->arena, "%.*s/examples/%.*s", SLICE_ARG(g->places[place]), SLICE_ARG(number));
	lint_report(g->lint, LINT_ERROR, g->file, pointer, "the example does not satisfy its schema: /%.*s %.*s",
	            SLICE_ARG(rest), SLICE_ARG(v->message));
}

static void judge(const struct gathering *g, struct arena *arena)
{
	const struct schema_options options = { .root = g->lint->src->root,
		                                .path = SLICE("examples.json"),
		                                .name = SLICE("example") };
	const struct json_options scanning = { .depth_max = 200, .nodes_max = 500000 };
	struct json_doc doc = { 0 };
	struct violations violations;
	struct error err = { 0 };
	size_t offset = 0;

	const struct schema *schema = schema_compile_text(buffer_slice(g->schema), &options, arena, &err);
	if (!schema) {
		lint_report(g->lint, LINT_ERROR, g->file, SLICE(""), "examples cannot be judged: %s", err.message);
		return;
	}
	if (json_scan(&doc, buffer_slice(g->document), &scanning, arena, &offset) != JSON_OK) {
		lint_report(g->lint, LINT_ERROR, g->file, SLICE(""), "examples are too large or too deep");
		return;
	}
	violations_init(&violations, arena);
	if (schema_validate(schema, &doc, 0, SLICE(""), &violations))
		return;
	for (uint32_t i = 0; i < violations.count; i++)
		report_violation(g, &violations.at[i]);
}

void lint_check_examples(struct lint *lint, const struct source_file *file)
{
	struct arena arena;
	struct buffer schema, document;
	size_t count = 0;
	struct gathering g = { .lint = lint, .file = file, .pointer = SLICE(""), .count = &count };

	arena_init(&arena, MEMORY_BYTES);
	buffer_init(&schema, &arena);
	buffer_init(&document, &arena);
	g.schema = &schema;
	g.document = &document;
	g.places = arena_array(&arena, PLACES_MAX, sizeof *g.places);
	buffer_append(&schema, SLICE("{\"properties\":{"));
	buffer_append_char(&document, '{');
	if (g.places)
		gather_at(&g, (struct spot) { file, 0 });
	buffer_append(&schema, SLICE("}}"));
	buffer_append_char(&document, '}');
	if (count && !schema.failed && !document.failed)
		judge(&g, &arena);
	arena_fini(&arena);
}
