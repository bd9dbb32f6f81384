/* What the running daemon does for a search or an erasure (holdings/holdings.h): its lanes, its forwarder. */
#ifndef HEADGATE_COMMAND_ERASURE_H
#define HEADGATE_COMMAND_ERASURE_H

#include "holdings/person.h"

struct buffer;
struct journal_record;
struct journal_writer;
struct service;

/* For the admin listener: `context` is the service. Thread: the admin listener's, one at a time. */
bool erasure_find(void *context, const struct person *who, int fd, struct error *err);
bool erasure_erase(void *context, const struct person *who, bool suppress, struct buffer *json, struct error *err);
bool erasure_unsuppress(void *context, const struct person *who, struct buffer *json, struct error *err);

/* Appends one event record and commits it. The writer's batch is empty before and after. */
MUST_CHECK bool erasure_append(struct journal_writer *writer, struct journal_record *record, struct error *err);

#endif
