/* The event catalog: `events/<event>/<MODEL-REVISION-ADDITION>.json` compiled to programs that run over the scanner's
 * nodes. Immutable after loading; owned by a snapshot; read by all lanes. */
#ifndef HEADGATE_CATALOG_CATALOG_H
#define HEADGATE_CATALOG_CATALOG_H

#include "base/error.h"
#include "base/slice.h"
#include "json/json.h"
#include "json/violation.h"

struct catalog;
struct schema; /* a compiled program */
struct alias_set;

struct schema_version {
	uint32_t model, revision, addition;
};

/* What a property's `type` asks of a text value (pixel query). */
enum schema_want { SCHEMA_WANT_STRING, SCHEMA_WANT_NUMBER, SCHEMA_WANT_INTEGER, SCHEMA_WANT_BOOLEAN };

/* Place of one PII-marked property, as a pointer with `*` for array items and for members of any name, one step each. */
struct schema_pii {
	struct slice pointer; /* relative to properties */
	struct slice kind;    /* email, phone, … */
	struct slice action;  /* may be empty */
};

/* One version of one event, with the `x-headgate` member of its schema's root. */
struct event_schema {
	struct slice event;
	uint32_t event_index; /* place of the event's name in the catalog, stable within this catalog */
	struct schema_version version;
	struct slice version_text; /* "1-0-0" */
	struct slice name;         /* "purchase/1-0-0" */
	struct slice dataschema;   /* <base_uri>event:purchase:1-0-0 */
	const struct schema *properties;
	struct slice source_text;     /* the schema file, byte for byte */
	const struct slice *purposes; /* default: analytics */
	size_t purposes_count;
	struct slice topic;      /* empty: config's; {event} expanded */
	const struct slice *key; /* pointers; count 0: config's */
	size_t key_count;
	const struct slice *unique_by; /* pointers into the event, "/properties/order_id"; count 0: not declared */
	size_t unique_by_count;
	uint64_t unique_window_ms;
	bool unique_across_drop;           /* "across":"drop" */
	struct slice dedup_mode;           /* "id" or "id+fingerprint"; empty: the source's */
	uint64_t dedup_window_ms;          /* 0: the source's */
	struct slice aliases;              /* the member's JSON text as it stands, its shape checked; empty: none */
	const struct alias_set *alias_set; /* compiled (catalog/alias.h); NULL: none */
	struct slice owner;
	const struct schema_pii *pii;
	size_t pii_count;
};

struct catalog_options {
	struct slice dir;
	struct slice base_uri;
	const struct slice *default_model_events; /* parallel arrays of `default_model_count` */
	const uint32_t *default_models;
	size_t default_model_count;
};

/* Reads and compiles all schemas below dir. `err` names file, JSON Pointer and reason. Never touches the network. */
struct catalog *catalog_load(const struct catalog_options *options, struct error *err);
void catalog_destroy(struct catalog **cat);

enum catalog_lookup { CATALOG_FOUND, CATALOG_NO_EVENT, CATALOG_NO_VERSION, CATALOG_BAD_VERSION };
/* `version` empty: the newest of the event's default model; "1", "1-0": the newest within; "1-0-0": that one. */
enum catalog_lookup catalog_find(const struct catalog *cat, struct slice event, struct slice version,
                                 const struct event_schema **out);
/* The event's name that was probably meant; SLICE_NONE if none comes near. */
struct slice catalog_guess_event(const struct catalog *cat, struct slice event);
size_t catalog_event_count(const struct catalog *cat);
struct slice catalog_event_name(const struct catalog *cat, size_t event_index);
size_t catalog_schema_count(const struct catalog *cat);
const struct event_schema *catalog_schema_at(const struct catalog *cat, size_t index);
/* The shared definitions for `user` and `context`; NULL if the catalog has none. */
const struct schema *catalog_user(const struct catalog *cat);
const struct schema *catalog_context(const struct catalog *cat);
/* A short text that changes when any schema does (hex of a hash over names and bytes), for /status. */
struct slice catalog_fingerprint(const struct catalog *cat);

/* Runs the program over the value at `node`, of a document without NUL escapes, duplicate names or excess depth. `at`
 * is the pointer of that value within the event ("/properties"), to begin reported paths with; a name in a path is cut
 * at 128 bytes. Violations are added to `out` (its arena). Returns true if there is none. No allocation unless
 * something is wrong, or a string with escapes meets a pattern or a format. */
bool schema_validate(const struct schema *schema, const struct json_doc *doc, uint32_t node, struct slice at,
                     struct violations *out);
/* What the schema wants at a pointer of names and indexes ("items","0","price"). */
enum schema_want schema_want_at(const struct schema *schema, const struct slice *steps, size_t count);
/* True if the property name is known to the schema at any place (names not known are withheld from dead letters). */
bool schema_knows_name(const struct schema *schema, struct slice name);

#endif
