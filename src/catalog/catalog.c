/* Look-ups in a loaded catalog: a hash for the event's name, then a walk over its few versions from the newest down. */
#include "catalog/catalog_state.h"

#include <assert.h>
#include <stdlib.h>

static bool parse_part(struct slice text, uint32_t *out)
{
	uint64_t value;

	if (text.len == 0 || text.len > 9 || (text.len > 1 && text.at[0] == '0') || !slice_to_u64(text, &value))
		return false;
	*out = (uint32_t)value;
	return true;
}

bool catalog_parse_version(struct slice text, struct schema_version *out, unsigned *parts)
{
	uint32_t *const to[] = { &out->model, &out->revision, &out->addition };

	*out = (struct schema_version) { 0 };
	*parts = 0;
	while (*parts < 3) {
		size_t end = slice_find(text, '-');
		if (!parse_part((struct slice) { text.at, end }, to[*parts]))
			return false;
		(*parts)++;
		if (end == text.len)
			return true;
		text = (struct slice) { text.at + end + 1, text.len - end - 1 };
	}
	return false;
}

int catalog_compare_versions(const struct schema_version *a, const struct schema_version *b)
{
	if (a->model != b->model)
		return a->model < b->model ? -1 : 1;
	if (a->revision != b->revision)
		return a->revision < b->revision ? -1 : 1;
	return (a->addition > b->addition) - (a->addition < b->addition);
}

static bool is_within(const struct schema_version *version, const struct schema_version *wanted, unsigned parts)
{
	return version->model == wanted->model && (parts < 2 || version->revision == wanted->revision) &&
	       (parts < 3 || version->addition == wanted->addition);
}

enum catalog_lookup catalog_find(const struct catalog *cat, struct slice event, struct slice version,
                                 const struct event_schema **out)
{
	uint32_t index = name_table_find(&cat->names, event);
	struct schema_version wanted;
	unsigned parts;

	*out = NULL;
	if (index == NAME_TABLE_NONE)
		return CATALOG_NO_EVENT;
	const struct catalog_event *e = &cat->events[index];
	if (version.len == 0) {
		*out = &cat->schemas[e->default_schema];
		return CATALOG_FOUND;
	}
	if (!catalog_parse_version(version, &wanted, &parts))
		return CATALOG_BAD_VERSION;
	for (size_t i = e->first + e->count; i-- > e->first;) {
		if (is_within(&cat->schemas[i].version, &wanted, parts)) {
			*out = &cat->schemas[i];
			return CATALOG_FOUND;
		}
	}
	return CATALOG_NO_VERSION;
}

struct slice catalog_guess_event(const struct catalog *cat, struct slice event)
{
	uint32_t guess = name_table_guess(&cat->names, event);

	return guess == NAME_TABLE_NONE ? SLICE_NONE : cat->names.names[guess];
}

size_t catalog_event_count(const struct catalog *cat)
{
	return cat->names.count;
}

struct slice catalog_event_name(const struct catalog *cat, size_t event_index)
{
	assert(event_index < cat->names.count);
	return cat->names.names[event_index];
}

size_t catalog_schema_count(const struct catalog *cat)
{
	return cat->schemas_count;
}

const struct event_schema *catalog_schema_at(const struct catalog *cat, size_t index)
{
	assert(index < cat->schemas_count);
	return &cat->schemas[index];
}

const struct schema *catalog_user(const struct catalog *cat)
{
	return cat->user;
}

const struct schema *catalog_context(const struct catalog *cat)
{
	return cat->context;
}

struct slice catalog_fingerprint(const struct catalog *cat)
{
	return cat->fingerprint;
}

void catalog_destroy(struct catalog **cat)
{
	if (!*cat)
		return;
	arena_fini(&(*cat)->arena);
	free(*cat);
	*cat = NULL;
}
