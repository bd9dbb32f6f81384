/* The check at the head costs the caller nothing but the head: the body of an overdrawn one is never looked at. The
 * number of events is known only later, so a batch may overdraw a bucket, and the next request waits for it.
 *
 * A source's key may be public, and of a signed source anyone may know it: its bucket is touched only by requests whose
 * signature fits, so that nobody else can drain it. Sources and clients have tables apart: a flood of addresses cannot
 * displace a source's bucket. */
#include "http/rate_limits.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "http/exchange.h"
#include "http/facts.h"
#include "http/rate_table.h"

#define SOURCE_BUCKETS 8192
#define CLIENT_BUCKETS 65536
#define NANOSECONDS 1000000000u

struct rate_limits {
	struct rate_table *sources, *clients;
};

struct rate_limits *rate_limits_create(struct error *err)
{
	struct rate_limits *limits = calloc(1, sizeof *limits);

	if (!limits) {
		error_set(err, ERROR_MEMORY, "no memory for rate limits");
		return NULL;
	}
	limits->sources = rate_table_create(SOURCE_BUCKETS, err);
	limits->clients = limits->sources ? rate_table_create(CLIENT_BUCKETS, err) : NULL;
	if (!limits->clients)
		rate_limits_destroy(&limits);
	return limits;
}

void rate_limits_destroy(struct rate_limits **limits)
{
	if (!*limits)
		return;
	rate_table_destroy(&(*limits)->sources);
	rate_table_destroy(&(*limits)->clients);
	free(*limits);
	*limits = NULL;
}

static uint64_t now_ns(void)
{
	return (uint64_t)clock_monotonic_us() * 1000;
}

static enum refusal refuse(struct exchange *ex, uint64_t wait_ns, const char *whose, enum refusal refusal)
{
	const struct slice labels[] = { ex->source->name, slice_of(whose) };

	metrics_add(metrics_series(METRIC_RATE_LIMITED, labels), 1);
	ex->retry_after_s = (uint32_t)((wait_ns + NANOSECONDS - 1) / NANOSECONDS);
	return refusal;
}

enum refusal rate_limits_enter_client(struct exchange *ex)
{
	struct rate_table *table = ex->lane->shared->rates->clients;
	const struct source *source = ex->source;

	if (!source->client_rate_limit.per_second)
		return REFUSAL_NONE;
	struct address client = facts_client(ex), group = address_group(&client);
	ex->client_bucket =
	        rate_table_hash(table, source->name, (struct slice) { (const char *)group.bytes, sizeof group.bytes });
	uint64_t wait_ns = rate_table_take(table, ex->client_bucket, &source->client_rate_limit, now_ns());
	return wait_ns ? refuse(ex, wait_ns, "client", REFUSAL_CLIENT_RATE) : REFUSAL_NONE;
}

enum refusal rate_limits_enter_source(struct exchange *ex)
{
	struct rate_table *table = ex->lane->shared->rates->sources;
	const struct source *source = ex->source;

	if (!source->rate_limit.per_second)
		return REFUSAL_NONE;
	ex->source_bucket = rate_table_hash(table, source->name, SLICE(""));
	uint64_t wait_ns = rate_table_take(table, ex->source_bucket, &source->rate_limit, now_ns());
	return wait_ns ? refuse(ex, wait_ns, "source", REFUSAL_SOURCE_RATE) : REFUSAL_NONE;
}

void rate_limits_charge(struct exchange *ex, uint32_t events)
{
	const struct rate_limits *limits = ex->lane->shared->rates;
	const struct source *source = ex->source;

	if (events < 2 || !(ex->client_bucket | ex->source_bucket))
		return;
	if (ex->client_bucket)
		rate_table_charge(limits->clients, ex->client_bucket, &source->client_rate_limit, events - 1, now_ns());
	if (ex->source_bucket)
		rate_table_charge(limits->sources, ex->source_bucket, &source->rate_limit, events - 1, now_ns());
}
