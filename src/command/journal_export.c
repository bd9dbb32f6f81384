/* `headgate journal export`: the records of the files, with all that Kafka would be given, one JSON object a line:
 *   {"position","type":"event"|"dead_letter","topic","key","time","received_at","headers":{…},"value":{…}}
 *   {"position","type":"gap","count","reason":"burnt"|"erased"|"lost","received_at"}
 * `value` has the bytes of the record; one that is not a JSON object comes as text. Counters that damage took within
 * a file are gaps of reason "lost". */
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "command/journal.h"
#include "event/headers.h"
#include "json/json.h"

#define FLUSH_BYTES ((size_t)64 * 1024)

struct export
{
	const struct journal_range *range;
	struct journal_scan scan;         /* has log id and lane before the first record comes */
	struct journal_position expected; /* next counter of the file; 0: none seen yet */
	struct buffer text;
	bool failed;
};

static void put_position(struct export *export, const struct journal_record *record)
{
	buffer_append_format(&export->text, "{\"position\":\"%s/%u/%llu/%llu\",\"type\":", export->scan.log_id,
	                     export->scan.lane, (unsigned long long)record->position.epoch,
	                     (unsigned long long)record->position.counter);
}

static void put_text(struct buffer *text, const char *name, struct slice value)
{
	buffer_append_format(text, ",\"%s\":", name);
	json_write_string_safe(text, value);
}

static void put_time(struct buffer *text, const char *name, int64_t wall_ms)
{
	char at[CLOCK_TEXT_BYTES];
	clock_format(wall_ms, at);
	put_text(text, name, (struct slice) { at, sizeof(at) });
}

static void put_gap(struct export *export, const struct journal_record *gap)
{
	const char *reason = gap->flags & JOURNAL_GAP_BURNT    ? "burnt"
	                     : gap->flags & JOURNAL_GAP_ERASED ? "erased"
	                                                       : "lost";
	put_position(export, gap);
	buffer_append_format(&export->text, "\"gap\",\"count\":%llu,\"reason\":\"%s\"",
	                     (unsigned long long)gap->gap_count, reason);
	put_time(&export->text, "received_at", gap->received_ms);
	buffer_append(&export->text, SLICE("}\n"));
}

static void put_headers(struct buffer *text, struct slice headers)
{
	struct slice name, value;
	buffer_append(text, SLICE(",\"headers\":{"));
	for (bool first = true; event_headers_next(&headers, &name, &value); first = false) {
		if (!first)
			buffer_append_char(text, ',');
		json_write_string_safe(text, name);
		buffer_append_char(text, ':');
		json_write_string_safe(text, value);
	}
	buffer_append_char(text, '}');
}

static void put_record(struct export *export, const struct journal_record *record)
{
	struct buffer *text = &export->text;
	put_position(export, record);
	buffer_append(text, record->type == JOURNAL_EVENT ? SLICE("\"event\"") : SLICE("\"dead_letter\""));
	put_text(text, "topic", record->topic);
	put_text(text, "key", record->key);
	put_time(text, "time", record->time_ms);
	put_time(text, "received_at", record->received_ms);
	put_headers(text, record->headers);
	buffer_append(text, SLICE(",\"value\":"));
	if (slice_starts(record->value, SLICE("{")))
		buffer_append(text, record->value);
	else
		json_write_string_safe(text, record->value);
	buffer_append(text, SLICE("}\n"));
}

static bool flush(struct export *export)
{
	struct buffer *text = &export->text;
	export->failed =
	        export->failed || text->failed || (text->len && fwrite(text->at, 1, text->len, stdout) != text->len);
	text->len = 0;
	return !export->failed;
}

static bool export_record(void *context, const struct journal_record *record)
{
	struct export *export = context;
	const char *log_id = export->scan.log_id;
	uint32_t lane = export->scan.lane;
	if (export->expected.epoch == record->position.epoch && record->position.counter > export->expected.counter) {
		struct journal_record lost = { .type = JOURNAL_GAP,
			                       .received_ms = record->received_ms,
			                       .position = export->expected,
			                       .gap_count = record->position.counter - export->expected.counter };
		if (journal_range_has(export->range, log_id, lane, &lost))
			put_gap(export, &lost);
	}
	export->expected = record->position;
	export->expected.counter += record->type == JOURNAL_GAP ? record->gap_count : 1;
	if (journal_range_has(export->range, log_id, lane, record)) {
		if (record->type == JOURNAL_GAP)
			put_gap(export, record);
		else
			put_record(export, record);
	}
	return export->text.len < FLUSH_BYTES || flush(export);
}

bool journal_export_file(const struct journal_sight *sight, size_t i, struct journal_verdict *verdict,
                         struct error *err)
{
	struct export export = { .range = &sight->range };
	bool gone;
	buffer_init(&export.text, NULL);
	bool read = journal_sight_scan(sight, i, export_record, &export, &export.scan, &gone, err);
	flush(&export);
	buffer_fini(&export.text);
	if (!read && !gone)
		fprintf(stderr, "headgate: %s\n", err->message);
	const struct journal_scan *scan = &export.scan;
	bool damaged = read && (scan->damaged_bytes || scan->missing ||
	                        (scan->torn_bytes && !journal_sight_is_tail(sight, i, scan)));
	if (damaged)
		fprintf(stderr, "headgate: %s: damaged; `headgate journal verify` tells where\n", sight->files[i].path);
	verdict->all_sound = verdict->all_sound && (read || gone) && !damaged;
	return !export.failed;
}
