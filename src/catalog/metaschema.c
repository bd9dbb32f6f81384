#include "catalog/metaschema.h"

#include "base/embed.h"

/* EACH(name, file, uri) */
#define METASCHEMAS(EACH)                                                                   \
	EACH(draft_07, "draft-07.json", METASCHEMA_DRAFT7)                                  \
	EACH(core, "2020-12-core.json", META "core")                                        \
	EACH(applicator, "2020-12-applicator.json", META "applicator")                      \
	EACH(unevaluated, "2020-12-unevaluated.json", META "unevaluated")                   \
	EACH(validation, "2020-12-validation.json", META "validation")                      \
	EACH(meta_data, "2020-12-meta-data.json", META "meta-data")                         \
	EACH(format_annotation, "2020-12-format-annotation.json", META "format-annotation") \
	EACH(format_assertion, "2020-12-format-assertion.json", META "format-assertion")    \
	EACH(content, "2020-12-content.json", META "content")                               \
	EACH(draft_2020_12, "2020-12.json", METASCHEMA_2020_12)

#define META "https://json-schema.org/draft/2020-12/meta/"

#define EMBED_EACH(name, file, uri) EMBED(metaschema_##name, "src/catalog/metaschemas/" file);
METASCHEMAS(EMBED_EACH)

struct slice metaschema_find(struct slice uri)
{
#define IF_NAMED(name, file, text)         \
	if (slice_equal(uri, SLICE(text))) \
		return EMBEDDED(metaschema_##name);
	METASCHEMAS(IF_NAMED)
#undef IF_NAMED
	return SLICE_NONE;
}
