#include "forward/kafka_conf.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "config/config.h"

#define VALUE_BYTES 65536 /* certificates may stand in a value */
#define MESSAGES_MIN 1000
#define MESSAGES_MAX 10000000

struct setting {
	const char *name, *value;
};

/* What the user may change. */
static const struct setting DEFAULTS[] = {
	{ "client.id", "headgate" }, /* short: a long one may crash librdkafka 2.0.2 (its issue 4689) */
	{ "compression.codec", "lz4" },
	{ "linger.ms", "10" },
	{ "partitioner", "murmur2_random" }, /* as Java's producers: one key, one partition, whoever writes */
	{ "retry.backoff.ms", "250" },
	{ "reconnect.backoff.ms", "100" },
	{ "reconnect.backoff.max.ms", "2000" },
	{ "socket.keepalive.enable", "true" },
	{ "socket.nagle.disable", "true" },
	{ "log.connection.close", "false" },
};

static const struct setting TRANSACTIONAL_DEFAULTS[] = {
	{ "transaction.timeout.ms", "60000" }, { "socket.timeout.ms", "20000" }, /* well within the transaction's */
};

/* What "a 2xx is delivered" rests on. A transaction bounds the time of its messages itself, by aborting. */
static const struct setting IDEMPOTENT_OWNED[] = {
	{ "enable.idempotence", "true" },
	{ "acks", "all" },
	{ "message.timeout.ms", "0" }, /* never drop: the journal is the buffer */
};
static const struct setting TRANSACTIONAL_OWNED[] = {
	{ "enable.idempotence", "true" },
	{ "acks", "all" },
};
static const struct setting COMMITTED_OWNED[] = {
	{ "isolation.level", "read_committed" },
	{ "enable.partition.eof", "true" },
	{ "auto.offset.reset", "earliest" },
	{ "enable.auto.commit", "false" },
	{ "check.crcs", "true" },
	{ "fetch.wait.max.ms", "100" },
};
static const struct setting UNCOMMITTED_OWNED[] = {
	{ "isolation.level", "read_uncommitted" },
};

#define SETTINGS(array) (array), sizeof(array) / sizeof *(array)

static const struct {
	const struct setting *at;
	size_t count;
	bool produces;
} ROLES[] = {
	[KAFKA_IDEMPOTENT] = { SETTINGS(IDEMPOTENT_OWNED), true },
	[KAFKA_TRANSACTIONAL] = { SETTINGS(TRANSACTIONAL_OWNED), true },
	[KAFKA_COMMITTED] = { SETTINGS(COMMITTED_OWNED), false },
	[KAFKA_UNCOMMITTED] = { SETTINGS(UNCOMMITTED_OWNED), false },
};

static const struct {
	const char *name, *why;
} REFUSED[] = {
	{ "enable.idempotence", "always true" },
	{ "acks", "always all" },
	{ "request.required.acks", "always all" },
	{ "message.timeout.ms", "always 0: a journaled event is never dropped" },
	{ "delivery.timeout.ms", "always 0: a journaled event is never dropped" },
	{ "message.send.max.retries", "retries have no end" },
	{ "retries", "retries have no end" },
	{ "transactional.id", "belongs to forward.mode" },
	{ "enable.gapless.guarantee", "order is kept by the journal" },
	{ "delivery.report.only.error", "every delivery report is needed" },
	{ "queue.buffering.max.kbytes", "set forward.memory_bytes" },
	{ "queue.buffering.max.messages", "set forward.batch_events" },
	{ "queuing.strategy", "must be fifo" },
	{ "test.mock.num.brokers", "it would deliver to nowhere" },
};

static bool set(rd_kafka_conf_t *conf, const char *name, const char *value, struct error *err)
{
	char reason[256];
	if (rd_kafka_conf_set(conf, name, value, reason, sizeof reason) == RD_KAFKA_CONF_OK)
		return true;
	return error_set(err, ERROR_CONFIG, "kafka.%s: %s", name, reason);
}

static bool set_all(rd_kafka_conf_t *conf, const struct setting *settings, size_t count, struct error *err)
{
	for (size_t i = 0; i < count; i++)
		if (!set(conf, settings[i].name, settings[i].value, err))
			return false;
	return true;
}

static bool set_bounds(rd_kafka_conf_t *conf, const struct config *cfg, struct error *err)
{
	char value[32];
	uint64_t kbytes = cfg->forward.memory_bytes / 1024;
	uint64_t messages = (uint64_t)cfg->forward.batch_events * 2;
	kbytes = kbytes < 1 ? 1 : kbytes > INT32_MAX ? INT32_MAX : kbytes;
	messages = messages < MESSAGES_MIN ? MESSAGES_MIN : messages > MESSAGES_MAX ? MESSAGES_MAX : messages;
	snprintf(value, sizeof value, "%" PRIu64, kbytes);
	if (!set(conf, "queue.buffering.max.kbytes", value, err))
		return false;
	snprintf(value, sizeof value, "%" PRIu64, messages);
	return set(conf, "queue.buffering.max.messages", value, err);
}

static bool set_users(rd_kafka_conf_t *conf, const struct config *cfg, struct error *err)
{
	static char value[VALUE_BYTES]; /* by one thread at a time: main at start, then the forwarder */
	bool has_brokers = false;
	for (size_t i = 0; i < cfg->kafka.count; i++) {
		const struct config_pair *pair = &cfg->kafka.at[i];
		char name[128];
		snprintf(name, sizeof name, "%.*s", SLICE_ARG(pair->name));
		for (size_t k = 0; k < sizeof REFUSED / sizeof *REFUSED; k++)
			if (strcmp(name, REFUSED[k].name) == 0)
				return error_set(err, ERROR_CONFIG, "kafka.%s cannot be set: %s", name, REFUSED[k].why);
		if (pair->value.len >= sizeof value)
			return error_set(err, ERROR_CONFIG, "kafka.%s: longer than %d bytes", name, VALUE_BYTES - 1);
		snprintf(value, sizeof value, "%.*s", SLICE_ARG(pair->value));
		bool done = set(conf, name, value, err);
		explicit_bzero(value, pair->value.len + 1); /* may be a password */
		if (!done)
			return false;
		if (strcmp(name, "bootstrap.servers") == 0 || strcmp(name, "metadata.broker.list") == 0)
			has_brokers = pair->value.len > 0;
	}
	return has_brokers || error_set(err, ERROR_CONFIG, "kafka.bootstrap.servers: missing");
}

/* Thread: any of librdkafka's. */
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	(void)rk;
	if (level <= 3)
		log_warn("kafka_log", "facility=%s text=%s", facility, text);
	else
		log_debug("kafka_log", "facility=%s text=%s", facility, text);
}

rd_kafka_conf_t *kafka_conf_create(const struct config *cfg, enum kafka_role role, struct error *err)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_conf_set_log_cb(conf, on_log);
	bool done = set_all(conf, SETTINGS(DEFAULTS), err) &&
	            (role != KAFKA_TRANSACTIONAL || set_all(conf, SETTINGS(TRANSACTIONAL_DEFAULTS), err)) &&
	            set_users(conf, cfg, err) && set_all(conf, ROLES[role].at, ROLES[role].count, err);
	if (done && (!ROLES[role].produces || set_bounds(conf, cfg, err)))
		return conf;
	rd_kafka_conf_destroy(conf);
	return NULL;
}
