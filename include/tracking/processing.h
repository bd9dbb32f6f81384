/* `headgate privacy`: what is collected of persons, why, on what basis, where and how long it is kept, who receives it,
 * and what a person can do: made of the configuration and the catalog, for a data-protection officer. What only people
 * can know is taken from the configuration's statements; what they did not state is marked as a gap. */
#ifndef HEADGATE_TRACKING_PROCESSING_H
#define HEADGATE_TRACKING_PROCESSING_H

#include "config/config.h"
#include "tracking/docs.h"
#include "tracking/page.h"

struct processing {
	const struct config *cfg;
	struct docs docs;
	struct page page;
	size_t gaps; /* marked so far */
};

/* Appends to `out`; a pure function of the two. False: err says what could not be read. */
bool processing_write(const struct config *cfg, const struct catalog *cat, enum page_format format, struct buffer *out,
                      struct error *err);

/* The page's parts. */
bool processing_put_purposes(struct processing *p, struct error *err);
bool processing_put_sources(struct processing *p, struct error *err);
bool processing_put_consent(struct processing *p, struct error *err);
bool processing_put_common(struct processing *p, struct error *err);
bool processing_put_events(struct processing *p, struct error *err);
bool processing_put_stores(struct processing *p, struct error *err);
bool processing_put_recipients(struct processing *p, struct error *err);
bool processing_put_rights(struct processing *p, struct error *err);

/* The statement, or a gap that says which key is missing. */
void processing_put_stated(struct processing *p, struct slice stated, const char *key);
/* A cell of it. */
void processing_put_stated_cell(struct processing *p, struct slice stated, const char *key);
/* Value of a pair; SLICE_NONE if there is none, or an empty one. */
struct slice processing_find(const struct config_pairs *pairs, struct slice name);
/* "30 days", "24 hours", "500 ms". */
struct slice processing_time_text(struct processing *p, uint64_t ms);

#endif
