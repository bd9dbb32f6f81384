/* The current snapshot stands behind a mutex that is taken only when the generation has changed. */
#include "pipeline/snapshot.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/metrics.h"
#include "pipeline/enrich.h"
#include "privacy/shape.h"
#include "protocol/protocol.h"
#include "tracking/lint.h"

static pthread_mutex_t current_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct snapshot *current;
static _Atomic uint64_t current_generation;

static bool is_purpose(const struct config *cfg, struct slice name)
{
	bool found = slice_equal(name, SLICE("necessary"));
	for (size_t i = 0; i < cfg->consent.purposes_count; i++)
		found = found || slice_equal(cfg->consent.purposes[i].name, name);
	return found;
}

/* Nobody can grant them: such an event is stripped for ever, and somebody would wonder why. */
static void warn_of_purposes(const struct snapshot *snap)
{
	for (size_t i = 0; i < catalog_schema_count(snap->cat); i++) {
		const struct event_schema *schema = catalog_schema_at(snap->cat, i);
		for (size_t p = 0; p < schema->purposes_count; p++)
			if (!is_purpose(snap->cfg, schema->purposes[p]))
				log_warn("purpose_not_configured", "schema=%.*s purpose=%.*s", SLICE_ARG(schema->name),
				         SLICE_ARG(schema->purposes[p]));
	}
}

struct snapshot *snapshot_create(struct config *cfg, struct catalog *cat, struct error *err)
{
	struct snapshot *snap = calloc(1, sizeof *snap);
	size_t series = cfg->sources_count * (catalog_event_count(cat) + 1) * VERDICT_count;
	_Atomic uint32_t *events = calloc(series + 1, sizeof *events);
	_Atomic uint32_t *consent =
	        calloc(cfg->sources_count * (CONSENT_DROPPED + 1) * BASIS_count + 1, sizeof *consent);
	struct shape_rules *rules = NULL;
	if (!snap || !events || !consent)
		error_set(err, ERROR_MEMORY, "no memory for a snapshot of config and catalog");
	else
		rules = shape_rules_create(cfg, cat, err);
	struct enrich_rules *enrich_rules = rules ? enrich_rules_create(cfg, err) : NULL;
	if (!enrich_rules) {
		shape_rules_destroy(&rules);
		free(snap);
		free((void *)(uintptr_t)events);
		free((void *)(uintptr_t)consent);
		catalog_destroy(&cat);
		config_destroy(&cfg);
		return NULL;
	}
	atomic_init(&snap->references, 1);
	snap->cfg = cfg;
	snap->cat = cat;
	snap->shape_rules = rules;
	snap->enrich_rules = enrich_rules;
	snap->event_series = events;
	snap->consent_series = consent;
	warn_of_purposes(snap);
	return snap;
}

struct snapshot *snapshot_acquire(struct snapshot *snap)
{
	atomic_fetch_add_explicit(&snap->references, 1, memory_order_relaxed);
	return snap;
}

void snapshot_release(struct snapshot **snap)
{
	struct snapshot *gone = *snap;
	*snap = NULL;
	if (!gone || atomic_fetch_sub_explicit(&gone->references, 1, memory_order_acq_rel) != 1)
		return;
	shape_rules_destroy(&gone->shape_rules);
	enrich_rules_destroy(&gone->enrich_rules);
	catalog_destroy(&gone->cat);
	config_destroy(&gone->cfg);
	free((void *)(uintptr_t)gone->event_series);
	free((void *)(uintptr_t)gone->consent_series);
	free(gone);
}

/* Two lanes that make it at once make the same. */
static uint32_t first_count(_Atomic uint32_t *known, enum metric metric, const struct slice *labels)
{
	uint32_t made = metrics_series(metric, labels);
	atomic_store_explicit(known, made + 1, memory_order_release);
	return made;
}

uint32_t snapshot_event_series(const struct snapshot *snap, const struct source *source,
                               const struct event_schema *schema, enum verdict verdict)
{
	size_t events = catalog_event_count(snap->cat) + 1;
	size_t event = schema ? schema->event_index : events - 1;
	_Atomic uint32_t *known = &snap->event_series[(source->index * events + event) * VERDICT_count + verdict];
	uint32_t series = atomic_load_explicit(known, memory_order_acquire);
	if (series)
		return series - 1;
	const struct slice labels[] = { source->name, schema ? catalog_event_name(snap->cat, event) : SLICE("other"),
		                        slice_of(verdict_name(verdict)) };
	return first_count(known, METRIC_EVENTS, labels);
}

uint32_t snapshot_consent_series(const struct snapshot *snap, const struct source *source,
                                 const struct event_consent *consent)
{
	_Atomic uint32_t *known =
	        &snap->consent_series[(source->index * (CONSENT_DROPPED + 1) + consent->applied) * BASIS_count +
	                              consent->basis];
	uint32_t series = atomic_load_explicit(known, memory_order_acquire);
	if (series)
		return series - 1;
	const struct slice labels[] = { source->name, slice_of(consent_applied_name(consent->applied)),
		                        slice_of(consent_basis_name(consent->basis)) };
	return first_count(known, METRIC_CONSENT, labels);
}

void snapshot_publish(struct snapshot *snap)
{
	pthread_mutex_lock(&current_mutex);
	struct snapshot *old = current;
	current = snap;
	uint64_t generation = atomic_load(&current_generation) + 1;
	if (snap)
		snap->generation = generation;
	atomic_store(&current_generation, generation);
	pthread_mutex_unlock(&current_mutex);
	snapshot_release(&old);
}

struct snapshot *snapshot_current(void)
{
	pthread_mutex_lock(&current_mutex);
	struct snapshot *snap = current ? snapshot_acquire(current) : NULL;
	pthread_mutex_unlock(&current_mutex);
	return snap;
}

uint64_t snapshot_generation(void)
{
	return atomic_load_explicit(&current_generation, memory_order_acquire);
}

/* The configuration knows no routes, so what it maps to one is looked at here. */
static bool check_paths(const struct config *cfg, struct error *err)
{
	for (size_t i = 0; i < cfg->http.paths_count; i++) {
		const struct config_path *map = &cfg->http.paths[i];
		if (!protocol_route_find(map->route))
			return error_set(err, ERROR_CONFIG,
			                 "http.paths: %.*s leads to %.*s, which is no route of headgate",
			                 SLICE_ARG(map->path), SLICE_ARG(map->route));
	}
	return true;
}

struct snapshot *snapshot_load(struct config *cfg, struct error *err)
{
	size_t count = cfg->catalog.default_models.count;
	struct slice *events = calloc(count + 1, sizeof *events);
	uint32_t *models = calloc(count + 1, sizeof *models);
	struct catalog *cat = NULL;
	if (!events || !models) {
		error_set(err, ERROR_MEMORY, "no memory to load the catalog");
		goto out;
	}
	if (!check_paths(cfg, err))
		goto out;
	for (size_t i = 0; i < count; i++) {
		uint64_t model = 0;
		events[i] = cfg->catalog.default_models.at[i].name;
		if (!slice_to_u64(cfg->catalog.default_models.at[i].value, &model) || model > UINT32_MAX) {
			error_set(err, ERROR_CONFIG, "catalog.default_model.%.*s: expected a model number",
			          SLICE_ARG(events[i]));
			goto out;
		}
		models[i] = (uint32_t)model;
	}
	const struct catalog_options options = { .dir = cfg->catalog.dir,
		                                 .base_uri = cfg->catalog.base_uri,
		                                 .default_model_events = events,
		                                 .default_models = models,
		                                 .default_model_count = count };
	cat = lint_load(&options, err);
	if (!cat && (err->code == ERROR_NOT_FOUND || err->code == ERROR_DENIED)) {
		err->code = ERROR_CONFIG; /* the folder is what the configuration names, or does not */
		error_prepend(err, "catalog.dir");
	}
out:
	free(events);
	free(models);
	if (!cat) {
		config_destroy(&cfg);
		return NULL;
	}
	return snapshot_create(cfg, cat, err);
}
