/* Counters and gauges, rendered as Prometheus text (exposition format 0.0.4). A series is a metric of metrics.def plus
 * label values. Each registered thread counts into memory of its own without locks; a reader adds the threads up. */
#ifndef HEADGATE_BASE_METRICS_H
#define HEADGATE_BASE_METRICS_H

#include "base/slice.h"

struct buffer;

enum metric {
#define METRIC(id, name, type, labels, help) METRIC_##id,
#include "base/metrics.def"
#undef METRIC
	METRIC_count
};

/* Called once by each thread that counts, before it does (main included). More than 256 at a time count slower. */
void metrics_register_thread(void);
/* Finds or makes the series; as many label values as the metric has labels (0 to 3). Ids are stable for the process's
 * life, so they may be looked up once and kept. Thread: any (takes a lock). At most 65,536 series, of which each metric
 * is sure of 128; beyond, a warning is logged and the metric's overflow series (all labels "(overflow)") returned. */
uint32_t metrics_series(enum metric metric, const struct slice *label_values);
uint32_t metrics_series1(enum metric metric, const char *label_value);
/* The unlabelled series of a metric, without a lock. */
uint32_t metrics_series0(enum metric metric);
/* Thread: registered ones. Never blocks. */
void metrics_add(uint32_t series, uint64_t amount);
/* Gauges. Thread: any. */
void metrics_set(uint32_t series, int64_t value);
/* Sum over threads. */
uint64_t metrics_get(uint32_t series);
void metrics_render(struct buffer *out);

#endif
