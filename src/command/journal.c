/* `headgate journal ls|cat|verify [FILE...]`: looks at the files as they lie there, without the lock, so also beside a
 * running daemon, whose newest file may end in half a batch and whose oldest may vanish while we look. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command/command.h"
#include "journal/journal.h"

struct journal_sight {
	struct journal_file_name *files;
	size_t count;
	bool was_named; /* on the command line */
};

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

/* Scans; a file that the daemon has removed since the listing is no error (*gone). */
static bool scan_file(const struct journal_file_name *file, bool (*fn)(void *, const struct journal_record *),
                      void *context, struct journal_scan *out, bool *gone, struct error *err)
{
	struct stat st;
	*gone = false;
	if (journal_scan_file(file->path, fn, context, out, err))
		return true;
	*gone = stat(file->path, &st) != 0 && err->code == ERROR_NOT_FOUND;
	return false;
}

/* Nothing sound follows, no file of the lane either: what an unclean stop or a batch in progress leaves. */
static bool is_tail(const struct journal_sight *sight, size_t i, const struct journal_scan *scan)
{
	return scan->damaged_bytes == 0 && scan->torn_bytes > 0 &&
	       (i + 1 == sight->count || sight->files[i + 1].lane != sight->files[i].lane);
}

static const char *state_of(const struct journal_sight *sight, size_t i, const struct journal_scan *scan)
{
	if (scan->damaged_bytes || scan->missing)
		return "damaged";
	if (scan->torn_bytes)
		return is_tail(sight, i, scan) ? "torn tail" : "torn";
	return scan->sealed ? "sealed" : "open";
}

static bool list_file(const struct journal_sight *sight, size_t i, bool *all_sound, struct error *err)
{
	struct journal_scan scan;
	bool gone;
	if (!scan_file(&sight->files[i], NULL, NULL, &scan, &gone, err)) {
		*all_sound = *all_sound && gone;
		return gone || printf("%4s %12s %12s %10s %12s  %-9s %s\n", "-", "-", "-", "-", "-", "unreadable",
		                      sight->files[i].path) > 0;
	}
	return printf("%4u %12llu %12llu %10llu %12llu  %-9s %s\n", scan.lane, (unsigned long long)scan.epoch,
	              (unsigned long long)scan.first, (unsigned long long)scan.records,
	              (unsigned long long)scan.valid_bytes, state_of(sight, i, &scan), sight->files[i].path) > 0;
}

static bool put_record(void *context, const struct journal_record *record)
{
	bool *failed = context;
	if (record->type == JOURNAL_GAP) {
		*failed = printf("{\"gap\":{\"epoch\":%llu,\"first\":%llu,\"count\":%llu,\"burnt\":%s}}\n",
		                 (unsigned long long)record->position.epoch,
		                 (unsigned long long)record->position.counter, (unsigned long long)record->gap_count,
		                 record->flags & JOURNAL_GAP_BURNT ? "true" : "false") < 0;
		return !*failed;
	}
	*failed = fwrite(record->value.at, 1, record->value.len, stdout) != record->value.len ||
	          putc_unlocked('\n', stdout) == EOF;
	return !*failed;
}

/* What cannot be printed is said on stderr, and the rest goes on. */
static bool cat_file(const struct journal_sight *sight, size_t i, bool *all_sound, struct error *err)
{
	struct journal_scan scan;
	bool gone, failed = false;
	if (!scan_file(&sight->files[i], put_record, &failed, &scan, &gone, err)) {
		*all_sound = *all_sound && gone;
		if (!gone)
			fprintf(stderr, "headgate: %s\n", err->message);
		return true;
	}
	if (scan.damaged_bytes || (scan.torn_bytes && !is_tail(sight, i, &scan))) {
		*all_sound = false;
		fprintf(stderr, "headgate: %s: damaged; `headgate journal verify` tells where\n", sight->files[i].path);
	}
	return !failed;
}

static bool verify_file(const struct journal_sight *sight, size_t i, bool *all_sound, struct error *err)
{
	struct journal_scan scan;
	const char *path = sight->files[i].path;
	bool gone;
	if (!scan_file(&sight->files[i], NULL, NULL, &scan, &gone, err)) {
		*all_sound = *all_sound && gone;
		return gone || printf("%s: %s\n", path, err->message) > 0;
	}
	bool sound = !scan.damaged_bytes && !scan.missing && (!scan.torn_bytes || is_tail(sight, i, &scan));
	*all_sound = *all_sound && sound;
	if (printf("%s: %s, %llu records (%llu events, %llu dead letters), %llu bytes\n", path,
	           state_of(sight, i, &scan), (unsigned long long)scan.records, (unsigned long long)scan.events,
	           (unsigned long long)scan.dead_letters, (unsigned long long)scan.valid_bytes) < 0)
		return false;
	for (size_t d = 0; d < scan.damage_count && d < JOURNAL_DAMAGE_MAX; d++)
		if (printf("    %s: %llu bytes at %llu\n", scan.damage[d].torn ? "torn" : "damaged",
		           (unsigned long long)scan.damage[d].length, (unsigned long long)scan.damage[d].offset) < 0)
			return false;
	return scan.missing == 0 ||
	       printf("    %llu counters without a record\n", (unsigned long long)scan.missing) > 0;
}

static const struct word {
	const char *name, *head;
	bool (*file)(const struct journal_sight *sight, size_t i, bool *all_sound, struct error *err);
} words[] = {
	{ "ls", "lane        epoch        first    records        bytes  state     file\n", list_file },
	{ "cat", "", cat_file },
	{ "verify", "", verify_file },
};

static bool run_word(const struct word *word, const struct journal_sight *sight, bool *all_sound, struct error *err)
{
	if (fputs(word->head, stdout) < 0)
		return write_failed(err);
	for (size_t i = 0; i < sight->count; i++)
		if (!word->file(sight, i, all_sound, err))
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

int command_journal(const struct command_line *line)
{
	struct error err = { 0 };
	struct journal_sight sight = { 0 };
	const struct word *word = NULL;
	bool all_sound = true;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(line->arguments[0], words[i].name) == 0)
			word = &words[i];
	if (!word)
		return strcmp(line->arguments[0], "export") == 0 || strcmp(line->arguments[0], "replay") == 0
		               ? command_usage("journal %s is not part of this version", line->arguments[0])
		               : command_usage("expected: headgate journal ls|cat|verify [FILE...]");
	bool ok = find_files(line, &sight, &err) && are_there(&sight, &err) && run_word(word, &sight, &all_sound, &err);
	free(sight.files);
	if (!ok)
		return command_fail(&err);
	return all_sound ? 0 : error_exit_code(ERROR_DATA);
}
