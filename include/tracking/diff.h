/* What changed between two schemas, whom it breaks, and which number of MODEL-REVISION-ADDITION must grow. */
#ifndef HEADGATE_TRACKING_DIFF_H
#define HEADGATE_TRACKING_DIFF_H

#include "tracking/source.h"

enum change_kind {
#define CHANGE(name, text, class) CHANGE_##name,
#include "tracking/changes.def"
#undef CHANGE
	CHANGE_count
};

enum change_class { BREAKS_NOTHING, BREAKS_CONSUMERS, BREAKS_PRODUCERS, BREAKS_BOTH };

/* In the order of what they may carry. */
enum version_part { PART_ADDITION, PART_REVISION, PART_MODEL };

struct change {
	enum change_kind kind;
	struct slice pointer; /* within the schema, references resolved */
	struct slice detail;  /* "100 to 50", "\"card\""; may be empty */
};

typedef void (*change_fn)(void *context, const struct change *change);

const char *change_text(enum change_kind kind);
enum change_class change_class(enum change_kind kind);
const char *change_class_text(enum change_class class);
enum version_part change_part(enum change_class class);
const char *version_part_text(enum version_part part);

/* Calls `fn` for each change from `from` to `to`, in the order of the keywords. The sources may be the same. */
void diff_schemas(struct sources *from_src, struct spot from, struct sources *to_src, struct spot to, change_fn fn,
                  void *context);

/* For the keywords that are values (diff_values.c). */
struct diff {
	struct sources *from_src, *to_src;
	change_fn fn;
	void *context;
	unsigned depth;
};

void diff_report(const struct diff *d, enum change_kind kind, struct slice pointer, struct slice detail);
struct slice diff_step(const struct diff *d, struct slice pointer, const char *keyword);
void diff_values(const struct diff *d, const struct view *from, const struct view *to, struct slice pointer);
/* `x-headgate` at the root. */
void diff_declarations(const struct diff *d, struct spot from, struct spot to);

#endif
