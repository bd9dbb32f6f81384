/* One table of commands and one of options, from which parsing and help come. */
#include "command/command.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/buffer.h"
#include "command/catalog.h"
#include "command/service.h"
#include "command/version.h"
#include "config/keys.h"

struct option {
	const char *name, *value, *doc; /* value NULL: a flag */
	size_t offset;                  /* in struct command_line */
	const char *command;            /* those it is for, by "|"; NULL: all */
};

struct command {
	const char *name, *arguments, *doc;
	int least, most; /* arguments */
	int (*run)(const struct command_line *line);
};

static const struct option options[] = {
	{ "--config", "FILE",
	  "configuration; default: $HEADGATE_CONFIG, config/headgate.jsonc,\n"
	  "                         /etc/headgate/headgate.jsonc, else what is built in",
	  offsetof(struct command_line, config.file), NULL },
	{ "--data-dir", "DIR", "journal, event files and admin token", offsetof(struct command_line, config.data_dir),
	  NULL },
	{ "--listen", "ADDR:PORT", "public listener; port 0: any", offsetof(struct command_line, config.listen), NULL },
	{ "--admin", "ADDR:PORT", "admin listener; port 0: any", offsetof(struct command_line, config.admin), NULL },
	{ "--source", "NAME", "validate: by the rules of this source; default: the first one",
	  offsetof(struct command_line, validate.source), "validate" },
	{ "--schema", "FILE", "validate: documents against this schema, by the standard's rules",
	  offsetof(struct command_line, validate.schema), "validate" },
	{ "--map", "URI=DIR", "validate: references that begin with URI are read from DIR",
	  offsetof(struct command_line, validate.maps), "validate" },
	{ "--assert-format", NULL, "validate: formats are checked as well",
	  offsetof(struct command_line, validate.assert_format), "validate" },
	{ "--format", "NAME",
	  "catalog: docs as html or markdown, types as typescript or plan;\n"
	  "                         privacy: html or markdown",
	  offsetof(struct command_line, catalog.format), "catalog|privacy" },
	{ "--out", "FILE", "catalog and privacy write there; default: standard output",
	  offsetof(struct command_line, catalog.out), "catalog|privacy" },
	{ "--from", "WHEN", "journal: from that position or time on (cat, export, replay)",
	  offsetof(struct command_line, journal.from), "journal" },
	{ "--to", "WHEN", "journal: up to that position or time", offsetof(struct command_line, journal.to),
	  "journal" },
	{ "--topic", "NAMES",
	  "audit: these topics as well as those of configuration and catalog, with commas\n"
	  "                         between: a lane's records are judged over all topics that they went to",
	  offsetof(struct command_line, audit.topics), "audit" },
	{ "--id", "ID", "find, erase: name=value (user_id=42, event_id=…), or a value under any name",
	  offsetof(struct command_line, person.id), "find|erase" },
	{ "--suppress", NULL, "erase: refuse later events of that id as well",
	  offsetof(struct command_line, person.suppress), "erase" },
	{ "--unsuppress", NULL, "erase: erase nothing, take later events of that id again",
	  offsetof(struct command_line, person.unsuppress), "erase" },
};

static int run_serve(const struct command_line *line)
{
	return command_serve(&line->config);
}

static int run_version(const struct command_line *line)
{
	(void)line;
	return printf("headgate %s\n", version_text()) < 0 ? error_exit_code(ERROR_IO) : 0;
}

static int run_help(const struct command_line *line);

static const struct command commands[] = {
	{ "serve", "", "take events (the default)", 0, 0, run_serve },
	{ "check", "", "read configuration and catalog and say what is wrong", 0, 0, command_check },
	{ "validate", "FILE|-",
	  "judge events, or documents by --schema, one JSON value a line; exit 1 if any is refused", 1, 1,
	  command_validate },
	{ "journal", "ls|cat|verify|export|replay",
	  "list, print, prove or export the journal's files [FILE...]; send again what Kafka had", 1, INT32_MAX,
	  command_journal },
	{ "find", "--id ID", "print all that is held of a person, one JSON object a line", 0, 0, command_find },
	{ "erase", "--id ID", "erase all that is held of a person, and tell the consumers", 0, 0, command_erase },
	{ "catalog", "lint|diff|docs|...", "lint [DIR], diff OLD NEW, docs, types, schema EVENT: tools for the schemas",
	  1, INT32_MAX, command_catalog },
	{ "privacy", "", "write what is collected of persons, why, where and how long, for a data-protection officer",
	  0, 0, command_privacy },
	{ "audit", "", "prove from what is in Kafka that nothing is missing, twice or out of order; exit 1 if not", 0,
	  0, command_audit },
	{ "version", "", "print the version", 0, 0, run_version },
	{ "help", "[config]", "this, or all keys of the configuration", 0, 1, run_help },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

int command_fail(const struct error *err)
{
	fprintf(stderr, "headgate: %s\n", err->message);
	return error_exit_code(err->code);
}

int command_usage(const char *format, ...)
{
	va_list args;
	fputs("headgate: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("; `headgate help` lists commands and options\n", stderr);
	return error_exit_code(ERROR_USAGE);
}

bool command_put_out(const struct command_line *line, struct slice text, struct error *err)
{
	FILE *file = line->catalog.out ? fopen(line->catalog.out, "we") : stdout;
	const char *name = line->catalog.out ? line->catalog.out : "standard output";

	if (!file)
		return error_set_errno(err, "%s", name);
	bool ok = (fwrite(text.at, 1, text.len, file) == text.len && fflush(file) == 0) ||
	          error_set_errno(err, "%s", name);
	if (line->catalog.out && fclose(file) != 0 && ok)
		ok = error_set_errno(err, "%s", name);
	return ok;
}

static int print_help(void)
{
	printf("usage: headgate [COMMAND] [OPTIONS] [ARGUMENTS]\n\ncommands:\n");
	for (size_t i = 0; i < COUNT(commands); i++)
		printf("  %-9s%-22s %s\n", commands[i].name, commands[i].arguments, commands[i].doc);
	printf("\noptions:\n");
	for (size_t i = 0; i < COUNT(options); i++)
		printf("  %-11s%-10s  %s\n", options[i].name, options[i].value ? options[i].value : "", options[i].doc);
	printf("\nEach key of the configuration can be set by environment: limits.events is HEADGATE_LIMITS__EVENTS.\n"
	       "`headgate help config` lists the keys.\n");
	return fflush(stdout) == 0 ? 0 : error_exit_code(ERROR_IO);
}

static int run_help(const struct command_line *line)
{
	struct buffer text;
	if (line->count == 0)
		return print_help();
	if (strcmp(line->arguments[0], "config") != 0)
		return command_usage("help is there for config only");
	buffer_init(&text, NULL);
	config_describe(&text);
	bool ok = !text.failed && fwrite(text.at, 1, text.len, stdout) == text.len && fflush(stdout) == 0;
	buffer_fini(&text);
	return ok ? 0 : error_exit_code(ERROR_IO);
}

/* An option that may be given several times fills the next place of its list. */
static bool put_value(const struct option *option, const char *value, struct command_line *line)
{
	char *to = (char *)line + option->offset;
	if (option->offset == offsetof(struct command_line, validate.maps)) {
		if (line->validate.maps_count == COMMAND_MAPS_MAX)
			return false;
		to += line->validate.maps_count++ * sizeof(value);
	}
	memcpy(to, &value, sizeof(value));
	return true;
}

/* Takes the option at argv[*at] and its value. 0: taken, 64: usage, -1: not an option of ours. */
static int take_option(int argc, char **argv, int *at, struct command_line *line)
{
	const char *word = argv[*at], *equals = strchr(word, '=');
	struct slice name = { word, equals ? (size_t)(equals - word) : strlen(word) };
	for (size_t i = 0; i < COUNT(options); i++) {
		if (!slice_equal(name, slice_of(options[i].name)))
			continue;
		line->only_for = options[i].command ? options[i].command : line->only_for;
		if (!options[i].value) {
			*((bool *)((char *)line + options[i].offset)) = true;
			return equals ? command_usage("%s takes no value", options[i].name) : 0;
		}
		const char *value = equals ? equals + 1 : *at + 1 < argc ? argv[++*at] : NULL;
		if (!value || !value[0])
			return command_usage("%s needs a value: %s", options[i].name, options[i].value);
		if (!put_value(&options[i], value, line))
			return command_usage("%s is given too often", options[i].name);
		return 0;
	}
	return -1;
}

/* Sorts options from arguments; the arguments are gathered at argv[1 …]. */
static int parse(int argc, char **argv, struct command_line *line, bool *help, bool *version)
{
	bool only_arguments = false;
	line->arguments = argv + 1;
	for (int i = 1; i < argc; i++) {
		char *word = argv[i];
		if (only_arguments || word[0] != '-' || strcmp(word, "-") == 0) {
			line->arguments[line->count++] = word;
			continue;
		}
		if (strcmp(word, "--") == 0) {
			only_arguments = true;
			continue;
		}
		*help |= strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
		*version |= strcmp(word, "--version") == 0;
		if (*help || *version)
			continue;
		int code = take_option(argc, argv, &i, line);
		if (code)
			return code > 0 ? code : command_usage("unknown option %s", word);
	}
	return 0;
}

/* "catalog|privacy" */
static bool is_for(const char *commands_of_option, const char *name)
{
	struct slice rest = slice_of(commands_of_option);
	while (rest.len)
		if (slice_equal(slice_split(&rest, '|'), slice_of(name)))
			return true;
	return false;
}

static int run_command(const char *name, const struct command_line *line)
{
	for (size_t i = 0; i < COUNT(commands); i++) {
		if (strcmp(commands[i].name, name) != 0)
			continue;
		if (line->count < commands[i].least || line->count > commands[i].most)
			return command_usage("expected: headgate %s%s%s", name, commands[i].arguments[0] ? " " : "",
			                     commands[i].arguments);
		if (line->only_for && !is_for(line->only_for, name))
			return command_usage("there are options that only %s has", line->only_for);
		return commands[i].run(line);
	}
	return command_usage("unknown command %s", name);
}

int command_run(int argc, char **argv, char *const *environment)
{
	struct command_line line = { .config.environment = environment };
	bool help = false, version = false;
	int code = parse(argc, argv, &line, &help, &version);
	if (code)
		return code;
	if (sodium_init() < 0)
		return command_fail(&(struct error) { ERROR_OS, "no source of random numbers" });
	const char *name = "serve";
	if (line.count) {
		name = line.arguments[0];
		line.arguments++;
		line.count--;
	}
	if (version)
		return run_version(&line);
	if (!help)
		return run_command(name, &line);
	/* `--help config` means the same as `help config`. */
	struct command_line topic = { .arguments = line.arguments - 1, .count = strcmp(name, "config") == 0 };
	return run_help(&topic);
}
