/* Values by path onto a draft: the walk that the file, the environment and the defaults share. */
#include "config/layer.h"

#include "config/value.h"

#define SOURCES_MAX 4096
#define SOURCE_NAME_MAX_BYTES 64

static bool out_of_memory(struct error *err)
{
	return error_set(err, ERROR_MEMORY, "configuration: out of memory");
}

struct config_target config_target_main(struct config_draft *draft)
{
	return (struct config_target) { &config_table_main, draft->cfg, NULL, SLICE_NONE };
}

struct config_target config_target_source(struct config_draft *draft, struct source_draft *source)
{
	struct slice prefix = arena_print(draft->scratch, "sources.%.*s.", SLICE_ARG(source->source.name));
	return (struct config_target) { &config_table_source, &source->source, &source->set, prefix };
}

bool config_target_unknown(struct config_draft *draft, const struct config_target *target, struct slice level,
                           struct slice name, struct slice place, struct error *err)
{
	struct buffer message;
	buffer_init(&message, draft->scratch);
	config_key_suggest(target->table, level, name, &message);
	return error_set(err, ERROR_CONFIG, "%.*s: %.*s%.*s%s%.*s: %.*s", SLICE_ARG(place), SLICE_ARG(target->prefix),
	                 SLICE_ARG(level), level.len ? "." : "", SLICE_ARG(name), SLICE_ARG(buffer_slice(&message)));
}

static bool expect_object(struct config_draft *draft, const struct config_text *text, uint32_t node, struct slice path,
                          struct error *err)
{
	struct config_value value = { text, node, path };
	if (json_type_of(&text->doc, node) == JSON_OBJECT)
		return true;
	return config_value_complain(&value, draft->scratch, err, "expected an object { … }, found %s",
	                             json_type_name(json_type_of(&text->doc, node)));
}

static bool apply_key(struct config_draft *draft, const struct config_target *target, size_t key,
                      const struct config_text *text, uint32_t node, struct error *err)
{
	const char *path = target->table->keys[key].path;
	struct slice shown = arena_print(draft->scratch, "%.*s%s", SLICE_ARG(target->prefix), path);
	struct config_value value = { text, node, shown };
	if (!shown.at)
		return out_of_memory(err);
	if (target->set)
		*target->set |= 1ull << key;
	return config_value_set(&target->table->keys[key], target->base, &value, draft->arena, err);
}

static bool apply_level(struct config_draft *draft, const struct config_target *target, struct slice level,
                        const struct config_text *text, uint32_t node, struct error *err)
{
	const struct json_doc *doc = &text->doc;
	uint32_t end = doc->nodes[node].next;
	for (uint32_t at = node + 1; at < end; at = doc->nodes[at + 1].next) {
		struct slice name = json_string(doc, at, draft->scratch);
		struct slice path =
		        level.len ? arena_print(draft->scratch, "%.*s.%.*s", SLICE_ARG(level), SLICE_ARG(name)) : name;
		if (!name.at || !path.at)
			return out_of_memory(err);
		bool is_sources = target->table == &config_table_main && slice_equal(path, SLICE("sources"));
		if (name.len == 0 || slice_find(name, '.') < name.len ||
		    (!is_sources && config_key_find(target->table, path) == target->table->count &&
		     !config_key_is_level(target->table, path)))
			return config_target_unknown(draft, target, level, name,
			                             config_text_place(text, at, draft->scratch), err);
		if (!(is_sources ? config_target_apply_sources(draft, text, at + 1, err)
		                 : config_target_apply(draft, target, path, text, at + 1, err)))
			return false;
	}
	return true;
}

/* Recursion ends with the levels of the table: three at most. */
bool config_target_apply(struct config_draft *draft, const struct config_target *target, struct slice path,
                         const struct config_text *text, uint32_t node, struct error *err)
{
	size_t key = config_key_find(target->table, path);
	if (key < target->table->count)
		return apply_key(draft, target, key, text, node, err);
	struct slice shown = arena_print(draft->scratch, "%.*s%.*s", SLICE_ARG(target->prefix), SLICE_ARG(path));
	if (path.len == 0 && shown.len)
		shown.len--; /* the prefix's dot */
	return expect_object(draft, text, node, shown, err) && apply_level(draft, target, path, text, node, err);
}

static bool is_source_name(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.at[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
		      c == '-'))
			return false;
	}
	return name.len > 0 && name.len <= SOURCE_NAME_MAX_BYTES;
}

bool config_target_apply_sources(struct config_draft *draft, const struct config_text *text, uint32_t node,
                                 struct error *err)
{
	const struct json_doc *doc = &text->doc;
	if (!expect_object(draft, text, node, SLICE("sources"), err))
		return false;
	uint32_t end = doc->nodes[node].next;
	for (uint32_t at = node + 1; at < end; at = doc->nodes[at + 1].next) {
		struct slice name = json_string(doc, at, draft->scratch);
		struct slice where = config_text_place(text, at, draft->arena);
		struct source_draft *source = config_draft_source(draft, name, where, err);
		if (!source)
			return false;
		struct config_target target = config_target_source(draft, source);
		if (!config_target_apply(draft, &target, SLICE_NONE, text, at + 1, err))
			return false;
	}
	return true;
}

static bool set_defaults(struct config_draft *draft, const struct config_target *target, struct error *err)
{
	struct config_target silent = { target->table, target->base, NULL, target->prefix };
	for (size_t key = 0; key < target->table->count; key++) {
		struct config_text text = { .name = SLICE("default") };
		const char *json = target->table->keys[key].default_text;
		if (!json)
			continue;
		if (!config_text_scan_value(&text, slice_of(json), draft->scratch, err) ||
		    !apply_key(draft, &silent, key, &text, 0, err))
			return false;
	}
	return true;
}

bool config_layer_defaults(struct config_draft *draft, struct error *err)
{
	struct config_target target = config_target_main(draft);
	return set_defaults(draft, &target, err);
}

struct source_draft *config_draft_source(struct config_draft *draft, struct slice name, struct slice where,
                                         struct error *err)
{
	for (size_t i = 0; i < draft->sources_count; i++)
		if (slice_equal(draft->sources[i].source.name, name))
			return &draft->sources[i];
	if (!is_source_name(name) || draft->sources_count == SOURCES_MAX) {
		error_set(err, ERROR_CONFIG,
		          "%.*s: sources: expected names of letters, digits, _ and -, at most %d bytes and %d names",
		          SLICE_ARG(where), SOURCE_NAME_MAX_BYTES, SOURCES_MAX);
		return NULL;
	}
	if (draft->sources_count == draft->sources_capacity) {
		size_t capacity = draft->sources_capacity ? draft->sources_capacity * 2 : 8;
		struct source_draft *wider = arena_array(draft->scratch, capacity, sizeof(*wider));
		if (!wider) {
			out_of_memory(err);
			return NULL;
		}
		if (draft->sources_count)
			memcpy(wider, draft->sources, draft->sources_count * sizeof(*wider));
		draft->sources = wider;
		draft->sources_capacity = capacity;
	}
	struct source_draft *source = &draft->sources[draft->sources_count];
	*source = (struct source_draft) { .source.name = arena_copy(draft->arena, name), .where = where };
	struct config_target target = config_target_source(draft, source);
	if (!source->source.name.at || !set_defaults(draft, &target, err))
		return NULL;
	draft->sources_count++;
	return source;
}

bool config_layer_file(struct config_draft *draft, struct slice name, struct slice folder, struct slice bytes,
                       struct error *err)
{
	struct config_text text = { .name = name, .folder = folder };
	struct config_target target = config_target_main(draft);
	return config_text_scan_file(&text, bytes, draft->scratch, err) &&
	       apply_level(draft, &target, SLICE_NONE, &text, 0, err);
}

bool config_layer_option(struct config_draft *draft, const char *option, struct slice path, const char *value,
                         struct error *err)
{
	struct config_text text = { .name = slice_of(option) };
	struct config_target target = config_target_main(draft);
	return !value || (config_text_scan_string(&text, slice_of(value), draft->scratch, err) &&
	                  config_target_apply(draft, &target, path, &text, 0, err));
}
