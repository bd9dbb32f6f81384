/* One text that settings come from: the config file (JSON with comments), the value of an environment variable, a
 * command line option or a default of the table. Scanned, vetted, and able to say where in it something stands. */
#ifndef HEADGATE_CONFIG_TEXT_H
#define HEADGATE_CONFIG_TEXT_H

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"
#include "json/json.h"

struct config_text {
	struct slice name;   /* as errors call it: file, variable or option */
	struct slice folder; /* relative paths start here; empty: the working directory */
	bool is_file;        /* errors add line:column; comments are allowed; types are strict */
	struct slice bytes;  /* the text with comments blanked, offsets as they were */
	struct json_doc doc;
};

/* A node of a text and the path of the setting that it gives. */
struct config_value {
	const struct config_text *text;
	uint32_t node;
	struct slice path;
};

/* Copies `bytes` with comments, a byte order mark and trailing commas turned into spaces. False: a comment does not
 * end; *error_offset is where it begins. */
MUST_CHECK bool config_text_strip(struct slice bytes, char *to, size_t *error_offset);
/* Scans a file's bytes; refuses duplicate names, NUL escapes and bad UTF-8. `out->name` and `folder` are set before. */
MUST_CHECK bool config_text_scan_file(struct config_text *out, struct slice bytes, struct arena *arena,
                                      struct error *err);
/* Scans a lone value: JSON, else the bytes as a string. */
MUST_CHECK bool config_text_scan_value(struct config_text *out, struct slice bytes, struct arena *arena,
                                       struct error *err);
/* The bytes as a string, whatever they look like. */
MUST_CHECK bool config_text_scan_string(struct config_text *out, struct slice bytes, struct arena *arena,
                                        struct error *err);
/* "config/headgate.jsonc:12:3" or the bare name. */
struct slice config_text_place(const struct config_text *text, uint32_t node, struct arena *arena);
/* Sets "<place>: <path>: <message>" with code CONFIG. Always returns false. */
bool config_value_complain(const struct config_value *value, struct arena *arena, struct error *err, const char *format,
                           ...) __attribute__((format(printf, 4, 5)));

#endif
