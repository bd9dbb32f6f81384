/* The command line: what `headgate [COMMAND] [OPTIONS] [ARGUMENTS]` was asked for, and the commands. Exit codes follow
 * sysexits.h (64 usage, 65 data, 66 no input, 74 I/O, 75 try again, 78 config). */
#ifndef HEADGATE_COMMAND_COMMAND_H
#define HEADGATE_COMMAND_COMMAND_H

#include "base/error.h"
#include "config/config.h"

#define COMMAND_MAPS_MAX 32

struct command_line {
	struct config_options config; /* --config, --data-dir, --listen, --admin */
	struct {
		const char *schema; /* NULL: events against the catalog */
		const char *source; /* whose rules; NULL: the first one's */
		const char *maps[COMMAND_MAPS_MAX];
		size_t maps_count;
		bool assert_format;
	} validate;
	struct {
		const char *format, *out; /* NULL: the first format, to stdout */
	} catalog;
	struct {
		const char *from, *to; /* positions or times */
	} journal;
	struct {
		const char *topics; /* besides those of configuration and catalog */
	} audit;
	struct {
		const char *id; /* NULL: not given */
		bool suppress, unsuppress;
	} person;
	const char *only_for; /* command that one of the options given belongs to, or NULL */
	char **arguments;     /* behind the command's name, options taken out */
	int count;
};

/* Parses and runs; returns the exit code. `argv` is reordered. */
int command_run(int argc, char **argv, char *const *environment);

/* Says to stderr what went wrong; returns the exit code that belongs to it. */
int command_fail(const struct error *err);
/* "headgate: <message>" and how to get help, to stderr; returns 64. */
int command_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Writes to the file of --out, or to standard output. */
MUST_CHECK bool command_put_out(const struct command_line *line, struct slice text, struct error *err);

/* Reads config and catalog and tells what they hold, or what is wrong. */
int command_check(const struct command_line *line);
/* Judges the events of a file (NDJSON; "-": stdin); one verdict a line. 1: at least one is refused. */
int command_validate(const struct command_line *line);
/* The same for documents against a schema of their own, by the rules of JSON Schema: with --schema. */
int command_validate_schema(const struct command_line *line);
/* Writes the page for a data-protection officer (tracking/processing.h). */
int command_privacy(const struct command_line *line);
/* Reads what reached Kafka and proves it by the positions. 1: something is missing, twice or out of order. */
int command_audit(const struct command_line *line);
/* What is held of a person, as NDJSON; and erasing it. Through the running daemon, or on the stopped directory. */
int command_find(const struct command_line *line);
int command_erase(const struct command_line *line);
/* ls, cat, verify, export: reads journal files; needs no lock. */
int command_journal(const struct command_line *line);

#endif
