/* Proves from outside what reached Kafka: reads topics with read_committed and checks the positions of their records.
 * Changes nothing; beside a running daemon as well as without one. */
#ifndef HEADGATE_FORWARD_KAFKA_AUDIT_H
#define HEADGATE_FORWARD_KAFKA_AUDIT_H

#include "forward/audit_ledger.h"

struct buffer;
struct config;

struct kafka_audit_options {
	const struct config *cfg;
	/* Besides those of the configuration; names with commas between, {event} standing for any text; NULL: none. */
	const char *catalog_topics; /* may be there */
	const char *topics;         /* must be there */
	const char *data_dir;       /* where the journal may explain what is missing; NULL: nowhere */
};

/* *report: lines for people. True: could be done; *sound then says whether nothing is missing, twice or out of order. */
MUST_CHECK bool kafka_audit_run(const struct kafka_audit_options *options, struct buffer *report, bool *sound,
                                struct error *err);

#endif
