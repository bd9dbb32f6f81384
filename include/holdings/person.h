/* Whom a search or an erasure is about, and how to tell whether something held is of that person. */
#ifndef HEADGATE_HOLDINGS_PERSON_H
#define HEADGATE_HOLDINGS_PERSON_H

#include "base/arena.h"
#include "base/error.h"
#include "json/json.h"

#define PERSON_NAMES_MAX 16
#define PERSON_NAME_BYTES 64
#define PERSON_VALUE_BYTES 4096

struct person {
	struct slice name;  /* of the id: a member of `ids`, or event_id; empty: any */
	struct slice value; /* unescaped */
};

/* Reads "name=value", "value", or "=value" (any name, whatever the value holds). A text before the first "=" that cannot
 * be the name of an id belongs to the value. Borrows. False: USAGE. */
MUST_CHECK bool person_parse(struct slice text, struct person *out, struct error *err);
/* True if it could be an id: not empty, not too long. */
MUST_CHECK bool person_check(const struct person *who, struct error *err);

/* One search, with what it needs again and again. One thread. */
struct person_search {
	struct person who;
	bool with_erasures; /* records that tell of an erasure match as well */
	struct arena arena;
	struct json_doc doc; /* of the text last asked about … */
	bool is_object;      /* … if it was a JSON object */
	struct {
		char text[PERSON_NAME_BYTES + 1];
	} names[PERSON_NAMES_MAX]; /* under which the value was found */
	uint32_t name_count;
	bool failed; /* out of memory: what was answered since does not count */
};

void person_search_init(struct person_search *search, const struct person *who, bool with_erasures);
void person_search_fini(struct person_search *search);
/* `json`: a canonical event, a dead letter, or a line of the quarantine. A text that is no JSON matches if it holds the
 * value. */
bool person_matches(struct person_search *search, struct slice json);
/* Bytes of damaged files, in which nothing but the text of values can be told: true if they hold the value. */
bool person_is_in(const struct person_search *search, struct slice bytes);

#endif
