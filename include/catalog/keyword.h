/* Inside of the keyword compilers: what the table (keywords.c) knows of a keyword, and the functions that it names. */
#ifndef HEADGATE_CATALOG_KEYWORD_H
#define HEADGATE_CATALOG_KEYWORD_H

#include "catalog/compiler.h"

struct keyword;
typedef bool (*compile_fn)(struct compiler *c, struct draft *draft, const struct keyword *keyword,
                           const struct place *value);

enum dialect { DIALECT_7 = 1, DIALECT_2020 = 2, DIALECT_BOTH = 3 };

struct keyword {
	struct slice name;
	unsigned dialects;
	unsigned vocabulary; /* enum vocabulary; 0: ours */
	enum op_class class;
	compile_fn compile;
	schema_op_fn run;
	enum op_kind kind;
	size_t note; /* offset in struct draft of the node, for keyword_note */
};

/* The operation of a keyword, its union still to be filled. */
struct schema_op *keyword_add_op(struct draft *draft, const struct keyword *keyword);
/* False unless the value has the type; err is set. */
bool keyword_expect(struct compiler *c, const struct place *place, enum json_type type, const char *what);

/* An integer of 0 or more, by value; what is beyond 64 bits counts as the greatest. */
bool keyword_read_size(struct compiler *c, const struct place *value, uint64_t *out);

#define COMPILER(name)                                                                              \
	bool keyword_##name(struct compiler *c, struct draft *draft, const struct keyword *keyword, \
	                    const struct place *value);
/* Annotations and marks (keywords.c). */
COMPILER(any)
COMPILER(text)
COMPILER(list)
COMPILER(flag)
COMPILER(object)
COMPILER(root_text)
COMPILER(headgate)
COMPILER(pii)
COMPILER(pii_action)
COMPILER(note)
/* Checks of single values (keyword_values.c). */
COMPILER(type)
COMPILER(number)
COMPILER(multiple)
COMPILER(size)
COMPILER(pattern)
COMPILER(format)
COMPILER(enum)
COMPILER(const)
/* Combinations and references (keyword_combinations.c). */
COMPILER(definitions)
COMPILER(reference)
COMPILER(dynamic_reference)
COMPILER(subschema)
COMPILER(schemas)
COMPILER(required)
COMPILER(dependent_required)
COMPILER(dependent_schemas)
COMPILER(dependencies)
COMPILER(unevaluated_items)
COMPILER(unevaluated_properties)
#undef COMPILER

/* Each makes one operation of what was noted (keyword_combinations.c, keyword_objects.c). */
bool keyword_finish_array(struct compiler *c, struct draft *draft);
bool keyword_finish_contains(struct compiler *c, struct draft *draft);
bool keyword_finish_condition(struct compiler *c, struct draft *draft);
bool keyword_finish_object(struct compiler *c, struct draft *draft);

#endif
