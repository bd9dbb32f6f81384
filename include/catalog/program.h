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
struct subschema;
typedef void (*schema_op_fn)(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at);

/* A schema file, scanned. */
struct schema_file {
	struct slice path;  /* below the root folder */
	struct slice shown; /* what messages call it */
	struct slice uri;   /* where it was retrieved from */
	struct slice text;
	struct json_doc doc;
	struct slice *texts;         /* by node: strings unescaped; NULL if no string holds an escape */
	struct subschema **compiled; /* by node */
	struct resource **resources; /* by node, ascending; [0] is the file's root */
	size_t resources_count;
	struct schema_file *next;
};

struct anchor {
	struct slice name;
	uint32_t node;
	bool dynamic;
	struct subschema *sub; /* of a dynamic one, where the program has dynamic references */
	struct anchor *next;
};

/* A schema with a URI of its own: a file's root, and each subschema with `$id`. */
struct resource {
	struct schema_file *file;
	struct slice uri;     /* without fragment */
	struct slice pointer; /* within the file */
	uint32_t node, end;
	bool draft7;
	unsigned vocabularies;   /* enum vocabulary */
	struct resource *parent; /* the resource that it stands in */
	struct anchor *anchors;
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

struct pattern_property {
	const struct pattern *pattern;
	const struct subschema *sub;
};

struct object_rule {
	struct name_table names;
	const struct property *properties; /* as names.names */
	uint64_t required;
	const uint32_t *required_rest; /* names beyond the first 64 required ones */
	size_t required_rest_count;
	const struct subschema *additional; /* NULL: anything */
	const struct pattern_property *patterns;
	size_t patterns_count;
};

struct array_rule {
	const struct subschema *const *prefix;
	size_t prefix_count;
	const struct subschema *rest; /* NULL: anything */
};

struct subschema_list {
	const struct subschema *const *at;
	size_t count;
};

struct conditional {
	const struct subschema *condition, *then, *otherwise; /* the last two may be NULL */
};

struct contains_rule {
	const struct subschema *sub;
	uint64_t least, most;
	bool marks; /* what it finds counts as evaluated (2020-12) */
};

/* Where `name` is present: further names, or a subschema for the whole object. */
struct dependency {
	struct slice name;
	const struct slice *required;
	size_t required_count;
	const struct subschema *sub;
};

struct dependency_list {
	const struct dependency *at;
	size_t count;
};

/* `$dynamicRef` that leads to a dynamic anchor: the outermost resource entered that has one of this name decides. */
struct dynamic_reference {
	struct slice name;
	const struct subschema *sub; /* where the reference leads by itself */
	const struct schema_file *const *files;
};

/* What an operation's union holds that a walk must follow. */
enum op_kind {
	OP_CHECK,
	OP_SUB,
	OP_NAMES,
	OP_LIST,
	OP_CONDITION,
	OP_CONTAINS,
	OP_ITEMS,
	OP_TUPLE,
	OP_MEMBERS,
	OP_DEPENDENCIES,
	OP_DYNAMIC
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
		const struct array_rule *array;
		const struct subschema_list *list;
		const struct conditional *conditional;
		const struct contains_rule *contains;
		const struct dependency_list *dependencies;
		const struct dynamic_reference *dynamic;
	};
	uint8_t kind; /* enum op_kind */
};

struct subschema {
	uint8_t types; /* mask of enum type_bit */
	bool special;  /* any of: never, pii, entry, an unevaluated… */
	bool never;    /* the schema `false` */
	bool pii;      /* marked x-pii: no value at or below it is quoted */
	bool entry;    /* the root of a resource within a file */
	uint8_t state; /* enum compile_state */
	uint8_t mark;  /* mark, height and next: for walks at load */
	uint16_t height;
	struct subschema *next;
	uint16_t starts[OP_CLASS_count + 1]; /* operations of class c: ops[starts[c] … starts[c + 1] - 1] */
	const struct schema_op *ops;
	const struct subschema *unevaluated_items, *unevaluated_properties;
	const struct resource *resource;
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

/* Resources entered on the way to here, innermost first: the dynamic scope. */
struct scope {
	const struct scope *up;
	const struct resource *resource;
};

#define MARKS_WITHIN 4 /* words that need no memory */

/* Which members or elements of the value at hand have been evaluated, for unevaluatedProperties and -Items. */
struct marks {
	uint64_t within[MARKS_WITHIN];
	uint64_t *words;
	size_t words_count;
	bool all;
	struct marks_block *block; /* where the words lie, if not within */
};

enum run_abort { RUN_GOES_ON, RUN_TOO_MUCH, RUN_TOO_DEEP, RUN_NO_MEMORY, RUN_SLOW_PATTERN };

struct run {
	const struct schema *schema;
	const struct json_doc *doc;
	struct slice at;
	struct violations *out;
	uint32_t failures;
	uint32_t depth;       /* of subschemas within each other */
	uint64_t budget;      /* subschemas that may still be entered */
	unsigned quiet;       /* > 0: only whether it fits is asked, nothing is reported */
	enum run_abort abort; /* sticky: the verdict is no, whatever stands around */
	bool pii;             /* within something marked */
	struct marks *marks;  /* NULL: nobody asks */
	const struct scope *scope;
	struct marks_block *spare_blocks;
	uint64_t *table; /* scratch of uniqueItems */
	size_t table_size;
};

/* Runs what a subschema asks of a value (validate.c). */
void validate_subschema(struct run *run, const struct subschema *sub, uint32_t node, const struct frame *at);
/* The same where it applies to a value that another subschema is looking at already: references and combinations, which
 * may lead deep and multiply, so that depth and work are counted. */
void validate_here(struct run *run, const struct subschema *sub, uint32_t node, const struct frame *at);
/* Ends the run without a verdict: it counts as invalid. */
void validate_abort(struct run *run, enum run_abort why);
/* A string's own bytes, or its unescaped copy; false if there is no memory. */
bool validate_unescape(struct run *run, uint32_t node, struct slice *out);
/* Elements of an array, or members of an object; a node's own count stops at 65,535. */
size_t validate_count(const struct json_doc *doc, uint32_t node);
/* How many of something a value has; within x-pii not even that is told. */
void validate_report_count(struct run *run, const struct schema_op *op, const struct frame *at, const char *bound,
                           const char *unit, uint64_t want, size_t got);

/* Where only the verdict counts and it is known, the rest need not be looked at. */
static inline bool validate_is_decided(const struct run *run, uint32_t failures_before)
{
	return run->failures != failures_before && run->quiet;
}

/* Marks (marks.c). */
/* False: no memory, the run is aborted; `marks` is good to be closed all the same. */
bool marks_open(struct run *run, struct marks *marks, size_t count);
void marks_close(struct run *run, struct marks *marks);
void marks_merge(struct marks *to, const struct marks *from);

static inline void marks_set(struct marks *marks, size_t index)
{
	if (index / 64 < marks->words_count)
		marks->words[index / 64] |= UINT64_C(1) << index % 64;
}

static inline bool marks_has(const struct marks *marks, size_t index)
{
	return marks->all || (index / 64 < marks->words_count && (marks->words[index / 64] >> index % 64 & 1));
}

/* The operations, one per keyword or group of keywords. */
#define OPERATION(name) \
	void validate_##name(struct run *run, const struct schema_op *op, uint32_t node, const struct frame *at);
OPERATION(minimum)
OPERATION(maximum)
OPERATION(exclusive_minimum)
OPERATION(exclusive_maximum)
OPERATION(multiple_of)
OPERATION(min_length)
OPERATION(max_length)
OPERATION(pattern)
OPERATION(format)
OPERATION(values)
OPERATION(min_items)
OPERATION(max_items)
OPERATION(unique_items)
OPERATION(items)
OPERATION(tuple)
OPERATION(contains)
OPERATION(object)
OPERATION(property_names)
OPERATION(min_properties)
OPERATION(max_properties)
OPERATION(dependencies)
OPERATION(reference)
OPERATION(dynamic_reference)
OPERATION(all_of)
OPERATION(any_of)
OPERATION(one_of)
OPERATION(not )
OPERATION(condition)
#undef OPERATION

/* True if the document's value equals one of the set, by JSON value (value.c). */
bool value_set_holds(const struct value_set *set, const struct json_doc *doc, uint32_t node);
/* Equality of two values of the document, and a hash that equal values share. */
bool value_equal(const struct json_doc *doc, uint32_t a, uint32_t b);
uint64_t value_hash(const struct json_doc *doc, uint32_t node, uint64_t seed);

/* Messages (message.c). Each counts as a failure, and composes path and text unless the report is full. */
void message_add(struct run *run, const struct frame *at, struct slice rule, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
/* As above with ", got <number, boolean or null>" behind it, or the type where the value is a string or container, or
 * nothing within x-pii. */
void message_add_got(struct run *run, const struct frame *at, struct slice rule, uint32_t node, const char *format, ...)
        __attribute__((format(printf, 5, 6)));
void message_add_type(struct run *run, const struct frame *at, const struct subschema *sub, uint32_t node);
void message_add_values(struct run *run, const struct frame *at, const struct schema_op *op, uint32_t node);
/* `names`: those that may have been meant. */
void message_add_unknown(struct run *run, const struct frame *at, struct slice rule, const struct name_table *names);
/* `because`: the name whose presence asks for it; SLICE_NONE: it is always asked for. */
void message_add_missing(struct run *run, const struct frame *at, struct slice rule, struct slice name,
                         struct slice because);

/* Walks at load (program.c). */
/* Fills schema->names from everything that can be reached from the root. False after arena overflow. */
bool program_collect_names(struct schema *schema, struct arena *arena);
/* Places marked x-pii, depth first, each reference followed once per path. False after arena overflow,
 * or where references branch without end. */
bool program_collect_pii(const struct schema *schema, struct arena *arena, const struct schema_pii **out,
                         size_t *count);
/* A subschema below `root` that leads back to itself at the same place of the document (by references and
 * combinations alone), so that no check of it could ever end, or that is followed by more of them than the
 * evaluator's stack should hold; NULL if there is none. */
const struct subschema *program_find_loop(const struct subschema *root);

#endif
