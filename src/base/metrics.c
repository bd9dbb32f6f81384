/* Every thread adds into a slot of its own: a plain load and store of a relaxed atomic, no lock, no shared cache line.
 * A slot holds its counters in chunks, because series appear while threads run: whoever makes the first series of a
 * chunk allocates that chunk for all slots before the id is handed out, so the adding side never finds a hole. Slot 0
 * is shared: gauges live there, and threads that have no slot of their own (not registered, or more than 256) add to
 * it with a locked instruction: slower, never lost. The slot of a thread that ends goes to the next one as it stands:
 * what was counted stays where readers look, and sums never go back. Series are never freed, so a reader walks them
 * without the lock. Each metric is sure of its first few series, however many labels from a configuration or a catalog
 * another one has: the books would be nonsense if two of their states were one series. */
#include "base/metrics.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/hash.h"
#include "base/log.h"

#define THREADS_MAX 256
#define SERIES_MAX 65536u
#define OWN_SERIES 128u /* that each metric is sure of */
#define LABELS_MAX 3
#define CHUNK_SERIES 1024u
#define CHUNKS (SERIES_MAX / CHUNK_SERIES)
#define TABLE_SIZE (SERIES_MAX * 2)

enum metric_type { COUNTER, GAUGE };

struct definition {
	const char *name;
	enum metric_type type;
	const char *labels;
	const char *help;
};

static const struct definition DEFINITIONS[METRIC_count] = {
#define METRIC(id, name, type, labels, help) [METRIC_##id] = { name, type, labels, help },
#include "base/metrics.def"
#undef METRIC
};

_Static_assert(METRIC_count <= CHUNK_SERIES, "the series that always exist fit the first chunk");

struct series {
	_Atomic(struct series *) next; /* of the same metric */
	uint32_t id;
	enum metric metric;
	struct slice values[LABELS_MAX];
};

struct slot {
	bool taken; /* under the lock */
	_Atomic(_Atomic uint64_t *) chunks[CHUNKS];
};

static struct {
	pthread_mutex_t lock;
	struct slot *_Atomic slots[THREADS_MAX + 1];
	_Atomic uint32_t slot_count;
	pthread_key_t thread_end;
	uint32_t series_count;
	uint32_t series_of[METRIC_count];
	bool full;
	_Atomic(struct series *) first[METRIC_count];
	struct series *last[METRIC_count];
	struct series *table[TABLE_SIZE];
	struct hash_key key;
} registry = { .lock = PTHREAD_MUTEX_INITIALIZER };

static _Thread_local struct slot *own_slot;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static _Atomic uint64_t *chunk_of(struct slot *slot, uint32_t chunk)
{
	return atomic_load_explicit(&slot->chunks[chunk], memory_order_acquire);
}

static bool fill_chunk(struct slot *slot, uint32_t chunk)
{
	if (chunk_of(slot, chunk))
		return true;
	_Atomic uint64_t *counters = calloc(CHUNK_SERIES, sizeof *counters);
	atomic_store_explicit(&slot->chunks[chunk], counters, memory_order_release);
	return counters != NULL;
}

/* A slot with every chunk that is in use. Called with the lock held. */
static struct slot *make_slot(void)
{
	struct slot *slot = calloc(1, sizeof *slot);
	bool whole = slot != NULL;
	for (uint32_t chunk = 0; whole && chunk * CHUNK_SERIES < registry.series_count; chunk++)
		whole = fill_chunk(slot, chunk);
	if (!whole) {
		for (uint32_t chunk = 0; slot && chunk < CHUNKS; chunk++)
			free((void *)chunk_of(slot, chunk));
		free(slot);
		return NULL;
	}
	uint32_t at = atomic_load_explicit(&registry.slot_count, memory_order_relaxed);
	atomic_store_explicit(&registry.slots[at], slot, memory_order_release);
	atomic_store_explicit(&registry.slot_count, at + 1, memory_order_release);
	return slot;
}

static void leave_slot(void *taken)
{
	struct slot *slot = taken;
	own_slot = NULL;
	pthread_mutex_lock(&registry.lock);
	slot->taken = false;
	pthread_mutex_unlock(&registry.lock);
}

/* Called with the lock held. */
static struct slot *free_slot(void)
{
	uint32_t count = atomic_load_explicit(&registry.slot_count, memory_order_relaxed);
	for (uint32_t i = 1; i < count; i++) {
		struct slot *slot = atomic_load_explicit(&registry.slots[i], memory_order_relaxed);
		if (!slot->taken)
			return slot;
	}
	return count <= THREADS_MAX ? make_slot() : NULL;
}

/* Ids below METRIC_count are taken from the start: the unlabelled series, or else the overflow series, of a metric. */
static void start(void)
{
	hash_random(&registry.key, sizeof registry.key);
	registry.series_count = METRIC_count;
	if (!make_slot() || pthread_key_create(&registry.thread_end, leave_slot) != 0)
		abort();
}

static struct slot *shared_slot(void)
{
	pthread_once(&once, start);
	return atomic_load_explicit(&registry.slots[0], memory_order_acquire);
}

void metrics_register_thread(void)
{
	shared_slot();
	if (own_slot)
		return;
	pthread_mutex_lock(&registry.lock);
	struct slot *slot = free_slot();
	if (slot && pthread_setspecific(registry.thread_end, slot) == 0) {
		slot->taken = true;
		own_slot = slot;
	}
	pthread_mutex_unlock(&registry.lock);
}

static uint32_t label_count(enum metric metric)
{
	const char *labels = DEFINITIONS[metric].labels;
	uint32_t count = *labels != '\0';
	for (; *labels; labels++)
		count += *labels == ',';
	assert(count <= LABELS_MAX);
	return count;
}

static struct series **find(enum metric metric, const struct slice *values, uint32_t labels)
{
	char name = (char)metric;
	struct slice parts[LABELS_MAX + 1] = { { &name, 1 } };
	memcpy(parts + 1, values, labels * sizeof *values);
	uint64_t at = hash_keyed128_parts(&registry.key, parts, labels + 1).low;
	for (;; at++) {
		struct series **place = &registry.table[at % TABLE_SIZE];
		if (!*place)
			return place;
		bool same = (*place)->metric == metric;
		for (uint32_t i = 0; same && i < labels; i++)
			same = slice_equal((*place)->values[i], values[i]);
		if (same)
			return place;
	}
}

static struct series *make_series(enum metric metric, const struct slice *values, uint32_t labels)
{
	uint32_t id = registry.series_count;
	if (id >= (registry.series_of[metric] < OWN_SERIES ? SERIES_MAX : SERIES_MAX - METRIC_count * OWN_SERIES))
		return NULL;
	uint32_t slots = atomic_load_explicit(&registry.slot_count, memory_order_relaxed);
	for (uint32_t i = 0; i < slots; i++)
		if (!fill_chunk(atomic_load_explicit(&registry.slots[i], memory_order_relaxed), id / CHUNK_SERIES))
			return NULL;
	size_t text = 0;
	for (uint32_t i = 0; i < labels; i++)
		text += values[i].len;
	struct series *made = calloc(1, sizeof *made + text);
	if (!made)
		return NULL;
	char *to = (char *)(made + 1);
	for (uint32_t i = 0; i < labels; i++) {
		if (values[i].len)
			memcpy(to, values[i].at, values[i].len);
		made->values[i] = (struct slice) { to, values[i].len };
		to += values[i].len;
	}
	made->id = id;
	made->metric = metric;
	registry.series_count++;
	registry.series_of[metric]++;
	atomic_store_explicit(registry.last[metric] ? &registry.last[metric]->next : &registry.first[metric], made,
	                      memory_order_release);
	registry.last[metric] = made;
	return made;
}

uint32_t metrics_series(enum metric metric, const struct slice *label_values)
{
	assert(metric < METRIC_count);
	uint32_t labels = label_count(metric);
	if (labels == 0)
		return metrics_series0(metric);
	shared_slot();
	pthread_mutex_lock(&registry.lock);
	struct series **place = find(metric, label_values, labels);
	if (!*place)
		*place = make_series(metric, label_values, labels);
	uint32_t id = *place ? (*place)->id : (uint32_t)metric;
	bool first = !*place && !registry.full;
	registry.full = registry.full || first;
	pthread_mutex_unlock(&registry.lock);
	if (first)
		log_warn("metrics_full", "metric=%s series=%u", DEFINITIONS[metric].name, SERIES_MAX);
	return id;
}

uint32_t metrics_series1(enum metric metric, const char *label_value)
{
	assert(label_count(metric) == 1);
	struct slice values[LABELS_MAX] = { slice_of(label_value) };
	return metrics_series(metric, values);
}

uint32_t metrics_series0(enum metric metric)
{
	assert(metric < METRIC_count && DEFINITIONS[metric].labels[0] == '\0');
	return (uint32_t)metric;
}

void metrics_add(uint32_t series, uint64_t amount)
{
	struct slot *slot = own_slot;
	if (slot) {
		_Atomic uint64_t *counter = &chunk_of(slot, series / CHUNK_SERIES)[series % CHUNK_SERIES];
		uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
		atomic_store_explicit(counter, value + amount, memory_order_relaxed);
		return;
	}
	slot = shared_slot();
	atomic_fetch_add_explicit(&chunk_of(slot, series / CHUNK_SERIES)[series % CHUNK_SERIES], amount,
	                          memory_order_relaxed);
}

void metrics_set(uint32_t series, int64_t value)
{
	struct slot *slot = shared_slot();
	atomic_store_explicit(&chunk_of(slot, series / CHUNK_SERIES)[series % CHUNK_SERIES], (uint64_t)value,
	                      memory_order_relaxed);
}

uint64_t metrics_get(uint32_t series)
{
	uint64_t sum = 0;
	shared_slot();
	uint32_t slots = atomic_load_explicit(&registry.slot_count, memory_order_acquire);
	for (uint32_t i = 0; i < slots; i++) {
		struct slot *slot = atomic_load_explicit(&registry.slots[i], memory_order_acquire);
		_Atomic uint64_t *counters = chunk_of(slot, series / CHUNK_SERIES);
		if (counters)
			sum += atomic_load_explicit(&counters[series % CHUNK_SERIES], memory_order_relaxed);
	}
	return sum;
}

static void write_label_value(struct buffer *out, struct slice value)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.at[i];
		if (c == '\\' || c == '"' || c == '\n')
			buffer_append_char(out, '\\');
		buffer_append_char(out, c == '\n' ? 'n' : c);
	}
}

static void write_sample(struct buffer *out, enum metric metric, uint32_t id, const struct slice *values)
{
	const struct definition *def = &DEFINITIONS[metric];
	struct slice names = slice_of(def->labels);
	buffer_append(out, slice_of(def->name));
	for (uint32_t i = 0; names.len; i++) {
		buffer_append_char(out, i ? ',' : '{');
		buffer_append(out, slice_split(&names, ','));
		buffer_append(out, SLICE("=\""));
		write_label_value(out, values ? values[i] : SLICE("(overflow)"));
		buffer_append_char(out, '"');
	}
	buffer_append(out, def->labels[0] ? SLICE("} ") : SLICE(" "));
	if (def->type == GAUGE)
		buffer_append_i64(out, (int64_t)metrics_get(id));
	else
		buffer_append_u64(out, metrics_get(id));
	buffer_append_char(out, '\n');
}

void metrics_render(struct buffer *out)
{
	for (uint32_t metric = 0; metric < METRIC_count; metric++) {
		const struct definition *def = &DEFINITIONS[metric];
		buffer_append_format(out, "# HELP %s %s\n# TYPE %s %s\n", def->name, def->help, def->name,
		                     def->type == GAUGE ? "gauge" : "counter");
		struct series *at = atomic_load_explicit(&registry.first[metric], memory_order_acquire);
		for (; at; at = atomic_load_explicit(&at->next, memory_order_acquire))
			write_sample(out, metric, at->id, at->values);
		if (!def->labels[0] || metrics_get(metric))
			write_sample(out, metric, metric, NULL);
	}
}
