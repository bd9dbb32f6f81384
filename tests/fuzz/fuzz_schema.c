/* A schema and a document, cut at the first NUL byte behind the first, which sets the rules. Whatever is accepted must
 * give a verdict that agrees with its report, twice the same, and the same again where the schema stands in allOf, in
 * anyOf (which tries it in silence) and behind two times not. */
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>

#include "catalog/schema.h"

#define MEMORY_BYTES ((size_t)256 << 20)

#define MUST(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

struct verdict {
	bool compiled, valid, limited;
};

static struct verdict judge(struct slice schema_text, uint8_t rules, const struct json_doc *doc, struct arena *arena)
{
	const struct schema_options options = { .path = SLICE("fuzz.json"),
		                                .name = SLICE("fuzz"),
		                                .draft7 = rules & 1,
		                                .specification = rules & 2,
		                                .assert_format = rules & 4 };
	struct verdict verdict = { 0 };
	struct error err = { 0 };
	struct violations v;
	const struct schema *schema = schema_compile_text(schema_text, &options, arena, &err);

	if (!schema) {
		MUST(err.message[0]);
		return verdict;
	}
	verdict.compiled = true;
	violations_init(&v, arena);
	verdict.valid = schema_validate(schema, doc, 0, SLICE(""), &v);
	MUST(verdict.valid == (v.count == 0));
	MUST(v.more == 0 || v.count == VIOLATIONS_MAX);
	for (uint32_t i = 0; i < v.count; i++) {
		MUST(v.at[i].rule.len && v.at[i].message.len);
		verdict.limited |= slice_equal(v.at[i].rule, SLICE("limit")) ||
		                   slice_starts(v.at[i].message, SLICE("takes too long"));
	}
	(void)schema_want_at(schema, NULL, 0);
	(void)schema_knows_name(schema, SLICE("name"));
	return verdict;
}

/* A schema that speaks of places or names of its own may mean something else where it stands within another. */
static bool can_be_wrapped(struct slice schema)
{
	return slice_find(schema, '$') == schema.len && slice_find(schema, '\\') == schema.len &&
	       !memmem(schema.at, schema.len, "x-headgate", 10);
}

static void compare(struct slice schema, uint8_t rules, const struct json_doc *doc, struct verdict want,
                    struct arena *arena)
{
	static const char *const wraps[][2] = {
		{ "{\"allOf\":[", "]}" },
		{ "{\"anyOf\":[false,", "]}" },
		{ "{\"not\":{\"not\":", "}}" },
		{ "{\"if\":", ",\"else\":false}" },
	};

	for (size_t i = 0; i < sizeof wraps / sizeof *wraps; i++) {
		struct slice text = arena_print(arena, "%s%.*s%s", wraps[i][0], SLICE_ARG(schema), wraps[i][1]);
		struct verdict got = judge(text, rules, doc, arena);
		if (arena->overflowed || got.limited || want.limited || !got.compiled)
			return;
		MUST(got.valid == want.valid);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static struct arena arena = { .limit_bytes = MEMORY_BYTES };
	const struct json_options options = { .depth_max = 64, .nodes_max = 100000 };
	struct json_doc doc = { 0 };
	size_t offset;

	if (len < 2 || sodium_init() < 0)
		return 0;
	struct slice document = { (const char *)bytes + 1, len - 1 };
	struct slice schema = slice_split(&document, '\0');
	arena_reset(&arena);
	if (json_scan(&doc, document, &options, &arena, &offset) != JSON_OK ||
	    (doc.nodes[0].flags & (JSON_FLAG_DUPLICATE | JSON_FLAG_BAD_UTF8 | JSON_FLAG_DEEP)))
		return 0;
	struct verdict first = judge(schema, bytes[0], &doc, &arena);
	if (!first.compiled || arena.overflowed)
		return 0;
	struct verdict second = judge(schema, bytes[0], &doc, &arena);
	MUST(arena.overflowed || (second.compiled && second.valid == first.valid));
	if (can_be_wrapped(schema))
		compare(schema, bytes[0], &doc, first, &arena);
	return 0;
}
