/* Order: the id is suppressed; the lanes close the files in use; the forwarder comes to rest; journal, event files and
 * quarantine are rewritten; the forwarder goes on; the record for consumers goes through the journal; the act into the
 * audit log. What fails on the way leaves the rest to be asked for again: each step does nothing the second time. */
#include "holdings/holdings.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/uuid.h"
#include "event/headers.h"
#include "forward/file_erase.h"
#include "holdings/quarantine.h"
#include "journal/erase.h"
#include "privacy/suppression.h"

struct erasing {
	const struct holdings *holdings;
	const struct person *who;
	struct person_search search;
	struct journal_erased journal;
	struct file_erased files;
	uint64_t quarantined;
	struct journal_position position; /* of the record for consumers */
	uint32_t lane;
};

static bool match_record(void *context, const struct journal_record *record)
{
	struct erasing *erasing = context;
	return person_matches(&erasing->search, record->value);
}

static bool match_bytes(void *context, struct slice bytes)
{
	struct erasing *erasing = context;
	return person_is_in(&erasing->search, bytes);
}

static bool match_line(void *context, const char *path, uint64_t number, struct slice line)
{
	struct erasing *erasing = context;
	(void)path;
	(void)number;
	return person_matches(&erasing->search, line);
}

static bool goes_on(void *context)
{
	const struct erasing *erasing = context;
	return !erasing->holdings->goes_on || erasing->holdings->goes_on(erasing->holdings->context);
}

/* The forwarder rests. */
static bool rewrite(struct erasing *erasing, struct error *err)
{
	const struct holdings *holdings = erasing->holdings;
	const struct journal_erase_calls records = {
		.matches = match_record, .holds = match_bytes, .goes_on = goes_on, .context = erasing
	};
	const struct file_erase_calls lines = { .matches = match_line, .goes_on = goes_on, .context = erasing };
	if (!journal_erase(holdings->journal, &records, &erasing->journal, err) ||
	    !file_erase(holdings->data_dir, &lines, &erasing->files, err) ||
	    !quarantine_erase(holdings->data_dir, &erasing->search, &erasing->quarantined, err))
		return false;
	return !erasing->search.failed || error_set(err, ERROR_MEMORY, "a record could not be read");
}

static bool erase_held(struct erasing *erasing, struct error *err)
{
	const struct holdings *holdings = erasing->holdings;
	if (!journal_erase_begin(holdings->journal, err))
		return false;
	bool ok = holdings->roll(holdings->context, err) && holdings->pause(holdings->context, err);
	if (ok) {
		ok = rewrite(erasing, err);
		holdings->resume(holdings->context);
	}
	journal_erase_end(holdings->journal);
	return ok;
}

/* ---- the record for consumers ---- */

static void put_id(struct buffer *out, struct slice name, struct slice value)
{
	json_write_string_safe(out, name);
	buffer_append_char(out, ':');
	json_write_string(out, value);
}

/* Where no name was given, "any" says so, and the names under which it was found stand beside it. */
static void put_ids(const struct erasing *erasing, struct buffer *out)
{
	const struct person *who = erasing->who;
	put_id(out, who->name.len ? who->name : SLICE("any"), who->value);
	for (uint32_t i = 0; !who->name.len && i < erasing->search.name_count; i++) {
		buffer_append_char(out, ',');
		put_id(out, slice_of(erasing->search.names[i].text), who->value);
	}
}

static bool tell_consumers(struct erasing *erasing, struct error *err)
{
	const struct holdings *holdings = erasing->holdings;
	struct buffer value, headers;
	char time[CLOCK_TEXT_BYTES], id[UUID_TEXT_BYTES];
	int64_t now_ms = clock_wall_ms();
	clock_format(now_ms, time);
	uuid_v7(now_ms, id);
	buffer_init(&value, NULL);
	buffer_init(&headers, NULL);
	buffer_append(&value, SLICE("{\"format\":1,\"type\":\"erasure\",\"ids\":{"));
	put_ids(erasing, &value);
	buffer_append_format(&value, "},\"requested_at\":\"%.*s\"}", CLOCK_TEXT_BYTES, time);
	event_headers_put(&headers, SLICE("ce_id"), (struct slice) { id, sizeof id });
	event_headers_put(&headers, SLICE("ce_source"), SLICE("/headgate"));
	event_headers_put(&headers, SLICE("ce_type"), SLICE("erasure"));
	event_headers_put(&headers, SLICE("ce_time"), (struct slice) { time, sizeof time });
	struct journal_record record = { .type = JOURNAL_EVENT,
		                         .time_ms = now_ms,
		                         .received_ms = now_ms,
		                         .topic = holdings->erasures,
		                         .key = erasing->who->value,
		                         .headers = buffer_slice(&headers),
		                         .value = buffer_slice(&value) };
	bool ok = value.failed || headers.failed ? error_set(err, ERROR_MEMORY, "an erasure")
	                                         : holdings->append(holdings->context, &record, err);
	erasing->position = record.position;
	erasing->lane = record.lane;
	buffer_fini(&value);
	buffer_fini(&headers);
	return ok;
}

/* ---- what is said of it ---- */

static void put_counts(const struct erasing *erasing, struct buffer *json)
{
	buffer_append_format(
	        json,
	        "\"journal\":{\"events\":%llu,\"dead_letters\":%llu,\"damaged_ranges\":%llu},"
	        "\"files\":{\"lines\":%llu,\"files\":%llu},\"quarantine\":{\"records\":%llu}",
	        (unsigned long long)erasing->journal.events, (unsigned long long)erasing->journal.dead_letters,
	        (unsigned long long)erasing->journal.damaged_ranges, (unsigned long long)erasing->files.lines,
	        (unsigned long long)erasing->files.files, (unsigned long long)erasing->quarantined);
}

/* An erasure that failed half-way stands there as well. */
static bool note(const struct holdings *holdings, const char *act, const struct person *who,
                 const struct erasing *erasing, bool suppress, const struct error *failure, struct error *err)
{
	struct buffer members;
	buffer_init(&members, NULL);
	audit_log_put_id(holdings->audit, &members, who->name, who->value);
	audit_log_put_text(&members, "via", slice_of(holdings->via));
	if (suppress)
		buffer_append(&members, SLICE(",\"suppress\":true"));
	if (erasing) {
		buffer_append_char(&members, ',');
		put_counts(erasing, &members);
	}
	if (failure)
		audit_log_put_text(&members, "error", slice_of(failure->message));
	bool ok = audit_log_write(holdings->audit, act, !failure, &members, err);
	buffer_fini(&members);
	return ok;
}

bool holdings_erase(const struct holdings *holdings, const struct person *who, bool suppress, struct buffer *json,
                    struct error *err)
{
	struct erasing *erasing = calloc(1, sizeof *erasing);
	struct error why = { 0 };
	if (!erasing)
		return error_set(err, ERROR_MEMORY, "an erasure");
	erasing->holdings = holdings;
	erasing->who = who;
	person_search_init(&erasing->search, who, false);
	bool ok = (!suppress || suppression_add(holdings->suppression, who->name, who->value, err)) &&
	          erase_held(erasing, err) && tell_consumers(erasing, err);
	if (!note(holdings, "erase", who, erasing, suppress, ok ? NULL : err, ok ? err : &why))
		ok = false;
	if (ok) {
		buffer_append(json, SLICE("{\"erased\":{"));
		put_counts(erasing, json);
		buffer_append_format(json, "},\"suppressed\":%s,\"position\":\"%s/%u/%llu/%llu\"}",
		                     suppress ? "true" : "false", holdings->log_id, erasing->lane,
		                     (unsigned long long)erasing->position.epoch,
		                     (unsigned long long)erasing->position.counter);
	}
	person_search_fini(&erasing->search);
	free(erasing);
	return ok;
}

bool holdings_unsuppress(const struct holdings *holdings, const struct person *who, struct buffer *json,
                         struct error *err)
{
	bool was;
	if (!suppression_remove(holdings->suppression, who->name, who->value, &was, err) ||
	    !note(holdings, "unsuppress", who, NULL, false, NULL, err))
		return false;
	buffer_append_format(json, "{\"unsuppressed\":%s}", was ? "true" : "false");
	return true;
}
