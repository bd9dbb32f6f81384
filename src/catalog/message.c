/* What a web developer reads when an event is refused. Strings of the document never appear: the schema's own do, and
 * numbers, booleans and types. Work and memory are bounded: beyond VIOLATIONS_MAX only counting goes on, and a name in
 * a path is cut at NAME_BYTES. */
#include "catalog/program.h"

#include <stdarg.h>
#include <stdio.h>

#define NAME_BYTES 128
#define NUMBER_BYTES 40
#define LIST_BYTES 160

/* Cut at the start of a character. */
static struct slice shorten(struct slice text, size_t limit)
{
	if (text.len <= limit)
		return text;
	while (limit > 0 && ((unsigned char)text.at[limit] & 0xC0) == 0x80)
		limit--;
	return (struct slice) { text.at, limit };
}

static void write_step(struct run *run, struct buffer *out, const struct frame *frame)
{
	struct slice name;

	if (!frame->key) {
		buffer_append_char(out, '/');
		buffer_append_u64(out, frame->index);
		return;
	}
	name = json_string(run->doc, frame->key, run->out->arena);
	struct slice shown = shorten(name, NAME_BYTES);
	json_write_pointer_step(out, shown);
	if (shown.len < name.len)
		buffer_append(out, SLICE("\xE2\x80\xA6"));
}

/* As deep as the document's nesting. */
static void write_path(struct run *run, struct buffer *out, const struct frame *at)
{
	if (!at)
		return;
	write_path(run, out, at->up);
	write_step(run, out, at);
}

static bool is_full(struct run *run)
{
	run->failures++;
	if (run->quiet)
		return true;
	if (run->out->count < VIOLATIONS_MAX)
		return false;
	run->out->more++;
	return true;
}

static void add(struct run *run, const struct frame *at, struct slice member, struct slice rule, struct slice message)
{
	struct buffer path;

	buffer_init(&path, run->out->arena);
	buffer_append(&path, run->at);
	write_path(run, &path, at);
	if (member.at)
		json_write_pointer_step(&path, member);
	violations_add(run->out, buffer_slice(&path), rule, message);
}

static struct slice __attribute__((format(printf, 2, 0))) print(struct run *run, const char *format, va_list arguments)
{
	char text[512];
	int len = vsnprintf(text, sizeof text, format, arguments);

	if (len < 0)
		return SLICE_NONE;
	struct slice whole = { text, (size_t)len };
	if (whole.len >= sizeof text)
		whole = shorten(whole, sizeof text - 1);
	return arena_copy(run->out->arena, whole);
}

void message_add(struct run *run, const struct frame *at, struct slice rule, const char *format, ...)
{
	va_list arguments;

	if (is_full(run))
		return;
	va_start(arguments, format);
	struct slice message = print(run, format, arguments);
	va_end(arguments);
	add(run, at, SLICE_NONE, rule, message);
}

/* Numbers, booleans and null as they stand; a type's name for all else. */
static struct slice shown_value(struct run *run, uint32_t node)
{
	struct slice raw = json_raw(run->doc, node);

	switch (json_type_of(run->doc, node)) {
	case JSON_STRING:
		return SLICE("another string");
	case JSON_ARRAY:
		return SLICE("an array");
	case JSON_OBJECT:
		return SLICE("an object");
	case JSON_NUMBER:
		return raw.len > NUMBER_BYTES ? SLICE("a number of many digits") : raw;
	default:
		return raw;
	}
}

void message_add_got(struct run *run, const struct frame *at, struct slice rule, uint32_t node, const char *format, ...)
{
	va_list arguments;

	if (is_full(run))
		return;
	va_start(arguments, format);
	struct slice message = print(run, format, arguments);
	va_end(arguments);
	if (!run->pii)
		message = arena_print(run->out->arena, "%.*s, got %.*s", SLICE_ARG(message),
		                      SLICE_ARG(shown_value(run, node)));
	add(run, at, SLICE_NONE, rule, message);
}

static void write_types(struct buffer *out, uint8_t types)
{
	static const struct {
		uint8_t bit;
		const char *text;
	} names[] = {
		{ TYPE_STRING, "a string" },    { TYPE_NUMBER, "a number" },
		{ TYPE_INTEGER, "an integer" }, { TYPE_BOOLEAN, "true or false" },
		{ TYPE_OBJECT, "an object" },   { TYPE_ARRAY, "an array" },
		{ TYPE_NULL, "null" },
	};
	bool first = true;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (!(types & names[i].bit) || (names[i].bit == TYPE_INTEGER && (types & TYPE_NUMBER)))
			continue;
		if (!first)
			buffer_append(out, SLICE(" or "));
		buffer_append(out, slice_of(names[i].text));
		first = false;
	}
}

void message_add_type(struct run *run, const struct frame *at, const struct subschema *sub, uint32_t node)
{
	static const char *const got[] = { "null", "boolean", "boolean", "number", "string", "array", "object" };
	enum json_type type = json_type_of(run->doc, node);
	struct buffer message;

	if (is_full(run))
		return;
	buffer_init(&message, run->out->arena);
	buffer_append(&message, SLICE("must be "));
	write_types(&message, sub->types);
	buffer_append(&message, SLICE(", got "));
	if (type == JSON_NUMBER && (sub->types & TYPE_INTEGER) && !run->pii)
		buffer_append(&message, shown_value(run, node));
	else
		buffer_append(&message, slice_of(got[type]));
	add(run, at, SLICE_NONE, SLICE("type"), buffer_slice(&message));
}

/* The schema's values as they stand in its file, as many as fit on a line. */
static void write_values(struct buffer *out, const struct value_set *set)
{
	size_t start = out->len;
	uint32_t i;

	for (i = 0; i < set->count; i++) {
		struct slice raw = json_raw(&set->file->doc, set->nodes[i]);
		if (out->len - start + raw.len > LIST_BYTES)
			break;
		if (i > 0)
			buffer_append(out, SLICE(", "));
		buffer_append(out, raw);
	}
	if (i == 0 && set->count > 0)
		buffer_append(out, SLICE("the schema's values"));
	else if (i < set->count)
		buffer_append_format(out, ", \xE2\x80\xA6 (%u in all)", set->count);
}

void message_add_values(struct run *run, const struct frame *at, const struct schema_op *op, uint32_t node)
{
	enum json_type type = json_type_of(run->doc, node);
	struct buffer message;

	if (is_full(run))
		return;
	buffer_init(&message, run->out->arena);
	if (op->values->count == 0)
		buffer_append(&message, SLICE("is allowed no value"));
	else
		buffer_append(&message, op->values->count == 1 ? SLICE("must be ") : SLICE("must be one of "));
	write_values(&message, op->values);
	if (!run->pii && type != JSON_STRING) {
		buffer_append(&message, SLICE(", got "));
		buffer_append(&message, shown_value(run, node));
	}
	add(run, at, SLICE_NONE, op->rule, buffer_slice(&message));
}

/* The nearest name that the schema itself gives to where `at` stands. */
static struct slice container_name(struct run *run, const struct frame *at)
{
	for (; at; at = at->up)
		if (at->label)
			return *at->label;
	return run->schema->name;
}

void message_add_unknown(struct run *run, const struct frame *at, struct slice rule, const struct name_table *names)
{
	struct buffer message;

	if (is_full(run))
		return;
	struct slice name = json_string(run->doc, at->key, run->out->arena);
	uint32_t guess = names ? name_table_guess(names, name) : NAME_TABLE_NONE;
	buffer_init(&message, run->out->arena);
	buffer_append(&message, SLICE("is not a known property of "));
	buffer_append(&message, container_name(run, at->up));
	if (guess != NAME_TABLE_NONE) {
		buffer_append(&message, SLICE("; did you mean "));
		json_write_string(&message, names->names[guess]);
		buffer_append_char(&message, '?');
	}
	add(run, at, SLICE_NONE, rule, buffer_slice(&message));
}

void message_add_missing(struct run *run, const struct frame *at, struct slice rule, struct slice name,
                         struct slice because)
{
	struct slice message = SLICE("is required");

	if (is_full(run))
		return;
	if (because.at)
		message = arena_print(run->out->arena, "is required where %.*s is given",
		                      SLICE_ARG(shorten(because, NAME_BYTES)));
	add(run, at, name, rule, message);
}
