#include "forward/kafka_headers.h"

#include <inttypes.h>
#include <stdio.h>

#include "event/headers.h"

#define HEADERS_GUESS 12

struct slice kafka_headers_position(const struct journal_record *record, const char *log_id,
                                    char to[KAFKA_POSITION_BYTES])
{
	int len = snprintf(to, KAFKA_POSITION_BYTES, "%.*s/%" PRIu32 "/%" PRIu64 "/%" PRIu64, JOURNAL_LOG_ID_TEXT,
	                   log_id, record->lane, record->position.epoch, record->position.counter);
	return (struct slice) { to, (size_t)len };
}

static void add(rd_kafka_headers_t *headers, struct slice name, struct slice value)
{
	rd_kafka_header_add(headers, name.at, (ssize_t)name.len, value.at, (ssize_t)value.len);
}

rd_kafka_headers_t *kafka_headers_make(const struct journal_record *record, const char *log_id, bool replayed)
{
	char position[KAFKA_POSITION_BYTES];
	struct slice stored = record->headers, name, value;
	rd_kafka_headers_t *headers = rd_kafka_headers_new(HEADERS_GUESS);
	if (!headers)
		return NULL;
	if (record->type == JOURNAL_EVENT)
		add(headers, SLICE("ce_specversion"), SLICE("1.0"));
	while (event_headers_next(&stored, &name, &value))
		add(headers, name, value);
	if (record->type == JOURNAL_EVENT && record->key.len)
		add(headers, SLICE("ce_partitionkey"), record->key);
	add(headers, SLICE("content-type"), SLICE("application/json"));
	add(headers, SLICE("headgate-position"), kafka_headers_position(record, log_id, position));
	if (replayed)
		add(headers, SLICE("headgate-replay"), SLICE("true"));
	return headers;
}
