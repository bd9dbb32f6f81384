#include "forward/kafka_poison.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "event/headers.h"
#include "forward/kafka_headers.h"
#include "json/json.h"

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
	struct stat info;
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set_errno(err, "%s", path);
	bool done = fstat(fd, &info) == 0 || error_set_errno(err, "%s", path);
	done = done && file_write_at(fd, line, (uint64_t)info.st_size, err);
	if (done && fdatasync(fd) != 0)
		done = error_set_errno(err, "syncing %s", path);
	close(fd);
	return done && file_sync_dir(path, err);
}

bool kafka_poison_keep(const char *data_dir, const char *log_id, const struct journal_record *record,
                       rd_kafka_resp_err_t code, struct error *err)
{
	char path[PATH_MAX];
	struct buffer line;
	snprintf(path, sizeof path, "%s/quarantine", data_dir);
	if (!file_make_dir(path, err))
		return false;
	snprintf(path, sizeof path, "%s/quarantine/kafka.ndjson", data_dir);
	buffer_init(&line, NULL);
	write_line(&line, record, log_id, code);
	bool done = line.failed ? error_set(err, ERROR_MEMORY, "no memory to quarantine a record")
	                        : append_synced(path, buffer_slice(&line), err);
	buffer_fini(&line);
	return done;
}

bool kafka_poison_letter(const struct journal_record *record, const char *log_id, struct slice rejected_topic,
                         rd_kafka_resp_err_t code, struct buffer *bytes, struct journal_record *out)
{
	struct slice id = header_of(record, SLICE("ce_id"));
	buffer_append(bytes, SLICE("{\"format\":1,\"position\":"));
	write_position(bytes, record, log_id);
	buffer_append(bytes,
	              SLICE(",\"reason\":\"poison\",\"errors\":[{\"path\":\"\",\"rule\":\"kafka\",\"message\":"));
	json_write_string(bytes, slice_of(rd_kafka_err2name(code)));
	buffer_append(bytes, SLICE("}],\"received_at\":"));
	write_time(bytes, record->received_ms);
	if (id.len) {
		buffer_append(bytes, SLICE(",\"event_id\":"));
		json_write_string_safe(bytes, id);
	}
	buffer_append_format(bytes, ",\"size\":%zu}", record->value.len);
	*out = *record;
	out->type = JOURNAL_DEAD_LETTER;
	out->topic = rejected_topic;
	out->key = id.len ? id : record->key;
	out->value = buffer_slice(bytes);
	out->headers = SLICE_NONE;
	return !bytes->failed;
}
