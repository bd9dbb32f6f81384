/* A Kafka sink on librdkafka's mock cluster, which lives in this process, and a data directory of its own. */
#ifndef HEADGATE_TESTS_KAFKA_FIXTURE_H
#define HEADGATE_TESTS_KAFKA_FIXTURE_H

#include <fts.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/config.h"
#include "forward/kafka_sink.h"

#define FIXTURE_LOG_ID "0123456789abcdef0123456789abcdef"
#define FIXTURE_RECORDS_MAX 4096 /* of a round */
#define FIXTURE_WAIT_MS 20000

struct kafka_fixture {
	char dir[64];
	rd_kafka_t *host;
	rd_kafka_mock_cluster_t *cluster;
	char bootstrap[256];
	struct config cfg;
	struct config_pair pairs[8];
	struct sink *sink;
};

static inline void fixture_remove(const char *path)
{
	char *roots[] = { (char *)(uintptr_t)path, NULL };
	FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *entry;
	while (tree && (entry = fts_read(tree)))
		if (entry->fts_info != FTS_D)
			remove(entry->fts_accpath);
	if (tree)
		fts_close(tree);
}

/* One more setting of librdkafka. */
static inline void fixture_add_pair(struct kafka_fixture *f, const char *name, const char *value)
{
	f->pairs[f->cfg.kafka.count++] = (struct config_pair) { slice_of(name), slice_of(value) };
}

static inline rd_kafka_t *fixture_client(rd_kafka_type_t type, rd_kafka_conf_t *conf, const char *bootstrap)
{
	char reason[256];
	rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, reason, sizeof reason);
	rd_kafka_conf_set(conf, "log_level", "0", reason, sizeof reason);
	rd_kafka_t *rk = rd_kafka_new(type, conf, reason, sizeof reason);
	if (!rk)
		fail_msg("%s", reason);
	return rk;
}

static inline void fixture_init(struct kafka_fixture *f, enum forward_mode mode)
{
	snprintf(f->dir, sizeof f->dir, "/tmp/headgate-kafka-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->host = fixture_client(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), "127.0.0.1:1");
	f->cluster = rd_kafka_mock_cluster_new(f->host, 1);
	snprintf(f->bootstrap, sizeof f->bootstrap, "%s", rd_kafka_mock_cluster_bootstraps(f->cluster));
	rd_kafka_mock_topic_create(f->cluster, "headgate.events", 2, 1);
	rd_kafka_mock_topic_create(f->cluster, "headgate.rejected", 1, 1);
	rd_kafka_mock_topic_create(f->cluster, "headgate.checkpoints", 1, 1);
	f->cfg.data_dir = slice_of(f->dir);
	f->cfg.kafka.at = f->pairs;
	fixture_add_pair(f, "bootstrap.servers", f->bootstrap);
	f->cfg.topics.events = SLICE("headgate.events");
	f->cfg.topics.rejected = SLICE("headgate.rejected");
	f->cfg.topics.checkpoints = SLICE("headgate.checkpoints");
	f->cfg.topics.partitions = 2;
	f->cfg.forward.mode = mode;
	f->cfg.forward.transactional_prefix = SLICE("headgate");
	f->cfg.forward.batch_events = FIXTURE_RECORDS_MAX;
	f->cfg.forward.batch_ms = 500;
	f->cfg.forward.memory_bytes = 64 << 20;
}

static inline void fixture_fini(struct kafka_fixture *f)
{
	if (f->sink)
		f->sink->ops->close(&f->sink, 0);
	rd_kafka_mock_cluster_destroy(f->cluster);
	rd_kafka_destroy(f->host);
	fixture_remove(f->dir);
}

static inline void fixture_make_sink(struct kafka_fixture *f, void *beat_context)
{
	struct error err = { 0 };
	f->sink = kafka_sink_create(&f->cfg, FIXTURE_LOG_ID, &err);
	if (!f->sink)
		fail_msg("%s", err.message);
	f->sink->beat_context = beat_context;
}

/* Asks until the sink is there, as the forwarder does; returns what it has of the lane. */
static inline struct journal_position fixture_recover(struct kafka_fixture *f, uint32_t lane)
{
	struct error err = { 0 };
	struct sink_position at = { .lane = lane };
	int64_t began = clock_monotonic_ms();
	while (!f->sink->ops->recover(f->sink, &at, 1, &err)) {
		if (clock_monotonic_ms() - began > FIXTURE_WAIT_MS)
			fail_msg("%s", err.message);
		usleep(20000);
	}
	return at.position;
}

#endif
