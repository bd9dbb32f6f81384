/* `<data>/quarantine`: damaged journal bytes and records that Kafka refused. */
#ifndef HEADGATE_HOLDINGS_QUARANTINE_H
#define HEADGATE_HOLDINGS_QUARANTINE_H

#include "forward/file_erase.h"
#include "holdings/raw.h"

struct quarantine_calls {
	struct person_search *search;
	/* A line of an NDJSON file, or (line 0) a span of damaged bytes. */
	void (*found)(void *context, const char *file, uint64_t line, size_t offset, struct slice bytes);
	void *context;
};

MUST_CHECK bool quarantine_find(const char *data_dir, const struct quarantine_calls *calls, struct error *err);
/* Lines are removed, spans filled with zeros; each file is replaced as a whole. *erased: how many of both. A file that
 * cannot be read does not keep the others from it. */
MUST_CHECK bool quarantine_erase(const char *data_dir, struct person_search *search, uint64_t *erased,
                                 struct error *err);
/* Deletes files last written before that; records refused by Kafka are set aside by day, so that they age as well. */
void quarantine_prune(const char *data_dir, int64_t before_wall_ms, int64_t now_wall_ms);

#endif
