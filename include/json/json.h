/* A strict, iterative, zero-copy RFC 8259 scanner. The result is a flat array of nodes over the input bytes, parents
 * before children: node 0 is the root. An object's children come as key, value, key, value. Nothing is unescaped or
 * converted; numbers keep their text.
 *
 * Walk: the first child of node i is i + 1; the sibling after child c is nodes[c].next; the children end at
 * nodes[i].next. A key's value is the node after it. */
#ifndef HEADGATE_JSON_JSON_H
#define HEADGATE_JSON_JSON_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/slice.h"

enum json_type { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

enum json_flag {
	JSON_FLAG_ESCAPED = 1, /* string: holds a backslash */
	JSON_FLAG_INTEGER = 2, /* number: neither fraction nor exponent */
	/* The flags below are also set on every container that holds such a node, up to the root. */
	JSON_FLAG_NUL = 4,        /* a string holds \u0000 */
	JSON_FLAG_BAD_UTF8 = 8,   /* a string is not well-formed UTF-8 (an escaped lone surrogate is not counted) */
	JSON_FLAG_DUPLICATE = 16, /* an object holds two names that are equal after unescaping */
	JSON_FLAG_DEEP = 32,      /* nesting beyond the depth limit starts at or below this node */
	JSON_FLAG_SPACED = 64,    /* white space between tokens within this container */
	JSON_FLAG_UNFIT = JSON_FLAG_NUL | JSON_FLAG_BAD_UTF8 | JSON_FLAG_DUPLICATE | JSON_FLAG_DEEP
};

struct json_node {
	uint32_t offset; /* of the first byte: quote and bracket included */
	uint32_t length; /* quotes and brackets included */
	uint32_t next;   /* index of the node behind this one and all it holds */
	uint8_t type;    /* enum json_type */
	uint8_t flags;   /* enum json_flag */
	uint16_t count;  /* array: elements, object: members; 65535 means that many or more */
};

struct json_doc {
	const char *text;
	struct json_node *nodes;
	uint32_t count;
	uint32_t capacity;
};

struct json_options {
	uint32_t depth_max;     /* root container is depth 1; deeper containers are flagged DEEP */
	uint32_t nodes_max;     /* more: refused */
	uint32_t depth_refused; /* more levels: the text is refused; 0: 512. Scanning itself needs no stack. */
};

enum json_result { JSON_OK, JSON_MALFORMED, JSON_TOO_DEEP, JSON_TOO_MANY, JSON_NO_MEMORY };

/* Scans exactly one value with optional white space around it (also a lone scalar, as RFC 8259 allows). The text
 * (at most 4 GiB - 1) must outlive the doc; nodes live in the arena. A doc whose `nodes` is set already is reused.
 * On failure *error_offset is the byte where it was noticed. A byte order mark is malformed. */
enum json_result json_scan(struct json_doc *doc, struct slice text, const struct json_options *options,
                           struct arena *arena, size_t *error_offset);

/* The node's bytes as they came, quotes and brackets included. */
static inline struct slice json_raw(const struct json_doc *doc, uint32_t node)
{
	return (struct slice) { doc->text + doc->nodes[node].offset, doc->nodes[node].length };
}

/* A string's bytes between the quotes, escapes not resolved. */
static inline struct slice json_inner(const struct json_doc *doc, uint32_t node)
{
	return (struct slice) { doc->text + doc->nodes[node].offset + 1, doc->nodes[node].length - 2 };
}

static inline enum json_type json_type_of(const struct json_doc *doc, uint32_t node)
{
	return (enum json_type)doc->nodes[node].type;
}

/* Node of the value of member `name` (given unescaped; escaped names in the text match too), or 0 if absent. */
uint32_t json_get(const struct json_doc *doc, uint32_t object, struct slice name);
/* Follows an RFC 6901 pointer ("/items/0/price") from `node`; 0 if it leads nowhere ("" gives `node`). */
uint32_t json_pointer_get(const struct json_doc *doc, uint32_t node, struct slice pointer);
/* The string without quotes and escapes: borrowed from the text when it holds none, else in the arena. SLICE_NONE
 * after arena overflow. Lone surrogates become U+FFFD. */
struct slice json_string(const struct json_doc *doc, uint32_t node, struct arena *arena);
/* Equal to `text` after unescaping, without allocation. */
bool json_string_equals(const struct json_doc *doc, uint32_t node, struct slice text);
/* Characters (code points) after unescaping. A surrogate pair is one. */
size_t json_string_points(const struct json_doc *doc, uint32_t node);
/* An integer by value ("1.0" and "1e3" count, "1.5" does not) that fits; false otherwise. */
bool json_to_i64(const struct json_doc *doc, uint32_t node, int64_t *out);
/* The nearest double, correctly rounded (strtod without locale). */
double json_to_double(const struct json_doc *doc, uint32_t node);
const char *json_type_name(enum json_type type);

/* Writes. */
/* The node's bytes less the white space between tokens: one copy when there is none. */
void json_write_node(struct buffer *out, const struct json_doc *doc, uint32_t node);
/* `text` as a JSON string with quotes, escaping what must be (", \, control characters); other bytes as they are. */
void json_write_string(struct buffer *out, struct slice text);
/* As above, with U+2028/2029 and < escaped as well and invalid UTF-8 replaced by U+FFFD: for text that people sent. */
void json_write_string_safe(struct buffer *out, struct slice text);
/* Appends `/name` to an RFC 6901 pointer, escaping ~ and /. */
void json_write_pointer_step(struct buffer *out, struct slice name);

#endif
