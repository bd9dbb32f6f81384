/* The order of questions makes an audit of a running system right: first the checkpoints, then the ends of the topics,
 * then the records up to these ends. So every record that a checkpoint covers had been written before the ends were
 * asked for, and reading past them, which waits for transactions that are open, meets it. What is behind the checkpoints
 * is under way, and only its order and repetition are judged. */
#include "forward/kafka_audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/log.h"
#include "config/config.h"
#include "forward/kafka_checkpoint_topic.h"
#include "forward/kafka_conf.h"
#include "forward/kafka_reader.h"

#define METADATA_MS 10000
#define TOPIC_NAME_BYTES 250

struct audit {
	const struct kafka_audit_options *options;
	struct audit_ledger *ledger;
	struct kafka_reader_part *parts; /* of all topics */
	size_t count, capacity;
	char **names; /* of topics, owned */
	size_t name_count;
	uint64_t *records; /* by part */
	bool has_checkpoints;
};

/* ---- which topics ---- */

/* `{event}` stands for any text; there is at most one that matters, since names are compared from both ends. */
static bool matches(struct slice pattern, struct slice name)
{
	static const struct slice PLACE = { "{event}", 7 };
	size_t at = slice_find(pattern, '{');
	if (at == pattern.len)
		return slice_equal(pattern, name);
	struct slice head = { pattern.at, at }, tail = { pattern.at + at, pattern.len - at };
	if (!slice_starts(tail, PLACE))
		return false;
	tail.at += PLACE.len;
	tail.len -= PLACE.len;
	return name.len > head.len + tail.len && slice_starts(name, head) && slice_ends(name, tail);
}

static bool is_listed(const char *list, struct slice name)
{
	struct slice rest = slice_of(list);
	while (rest.len)
		if (matches(slice_trim(slice_split(&rest, ',')), name))
			return true;
	return false;
}

static bool is_wanted(const struct kafka_audit_options *options, struct slice name)
{
	const struct config *cfg = options->cfg;
	return is_listed(options->topics, name) || is_listed(options->catalog_topics, name) ||
	       matches(cfg->topics.events, name) || matches(cfg->topics.rejected, name) ||
	       matches(cfg->topics.unverified, name) || matches(cfg->topics.consent, name) ||
	       matches(cfg->topics.erasures, name);
}

static bool add_parts(struct audit *audit, const char *name, int partitions, struct error *err)
{
	char **names = realloc(audit->names, (audit->name_count + 1) * sizeof *names);
	char *own = strdup(name);
	if (names)
		audit->names = names;
	if (!names || !own) {
		free(own);
		return error_set(err, ERROR_MEMORY, "no memory for topic %s", name);
	}
	audit->names[audit->name_count++] = own;
	size_t count = audit->count + (size_t)partitions;
	struct kafka_reader_part *parts = realloc(audit->parts, (count ? count : 1) * sizeof *parts);
	if (!parts)
		return error_set(err, ERROR_MEMORY, "no memory for topic %s", name);
	audit->parts = parts;
	for (int i = 0; i < partitions; i++)
		parts[audit->count++] = (struct kafka_reader_part) { .topic = own, .partition = i };
	return true;
}

static bool check_listed(const struct audit *audit, struct error *err)
{
	struct slice rest = slice_of(audit->options->topics);
	while (rest.len) {
		struct slice name = slice_trim(slice_split(&rest, ','));
		bool found = false;
		for (size_t i = 0; i < audit->name_count; i++)
			found |= matches(name, slice_of(audit->names[i]));
		if (!found)
			return error_set(err, ERROR_NOT_FOUND, "there is no topic %.*s", SLICE_ARG(name));
	}
	return true;
}

static bool list_topics(struct audit *audit, struct error *err)
{
	const struct rd_kafka_metadata *metadata;
	const struct kafka_audit_options *options = audit->options;
	char reason[256];
	rd_kafka_conf_t *conf = kafka_conf_create(options->cfg, KAFKA_UNCOMMITTED, err);
	if (!conf)
		return false;
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
	if (!rk) {
		rd_kafka_conf_destroy(conf);
		return error_set(err, ERROR_KAFKA, "kafka: %s", reason);
	}
	rd_kafka_resp_err_t code = rd_kafka_metadata(rk, 1, NULL, &metadata, METADATA_MS);
	bool done = !code || error_set(err, ERROR_KAFKA, "no broker answers: %s", rd_kafka_err2str(code));
	for (int i = 0; done && i < metadata->topic_cnt; i++) {
		struct slice name = slice_of(metadata->topics[i].topic);
		audit->has_checkpoints |= slice_equal(name, options->cfg->topics.checkpoints);
		if (is_wanted(options, name))
			done = add_parts(audit, metadata->topics[i].topic, metadata->topics[i].partition_cnt, err);
	}
	if (!code)
		rd_kafka_metadata_destroy(metadata);
	rd_kafka_destroy(rk);
	if (done && audit->count == 0)
		return error_set(err, ERROR_NOT_FOUND, "none of the topics is there");
	return done && check_listed(audit, err);
}

/* ---- checkpoints ---- */

static bool out_of_memory(struct error *err)
{
	return error_set(err, ERROR_MEMORY, "no memory for the audit");
}

static bool take_checkpoint(void *context, struct kafka_reader_part *part, const rd_kafka_message_t *message,
                            struct error *err)
{
	struct audit *audit = context;
	struct kafka_checkpoint one;
	struct audit_position position = { 0 };
	(void)part;
	if (message->err || !kafka_checkpoint_parse(message, &one) || !one.is_set)
		return true;
	if (!one.is_sound)
		return error_set(err, ERROR_DATA, "the checkpoint at offset %" PRId64 " cannot be read",
		                 message->offset);
	memcpy(position.log_id, one.log_id, sizeof position.log_id);
	position.lane = one.lane;
	position.at = one.position;
	return audit_ledger_set_checkpoint(audit->ledger, &position) || out_of_memory(err);
}

static bool read_checkpoints(struct audit *audit, struct error *err)
{
	char name[TOPIC_NAME_BYTES];
	snprintf(name, sizeof name, "%.*s", SLICE_ARG(audit->options->cfg->topics.checkpoints));
	struct kafka_reader_part part = { .topic = name };
	return !audit->has_checkpoints ||
	       (kafka_reader_ask_ends(audit->options->cfg, &part, 1, err) &&
	        kafka_reader_run(audit->options->cfg, NULL, &part, 1, take_checkpoint, audit, err));
}

/* ---- records ---- */

static bool take_record(void *context, struct kafka_reader_part *part, const rd_kafka_message_t *message,
                        struct error *err)
{
	struct audit *audit = context;
	struct audit_position position;
	rd_kafka_headers_t *headers;
	const void *value;
	size_t size;
	if (message->err)
		return true;
	uint32_t number = (uint32_t)(part - audit->parts);
	audit->records[number]++;
	bool has = rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR;
	if (has && rd_kafka_header_get_last(headers, "headgate-replay", &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR)
		audit_ledger_add_replayed(audit->ledger);
	else if (has &&
	         rd_kafka_header_get_last(headers, "headgate-position", &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR &&
	         audit_position_parse((struct slice) { value, size }, &position))
		return audit_ledger_add(audit->ledger, number, &position) || out_of_memory(err);
	else
		audit_ledger_add_foreign(audit->ledger);
	return true;
}

static bool read_records(struct audit *audit, struct error *err)
{
	const struct config *cfg = audit->options->cfg;
	audit->records = calloc(audit->count, sizeof *audit->records);
	if (!audit->records)
		return out_of_memory(err);
	if (!kafka_reader_ask_ends(cfg, audit->parts, audit->count, err))
		return false;
	for (size_t i = 0; i < audit->count; i++)
		if (!audit_ledger_add_partition(audit->ledger, (uint32_t)i, audit->parts[i].topic,
		                                audit->parts[i].partition, audit->parts[i].low > 0))
			return out_of_memory(err);
	return kafka_reader_run(cfg, NULL, audit->parts, audit->count, take_record, audit, err);
}

/* ---- what the journal knows ---- */

struct explanation {
	struct audit *audit;
	const char *log_id;
	bool failed;
};

static bool explain(void *context, const struct journal_record *record)
{
	struct explanation *explanation = context;
	struct audit_position first = { .lane = record->lane, .at = record->position };
	if (record->type != JOURNAL_GAP)
		return true;
	snprintf(first.log_id, sizeof first.log_id, "%s", explanation->log_id);
	const char *why = record->flags & JOURNAL_GAP_BURNT    ? "burnt"
	                  : record->flags & JOURNAL_GAP_ERASED ? "erased"
	                                                       : "damaged";
	explanation->failed |= !audit_ledger_explain(explanation->audit->ledger, &first, record->gap_count, why);
	return !explanation->failed;
}

/* A file that cannot be read explains nothing; one that is gone meanwhile neither. */
static bool ask_journal(struct audit *audit, struct error *err)
{
	struct journal_file_name *files;
	size_t count;
	struct error reason;
	if (!audit->options->data_dir || !journal_list_files(audit->options->data_dir, &files, &count, &reason))
		return true;
	bool failed = false;
	for (size_t i = 0; i < count && !failed; i++) {
		struct journal_scan scan;
		struct explanation explanation = { .audit = audit, .log_id = scan.log_id };
		if (!journal_scan_file(files[i].path, explain, &explanation, &scan, &reason))
			log_debug("audit_journal", "file=%s reason=%s", files[i].path, reason.message);
		failed = explanation.failed;
	}
	free(files);
	return !failed || out_of_memory(err);
}

/* ---- all of it ---- */

static void write_report(struct audit *audit, struct buffer *out, bool *sound)
{
	struct audit_verdict verdict;
	for (size_t i = 0; i < audit->count; i++)
		buffer_append_format(out, "topic %s partition %" PRId32 ": %" PRIu64 " records%s\n",
		                     audit->parts[i].topic, audit->parts[i].partition, audit->records[i],
		                     audit->parts[i].low > 0 ? ", the oldest are gone" : "");
	*sound = audit_ledger_judge(audit->ledger, out, &verdict);
	buffer_append_format(out,
	                     "%s: %" PRIu64 " records, %" PRIu64 " replayed, %" PRIu64 " without position; %" PRIu64
	                     " missing, %" PRIu64 " twice, %" PRIu64 " out of order; %" PRIu64 " explained, %" PRIu64
	                     " beyond retention\n",
	                     *sound ? "sound" : "NOT SOUND", verdict.records, verdict.replayed, verdict.foreign,
	                     verdict.missing, verdict.twice, verdict.disorder, verdict.explained, verdict.retired);
}

bool kafka_audit_run(const struct kafka_audit_options *options, struct buffer *report, bool *sound, struct error *err)
{
	struct audit audit = { .options = options, .ledger = audit_ledger_create() };
	bool done = audit.ledger ? true : out_of_memory(err);
	done = done && list_topics(&audit, err) && read_checkpoints(&audit, err) && read_records(&audit, err) &&
	       ask_journal(&audit, err);
	if (done)
		write_report(&audit, report, sound);
	if (done && report->failed)
		done = out_of_memory(err);
	audit_ledger_destroy(&audit.ledger);
	for (size_t i = 0; i < audit.name_count; i++)
		free(audit.names[i]);
	free(audit.names);
	free(audit.parts);
	free(audit.records);
	return done;
}
