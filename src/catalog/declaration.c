/* One table of members, one reader each. Unknown members are refused: a misspelt "unique" would count every reloaded
 * thank-you page as a purchase. */
#include "catalog/declaration.h"

#include "catalog/alias.h"

struct reader {
	struct compiler *c;
	struct event_schema *out;
};

typedef bool (*read_fn)(struct reader *r, const struct place *value);

struct member {
	struct slice name;
	read_fn read;
};

static enum json_type type_at(const struct place *place)
{
	return json_type_of(&place->file->doc, place->node);
}

/* Calls the member's reader for each member of the object at the place. */
static bool read_members(struct reader *r, const struct place *place, const struct member *members, size_t count)
{
	const struct json_doc *doc = &place->file->doc;

	if (type_at(place) != JSON_OBJECT)
		return compiler_refuse(r->c, place, "must be an object");
	for (uint32_t key = place->node + 1; key < doc->nodes[place->node].next; key = doc->nodes[key + 1].next) {
		struct slice name = compiler_string(place->file, key);
		struct place value = compiler_place_member(r->c, place, name, key + 1);
		size_t i = 0;
		while (i < count && !slice_equal(members[i].name, name))
			i++;
		if (i == count)
			return compiler_refuse(r->c, &value, "is not known here");
		if (!members[i].read(r, &value))
			return false;
	}
	return true;
}

static bool read_text(struct reader *r, const struct place *value, struct slice *out)
{
	if (type_at(value) != JSON_STRING)
		return compiler_refuse(r->c, value, "must be a string");
	*out = compiler_string(value->file, value->node);
	return out->len > 0 || compiler_refuse(r->c, value, "must not be empty");
}

typedef bool (*check_fn)(struct reader *r, const struct place *value, struct slice text);

/* An array of strings, each passing the check; with `lone`, a single string counts as an array of one. */
static bool read_texts(struct reader *r, const struct place *value, bool lone, check_fn check, const struct slice **out,
                       size_t *out_count)
{
	const struct json_doc *doc = &value->file->doc;
	size_t room = 1, count = 0;

	if (lone && type_at(value) == JSON_STRING) {
		struct slice *one = compiler_alloc(r->c, 1, sizeof *one);
		*out = one;
		*out_count = 1;
		return one && read_text(r, value, one) && check(r, value, *one);
	}
	if (type_at(value) != JSON_ARRAY)
		return compiler_refuse(r->c, value, "must be an array of strings");
	room = doc->nodes[value->node].count;
	struct slice *texts = compiler_alloc(r->c, room, sizeof *texts);
	if (!texts)
		return false;
	for (uint32_t i = value->node + 1; i < doc->nodes[value->node].next && count < room; i = doc->nodes[i].next) {
		struct place place = compiler_place_element(r->c, value, count, i);
		if (!read_text(r, &place, &texts[count]) || !check(r, &place, texts[count]))
			return false;
		count++;
	}
	*out = texts;
	*out_count = count;
	return count > 0 || compiler_refuse(r->c, value, "must not be empty");
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool check_purpose(struct reader *r, const struct place *value, struct slice text)
{
	bool good = text.len <= 32 && is_lower(text.at[0]);

	for (size_t i = 0; good && i < text.len; i++)
		good = is_lower(text.at[i]) || is_digit(text.at[i]) || text.at[i] == '_';
	return good || compiler_refuse(r->c, value, "must be a purpose's name: [a-z][a-z0-9_]{0,31}");
}

static bool check_pointer(struct reader *r, const struct place *value, struct slice text)
{
	bool good = text.at[0] == '/';

	for (size_t i = 0; good && i < text.len; i++)
		if (text.at[i] == '~')
			good = i + 1 < text.len && (text.at[i + 1] == '0' || text.at[i + 1] == '1');
	return good || compiler_refuse(r->c, value, "must be a JSON Pointer, as in /properties/order_id");
}

static bool read_purposes(struct reader *r, const struct place *value)
{
	return read_texts(r, value, false, check_purpose, &r->out->purposes, &r->out->purposes_count);
}

static bool read_key(struct reader *r, const struct place *value)
{
	return read_texts(r, value, true, check_pointer, &r->out->key, &r->out->key_count);
}

/* A Kafka topic's name, in which {event} may stand. */
static bool read_topic(struct reader *r, const struct place *value)
{
	struct slice rest;

	if (!read_text(r, value, &r->out->topic))
		return false;
	rest = r->out->topic;
	bool good = rest.len <= 200;
	while (good && rest.len) {
		char c = rest.at[0];
		size_t step = slice_starts(rest, SLICE("{event}")) ? 7 : 1;
		good = step == 7 || is_lower(c) || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '.' || c == '_' ||
		       c == '-';
		rest = (struct slice) { rest.at + step, rest.len - step };
	}
	return good || compiler_refuse(r->c, value, "must be a topic's name: letters, digits, . _ - and {event}");
}

/* "30d", "24h", "10m", "5s", "250ms", or milliseconds. */
static bool read_duration(struct reader *r, const struct place *value, uint64_t *out_ms)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
	const uint64_t most_ms = UINT64_C(180) * 86400000;
	struct slice text;
	int64_t number;
	uint64_t amount;

	if (type_at(value) == JSON_NUMBER && json_to_i64(&value->file->doc, value->node, &number) && number > 0) {
		*out_ms = (uint64_t)number;
		return *out_ms <= most_ms || compiler_refuse(r->c, value, "must be at most 180d");
	}
	text = type_at(value) == JSON_STRING ? compiler_string(value->file, value->node) : SLICE_NONE;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		struct slice unit = slice_of(units[i].unit);
		struct slice digits = { text.at, text.len - unit.len };
		if (text.len <= unit.len || !slice_ends(text, unit) || !slice_to_u64(digits, &amount) || amount == 0)
			continue;
		*out_ms = amount <= most_ms / units[i].ms ? amount * units[i].ms : most_ms + 1;
		return *out_ms <= most_ms || compiler_refuse(r->c, value, "must be at most 180d");
	}
	return compiler_refuse(r->c, value, "must be a duration, as in \"30d\", \"24h\" or \"10m\"");
}

static bool read_unique_by(struct reader *r, const struct place *value)
{
	return read_texts(r, value, false, check_pointer, &r->out->unique_by, &r->out->unique_by_count);
}

static bool read_unique_window(struct reader *r, const struct place *value)
{
	return read_duration(r, value, &r->out->unique_window_ms);
}

static bool read_unique_across(struct reader *r, const struct place *value)
{
	struct slice text = SLICE_NONE;

	if (!read_text(r, value, &text))
		return false;
	r->out->unique_across_drop = slice_equal(text, SLICE("drop"));
	return r->out->unique_across_drop || slice_equal(text, SLICE("keep")) ||
	       compiler_refuse(r->c, value, "must be drop or keep (the default)");
}

#define NAME(text)                    \
	{                             \
		text, sizeof text - 1 \
	}

/* At most 8 values: they are hashed together for each event. */
static bool read_unique(struct reader *r, const struct place *value)
{
	static const struct member members[] = {
		{ NAME("by"), read_unique_by },
		{ NAME("window"), read_unique_window },
		{ NAME("across"), read_unique_across },
	};

	if (!read_members(r, value, members, sizeof members / sizeof *members))
		return false;
	if (r->out->unique_by_count == 0 || r->out->unique_by_count > 8)
		return compiler_refuse(r->c, value, "must name 1 to 8 pointers in \"by\"");
	if (!r->out->unique_window_ms)
		r->out->unique_window_ms = UINT64_C(30) * 86400000;
	return true;
}

static bool read_dedup_mode(struct reader *r, const struct place *value)
{
	if (!read_text(r, value, &r->out->dedup_mode))
		return false;
	return slice_equal(r->out->dedup_mode, SLICE("id")) ||
	       slice_equal(r->out->dedup_mode, SLICE("id+fingerprint")) ||
	       compiler_refuse(r->c, value, "must be id or id+fingerprint");
}

static bool read_dedup_window(struct reader *r, const struct place *value)
{
	return read_duration(r, value, &r->out->dedup_window_ms);
}

static bool read_dedup(struct reader *r, const struct place *value)
{
	static const struct member members[] = {
		{ NAME("mode"), read_dedup_mode },
		{ NAME("window"), read_dedup_window },
	};

	return read_members(r, value, members, sizeof members / sizeof *members);
}

static bool read_aliases(struct reader *r, const struct place *value)
{
	r->out->aliases = json_raw(&value->file->doc, value->node);
	r->out->alias_set = alias_compile(r->c, value);
	return r->out->alias_set != NULL;
}

static bool read_owner(struct reader *r, const struct place *value)
{
	return read_text(r, value, &r->out->owner);
}

/* When the event fires: for people, shown by `catalog docs`. */
static bool read_when(struct reader *r, const struct place *value)
{
	struct slice text;

	return read_text(r, value, &text);
}

bool declaration_read(struct compiler *c, struct schema_file *file, struct event_schema *out)
{
	static const struct slice analytics = NAME("analytics");
	static const struct member members[] = {
		{ NAME("purposes"), read_purposes }, { NAME("topic"), read_topic }, { NAME("key"), read_key },
		{ NAME("unique"), read_unique },     { NAME("dedup"), read_dedup }, { NAME("aliases"), read_aliases },
		{ NAME("owner"), read_owner },       { NAME("when"), read_when },
	};
	const struct place root = { file, 0, SLICE("") };
	struct reader r = { c, out };
	uint32_t node = json_type_of(&file->doc, 0) == JSON_OBJECT ? json_get(&file->doc, 0, SLICE("x-headgate")) : 0;

	out->purposes = &analytics;
	out->purposes_count = 1;
	if (!node)
		return true;
	struct place place = compiler_place_member(c, &root, SLICE("x-headgate"), node);
	return read_members(&r, &place, members, sizeof members / sizeof *members);
}
