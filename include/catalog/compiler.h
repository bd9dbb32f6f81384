/* From schema files to programs: reading, resources, references, keywords. Used at load by one thread. */
#ifndef HEADGATE_CATALOG_COMPILER_H
#define HEADGATE_CATALOG_COMPILER_H

#include "catalog/program.h"
#include "catalog/schema.h"

#define SCHEMA_FILE_BYTES (4 * 1024 * 1024)
/* A keyword stands once in a schema and gives one operation at most; there are fewer than this. */
#define DRAFT_OPS_MAX 64
/* What files below the root folder are retrieved from, as it were. */
#define CATALOG_BASE "headgate-catalog:///"
#define URI_BUCKETS 1024

/* Groups of keywords that a metaschema may switch off. */
enum vocabulary {
	VOCABULARY_CORE = 1,
	VOCABULARY_APPLICATOR = 2,
	VOCABULARY_UNEVALUATED = 4,
	VOCABULARY_VALIDATION = 8,
	VOCABULARY_META = 16,
	VOCABULARY_FORMAT = 32,
	VOCABULARY_CONTENT = 64,
	VOCABULARY_FORMAT_ASSERTION = 128,
	VOCABULARY_ALL = 127
};

enum compile_state { COMPILE_PENDING, COMPILE_OPEN, COMPILE_DONE };

struct uri_entry;

/* A place in a schema file, for messages. */
struct place {
	struct schema_file *file;
	uint32_t node;
	struct slice pointer;
};

/* A subschema that was referred to and is not compiled yet. */
struct pending {
	struct place place;
	struct pending *next;
};

struct compiler {
	struct arena *arena;
	struct slice root; /* folder of all files; empty: no file may be read */
	const struct schema_map *maps;
	size_t maps_count;
	bool specification; /* the standard's rules; else the catalog's */
	bool assert_format; /* of the standard's rules; in the catalog formats always are */
	bool draft7;        /* dialect of files that name none */
	struct error *err;
	const struct schema_file *files; /* read so far */
	struct uri_entry *uris[URI_BUCKETS];
	struct pending *pending;
	unsigned depth, loading;
	bool has_dynamic;
};

/* A subschema in the making. */
struct draft {
	struct subschema *sub;
	struct schema_op ops[DRAFT_OPS_MAX];
	uint8_t classes[DRAFT_OPS_MAX]; /* enum op_class of each */
	size_t count;
	struct place place;
	/* Nodes of keywords that are compiled together; 0: absent. */
	uint32_t properties, required, additional, patterns;
	uint32_t items, prefix, additional_items, contains, min_contains, max_contains;
	uint32_t condition, then, otherwise;
};

/* Scans a schema text and takes it among the compiler's files. NULL: err is set. */
struct schema_file *compiler_add_text(struct compiler *c, struct slice path, struct slice shown, struct slice uri,
                                      struct slice text);
/* The file at `path` below root, read at its first use. NULL: err is set. */
struct schema_file *compiler_add_file(struct compiler *c, struct slice path);
/* Compiles the subschema at the place, or finds it compiled already. NULL: err is set. */
const struct subschema *compiler_compile(struct compiler *c, const struct place *place);
/* The subschema at the place, to be compiled before the root is done. NULL: err is set. */
const struct subschema *compiler_compile_later(struct compiler *c, const struct place *place);
/* A file's root schema with its names; refuses references that loop. NULL: err is set. */
struct schema *compiler_compile_root(struct compiler *c, struct schema_file *file, struct slice name);

/* Always false: "<file>#<pointer>: reason". */
bool compiler_refuse(struct compiler *c, const struct place *place, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* Zeroed memory; NULL with err set. */
void *compiler_alloc(struct compiler *c, size_t count, size_t size);
/* The place of a member's value, or of an element. */
struct place compiler_place_member(struct compiler *c, const struct place *up, struct slice name, uint32_t node);
struct place compiler_place_element(struct compiler *c, const struct place *up, size_t index, uint32_t node);
/* A string of the file, unescaped. */
struct slice compiler_string(const struct schema_file *file, uint32_t node);
static inline enum json_type compiler_type(const struct place *place)
{
	return json_type_of(&place->file->doc, place->node);
}

/* Keywords (keywords.c). */
/* Takes one member of a schema into the draft: name, and the place of its value. False: err is set. */
bool keyword_compile(struct compiler *c, struct draft *draft, struct slice name, const struct place *value);
/* After the last member: keywords that work together become operations. */
bool keyword_finish(struct compiler *c, struct draft *draft);

/* Resources (resource.c). */
/* Finds the resources and anchors of a file just scanned. False: err is set. */
bool resource_read_file(struct compiler *c, struct schema_file *file);
/* The innermost resource that holds the node. */
struct resource *resource_of(const struct schema_file *file, uint32_t node);
struct anchor *resource_find_anchor(const struct resource *resource, struct slice name);
/* The resource of a URI without fragment, if it is known; NULL otherwise. */
struct resource *resource_find(const struct compiler *c, struct slice uri);
/* Makes a resource known by a URI. False: it stands for another one already, or no memory; err is set. */
bool resource_register(struct compiler *c, struct resource *resource, struct slice uri, const struct place *at);

/* References (reference.c). */
/* The resource at an absolute URI, read from where it is mapped to or built in. NULL: err is set. */
struct resource *reference_load(struct compiler *c, const struct place *at, struct slice uri);
/* Where `$ref` leads. NULL: err is set. With `anchor`, the anchor that was named, or NULL. */
const struct subschema *reference_resolve(struct compiler *c, const struct place *at, const struct anchor **anchor);

#endif
