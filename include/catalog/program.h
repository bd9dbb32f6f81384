/* The compiled form of schemas, shared by the compiler and the evaluator. A subschema is a type mask and a flat array
 * of operations, grouped by the type of value they apply to; operations refer to further subschemas. Everything lives
 * in one arena and is never written after compiling. */
#ifndef HEADGATE_CATALOG_PROGRAM_H
#define HEADGATE_CATALOG_PROGRAM_H

#include "catalog/catalog.h"
#include "catalog/decimal.h"
#include "catalog/format.h"
#include "catalog/name_table.h"
#include "catalog/pattern.h"

/* What values an operation applies to; the order in which a subschema's operations stand. */
enum op_class { OP_ANY, OP_NUMBER, OP_STRING, OP_ARRAY, OP_OBJECT, OP_CLASS_count };

/* Type masks: one bit per enum json_type, true and false together at JSON_TRUE, and one for integers. */
enum type_bit {
	TYPE_NULL = 1 << JSON_NULL,
	TYPE_BOOLEAN = 1 << JSON_TRUE | 1 << JSON_FALSE,
	TYPE_NUMBER = 1 << JSON_NUMBER,
	TYPE_STRING = 1 << JSON_STRING,
	TYPE_ARRAY = 1 << JSON_ARRAY,
	TYPE_OBJECT = 1 << JSON_OBJECT,
	TYPE_INTEGER = 128,
	TYPE_ANY = 255
};

struct run;
struct frame;
struct schema_op;
typedef void (*schema_op_fn)(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at);

/* A schema file, scanned. */
struct schema_file {
	struct slice path; /* below the root folder */
	struct slice text;
	struct json_doc doc;
	struct slice *texts;         /* by node: strings unescaped; NULL if no string holds an escape */
	struct subschema **compiled; /* by node */
	bool draft7;
	struct schema_file *next;
};

/* Values of enum and const. */
struct value_set {
	const struct schema_file *file;
	const uint32_t *nodes;
	uint32_t count;
	bool has_others;           /* values that are not strings */
	struct name_table strings; /* unescaped */
};

struct property {
	const struct subschema *sub; /* NULL: only named by `required` */
	uint64_t required_bit;       /* 0: not required, or beyond the first 64 */
};

struct object_rule {
	struct name_table names;
	const struct property *properties; /* as names.names */
	uint64_t required;
	const uint32_t *required_rest; /* names beyond the first 64 required ones */
	size_t required_rest_count;
	const struct subschema *additional; /* NULL: anything */
};

struct schema_op {
	schema_op_fn run;
	struct slice rule; /* the keyword */
	union {
		struct decimal number;
		uint64_t size;
		const struct pattern *pattern;
		const struct format *format;
		const struct value_set *values;
		const struct subschema *sub;
		const struct object_rule *object;
	};
};

struct subschema {
	uint8_t types; /* mask of enum type_bit */
	bool never;    /* the schema `false` */
	bool pii;      /* marked x-pii: no value at or below it is quoted */
	uint8_t mark;  /* mark and next: for walks at load */
	struct subschema *next;
	uint16_t starts[OP_CLASS_count + 1]; /* operations of class c: ops[starts[c] … starts[c + 1] - 1] */
	const struct schema_op *ops;
	const struct schema_file *file;
	struct slice pointer; /* within the file */
	struct slice pii_kind, pii_action;
};

struct schema {
	const struct subschema *root;
	struct slice name;       /* what messages call the document */
	struct name_table names; /* of properties, at any place */
};

/* One step from a container to what it holds; frames stand on the stack of the walk. */
struct frame {
	const struct frame *up;
	uint32_t key;              /* node of the member's name */
	uint32_t index;            /* of the array's element, where key is 0 */
	const struct slice *label; /* the schema's own name for it; NULL if it has none */
};

struct run {
	const struct schema *schema;
	const struct json_doc *doc;
	struct slice at;
	struct violations *out;
	uint32_t failures;
	bool pii; /* within something marked */
};

/* The operations (validate.c), one per keyword or group of keywords. */
void validate_minimum(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at);
void validate_maximum(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at);
void validate_exclusive_minimum(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at);
void validate_exclusive_maximum(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at);
void validate_min_length(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at);
void validate_max_length(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at);
void validate_pattern(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at);
void validate_format(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at);
void validate_values(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at);
void validate_reference(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at);
void validate_min_items(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at);
void validate_max_items(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at);
void validate_items(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at);
void validate_object(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at);

/* True if the document's value equals one of the set, by JSON value (value.c). */
bool value_set_holds(const struct value_set *set, const struct json_doc *doc, uint32_t node);

/* Messages (message.c). Each counts as a failure, and composes path and text unless the report is full. */
void message_add(struct run *run, const struct frame *at, struct slice rule, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
/* As above with ", got <number, boolean or null>" behind it, or the type where the value is a string or container, or
 * nothing within x-pii. */
void message_add_got(struct run *run, const struct frame *at, struct slice rule, uint32_t node, const char *format, ...)
        __attribute__((format(printf, 5, 6)));
void message_add_type(struct run *run, const struct frame *at, const struct subschema *sub, uint32_t node);
void message_add_values(struct run *run, const struct frame *at, const struct schema_op *op, uint32_t node);
void message_add_unknown(struct run *run, const struct frame *at, const struct object_rule *object);
void message_add_missing(struct run *run, const struct frame *at, struct slice name);

/* Walks at load (program.c). */
/* Fills schema->names from everything that can be reached from the root. False after arena overflow. */
bool program_collect_names(struct schema *schema, struct arena *arena);
/* Places marked x-pii, depth first, each reference followed once per path. False after arena overflow,
 * or where references branch without end. */
bool program_collect_pii(const struct schema *schema, struct arena *arena, const struct schema_pii **out,
                         size_t *count);
/* A subschema below `root` that refers to itself by references alone, so that no check of it could ever end, or that
 * is followed by more references than the evaluator's stack should hold; NULL if there is none. */
const struct subschema *program_find_loop(const struct subschema *root);

#endif
