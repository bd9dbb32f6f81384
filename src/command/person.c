/* `headgate find --id ID` and `headgate erase --id ID [--suppress | --unsuppress]`: through the running daemon's admin
 * listener, or, without one, on the stopped directory, under its lock. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/log.h"
#include "command/admin_client.h"
#include "command/command.h"
#include "command/erasure.h"
#include "holdings/holdings.h"
#include "journal/journal.h"
#include "journal/meta.h"
#include "privacy/suppression.h"

enum act { ACT_FIND, ACT_ERASE };

struct ask {
	enum act act;
	struct person who;
	bool suppress, unsuppress;
};

/* ---- through the daemon ---- */

static bool ask_daemon(const struct config *cfg, const struct ask *ask, struct error *err)
{
	struct buffer body;
	buffer_init(&body, NULL);
	buffer_append(&body, SLICE("{\"id\":"));
	json_write_string(&body, ask->who.value);
	if (ask->who.name.len) {
		buffer_append(&body, SLICE(",\"name\":"));
		json_write_string(&body, ask->who.name);
	}
	if (ask->suppress)
		buffer_append(&body, SLICE(",\"suppress\":true"));
	if (ask->unsuppress)
		buffer_append(&body, SLICE(",\"unsuppress\":true"));
	buffer_append_char(&body, '}');
	bool ok = body.failed ? error_set(err, ERROR_MEMORY, "a request")
	                      : admin_client_post(cfg, ask->act == ACT_FIND ? "/find" : "/erase", buffer_slice(&body),
	                                          stdout, err);
	buffer_fini(&body);
	if (ok && ask->act == ACT_ERASE)
		ok = puts("") >= 0 || error_set_errno(err, "standard output");
	return ok;
}

/* ---- on the stopped directory ---- */

struct stopped {
	const struct config *cfg;
	struct journal *journal;
	struct audit_log *audit;
	struct suppression *suppression;
};

static bool roll(void *context, struct error *err)
{
	struct stopped *stopped = context;
	return journal_writer_roll(journal_writer_get(stopped->journal, 0), err);
}

static bool append(void *context, struct journal_record *record, struct error *err)
{
	struct stopped *stopped = context;
	record->lane = 0;
	return erasure_append(journal_writer_get(stopped->journal, 0), record, err);
}

static bool nothing_to_pause(void *context, struct error *err)
{
	(void)context;
	(void)err;
	return true;
}

static void nothing_to_resume(void *context)
{
	(void)context;
}

static bool open_lists(struct stopped *stopped, const struct hash_key *key, struct error *err)
{
	const char *dir = stopped->cfg->data_dir.at;
	stopped->suppression = suppression_open(dir, key, err);
	stopped->audit = stopped->suppression ? audit_log_open(dir, key, err) : NULL;
	return stopped->audit != NULL;
}

static struct holdings holdings_of(struct stopped *stopped, const char *log_id)
{
	return (struct holdings) { .data_dir = stopped->cfg->data_dir.at,
		                   .log_id = log_id,
		                   .journal = stopped->journal,
		                   .suppression = stopped->suppression,
		                   .audit = stopped->audit,
		                   .via = "command",
		                   .erasures = stopped->cfg->topics.erasures,
		                   .context = stopped,
		                   .roll = roll,
		                   .pause = nothing_to_pause,
		                   .resume = nothing_to_resume,
		                   .append = append };
}

/* Reading needs no recovery: the files are read as they lie there. */
static bool find_stopped(struct stopped *stopped, const struct ask *ask, struct error *err)
{
	static struct meta meta; /* too large for a stack */
	char path[4096], log_id[JOURNAL_LOG_ID_TEXT + 1];
	uint64_t found;
	snprintf(path, sizeof path, "%s/LOCK", stopped->cfg->data_dir.at);
	int lock = open(path, O_RDWR | O_CLOEXEC);
	if (lock < 0)
		return error_set_errno(err, "%s", path);
	bool ok =
	        flock(lock, LOCK_EX | LOCK_NB) == 0 || error_set(err, ERROR_BUSY, "%s: a daemon began to use it", path);
	ok = ok && meta_read(stopped->cfg->data_dir.at, &meta, err) && open_lists(stopped, &meta.hash_key, err);
	if (ok) {
		for (size_t i = 0; i < sizeof meta.log_id; i++)
			snprintf(log_id + 2 * i, 3, "%02x", meta.log_id[i]);
		struct holdings holdings = holdings_of(stopped, log_id);
		ok = fflush(stdout) == 0 && holdings_find(&holdings, &ask->who, STDOUT_FILENO, &found, err);
	}
	close(lock);
	return ok;
}

static bool erase_stopped(struct stopped *stopped, const struct ask *ask, struct error *err)
{
	const struct config *cfg = stopped->cfg;
	const struct journal_options options = { .dir = cfg->data_dir.at,
		                                 .lanes = 1,
		                                 .sync_on_commit = true,
		                                 .file_bytes = cfg->journal.file_bytes,
		                                 .disk_budget_bytes = cfg->journal.disk_budget_bytes,
		                                 .reserve_bytes = cfg->journal.reserve_bytes };
	struct buffer json;
	stopped->journal = journal_open(&options, err);
	if (!stopped->journal || !open_lists(stopped, journal_hash_key(stopped->journal), err) ||
	    !audit_log_note_recovery(stopped->audit, stopped->journal, err))
		return false;
	buffer_init(&json, NULL);
	struct holdings holdings = holdings_of(stopped, journal_log_id(stopped->journal));
	bool ok = ask->unsuppress ? holdings_unsuppress(&holdings, &ask->who, &json, err)
	                          : holdings_erase(&holdings, &ask->who, ask->suppress, &json, err);
	if (ok && (printf("%.*s\n", SLICE_ARG(buffer_slice(&json))) < 0 || fflush(stdout) != 0))
		ok = error_set_errno(err, "standard output");
	buffer_fini(&json);
	return ok;
}

static bool do_stopped(const struct config *cfg, const struct ask *ask, struct error *err)
{
	struct stopped stopped = { .cfg = cfg };
	char path[4096];
	snprintf(path, sizeof path, "%s/meta", cfg->data_dir.at);
	if (access(path, F_OK) != 0) /* opening it would make one */
		return error_set_errno(err, "%s", path);
	bool ok = ask->act == ACT_FIND ? find_stopped(&stopped, ask, err) : erase_stopped(&stopped, ask, err);
	audit_log_close(&stopped.audit);
	suppression_close(&stopped.suppression);
	journal_close(&stopped.journal);
	return ok;
}

/* ---- the commands ---- */

static int run(const struct command_line *line, struct ask *ask)
{
	struct error err = { 0 };
	if (!line->person.id)
		return command_usage("--id ID is needed: name=value, or a value under any name");
	if (!person_parse(slice_of(line->person.id), &ask->who, &err))
		return command_usage("--id: %s", err.message);
	struct config *cfg = config_load(&line->config, &err);
	if (!cfg)
		return command_fail(&err);
	log_init(LOG_WARN, cfg->log_format);
	bool ok = admin_client_is_needed(cfg, &err) ? ask_daemon(cfg, ask, &err)
	                                            : !err.code && do_stopped(cfg, ask, &err);
	config_destroy(&cfg);
	return ok ? 0 : command_fail(&err);
}

int command_find(const struct command_line *line)
{
	struct ask ask = { .act = ACT_FIND };
	if (line->person.suppress || line->person.unsuppress)
		return command_usage("find has no --suppress and no --unsuppress");
	return run(line, &ask);
}

int command_erase(const struct command_line *line)
{
	struct ask ask = { .act = ACT_ERASE, .suppress = line->person.suppress, .unsuppress = line->person.unsuppress };
	if (ask.suppress && ask.unsuppress)
		return command_usage("--suppress and --unsuppress exclude each other");
	return run(line, &ask);
}
