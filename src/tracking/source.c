/* Reading files, members and references of schemas. What the compiler refuses does not get here in a loaded catalog;
 * the linter comes before it, so nothing is taken for granted: what leads nowhere is simply not there. */
#include "tracking/source.h"

#include "base/file.h"
#include "base/percent.h"
#include "catalog/decimal.h"

#define FILE_BYTES ((size_t)1024 * 1024)
#define PATH_BYTES 512

void sources_init(struct sources *src, struct slice root, struct arena *arena)
{
	*src = (struct sources) { .arena = arena, .root = root };
}

struct source_file *source_add(struct sources *src, struct slice path, struct slice text, struct error *err)
{
	const struct json_options options = { .depth_max = 128, .nodes_max = 500000 };
	struct source_file *file = arena_zalloc(src->arena, sizeof *file);
	size_t offset = 0;
	unsigned line = 1;

	path = arena_copy(src->arena, path);
	if (!file || !path.at) {
		error_set(err, ERROR_MEMORY, "no memory for schemas");
		return NULL;
	}
	file->path = path;
	file->text = text;
	if (json_scan(&file->doc, text, &options, src->arena, &offset) != JSON_OK ||
	    (file->doc.nodes[0].flags & JSON_FLAG_UNFIT)) {
		for (size_t i = 0; i < offset && i < text.len; i++)
			line += text.at[i] == '\n';
		error_set(err, ERROR_SCHEMA, "%.*s%s%.*s#: not fit JSON, noticed in line %u", SLICE_ARG(src->root),
		          src->root.len ? "/" : "", SLICE_ARG(path), line);
		return NULL;
	}
	struct slice dialect = spot_member_text(src, (struct spot) { file, 0 }, SLICE("$schema"));
	file->draft7 = slice_starts(dialect, SLICE("http://json-schema.org/draft-07/schema"));
	file->next = src->files;
	src->files = file;
	return file;
}

struct source_file *source_read(struct sources *src, struct slice path, struct error *err)
{
	struct slice text, full;

	for (struct source_file *file = src->files; file; file = file->next)
		if (slice_equal(file->path, path))
			return file;
	full = arena_print(src->arena, "%.*s/%.*s", SLICE_ARG(src->root), SLICE_ARG(path));
	if (!full.at) {
		error_set(err, ERROR_MEMORY, "no memory for schemas");
		return NULL;
	}
	return file_read(src->arena, full.at, FILE_BYTES, &text, err) ? source_add(src, path, text, err) : NULL;
}

enum json_type spot_type(struct spot at)
{
	return json_type_of(&at.file->doc, at.node);
}

struct spot spot_get(struct spot at, struct slice name)
{
	if (spot_type(at) != JSON_OBJECT)
		return (struct spot) { at.file, 0 };
	return (struct spot) { at.file, json_get(&at.file->doc, at.node, name) };
}

struct slice spot_text(const struct sources *src, struct spot at)
{
	return spot_type(at) == JSON_STRING ? json_string(&at.file->doc, at.node, src->arena) : SLICE_NONE;
}

struct slice spot_member_text(const struct sources *src, struct spot at, struct slice name)
{
	struct spot value = spot_get(at, name);

	return value.node ? spot_text(src, value) : SLICE_NONE;
}

bool spot_next_member(const struct sources *src, struct spot at, struct source_member *member)
{
	const struct json_doc *doc = &at.file->doc;

	if (spot_type(at) != JSON_OBJECT)
		return false;
	member->key = member->key ? doc->nodes[member->key + 1].next : at.node + 1;
	if (member->key >= doc->nodes[at.node].next)
		return false;
	member->name = json_string(doc, member->key, src->arena);
	member->value = (struct spot) { at.file, member->key + 1 };
	return member->name.at != NULL;
}

bool spot_next_element(struct spot array, struct spot *element)
{
	const struct json_doc *doc = &array.file->doc;

	if (spot_type(array) != JSON_ARRAY)
		return false;
	element->file = array.file;
	element->node = element->node ? doc->nodes[element->node].next : array.node + 1;
	return element->node < doc->nodes[array.node].next;
}

size_t spot_count(struct spot container)
{
	const struct json_doc *doc = &container.file->doc;
	size_t count = 0;

	if (spot_type(container) == JSON_ARRAY)
		for (struct spot e = { 0 }; spot_next_element(container, &e);)
			count++;
	else if (spot_type(container) == JSON_OBJECT)
		for (uint32_t key = container.node + 1; key < doc->nodes[container.node].next;
		     key = doc->nodes[key + 1].next)
			count++;
	return count;
}

static bool numbers_equal(struct spot a, struct spot b)
{
	struct decimal x = decimal_parse(json_raw(&a.file->doc, a.node));
	struct decimal y = decimal_parse(json_raw(&b.file->doc, b.node));

	return decimal_compare(&x, &y) == 0;
}

static uint32_t member_like(struct spot object, struct spot key_of)
{
	const struct json_doc *doc = &object.file->doc;
	struct slice inner = json_inner(&key_of.file->doc, key_of.node);
	struct arena arena;
	uint32_t found = 0;

	if (!(key_of.file->doc.nodes[key_of.node].flags & JSON_FLAG_ESCAPED))
		return json_get(doc, object.node, inner);
	arena_init(&arena, (size_t)4 * 1024 * 1024);
	struct slice name = json_string(&key_of.file->doc, key_of.node, &arena);
	if (name.at)
		found = json_get(doc, object.node, name);
	arena_fini(&arena);
	return found;
}

static bool strings_equal(struct spot a, struct spot b)
{
	struct arena arena;
	bool equal;

	arena_init(&arena, (size_t)4 * 1024 * 1024);
	struct slice text = json_string(&a.file->doc, a.node, &arena);
	equal = text.at && json_string_equals(&b.file->doc, b.node, text);
	arena_fini(&arena);
	return equal;
}

static bool objects_equal(struct spot a, struct spot b)
{
	const struct json_doc *doc = &a.file->doc;

	if (spot_count(a) != spot_count(b))
		return false;
	for (uint32_t key = a.node + 1; key < doc->nodes[a.node].next; key = doc->nodes[key + 1].next) {
		uint32_t other = member_like(b, (struct spot) { a.file, key });
		if (!other || !spot_equal((struct spot) { a.file, key + 1 }, (struct spot) { b.file, other }))
			return false;
	}
	return true;
}

/* As deep as the files nest, which scanning has bounded. */
bool spot_equal(struct spot a, struct spot b)
{
	struct spot x = { 0 }, y = { 0 };

	if (spot_type(a) != spot_type(b))
		return false;
	switch (spot_type(a)) {
	case JSON_NUMBER:
		return numbers_equal(a, b);
	case JSON_STRING:
		return strings_equal(a, b);
	case JSON_OBJECT:
		return objects_equal(a, b);
	case JSON_ARRAY:
		if (spot_count(a) != spot_count(b))
			return false;
		while (spot_next_element(a, &x) && spot_next_element(b, &y))
			if (!spot_equal(x, y))
				return false;
		return true;
	default:
		return true;
	}
}

/* "events/purchase/1-0-0.json" and "../../common/money.json" to "common/money.json". SLICE_NONE: leaves the root. */
static struct slice join(struct arena *arena, struct slice from, struct slice uri)
{
	char path[PATH_BYTES];
	size_t len = 0;

	while (from.len > 0 && from.at[from.len - 1] != '/')
		from.len--;
	for (int pass = 0; pass < 2; pass++) {
		struct slice rest = pass ? uri : from;
		while (rest.len) {
			struct slice part = slice_split(&rest, '/');
			if (part.len == 0 || slice_equal(part, SLICE(".")))
				continue;
			if (slice_equal(part, SLICE(".."))) {
				if (len == 0)
					return SLICE_NONE;
				while (len > 0 && path[--len] != '/')
					;
				continue;
			}
			if (len + part.len + 1 >= sizeof path)
				return SLICE_NONE;
			if (len)
				path[len++] = '/';
			memcpy(path + len, part.at, part.len);
			len += part.len;
		}
	}
	return arena_copy(arena, (struct slice) { path, len });
}

/* An `$anchor`, `$dynamicAnchor` or draft-07 `$id` of that name: wherever a member of that name stands. */
static struct spot find_named(const struct sources *src, const struct source_file *file, struct slice name)
{
	for (uint32_t i = 0; i < file->doc.count; i++) {
		const struct spot at = { file, i };
		if (spot_type(at) != JSON_OBJECT)
			continue;
		struct slice anchor = spot_member_text(src, at, SLICE("$anchor"));
		struct slice dynamic = spot_member_text(src, at, SLICE("$dynamicAnchor"));
		struct slice id = spot_member_text(src, at, SLICE("$id"));
		if (slice_equal(anchor, name) || slice_equal(dynamic, name) ||
		    (id.len && id.at[0] == '#' && slice_equal((struct slice) { id.at + 1, id.len - 1 }, name)))
			return at;
	}
	return (struct spot) { NULL, 0 };
}

bool source_follow(struct sources *src, struct spot reference, struct spot *out)
{
	struct slice fragment = spot_text(src, reference);
	struct error ignored;
	const struct source_file *file = reference.file;

	if (!fragment.at)
		return false;
	struct slice uri = slice_split(&fragment, '#');
	fragment = percent_decode(fragment.at ? fragment : SLICE(""), false, src->arena);
	if (uri.len) {
		struct slice path = join(src->arena, reference.file->path, percent_decode(uri, false, src->arena));
		file = path.len && src->root.len ? source_read(src, path, &ignored) : NULL;
	}
	if (!file)
		return false;
	*out = (struct spot) { file, 0 };
	if (fragment.len == 0)
		return true;
	if (fragment.at[0] != '/') {
		*out = find_named(src, file, fragment);
		return out->file != NULL;
	}
	out->node = json_pointer_get(&file->doc, 0, fragment);
	return out->node != 0;
}
