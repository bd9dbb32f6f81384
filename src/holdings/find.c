/* The journal is read before the event files, the way records go: one that is delivered meanwhile is seen in one of both.
 * Who searched is in the audit log before the first line is given out. */
#include "holdings/holdings.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "forward/checkpoint.h"
#include "forward/file_erase.h"
#include "holdings/quarantine.h"
#include "privacy/suppression.h"

#define WRITE_BYTES ((size_t)256 * 1024)

struct finding {
	const struct holdings *holdings;
	struct person_search search;
	struct buffer out;
	int fd;
	uint64_t found, bytes;
	bool failed;
	struct error why;
	const char *file; /* being read */
	struct journal_position delivered[JOURNAL_LANES_MAX];
};

/* To a file or a pipe. */
static bool write_all(int fd, struct slice bytes, struct error *err)
{
	while (bytes.len) {
		ssize_t wrote = write(fd, bytes.at, bytes.len);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return error_set_errno(err, "writing what was found");
		bytes.at += wrote;
		bytes.len -= (size_t)wrote;
	}
	return true;
}

static void flush(struct finding *finding)
{
	if (!finding->failed && finding->out.failed)
		finding->failed = !error_set(&finding->why, ERROR_MEMORY, "what was found");
	uint64_t most = finding->holdings->found_bytes_max;
	finding->bytes += finding->out.len;
	if (!finding->failed && most && finding->bytes > most)
		finding->failed = !error_set(&finding->why, ERROR_DATA,
		                             "over %" PRIu64 " MiB are held: stop headgate and run headgate find, "
		                             "which then reads the directory itself",
		                             most >> 20);
	if (!finding->failed && !write_all(finding->fd, buffer_slice(&finding->out), &finding->why))
		finding->failed = true;
	finding->out.len = 0;
}

static void end_line(struct finding *finding)
{
	buffer_append(&finding->out, SLICE("}\n"));
	finding->found++;
	if (finding->out.len >= WRITE_BYTES || finding->out.failed)
		flush(finding);
}

static void begin_line(struct finding *finding, const char *store, const char *file)
{
	buffer_append_format(&finding->out, "{\"store\":\"%s\"", store);
	if (file) {
		buffer_append(&finding->out, SLICE(",\"file\":"));
		json_write_string_safe(&finding->out, slice_of(file));
	}
}

static bool is_json(struct finding *finding, struct slice text)
{
	const struct json_options options = { .depth_max = UINT32_MAX, .nodes_max = 1 << 20 };
	struct json_doc doc = { 0 };
	size_t at;
	arena_reset(&finding->search.arena);
	return json_scan(&doc, text, &options, &finding->search.arena, &at) == JSON_OK;
}

/* As JSON where it is, else as a string. */
static void put_record(struct finding *finding, struct slice record)
{
	if (is_json(finding, record)) {
		buffer_append(&finding->out, SLICE(",\"record\":"));
		buffer_append(&finding->out, record);
	} else {
		buffer_append(&finding->out, SLICE(",\"text\":"));
		json_write_string_safe(&finding->out, record);
	}
}

/* ---- journal ---- */

/* A hint only: Kafka's own checkpoint may be further. */
static void read_delivered(struct finding *finding)
{
	static const char *const names[] = { "files", "kafka" };
	char path[PATH_MAX];
	struct checkpoint checkpoint;
	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/%s.checkpoint", finding->holdings->data_dir, names[i]);
		if (!checkpoint_read(path, &checkpoint, NULL))
			continue;
		bool same = strcmp(checkpoint.log_id, finding->holdings->log_id) == 0;
		for (uint32_t lane = 0; same && lane < JOURNAL_LANES_MAX; lane++)
			if (checkpoint_compare(checkpoint.lanes[lane], finding->delivered[lane]) > 0)
				finding->delivered[lane] = checkpoint.lanes[lane];
		checkpoint_fini(&checkpoint);
	}
}

static bool goes_on(const struct finding *finding)
{
	const struct holdings *holdings = finding->holdings;
	return !finding->failed && (!holdings->goes_on || holdings->goes_on(holdings->context));
}

static bool find_record(void *context, const struct journal_record *record)
{
	struct finding *finding = context;
	if ((record->type != JOURNAL_EVENT && record->type != JOURNAL_DEAD_LETTER) ||
	    !person_matches(&finding->search, record->value))
		return goes_on(finding);
	uint32_t lane = record->lane;
	begin_line(finding, "journal", finding->file);
	buffer_append_format(&finding->out, ",\"position\":\"%s/%" PRIu32 "/%" PRIu64 "/%" PRIu64 "\"",
	                     finding->holdings->log_id, lane, record->position.epoch, record->position.counter);
	bool delivered =
	        lane < JOURNAL_LANES_MAX && checkpoint_compare(record->position, finding->delivered[lane]) <= 0;
	buffer_append_format(&finding->out, ",\"kind\":\"%s\",\"delivered\":%s,\"topic\":",
	                     record->type == JOURNAL_EVENT ? "event" : "dead_letter", delivered ? "true" : "false");
	json_write_string_safe(&finding->out, record->topic);
	put_record(finding, record->value);
	end_line(finding);
	return goes_on(finding);
}

static bool find_in_journal(struct finding *finding, struct error *err)
{
	struct journal_file_name *files;
	size_t count;
	struct journal_scan scan;
	struct error why = { 0 };
	if (!journal_list_files(finding->holdings->data_dir, &files, &count, err))
		return false;
	bool ok = true;
	size_t skip = strlen(finding->holdings->data_dir) + sizeof "/journal";
	for (size_t i = 0; ok && i < count; i++) {
		finding->file = files[i].path + skip;
		/* one that is gone, or taken for another use, was delivered meanwhile */
		if (!journal_scan_file(files[i].path, find_record, finding, &scan, &why) &&
		    why.code != ERROR_NOT_FOUND && access(files[i].path, F_OK) == 0)
			ok = error_set(err, why.code, "%s", why.message);
		ok = ok && !finding->failed;
		if (ok && !goes_on(finding))
			ok = error_set(err, ERROR_UNAVAILABLE, "stopping");
	}
	free(files);
	return ok;
}

/* ---- files and quarantine ---- */

static const char *kind_of(struct finding *finding)
{
	const struct json_doc *doc = &finding->search.doc; /* of the line that matched */
	if (!finding->search.is_object)
		return "event";
	if (json_get(doc, 0, SLICE("reason")))
		return "dead_letter";
	return json_get(doc, 0, SLICE("type")) ? "erasure" : "event";
}

static bool find_line(void *context, const char *path, uint64_t number, struct slice line)
{
	struct finding *finding = context;
	if (!person_matches(&finding->search, line))
		return false;
	const char *kind = kind_of(finding);
	begin_line(finding, "files", path);
	buffer_append_format(&finding->out, ",\"line\":%" PRIu64 ",\"kind\":\"%s\"", number, kind);
	put_record(finding, line);
	end_line(finding);
	return true;
}

static bool file_goes_on(void *context)
{
	return goes_on(context);
}

static void find_quarantined(void *context, const char *file, uint64_t line, size_t offset, struct slice bytes)
{
	struct finding *finding = context;
	begin_line(finding, "quarantine", file);
	if (line)
		buffer_append_format(&finding->out, ",\"line\":%" PRIu64, line);
	else
		buffer_append_format(&finding->out, ",\"offset\":%zu,\"bytes\":%zu", offset, bytes.len);
	put_record(finding, bytes);
	end_line(finding);
}

static void find_suppressed(struct finding *finding, const struct person *who)
{
	int64_t since_ms;
	char since[CLOCK_TEXT_BYTES];
	if (!finding->holdings->suppression ||
	    !suppression_holds(finding->holdings->suppression, who->name, who->value, &since_ms))
		return;
	clock_format(since_ms, since);
	begin_line(finding, "suppressed", NULL);
	buffer_append_format(&finding->out, ",\"since\":\"%.*s\"", CLOCK_TEXT_BYTES, since);
	end_line(finding);
}

static bool note(const struct holdings *holdings, const struct person *who, struct error *err)
{
	struct buffer members;
	buffer_init(&members, NULL);
	audit_log_put_id(holdings->audit, &members, who->name, who->value);
	audit_log_put_text(&members, "via", slice_of(holdings->via));
	bool ok = audit_log_write(holdings->audit, "find", true, &members, err);
	buffer_fini(&members);
	return ok;
}

bool holdings_find(const struct holdings *holdings, const struct person *who, int fd, uint64_t *found,
                   struct error *err)
{
	if (!note(holdings, who, err))
		return false;
	struct finding *finding = calloc(1, sizeof *finding);
	if (!finding)
		return error_set(err, ERROR_MEMORY, "a search");
	finding->holdings = holdings;
	finding->fd = fd;
	person_search_init(&finding->search, who, true);
	buffer_init(&finding->out, NULL);
	read_delivered(finding);
	const struct file_erase_calls lines = { .matches = find_line, .goes_on = file_goes_on, .context = finding };
	const struct quarantine_calls quarantined = { &finding->search, find_quarantined, finding };
	bool ok = find_in_journal(finding, err) && file_erase_visit(holdings->data_dir, &lines, err) &&
	          quarantine_find(holdings->data_dir, &quarantined, err);
	ok = ok && !finding->failed;
	if (ok) {
		find_suppressed(finding, who);
		flush(finding);
		ok = !finding->failed;
	}
	if (finding->failed && err)
		*err = finding->why;
	if (ok && finding->search.failed)
		ok = error_set(err, ERROR_MEMORY, "a record could not be read");
	*found = finding->found;
	person_search_fini(&finding->search);
	buffer_fini(&finding->out);
	free(finding);
	return ok;
}
