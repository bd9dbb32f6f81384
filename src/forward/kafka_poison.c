#include "forward/kafka_poison.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "config/config.h"
#include "event/headers.h"
#include "forward/kafka_headers.h"
#include "json/json.h"

#define KEEP_PAUSE_MS 1000

bool kafka_poison_is(rd_kafka_resp_err_t code)
{
	switch (code) {
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_INVALID_MSG: /* how older brokers refuse a keyless record in a compacted topic */
	case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
	case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
	case RD_KAFKA_RESP_ERR_INVALID_RECORD:
		return true;
	default:
		return false;
	}
}

static struct slice header_of(const struct journal_record *record, struct slice wanted)
{
	struct slice rest = record->headers, name, value;
	while (event_headers_next(&rest, &name, &value))
		if (slice_equal(name, wanted))
			return value;
	return SLICE_NONE;
}

static void write_position(struct buffer *out, const struct journal_record *record, const char *log_id)
{
	char position[KAFKA_POSITION_BYTES];
	json_write_string_safe(out, kafka_headers_position(record, log_id, position));
}

static void write_time(struct buffer *out, int64_t wall_ms)
{
	char text[CLOCK_TEXT_BYTES];
	clock_format(wall_ms, text);
	json_write_string(out, (struct slice) { text, sizeof text });
}

static void write_line(struct buffer *out, const struct journal_record *record, const char *log_id,
                       rd_kafka_resp_err_t code)
{
	buffer_append(out, SLICE("{\"position\":"));
	write_position(out, record, log_id);
	buffer_append(out, SLICE(",\"topic\":"));
	json_write_string_safe(out, record->topic);
	buffer_append(out, SLICE(",\"key\":"));
	json_write_string_safe(out, record->key);
	buffer_append(out, SLICE(",\"error\":"));
	json_write_string(out, slice_of(rd_kafka_err2name(code)));
	buffer_append(out, SLICE(",\"at\":"));
	write_time(out, clock_wall_ms());
	buffer_append(out, SLICE(",\"value\":"));
	buffer_append(out, record->value); /* one JSON object without white space, as sealed */
	buffer_append(out, SLICE("}\n"));
}

static bool append_synced(const char *path, struct slice line, struct error *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set_errno(err, "%s", path);
	bool done = file_append_line(fd, line, err);
	close(fd);
	return done ? file_sync_dir(path, err) : error_prepend(err, "%s", path);
}

static bool keep(const char *data_dir, const char *log_id, const struct kafka_entry *entry, struct error *err)
{
	char path[PATH_MAX];
	struct buffer line;
	snprintf(path, sizeof path, "%s/quarantine", data_dir);
	if (!file_make_dir(path, err))
		return false;
	snprintf(path, sizeof path, "%s/quarantine/kafka.ndjson", data_dir);
	buffer_init(&line, NULL);
	write_line(&line, &entry->record, log_id, entry->code);
	bool done = line.failed ? error_set(err, ERROR_MEMORY, "no memory to quarantine a record")
	                        : append_synced(path, buffer_slice(&line), err);
	buffer_fini(&line);
	return done;
}

static bool make_letter(const struct kafka_producer *producer, const struct kafka_entry *entry, struct buffer *bytes,
                        struct journal_record *out)
{
	const struct journal_record *record = &entry->record;
	struct slice id = header_of(record, SLICE("ce_id"));
	buffer_append(bytes, SLICE("{\"format\":1,\"position\":"));
	write_position(bytes, record, producer->log_id);
	buffer_append(bytes,
	              SLICE(",\"reason\":\"poison\",\"errors\":[{\"path\":\"\",\"rule\":\"kafka\",\"message\":"));
	json_write_string(bytes, slice_of(rd_kafka_err2name(entry->code)));
	buffer_append(bytes, SLICE("}],\"received_at\":"));
	write_time(bytes, record->received_ms);
	if (id.len) {
		buffer_append(bytes, SLICE(",\"event_id\":"));
		json_write_string_safe(bytes, id);
	}
	buffer_append_format(bytes, ",\"size\":%zu}", record->value.len);
	*out = *record;
	out->type = JOURNAL_DEAD_LETTER;
	out->topic = producer->cfg->topics.rejected;
	out->key = id.len ? id : record->key;
	out->value = buffer_slice(bytes);
	out->headers = SLICE_NONE;
	return !bytes->failed;
}

/* A round that is begun anew after a crash may keep the same record twice; the position tells. */
bool kafka_poison_bury(struct kafka_producer *producer, const struct kafka_entry *entry, struct buffer *bytes,
                       struct journal_record *out_letter, struct error *err)
{
	const struct journal_record *record = &entry->record;
	struct error reason;
	while (!keep(producer->cfg->data_dir.at, producer->log_id, entry, &reason))
		if (!kafka_producer_pause(producer, KEEP_PAUSE_MS, reason.message, err))
			return false;
	log_warn("record_poisoned", "error=%s size=%zu epoch=%llu counter=%llu", rd_kafka_err2name(entry->code),
	         record->value.len, (unsigned long long)record->position.epoch,
	         (unsigned long long)record->position.counter);
	return make_letter(producer, entry, bytes, out_letter) ||
	       error_set(err, ERROR_MEMORY, "no memory for a dead letter");
}
