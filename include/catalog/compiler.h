/* From schema files to programs: reading, references, keywords. Used at load by one thread. */
#ifndef HEADGATE_CATALOG_COMPILER_H
#define HEADGATE_CATALOG_COMPILER_H

#include "catalog/program.h"

#define SCHEMA_FILE_BYTES (1024 * 1024)
#define DRAFT_OPS_MAX \
	64 /* a keyword stands once in a schema and gives one operation at most; there are fewer than this */

struct compiler {
	struct arena *arena;
	struct slice root;         /* folder of all files; empty: no file may be read */
	struct schema_file *files; /* read so far */
	bool draft7;               /* dialect of files that name none */
	struct error *err;
	unsigned depth;
};

/* A place in a schema file, for messages. */
struct place {
	struct schema_file *file;
	uint32_t node;
	struct slice pointer;
};

/* A subschema in the making. */
struct draft {
	struct subschema *sub;
	struct schema_op ops[DRAFT_OPS_MAX];
	uint8_t classes[DRAFT_OPS_MAX]; /* enum op_class of each */
	size_t count;
	uint32_t properties, required, additional; /* nodes; 0: absent */
	struct place place;
};

/* Scans a schema text and takes it among the compiler's files. NULL: err is set. */
struct schema_file *compiler_add_text(struct compiler *c, struct slice path, struct slice text);
/* The file at `path` below root, read at its first use. NULL: err is set. */
struct schema_file *compiler_add_file(struct compiler *c, struct slice path);
/* Compiles the subschema at the place, or finds it compiled already. NULL: err is set. */
const struct subschema *compiler_compile(struct compiler *c, const struct place *place);
/* A file's root schema with its names; refuses references that loop. NULL: err is set. */
struct schema *compiler_compile_root(struct compiler *c, struct schema_file *file, struct slice name);

/* Always false: "<root>/<path>#<pointer>: reason". */
bool compiler_refuse(struct compiler *c, const struct place *place, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* Zeroed memory; NULL with err set. */
void *compiler_alloc(struct compiler *c, size_t count, size_t size);
/* The place of a member's value, or of an element. */
struct place compiler_place_member(struct compiler *c, const struct place *up, struct slice name, uint32_t node);
struct place compiler_place_element(struct compiler *c, const struct place *up, size_t index, uint32_t node);
/* A string of the file, unescaped. */
struct slice compiler_string(const struct schema_file *file, uint32_t node);

/* Keywords (keywords.c). */
/* Takes one member of a schema into the draft: name, and the place of its value. False: err is set. */
bool keyword_compile(struct compiler *c, struct draft *draft, struct slice name, const struct place *value);
/* After the last member: properties, required and additionalProperties become one operation. */
bool keyword_finish(struct compiler *c, struct draft *draft);
/* Where `$ref` leads (reference.c). NULL: err is set. */
const struct subschema *reference_resolve(struct compiler *c, const struct place *at);

#endif
