/* Token buckets by key in memory that is set at the start. A bucket fills at so many tokens a second up to its burst; who
 * finds no whole token waits. A charge may exceed what is there: the debt is paid off before the next is let in. Thread:
 * any, without locks. */
#ifndef HEADGATE_HTTP_RATE_TABLE_H
#define HEADGATE_HTTP_RATE_TABLE_H

#include "base/error.h"
#include "base/slice.h"

struct config_rate;
struct rate_table;

/* Room for at least `buckets`, 16 bytes each. */
struct rate_table *rate_table_create(uint32_t buckets, struct error *err);
void rate_table_destroy(struct rate_table **table);
/* The key's number under a secret of this table; parts are told apart. */
uint64_t rate_table_hash(const struct rate_table *table, struct slice a, struct slice b);
/* Takes one token: 0, or the nanoseconds until there is one. now_ns: monotonic, the same clock for all calls. */
uint64_t rate_table_take(struct rate_table *table, uint64_t hash, const struct config_rate *rate, uint64_t now_ns);
/* Takes `tokens` more, whatever is there. */
void rate_table_charge(struct rate_table *table, uint64_t hash, const struct config_rate *rate, uint64_t tokens,
                       uint64_t now_ns);
size_t rate_table_bytes(const struct rate_table *table);

#endif
