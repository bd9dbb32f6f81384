/* JSON with comments is read by blanking what JSON does not know and scanning the rest, so that every offset still
 * points into the text as its author sees it. What our own scanner flags (duplicate names, NUL escapes, bad UTF-8) is
 * refused here with its place: the last of two equal names winning silently is how a wrong limit goes live. */
#include "config/text.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/buffer.h"

#define CONFIG_DEPTH_MAX 16
#define CONFIG_NODES_MAX 200000

static size_t blank(char *to, size_t from, size_t end)
{
	for (size_t i = from; i < end; i++)
		if (to[i] != '\n' && to[i] != '\r')
			to[i] = ' ';
	return end;
}

static size_t string_end(const char *text, size_t at, size_t len)
{
	for (at++; at < len && text[at] != '"'; at++)
		if (text[at] == '\\')
			at++;
	return at < len ? at + 1 : len;
}

/* The end of the comment at `at`, or 0 if it has none. */
static size_t comment_end(const char *text, size_t at, size_t len)
{
	if (text[at + 1] == '/') {
		while (at < len && text[at] != '\n')
			at++;
		return at;
	}
	const char *end = at + 4 <= len ? memmem(text + at + 2, len - at - 2, "*/", 2) : NULL;
	return end ? (size_t)(end - text) + 2 : 0;
}

bool config_text_strip(struct slice bytes, char *to, size_t *error_offset)
{
	size_t len = bytes.len;
	size_t comma = SIZE_MAX; /* of a comma with a value before and nothing behind it yet */
	char before = 0;
	if (len == 0)
		return true;
	memcpy(to, bytes.at, len);
	if (slice_starts(bytes, SLICE("\xEF\xBB\xBF")))
		blank(to, 0, 3);
	for (size_t i = 0; i < len;) {
		char c = to[i];
		if (c == '/' && i + 1 < len && (to[i + 1] == '/' || to[i + 1] == '*')) {
			size_t end = comment_end(to, i, len);
			if (end == 0) {
				*error_offset = i;
				return false;
			}
			i = blank(to, i, end);
			continue;
		}
		if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
			i++;
			continue;
		}
		if ((c == '}' || c == ']') && comma != SIZE_MAX)
			to[comma] = ' ';
		comma = c == ',' && before && !strchr("[{,:", before) ? i : SIZE_MAX;
		before = c;
		i = c == '"' ? string_end(to, i, len) : i + 1;
	}
	return true;
}

static struct slice place_of(const struct config_text *text, size_t offset, struct arena *arena)
{
	if (!text->is_file)
		return text->name;
	size_t line = 1, column = 1;
	for (size_t i = 0; i < offset && i < text->bytes.len; i++) {
		column++;
		if (text->bytes.at[i] == '\n') {
			line++;
			column = 1;
		}
	}
	return arena_print(arena, "%.*s:%zu:%zu", SLICE_ARG(text->name), line, column);
}

struct slice config_text_place(const struct config_text *text, uint32_t node, struct arena *arena)
{
	return place_of(text, text->doc.nodes[node].offset, arena);
}

bool config_value_complain(const struct config_value *value, struct arena *arena, struct error *err, const char *format,
                           ...)
{
	char message[sizeof(err->message)];
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	struct slice place = config_text_place(value->text, value->node, arena);
	return error_set(err, ERROR_CONFIG, "%.*s: %.*s: %s", SLICE_ARG(place), SLICE_ARG(value->path), message);
}

/* Finds the innermost node that carries the flag: the first child that has it, as long as there is one. */
static uint32_t innermost(const struct json_doc *doc, uint8_t flag)
{
	uint32_t node = 0;
	for (;;) {
		uint32_t child = node + 1, end = doc->nodes[node].next;
		if (json_type_of(doc, node) < JSON_ARRAY)
			return node;
		while (child < end && !(doc->nodes[child].flags & flag))
			child = doc->nodes[child].next;
		if (child >= end)
			return node;
		node = child;
	}
}

static bool complain_duplicate(struct config_text *text, struct arena *arena, struct error *err)
{
	const struct json_doc *doc = &text->doc;
	uint32_t object = innermost(doc, JSON_FLAG_DUPLICATE), end = doc->nodes[object].next;
	for (uint32_t key = object + 1; key < end; key = doc->nodes[key + 1].next) {
		struct slice name = json_string(doc, key, arena);
		for (uint32_t other = object + 1; other < key; other = doc->nodes[other + 1].next) {
			if (!json_string_equals(doc, other, name))
				continue;
			struct slice place = config_text_place(text, key, arena);
			return error_set(err, ERROR_CONFIG, "%.*s: \"%.*s\" stands here for the second time",
			                 SLICE_ARG(place), SLICE_ARG(name));
		}
	}
	return error_set(err, ERROR_CONFIG, "%.*s: a name stands there twice", SLICE_ARG(text->name));
}

static bool vet(struct config_text *text, struct arena *arena, struct error *err)
{
	uint8_t flags = text->doc.nodes[0].flags;
	if (flags & JSON_FLAG_DUPLICATE)
		return complain_duplicate(text, arena, err);
	uint8_t flag = flags & JSON_FLAG_NUL ? JSON_FLAG_NUL : flags & JSON_FLAG_BAD_UTF8 ? JSON_FLAG_BAD_UTF8 : 0;
	if (flag == 0)
		return true;
	struct slice place = config_text_place(text, innermost(&text->doc, flag), arena);
	return error_set(err, ERROR_CONFIG, "%.*s: %s", SLICE_ARG(place),
	                 flag == JSON_FLAG_NUL ? "a string holds \\u0000" : "not well-formed UTF-8");
}

static enum json_result scan(struct config_text *text, struct arena *arena, size_t *error_offset)
{
	struct json_options options = { .depth_max = CONFIG_DEPTH_MAX, .nodes_max = CONFIG_NODES_MAX };
	text->doc = (struct json_doc) { 0 };
	enum json_result result = json_scan(&text->doc, text->bytes, &options, arena, error_offset);
	if (result == JSON_OK && (text->doc.nodes[0].flags & JSON_FLAG_DEEP)) {
		*error_offset = text->doc.nodes[innermost(&text->doc, JSON_FLAG_DEEP)].offset;
		return JSON_TOO_DEEP;
	}
	return result;
}

static bool complain_scan(const struct config_text *text, enum json_result result, size_t offset, struct arena *arena,
                          struct error *err)
{
	struct slice place = place_of(text, offset, arena);
	if (result == JSON_NO_MEMORY)
		return error_set(err, ERROR_MEMORY, "%.*s: out of memory", SLICE_ARG(text->name));
	const char *why = result == JSON_MALFORMED  ? "not JSON (comments and trailing commas are allowed)"
	                  : result == JSON_TOO_DEEP ? "nested too deep"
	                                            : "too large";
	return error_set(err, ERROR_CONFIG, "%.*s: %s", SLICE_ARG(place), why);
}

bool config_text_scan_file(struct config_text *out, struct slice bytes, struct arena *arena, struct error *err)
{
	size_t offset = 0;
	char *stripped = arena_alloc(arena, bytes.len + 1);
	if (!stripped)
		return error_set(err, ERROR_MEMORY, "%.*s: out of memory", SLICE_ARG(out->name));
	out->is_file = true;
	out->bytes = bytes;
	if (!config_text_strip(bytes, stripped, &offset)) {
		struct slice place = place_of(out, offset, arena);
		return error_set(err, ERROR_CONFIG, "%.*s: this comment does not end", SLICE_ARG(place));
	}
	out->bytes = (struct slice) { stripped, bytes.len };
	enum json_result result = scan(out, arena, &offset);
	if (result != JSON_OK)
		return complain_scan(out, result, offset, arena, err);
	if (json_type_of(&out->doc, 0) != JSON_OBJECT)
		return error_set(err, ERROR_CONFIG, "%.*s: expected an object { … }, found %s", SLICE_ARG(out->name),
		                 json_type_name(json_type_of(&out->doc, 0)));
	return vet(out, arena, err);
}

bool config_text_scan_string(struct config_text *out, struct slice bytes, struct arena *arena, struct error *err)
{
	size_t offset = 0;
	struct buffer quoted;
	buffer_init(&quoted, arena);
	json_write_string(&quoted, bytes);
	if (quoted.failed)
		return error_set(err, ERROR_MEMORY, "%.*s: out of memory", SLICE_ARG(out->name));
	out->bytes = buffer_slice(&quoted);
	enum json_result result = scan(out, arena, &offset);
	return result == JSON_OK ? vet(out, arena, err) : complain_scan(out, result, offset, arena, err);
}

bool config_text_scan_value(struct config_text *out, struct slice bytes, struct arena *arena, struct error *err)
{
	size_t offset = 0;
	out->bytes = bytes;
	enum json_result result = bytes.len ? scan(out, arena, &offset) : JSON_MALFORMED;
	if (result == JSON_MALFORMED)
		return config_text_scan_string(out, bytes, arena, err);
	return result == JSON_OK ? vet(out, arena, err) : complain_scan(out, result, offset, arena, err);
}
