/* What a schema must not do although JSON Schema allows it, and what a good one says besides. Errors refuse a catalog,
 * warnings are for its authors. */
#ifndef HEADGATE_TRACKING_LINT_H
#define HEADGATE_TRACKING_LINT_H

#include "catalog/catalog.h"
#include "tracking/source.h"

enum lint_level { LINT_ERROR, LINT_WARNING };

struct lint {
	struct sources *src;
	void (*report)(void *context, enum lint_level level, struct slice file, struct slice pointer,
	               struct slice reason);
	void *context;
	size_t errors, warnings;
};

void lint_report(struct lint *lint, enum lint_level level, const struct source_file *file, struct slice pointer,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));
/* What the text of one file shows. `event` is empty for a shared one. */
void lint_check_file(struct lint *lint, const struct source_file *file, struct slice event);
/* References that lead in a circle, or branch until the schema is too large (lint_graph.c). */
void lint_check_graph(struct lint *lint, struct spot at, struct slice pointer);
/* Each element of every `examples` satisfies the schema that it stands in (lint_examples.c). The file must compile. */
void lint_check_examples(struct lint *lint, const struct source_file *file);

/* All files below `dir`, each compiled first; then versions against their predecessors, then the catalog as a whole.
 * False: the folder could not be read. Findings are reported, not returned. */
bool lint_check_folder(struct lint *lint, const struct catalog_options *options, struct error *err);
/* catalog_load, but the first error that lint finds refuses the catalog too: what every catalog in use comes through. */
struct catalog *lint_load(const struct catalog_options *options, struct error *err);

#endif
