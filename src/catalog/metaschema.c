/* The assembler copies the files at build time; the build runs in the top folder. */
#include "catalog/metaschema.h"

#include <stddef.h>

/* EMBED(symbol, file, uri) */
#define METASCHEMAS(EMBED)                                                                   \
	EMBED(draft_07, "draft-07.json", METASCHEMA_DRAFT7)                                  \
	EMBED(core, "2020-12-core.json", META "core")                                        \
	EMBED(applicator, "2020-12-applicator.json", META "applicator")                      \
	EMBED(unevaluated, "2020-12-unevaluated.json", META "unevaluated")                   \
	EMBED(validation, "2020-12-validation.json", META "validation")                      \
	EMBED(meta_data, "2020-12-meta-data.json", META "meta-data")                         \
	EMBED(format_annotation, "2020-12-format-annotation.json", META "format-annotation") \
	EMBED(format_assertion, "2020-12-format-assertion.json", META "format-assertion")    \
	EMBED(content, "2020-12-content.json", META "content")                               \
	EMBED(draft_2020_12, "2020-12.json", METASCHEMA_2020_12)

#define META "https://json-schema.org/draft/2020-12/meta/"

#define TEXT_OF(symbol, file, uri)                                                             \
	__asm__(".pushsection .rodata\n"                                                       \
	        "metaschema_" #symbol "_begin:\n"                                              \
	        ".incbin \"src/catalog/metaschemas/" file "\"\n"                               \
	        "metaschema_" #symbol "_end:\n"                                                \
	        ".byte 0\n"                                                                    \
	        ".popsection\n");                                                              \
	extern const char metaschema_##symbol##_begin[] __attribute__((visibility("hidden"))); \
	extern const char metaschema_##symbol##_end[] __attribute__((visibility("hidden")));
METASCHEMAS(TEXT_OF)

struct slice metaschema_find(struct slice uri)
{
	static const struct {
		struct slice uri;
		const char *begin, *end;
	} all[] = {
#define ENTRY(symbol, file, text) \
	{ { text, sizeof(text) - 1 }, metaschema_##symbol##_begin, metaschema_##symbol##_end },
		METASCHEMAS(ENTRY)
#undef ENTRY
	};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (slice_equal(all[i].uri, uri))
			return (struct slice) { all[i].begin,
				                (size_t)((uintptr_t)all[i].end - (uintptr_t)all[i].begin) };
	return SLICE_NONE;
}
