/* What the running daemon tells of itself, and reloading. Readiness never asks Kafka: one slow broker would take every
 * instance out of rotation. */
#include "command/service.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "command/version.h"
#include "forward/forwarder.h"
#include "holdings/audit_log.h"
#include "http/server.h"
#include "journal/journal.h"
#include "json/json.h"

#define SYNC_STALLED_MS 2000

bool service_set_zone(const struct config *cfg, struct error *err)
{
	if (clock_set_zone(cfg->session.timezone))
		return true;
	return error_set(err, ERROR_CONFIG, "session.timezone: this system knows no time zone %.*s",
	                 SLICE_ARG(cfg->session.timezone));
}

bool service_is_ready(void *context, struct buffer *reason)
{
	struct service *service = context;
	struct journal_stats stats;
	journal_stats(service->journal, &stats);
	const char *why = NULL;
	if (atomic_load(&service->draining))
		why = "draining";
	else if (stats.failed || atomic_load(&service->failed))
		why = "journal failed";
	else if (!stats.headroom)
		why = "no journal headroom";
	else if (stats.sync_running_ms > SYNC_STALLED_MS)
		why = "journal sync stalled";
	buffer_append(reason, slice_of(why ? why : "ready"));
	return !why;
}

void service_set_gauges(void *context)
{
	struct service *service = context;
	struct journal_stats journal;
	struct dedup_stats dedup;
	journal_stats(service->journal, &journal);
	dedup_stats(service->dedup, &dedup);
	metrics_set(metrics_series0(METRIC_JOURNAL_DISK), (int64_t)journal.disk_bytes);
	metrics_set(metrics_series0(METRIC_JOURNAL_BUDGET), (int64_t)journal.budget_bytes);
	metrics_set(metrics_series0(METRIC_DEDUP_ENTRIES), (int64_t)dedup.entries);
	metrics_add(metrics_series0(METRIC_DEDUP_EVICTED), dedup.evicted - service->evicted_counted);
	service->evicted_counted = dedup.evicted;
	forwarder_set_gauges(service->forwarder);
}

static void put_text(struct buffer *json, const char *name, struct slice value)
{
	buffer_append_format(json, "\"%s\":", name);
	json_write_string_safe(json, value);
	buffer_append_char(json, ',');
}

static void put_time(struct buffer *json, const char *name, int64_t wall_ms)
{
	char text[CLOCK_TEXT_BYTES];
	clock_format(wall_ms, text);
	put_text(json, name, (struct slice) { text, sizeof text });
}

static void put_journal(const struct service *service, struct buffer *json)
{
	struct journal_stats s;
	journal_stats(service->journal, &s);
	buffer_append_format(
	        json,
	        "\"journal\":{\"log_id\":\"%s\",\"epoch\":%llu,\"lanes\":%u,\"headroom\":%s,\"failed\":%s,"
	        "\"files\":%llu,\"grace_files\":%llu,\"grace_bytes\":%llu,\"disk_bytes\":%llu,\"budget_bytes\":%llu,"
	        "\"free_bytes\":%llu,"
	        "\"sync_running_ms\":%lld,\"quarantined_bytes\":%llu,\"torn_tails\":%llu,\"gaps\":%llu,"
	        "\"accepted_events\":%llu,\"accepted_dead_letters\":%llu},",
	        journal_log_id(service->journal), (unsigned long long)journal_epoch(service->journal),
	        journal_lane_count(service->journal), s.headroom ? "true" : "false", s.failed ? "true" : "false",
	        (unsigned long long)s.files, (unsigned long long)s.grace_files, (unsigned long long)s.grace_bytes,
	        (unsigned long long)s.disk_bytes, (unsigned long long)s.budget_bytes, (unsigned long long)s.free_bytes,
	        (long long)s.sync_running_ms, (unsigned long long)s.quarantined_bytes, (unsigned long long)s.torn_tails,
	        (unsigned long long)s.gaps, (unsigned long long)s.accepted_events,
	        (unsigned long long)s.accepted_dead_letters);
}

static void put_dedup(const struct service *service, struct buffer *json)
{
	struct dedup_stats s;
	dedup_stats(service->dedup, &s);
	buffer_append_format(json,
	                     "\"dedup\":{\"entries\":%llu,\"capacity\":%llu,\"reserved\":%llu,\"evicted\":%llu,"
	                     "\"memory_bytes\":%llu",
	                     (unsigned long long)s.entries, (unsigned long long)s.capacity,
	                     (unsigned long long)s.reserved, (unsigned long long)s.evicted,
	                     (unsigned long long)s.memory_bytes);
	const struct index_set *indexes = &service->recovery.indexes;
	buffer_append_format(
	        json,
	        ",\"index_files\":%llu,\"index_bytes\":%llu,\"index_merges\":%llu,\"index_expired\":%llu,"
	        "\"index_damaged\":%llu,\"load_ms\":%llu},",
	        (unsigned long long)atomic_load(&indexes->file_count), (unsigned long long)atomic_load(&indexes->bytes),
	        (unsigned long long)atomic_load(&indexes->merges), (unsigned long long)atomic_load(&indexes->expired),
	        (unsigned long long)atomic_load(&indexes->damaged), (unsigned long long)atomic_load(&indexes->load_ms));
}

static void put_catalog(const struct snapshot *snap, struct buffer *json)
{
	buffer_append_format(json, "\"catalog\":{\"events\":%zu,\"schemas\":%zu,\"public\":%s,",
	                     catalog_event_count(snap->cat), catalog_schema_count(snap->cat),
	                     snap->cfg->catalog.is_public ? "true" : "false");
	put_text(json, "dir", snap->cfg->catalog.dir);
	buffer_append(json, SLICE("\"fingerprint\":"));
	json_write_string_safe(json, catalog_fingerprint(snap->cat));
	buffer_append(json, SLICE("},"));
}

/* How far back a source's events are really recognised: less than its window where the full table had to drop keys. */
static uint64_t true_window_ms(const struct dedup_stats *dedup, const struct source *source)
{
	int64_t early_ms = dedup->oldest_kept_until_ms - clock_wall_ms();
	if (early_ms <= 0)
		return source->dedup_window_ms;
	return (uint64_t)early_ms < source->dedup_window_ms ? source->dedup_window_ms - (uint64_t)early_ms : 0;
}

static void put_rate(struct buffer *json, const char *name, const char *whose, const struct source *source,
                     const struct config_rate *rate)
{
	const struct slice labels[] = { source->name, slice_of(whose) };
	if (rate->per_second)
		buffer_append_format(json, ",\"%s\":{\"per_second\":%u,\"burst\":%u,\"refused\":%llu}", name,
		                     rate->per_second, rate->burst,
		                     (unsigned long long)metrics_get(metrics_series(METRIC_RATE_LIMITED, labels)));
}

static void put_sources(const struct service *service, const struct snapshot *snap, struct buffer *json)
{
	struct dedup_stats dedup;
	dedup_stats(service->dedup, &dedup);
	buffer_append(json, SLICE("\"sources\":["));
	for (size_t i = 0; i < snap->cfg->sources_count; i++) {
		const struct source *source = &snap->cfg->sources[i];
		buffer_append(json, i ? SLICE(",{") : SLICE("{"));
		put_text(json, "name", source->name);
		buffer_append_format(json, "\"kind\":\"%s\",\"dedup_window_ms\":%llu,\"dedup_true_window_ms\":%llu",
		                     source_kind_name(source->kind), (unsigned long long)source->dedup_window_ms,
		                     (unsigned long long)true_window_ms(&dedup, source));
		if (source->signing_secrets.count)
			buffer_append(json, SLICE(",\"signed\":true"));
		put_rate(json, "rate_limit", "source", source, &source->rate_limit);
		put_rate(json, "client_rate_limit", "client", source, &source->client_rate_limit);
		buffer_append_char(json, '}');
	}
	buffer_append(json, SLICE("],"));
}

static void put_reload(struct service *service, struct buffer *json)
{
	buffer_append(json, SLICE("\"reload\":{"));
	pthread_mutex_lock(&service->reload_mutex);
	if (service->reloaded_ms)
		put_time(json, "at", service->reloaded_ms);
	if (service->reload_error[0])
		put_text(json, "error", slice_of(service->reload_error));
	buffer_append_format(json, "\"ok\":%s},", service->reload_error[0] ? "false" : "true");
	pthread_mutex_unlock(&service->reload_mutex);
}

void service_status(void *context, struct buffer *json)
{
	struct service *service = context;
	struct snapshot *snap = snapshot_current();
	struct buffer reason;
	buffer_init(&reason, NULL);
	bool ready = service_is_ready(service, &reason);
	buffer_append_char(json, '{');
	put_text(json, "version", slice_of(version_text()));
	put_time(json, "started_at", service->started_ms);
	put_text(json, "durability", slice_of(durability_name(service->boot->cfg->durability)));
	if (service->boot->cfg->durability == DURABILITY_OS)
		buffer_append_format(json, "\"sync_interval_ms\":%u,", service->boot->cfg->journal.sync_interval_ms);
	buffer_append_format(json, "\"ready\":%s,", ready ? "true" : "false");
	put_text(json, "state", buffer_slice(&reason));
	put_journal(service, json);
	put_dedup(service, json);
	put_catalog(snap, json);
	put_sources(service, snap, json);
	put_reload(service, json);
	buffer_append(json, SLICE("\"http\":"));
	http_server_status(service->http, json);
	buffer_append(json, SLICE(",\"forwarder\":"));
	forwarder_status(service->forwarder, json);
	buffer_append_char(json, '}');
	buffer_fini(&reason);
	snapshot_release(&snap);
}

static struct snapshot *load_anew(struct service *service, struct error *err)
{
	struct config *cfg = config_load(&service->options, err);
	if (!cfg)
		return NULL;
	const char *fixed = config_unreloadable(service->boot->cfg, cfg);
	if (fixed)
		log_warn("reload_needs_restart", "key=%s", fixed);
	return snapshot_load(cfg, err);
}

/* A reload stands even where its line cannot be written: what runs is told in /status as well. */
static void note_reload(struct service *service, bool ok, const struct error *err)
{
	struct buffer members;
	struct error why = { 0 };
	buffer_init(&members, NULL);
	if (!ok)
		audit_log_put_text(&members, "error", slice_of(err->message));
	if (!audit_log_write(service->audit, "reload", ok, &members, &why))
		log_error("audit_log_failed", "error=%s", why.message);
	buffer_fini(&members);
}

bool service_reload(void *context, struct error *err)
{
	struct service *service = context;
	pthread_mutex_lock(&service->reload_mutex);
	struct snapshot *snap = load_anew(service, err);
	service->reloaded_ms = clock_wall_ms();
	snprintf(service->reload_error, sizeof service->reload_error, "%s", snap ? "" : err->message);
	if (snap)
		snapshot_publish(snap);
	pthread_mutex_unlock(&service->reload_mutex);
	metrics_add(metrics_series1(METRIC_RELOADS, snap ? "ok" : "failed"), 1);
	if (snap)
		log_info("reloaded", "%s", "");
	else
		log_error("reload_failed", "error=%s", err->message);
	note_reload(service, snap != NULL, err);
	return snap != NULL;
}
