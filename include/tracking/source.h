/* Schemas as their authors wrote them: for tools that tell about schemas (lint, diff, docs, types), where the compiled
 * program only judges documents. Everything lives in the arena given. Thread: one at a time. */
#ifndef HEADGATE_TRACKING_SOURCE_H
#define HEADGATE_TRACKING_SOURCE_H

#include "base/arena.h"
#include "base/error.h"
#include "json/json.h"

struct source_file {
	struct slice path; /* below the root folder */
	struct slice text;
	struct json_doc doc;
	bool draft7;
	uint32_t *marks; /* by node, for walks; NULL until one is made */
	struct source_file *next;
};

struct sources {
	struct arena *arena;
	struct slice root; /* folder; empty: no file may be read */
	struct source_file *files;
};

/* A value in a schema file. */
struct spot {
	const struct source_file *file;
	uint32_t node;
};

#define VIEW_SPOTS 32
/* A subschema with `$ref` and `allOf` resolved: the schemas that hold at once for a value, the nearest first. */
struct view {
	struct spot at[VIEW_SPOTS];
	size_t count;
	bool never; /* the schema `false` is among them */
};

struct source_member {
	struct slice name;
	struct spot value;
	uint32_t key; /* 0 before the first */
};

void sources_init(struct sources *src, struct slice root, struct arena *arena);
/* The file at `path` below root, read at its first use. NULL with "<file>#<pointer>: reason" in err. */
struct source_file *source_read(struct sources *src, struct slice path, struct error *err);
/* Takes a text among the files. NULL: err is set. */
struct source_file *source_add(struct sources *src, struct slice path, struct slice text, struct error *err);

enum json_type spot_type(struct spot at);
/* Value of a member; its node is 0 if it is absent or `at` is no object. */
struct spot spot_get(struct spot at, struct slice name);
/* A string, unescaped; SLICE_NONE if it is none. */
struct slice spot_text(const struct sources *src, struct spot at);
struct slice spot_member_text(const struct sources *src, struct spot at, struct slice name);
/* The next member, or element (node 0 before the first); false behind the last, and where `at` holds none. */
bool spot_next_member(const struct sources *src, struct spot at, struct source_member *member);
bool spot_next_element(struct spot array, struct spot *element);
size_t spot_count(struct spot container);
/* Equal by value: numbers by what they are worth, objects in any order. */
bool spot_equal(struct spot a, struct spot b);

/* Where a `$ref` (given its value) leads. False: nowhere. */
bool source_follow(struct sources *src, struct spot reference, struct spot *out);
struct view source_view(struct sources *src, struct spot at);
/* The nearest schema's value of a keyword; node 0: none has it. */
struct spot view_get(const struct view *view, struct slice keyword);
/* A property's subschemas as one view; count 0: no schema of the view names it. */
struct view view_property(struct sources *src, const struct view *view, struct slice name);
/* The names of all properties, in the order they stand, each once. NULL: none. */
const struct slice *view_property_names(struct sources *src, const struct view *view, size_t *count);
bool view_requires(const struct view *view, struct slice name);
/* `additionalProperties` or `unevaluatedProperties` is false. */
bool view_is_closed(const struct view *view);
/* Bits (1 << enum json_type; booleans at JSON_TRUE; TYPE_BIT_INTEGER where only integers) that `type`, `const` and
 * `enum` allow; TYPE_BITS_ANY where nothing is said. */
#define TYPE_BIT_INTEGER 128u
#define TYPE_BITS_ANY 0xffffu
unsigned view_types(const struct view *view);
/* What `type` alone says. */
unsigned view_declared_types(const struct view *view);
/* "string", "integer or null", "any"; from a mask of view_types. */
struct slice source_types_text(struct arena *arena, unsigned types, const char *between);

enum source_role {
	SOURCE_PROPERTY,
	SOURCE_ITEM,       /* items, prefixItems, contains */
	SOURCE_REST,       /* additionalProperties, patternProperties and the like */
	SOURCE_DEFINITION, /* $defs, definitions */
	SOURCE_SAME        /* holds for the same value: allOf, if, not, … */
};

/* What a keyword's value may hold: one schema, a list of them, schemas by name. */
enum source_shape { SOURCE_ONE = 1, SOURCE_LIST = 2, SOURCE_MAP = 4 };
/* 0: no schemas. */
unsigned source_keyword_shapes(struct slice keyword);

struct source_child {
	struct slice keyword;
	struct slice step; /* name or index below the keyword; at NULL: none */
	struct spot at;
	enum source_role role;
};
/* False ends the walk. */
typedef bool (*source_child_fn)(void *context, const struct source_child *child);
/* Calls `fn` for each subschema that stands directly in the one at `at`; references are not followed. */
bool source_each_child(const struct sources *src, struct spot at, source_child_fn fn, void *context);
/* `pointer` with the child's steps behind it. */
struct slice source_pointer(struct arena *arena, struct slice pointer, const struct source_child *child);

#endif
