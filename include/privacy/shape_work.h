/* What the files that shape an event share; only for privacy/. */
#ifndef HEADGATE_PRIVACY_SHAPE_WORK_H
#define HEADGATE_PRIVACY_SHAPE_WORK_H

#include "privacy/redact.h"
#include "privacy/shape.h"
#include "privacy/url_scrub.h"

struct shape_marks {
	const struct schema_pii *at;
	size_t count;
};

struct shape_rules {
	struct arena arena;
	struct shape_marks user, context;
	struct name_set click_ids; /* of the configuration */
	struct name_set ad_ids;    /* ids of advertising platforms, and click ids under other names */
};

struct shape {
	const struct shape_facts *facts;
	struct event *ev;
	enum shape_extent extent;
	enum ip_mode ip;
	struct buffer hashed; /* members of user.hashed */
	bool with_hashes;
	struct redact_found found;
	uint32_t edits_passed, gone_until; /* of a search in order: what lies within something that goes as a whole */
};

/* The string at a node as it would go out so far, without quotes and escapes; SLICE_NONE if it is left out. */
struct slice shape_text(const struct shape *shape, uint32_t node);
void shape_set_text(const struct shape *shape, uint32_t node, struct slice plain);
void shape_remove(const struct shape *shape, uint32_t node);
bool shape_is_key(const struct event *ev, uint32_t node);

/* Personal data by the marks of a schema, below `root`; with `remove` all that is marked goes. */
void pii_rules_apply(struct shape *shape, uint32_t root, struct shape_marks marks, bool remove);
/* Card and resident registration numbers anywhere, e-mail addresses where no mark allows them. */
void shape_redact(struct shape *shape);
/* The same in remarks on the event: errors and warnings. */
void shape_redact_remarks(struct shape *shape);
/* What stripping, reducing and a change of consent take out of the event's bytes. */
void shape_cut(struct shape *shape);

#endif
