/* `headgate journal ls|cat|verify|export [FILE...]`: looks at the files as they lie there, without the lock, so also beside a
 * running daemon, whose newest file may end in half a batch and whose oldest may vanish while we look. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command/command.h"
#include "command/journal.h"
#include "command/replay.h"
#include "holdings/audit_log.h"

static bool write_failed(struct error *err)
{
	return error_set_errno(err, "standard output");
}

/* The files that were named, or all of the data directory. --data-dir needs no configuration to be read. */
static bool find_files(const struct command_line *line, struct journal_sight *out, struct error *err)
{
	if (line->count > 1) {
		out->was_named = true;
		out->count = (size_t)line->count - 1;
		out->files = calloc(out->count, sizeof(*out->files));
		for (size_t i = 0; out->files && i < out->count; i++)
			snprintf(out->files[i].path, sizeof(out->files[i].path), "%s", line->arguments[i + 1]);
		return out->files ? true : error_set(err, ERROR_MEMORY, "out of memory");
	}
	if (line->config.data_dir && access(line->config.data_dir, F_OK) != 0)
		return error_set_errno(err, "%s", line->config.data_dir);
	if (line->config.data_dir)
		return journal_list_files(line->config.data_dir, &out->files, &out->count, err);
	struct config *cfg = config_load(&line->config, err);
	bool ok = cfg && journal_list_files(cfg->data_dir.at, &out->files, &out->count, err);
	config_destroy(&cfg);
	return ok;
}

bool journal_sight_scan(const struct journal_sight *sight, size_t i,
                        bool (*fn)(void *context, const struct journal_record *record), void *context,
                        struct journal_scan *out, bool *gone, struct error *err)
{
	const struct journal_file_name *file = &sight->files[i];
	struct stat st;
	*gone = false;
	if (journal_scan_file(file->path, fn, context, out, err))
		return true;
	*gone = stat(file->path, &st) != 0 && err->code == ERROR_NOT_FOUND;
	return false;
}

bool journal_sight_is_tail(const struct journal_sight *sight, size_t i, const struct journal_scan *scan)
{
	return scan->damaged_bytes == 0 && scan->torn_bytes > 0 &&
	       (i + 1 == sight->count || sight->files[i + 1].lane != sight->files[i].lane);
}

static const char *state_of(const struct journal_sight *sight, size_t i, const struct journal_scan *scan)
{
	if (scan->damaged_bytes || scan->missing)
		return "damaged";
	if (scan->torn_bytes)
		return journal_sight_is_tail(sight, i, scan) ? "torn tail" : "torn";
	return scan->sealed ? "sealed" : "open";
}

static bool list_file(const struct journal_sight *sight, size_t i, struct journal_verdict *verdict, struct error *err)
{
	struct journal_scan scan;
	bool gone;
	if (!journal_sight_scan(sight, i, NULL, NULL, &scan, &gone, err)) {
		verdict->all_sound = verdict->all_sound && gone;
		return gone || printf("%4s %12s %12s %10s %12s  %-9s %s\n", "-", "-", "-", "-", "-", "unreadable",
		                      sight->files[i].path) > 0;
	}
	return printf("%4u %12llu %12llu %10llu %12llu  %-9s %s\n", scan.lane, (unsigned long long)scan.epoch,
	              (unsigned long long)scan.first, (unsigned long long)scan.records,
	              (unsigned long long)scan.valid_bytes, state_of(sight, i, &scan), sight->files[i].path) > 0;
}

struct printing {
	const struct journal_range *range;
	struct journal_scan scan;
	bool failed;
};

static bool put_record(void *context, const struct journal_record *record)
{
	struct printing *printing = context;
	if (!journal_range_has(printing->range, printing->scan.log_id, printing->scan.lane, record))
		return true;
	if (record->type == JOURNAL_GAP)
		printing->failed =
		        printf("{\"gap\":{\"epoch\":%llu,\"first\":%llu,\"count\":%llu,\"burnt\":%s%s}}\n",
		               (unsigned long long)record->position.epoch, (unsigned long long)record->position.counter,
		               (unsigned long long)record->gap_count,
		               record->flags & JOURNAL_GAP_BURNT ? "true" : "false",
		               record->flags & JOURNAL_GAP_ERASED ? ",\"erased\":true" : "") < 0;
	else
		printing->failed = fwrite(record->value.at, 1, record->value.len, stdout) != record->value.len ||
		                   putc_unlocked('\n', stdout) == EOF;
	return !printing->failed;
}

/* What cannot be printed is said on stderr, and the rest goes on. */
static bool cat_file(const struct journal_sight *sight, size_t i, struct journal_verdict *verdict, struct error *err)
{
	struct printing printing = { .range = &sight->range };
	const struct journal_scan *scan = &printing.scan;
	bool gone;
	if (!journal_sight_scan(sight, i, put_record, &printing, &printing.scan, &gone, err)) {
		verdict->all_sound = verdict->all_sound && gone;
		if (!gone)
			fprintf(stderr, "headgate: %s\n", err->message);
		return true;
	}
	if (scan->damaged_bytes || (scan->torn_bytes && !journal_sight_is_tail(sight, i, scan))) {
		verdict->all_sound = false;
		fprintf(stderr, "headgate: %s: damaged; `headgate journal verify` tells where\n", sight->files[i].path);
	}
	return !printing.failed;
}

/* How many counters lie between the file looked at before and this one, without a file. */
static uint64_t missing_before(const struct journal_verdict *verdict, const struct journal_scan *scan)
{
	const struct journal_scan *before = &verdict->before;
	if (!verdict->has_before || before->lane != scan->lane || before->epoch != scan->epoch)
		return 0;
	return scan->first > before->last + 1 ? scan->first - before->last - 1 : 0;
}

static bool print_verdict(const struct journal_sight *sight, size_t i, const struct journal_scan *scan,
                          uint64_t missing)
{
	if (printf("%s: %s, %llu records (%llu events, %llu dead letters), %llu bytes\n", sight->files[i].path,
	           state_of(sight, i, scan), (unsigned long long)scan->records, (unsigned long long)scan->events,
	           (unsigned long long)scan->dead_letters, (unsigned long long)scan->valid_bytes) < 0)
		return false;
	for (size_t d = 0; d < scan->damage_count && d < JOURNAL_DAMAGE_MAX; d++)
		if (printf("    %s: %llu bytes at %llu\n", scan->damage[d].torn ? "torn" : "damaged",
		           (unsigned long long)scan->damage[d].length, (unsigned long long)scan->damage[d].offset) < 0)
			return false;
	if (scan->missing && printf("    %llu counters without a record\n", (unsigned long long)scan->missing) < 0)
		return false;
	return !missing || printf("    %llu counters before it are in no file\n", (unsigned long long)missing) > 0;
}

static bool verify_file(const struct journal_sight *sight, size_t i, struct journal_verdict *verdict, struct error *err)
{
	struct journal_scan scan;
	bool gone;
	if (!journal_sight_scan(sight, i, NULL, NULL, &scan, &gone, err)) {
		verdict->all_sound = verdict->all_sound && gone;
		verdict->has_before = false;
		return gone || printf("%s: %s\n", sight->files[i].path, err->message) > 0;
	}
	uint64_t missing = missing_before(verdict, &scan);
	bool sound = !scan.damaged_bytes && !scan.missing && !missing &&
	             (!scan.torn_bytes || journal_sight_is_tail(sight, i, &scan));
	verdict->all_sound = verdict->all_sound && sound;
	verdict->before = scan;
	verdict->has_before = !sight->was_named; /* of files that were named the order is anybody's */
	return print_verdict(sight, i, &scan, missing);
}

static const struct word {
	const char *name, *head;
	bool (*file)(const struct journal_sight *sight, size_t i, struct journal_verdict *verdict, struct error *err);
	bool prints_records; /* of persons; takes a range */
} words[] = {
	{ "ls", "lane        epoch        first    records        bytes  state     file\n", list_file, false },
	{ "cat", "", cat_file, true },
	{ "verify", "", verify_file, false },
	{ "export", "", journal_export_file, true },
};

static bool run_word(const struct word *word, const struct journal_sight *sight, struct journal_verdict *verdict,
                     struct error *err)
{
	if (fputs(word->head, stdout) < 0)
		return write_failed(err);
	for (size_t i = 0; i < sight->count; i++)
		if (!word->file(sight, i, verdict, err))
			return write_failed(err);
	return fflush(stdout) == 0 ? true : write_failed(err);
}

/* A name that was mistyped must not look like an empty journal. */
static bool are_there(const struct journal_sight *sight, struct error *err)
{
	for (size_t i = 0; i < sight->count; i++)
		if (access(sight->files[i].path, F_OK) != 0 && sight->was_named)
			return error_set_errno(err, "%s", sight->files[i].path);
	return true;
}

/* ---- the audit log ---- */

/* Of the directory that the file is part of, <directory>/journal/<lane>/<file>. False: of none that has an audit log. */
static bool find_data_dir(const char *file, char dir[PATH_MAX])
{
	char log[PATH_MAX + 16];
	if (!realpath(file, dir))
		return false;
	for (int up = 0; up < 3; up++) {
		char *slash = strrchr(dir, '/');
		if (!slash)
			return false;
		*slash = '\0';
	}
	snprintf(log, sizeof log, "%s/audit.ndjson", dir);
	return access(log, F_OK) == 0;
}

static bool note_in(const char *dir, const struct command_line *line, size_t files, struct error *err)
{
	struct buffer members;
	struct audit_log *log = audit_log_open(dir, NULL, err);
	if (!log)
		return false;
	buffer_init(&members, NULL);
	audit_log_put_text(&members, "command", slice_of(line->arguments[0]));
	if (line->journal.from)
		audit_log_put_text(&members, "from", slice_of(line->journal.from));
	if (line->journal.to)
		audit_log_put_text(&members, "to", slice_of(line->journal.to));
	audit_log_put_number(&members, "files", files);
	bool ok = audit_log_write(log, "journal_read", true, &members, err);
	buffer_fini(&members);
	audit_log_close(&log);
	return ok;
}

/* Who prints records reads the data of persons: that stands in the audit log of their directory before the first one is
 * printed. Files that were carried elsewhere have none. */
static bool note_reading(const struct command_line *line, const struct journal_sight *sight, struct error *err)
{
	char before[PATH_MAX] = "", dir[PATH_MAX];
	for (size_t i = 0; i < sight->count; i++) {
		if (!find_data_dir(sight->files[i].path, dir) || strcmp(dir, before) == 0)
			continue;
		if (!note_in(dir, line, sight->count, err))
			return error_prepend(err, "not printed, since it cannot be noted in the audit log");
		memcpy(before, dir, sizeof before);
	}
	return true;
}

static const struct word *find_word(const char *name)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(name, words[i].name) == 0)
			return &words[i];
	return NULL;
}

int command_journal(const struct command_line *line)
{
	struct error err = { 0 };
	struct journal_sight sight = { 0 };
	struct journal_verdict verdict = { .all_sound = true };
	const struct word *word = find_word(line->arguments[0]);
	bool ranged = line->journal.from || line->journal.to;
	if (!word && strcmp(line->arguments[0], "replay") == 0)
		return line->count > 1 ? command_usage("journal replay takes no files") : replay_command(line);
	if (!word)
		return command_usage(
		        "expected: headgate journal ls|cat|verify|export [FILE...] or journal replay --from WHEN");
	if (ranged && !word->prints_records)
		return command_usage("journal %s looks at whole files: no --from or --to", word->name);
	if (!journal_range_parse(line->journal.from, line->journal.to, &sight.range, &err))
		return command_usage("%s", err.message);
	bool ok = find_files(line, &sight, &err) && are_there(&sight, &err) &&
	          (!word->prints_records || note_reading(line, &sight, &err)) && run_word(word, &sight, &verdict, &err);
	free(sight.files);
	if (!ok)
		return command_fail(&err);
	return verdict.all_sound ? 0 : error_exit_code(ERROR_DATA);
}
