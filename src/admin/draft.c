/* By the rules of JSON Schema, unless those of the catalog are asked for. The draft stands where a schema of an event
 * would (events/draft/1-0-0.json), so that its `$ref` to the shared definitions, and by the catalog's rules its
 * `x-headgate`, read as they will in the catalog; what the pipeline refuses before any schema is asked makes a document
 * invalid there as well. */
#include "admin/draft.h"

#include <assert.h>

#include "catalog/schema.h"
#include "event/write.h"

#define DRAFT_MEMORY_BYTES ((size_t)256 << 20)
#define DRAFT_NODES_MAX 1000000
#define DRAFT_DEPTH_MAX 128
#define DRAFT_DOCUMENTS_MAX 10000

struct request {
	struct json_doc doc;
	uint32_t schema, documents, assert_format, rules; /* nodes */
};

static bool read_member(const struct json_doc *doc, uint32_t name, struct request *out, struct error *err)
{
	uint32_t *to = json_string_equals(doc, name, SLICE("schema"))          ? &out->schema
	               : json_string_equals(doc, name, SLICE("documents"))     ? &out->documents
	               : json_string_equals(doc, name, SLICE("assert_format")) ? &out->assert_format
	               : json_string_equals(doc, name, SLICE("rules"))         ? &out->rules
	                                                                       : NULL;
	enum json_type type = json_type_of(doc, name + 1);
	if (!to || *to)
		return error_set(
		        err, ERROR_DATA,
		        "expected the members schema and documents, and may be assert_format and rules, each once");
	if (to == &out->assert_format && type != JSON_TRUE && type != JSON_FALSE)
		return error_set(err, ERROR_DATA, "assert_format must be true or false");
	if (to == &out->rules && (type != JSON_STRING || (!json_string_equals(doc, name + 1, SLICE("catalog")) &&
	                                                  !json_string_equals(doc, name + 1, SLICE("standard")))))
		return error_set(err, ERROR_DATA, "rules must be \"standard\" (the default) or \"catalog\"");
	*to = name + 1;
	return true;
}

static bool read_request(struct slice body, struct request *out, struct arena *arena, struct error *err)
{
	struct json_options options = { .depth_max = DRAFT_DEPTH_MAX, .nodes_max = DRAFT_NODES_MAX };
	struct json_doc *doc = &out->doc;
	size_t offset = 0;
	enum json_result result = body.len ? json_scan(doc, body, &options, arena, &offset) : JSON_MALFORMED;
	if (result == JSON_NO_MEMORY)
		return error_set(err, ERROR_MEMORY, "out of memory");
	if (result == JSON_TOO_MANY)
		return error_set(err, ERROR_DATA, "the body holds more than %d values", DRAFT_NODES_MAX);
	if (result != JSON_OK)
		return error_set(err, ERROR_DATA, "the body is not JSON (byte %zu)", offset);
	if (json_type_of(doc, 0) != JSON_OBJECT)
		return error_set(err, ERROR_DATA, "expected an object with schema and documents");
	uint32_t end = doc->nodes[0].next;
	for (uint32_t name = 1; name < end; name = doc->nodes[name + 1].next)
		if (!read_member(doc, name, out, err))
			return false;
	if (!out->schema || !out->documents || json_type_of(doc, out->documents) != JSON_ARRAY)
		return error_set(err, ERROR_DATA, "expected the members schema and documents, an array");
	if (doc->nodes[out->documents].count > DRAFT_DOCUMENTS_MAX)
		return error_set(err, ERROR_DATA, "more than %d documents", DRAFT_DOCUMENTS_MAX);
	return true;
}

static void check_flags(uint8_t flags, bool refuse_nul, struct violations *out)
{
	if (flags & JSON_FLAG_DUPLICATE)
		violations_add(out, SLICE(""), SLICE("duplicate_name"), SLICE("an object holds the same name twice"));
	if ((flags & JSON_FLAG_NUL) && refuse_nul)
		violations_add(out, SLICE(""), SLICE("nul_escape"), SLICE("a string holds \\u0000"));
	if (flags & JSON_FLAG_BAD_UTF8)
		violations_add(out, SLICE(""), SLICE("utf8"), SLICE("not well-formed UTF-8"));
	if (flags & JSON_FLAG_DEEP)
		violations_add(out, SLICE(""), SLICE("depth"), SLICE("nested too deep"));
}

static bool write_verdict(const struct violations *violations, uint32_t index, struct buffer *out)
{
	bool valid = violations->count == 0;
	buffer_append_format(out, "{\"index\":%u,\"valid\":%s", index, valid ? "true" : "false");
	if (!valid) {
		const struct event ev = { .errors = (struct violations *)(uintptr_t)violations };
		buffer_append_char(out, ',');
		event_write_errors(&ev, NULL, out);
	}
	buffer_append_char(out, '}');
	return valid;
}

static bool judge_document(const struct schema *schema, const struct json_doc *doc, uint32_t node, uint32_t index,
                           bool refuse_nul, struct arena *arena, struct buffer *out)
{
	struct violations violations;
	violations_init(&violations, arena);
	check_flags(doc->nodes[node].flags, refuse_nul, &violations);
	if (violations.count == 0)
		(void)schema_validate(schema, doc, node, SLICE(""), &violations);
	return write_verdict(&violations, index, out);
}

bool draft_judge_document(const struct schema *schema, enum json_result scanned, const struct json_doc *doc,
                          uint32_t node, uint32_t index, struct arena *arena, struct buffer *out)
{
	struct violations violations;
	if (scanned == JSON_OK)
		return judge_document(schema, doc, node, index, false, arena, out);
	violations_init(&violations, arena);
	violations_add(&violations, SLICE(""), SLICE("json"),
	               scanned == JSON_MALFORMED  ? SLICE("not JSON")
	               : scanned == JSON_TOO_DEEP ? SLICE("nested too deep")
	                                          : SLICE("too large"));
	return write_verdict(&violations, index, out);
}

static bool judge(struct slice body, struct slice schemas, struct arena *arena, struct buffer *out, struct error *err)
{
	struct request request = { 0 };
	if (!read_request(body, &request, arena, err))
		return false;
	assert(request.doc.nodes);
	bool by_catalog = request.rules && json_string_equals(&request.doc, request.rules, SLICE("catalog"));
	const struct schema_options options = {
		.root = schemas,
		.path = SLICE("events/draft/1-0-0.json"),
		.name = SLICE("draft"),
		.specification = !by_catalog,
		.assert_format =
		        request.assert_format && json_type_of(&request.doc, request.assert_format) == JSON_TRUE,
	};
	const struct schema *schema = schema_compile_text(json_raw(&request.doc, request.schema), &options, arena, err);
	if (!schema)
		return false;
	struct buffer verdicts;
	uint32_t valid = 0, index = 0, end = request.doc.nodes[request.documents].next;
	buffer_init(&verdicts, arena);
	for (uint32_t node = request.documents + 1; node < end; node = request.doc.nodes[node].next) {
		if (index)
			buffer_append_char(&verdicts, ',');
		valid += judge_document(schema, &request.doc, node, index++, by_catalog, arena, &verdicts);
	}
	if (verdicts.failed || arena->overflowed)
		return error_set(err, ERROR_MEMORY, "out of memory");
	buffer_append_format(out, "{\"valid\":%u,\"invalid\":%u,\"documents\":[", valid, index - valid);
	buffer_append(out, buffer_slice(&verdicts));
	buffer_append(out, SLICE("]}"));
	return true;
}

bool admin_draft_judge(struct slice body, struct slice schemas, struct buffer *out, struct error *err)
{
	struct arena arena;
	arena_init(&arena, DRAFT_MEMORY_BYTES);
	bool ok = judge(body, schemas, &arena, out, err);
	arena_fini(&arena);
	return ok;
}
