/* The types of the table, one setter each. From the file a value must have the JSON type that is expected; from the
 * environment, where everything is text, a bare word is a string and a lone string a list of one. Messages never quote
 * a string that may be a secret. */
#include "config/value.h"

#include "config/consent_value.h"
#include "config/list.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit time_units[] = { { "ms", 1 },      { "s", 1000 },     { "m", 60000 },
	                                  { "h", 3600000 }, { "d", 86400000 }, { NULL, 0 } };
static const struct unit size_units[] = {
	{ "B", 1 }, { "KiB", 1ull << 10 }, { "MiB", 1ull << 20 }, { "GiB", 1ull << 30 }, { "TiB", 1ull << 40 },
	{ NULL, 0 }
};
static const struct unit no_units[] = { { "", 1 }, { NULL, 0 } };

static const struct unit *units_of(enum config_type type)
{
	if (type == CONFIG_TIME32 || type == CONFIG_TIME64)
		return time_units;
	return type == CONFIG_SIZE32 || type == CONFIG_SIZE64 ? size_units : no_units;
}

bool config_number_parse(enum config_type type, struct slice text, uint64_t *out)
{
	size_t digits = 0;
	while (digits < text.len && text.at[digits] >= '0' && text.at[digits] <= '9')
		digits++;
	struct slice number = { text.at, digits }, unit = { text.at + digits, text.len - digits };
	for (const struct unit *u = units_of(type); u->name; u++)
		if (slice_equal(unit, slice_of(u->name)))
			return digits && slice_to_u64(number, out) && !__builtin_mul_overflow(*out, u->factor, out);
	return false;
}

static enum json_type type_of(const struct config_value *value)
{
	return json_type_of(&value->text->doc, value->node);
}

static bool expected(const struct config_value *value, struct arena *arena, struct error *err, const char *what)
{
	return config_value_complain(value, arena, err, "expected %s, found %s", what, json_type_name(type_of(value)));
}

static bool out_of_memory(struct error *err)
{
	return error_set(err, ERROR_MEMORY, "configuration: out of memory");
}

static bool get_text(const struct config_value *value, const char *what, struct slice *out, struct arena *arena,
                     struct error *err)
{
	if (type_of(value) == JSON_STRING)
		*out = json_string(&value->text->doc, value->node, arena);
	else if (!value->text->is_file && type_of(value) < JSON_STRING)
		*out = json_raw(&value->text->doc, value->node);
	else
		return expected(value, arena, err, what);
	*out = arena_copy(arena, *out);
	return out->at ? true : out_of_memory(err);
}

static bool is_topic_name(struct slice s)
{
	size_t plain = 0;
	for (size_t i = 0; i < s.len; i++) {
		struct slice rest = { s.at + i, s.len - i };
		if (slice_starts(rest, SLICE("{event}"))) {
			i += 6;
			continue;
		}
		char c = s.at[i];
		bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
		          c == '_' || c == '-';
		if (!ok)
			return false;
		plain += c != '.';
	}
	return s.len <= 185 && (plain > 0 || memmem(s.at, s.len, "{", 1)); /* 249 with the longest event's name */
}

static bool set_text(const struct config_key *key, struct slice *to, const struct config_value *value,
                     struct arena *arena, struct error *err)
{
	struct slice text = SLICE_NONE;
	if (!get_text(value, "a string", &text, arena, err))
		return false;
	if (text.len == 0 || memchr(text.at, 0, text.len))
		return config_value_complain(value, arena, err, "expected a string that is not empty");
	if (strcmp(key->range, "name") == 0 && !is_topic_name(text))
		return config_value_complain(value, arena, err,
		                             "expected a topic name: letters, digits, \".\", \"_\", \"-\"");
	if (strcmp(key->range, "country") == 0 &&
	    !(text.len == 2 && text.at[0] >= 'A' && text.at[0] <= 'Z' && text.at[1] >= 'A' && text.at[1] <= 'Z'))
		return config_value_complain(value, arena, err, "expected a country's two capital letters such as KR");
	if (key->type == CONFIG_PATH && text.at[0] != '/' && value->text->folder.len) {
		text = arena_print(arena, "%.*s/%.*s", SLICE_ARG(value->text->folder), SLICE_ARG(text));
		if (!text.at)
			return out_of_memory(err);
	}
	*to = text;
	return true;
}

static bool set_switch(bool *to, const struct config_value *value, struct arena *arena, struct error *err)
{
	if (type_of(value) != JSON_TRUE && type_of(value) != JSON_FALSE)
		return expected(value, arena, err, "true or false");
	*to = type_of(value) == JSON_TRUE;
	return true;
}

static bool set_choice(const struct config_key *key, void *to, const struct config_value *value, struct arena *arena,
                       struct error *err)
{
	char what[128];
	struct slice text = SLICE_NONE, rest = slice_of(key->range);
	snprintf(what, sizeof(what), "one of %s", key->range);
	if (!get_text(value, what, &text, arena, err))
		return false;
	for (unsigned choice = 0; rest.len; choice++) {
		if (!slice_equal(slice_split(&rest, '|'), text))
			continue;
		memcpy(to, &choice, sizeof(choice));
		return true;
	}
	return config_value_complain(value, arena, err, "expected %s, found \"%.*s\"", what,
	                             text.len > 40 ? 40 : (int)text.len, text.at);
}

static bool get_number(const struct config_key *key, const struct config_value *value, uint64_t *out)
{
	const struct json_doc *doc = &value->text->doc;
	int64_t number = 0;
	if (type_of(value) == JSON_NUMBER) {
		if (!json_to_i64(doc, value->node, &number) || number < 0)
			return false;
		*out = (uint64_t)number;
		return true;
	}
	if (type_of(value) != JSON_STRING || units_of(key->type) == no_units ||
	    (doc->nodes[value->node].flags & JSON_FLAG_ESCAPED))
		return false;
	return config_number_parse(key->type, json_inner(doc, value->node), out);
}

static bool set_number(const struct config_key *key, void *to, const struct config_value *value, struct arena *arena,
                       struct error *err)
{
	struct slice least = { key->range, strlen(key->range) };
	const char *dots = strstr(key->range, "..");
	assert(dots);
	least.len = (size_t)(dots - key->range);
	uint64_t min = 0, max = 0, number = 0;
	bool in_table =
	        config_number_parse(key->type, least, &min) && config_number_parse(key->type, slice_of(dots + 2), &max);
	assert(in_table);
	(void)in_table;
	if (!get_number(key, value, &number) || number < min || number > max) {
		const char *what =
		        units_of(key->type) == no_units ? "a whole number"
		        : units_of(key->type) == time_units
		                ? "a duration such as \"250ms\", \"10s\", \"5m\", \"24h\", \"30d\" or milliseconds"
		                : "a size such as \"64KiB\", \"1MiB\", \"2GiB\" or bytes";
		struct slice found = json_raw(&value->text->doc, value->node);
		return config_value_complain(value, arena, err, "expected %s, in %s, found %.*s", what, key->range,
		                             found.len > 40 ? 40 : (int)found.len, found.at);
	}
	if (key->type == CONFIG_SIZE64 || key->type == CONFIG_TIME64) {
		memcpy(to, &number, sizeof(number));
		return true;
	}
	assert(number <= UINT32_MAX);
	memcpy(to, &(uint32_t) { (uint32_t)number }, sizeof(uint32_t));
	return true;
}

static bool set_lanes(const struct config_key *key, void *to, const struct config_value *value, struct arena *arena,
                      struct error *err)
{
	if (type_of(value) == JSON_STRING && json_string_equals(&value->text->doc, value->node, SLICE("auto"))) {
		memset(to, 0, sizeof(uint32_t));
		return true;
	}
	return set_number(key, to, value, arena, err);
}

bool config_address_parse(struct slice text, struct config_address *out)
{
	uint8_t binary[16];
	char host[INET6_ADDRSTRLEN];
	uint64_t port = 0;
	size_t colon = text.len;
	while (colon > 0 && text.at[colon - 1] != ':')
		colon--;
	if (colon == 0)
		return false;
	struct slice digits = { text.at + colon, text.len - colon }, name = { text.at, colon - 1 };
	bool six = name.len > 2 && name.at[0] == '[' && name.at[name.len - 1] == ']';
	if (six) {
		name.at++;
		name.len -= 2;
	}
	if (slice_equal(name, SLICE("localhost")))
		name = SLICE("127.0.0.1");
	if (name.len >= sizeof(host) || digits.len > 5 || !slice_to_u64(digits, &port) || port > UINT16_MAX)
		return false;
	memcpy(host, name.at, name.len);
	host[name.len] = 0;
	if (inet_pton(six ? AF_INET6 : AF_INET, host, binary) != 1)
		return false;
	*out = (struct config_address) { name, (uint16_t)port };
	return true;
}

static bool set_address(struct config_address *to, const struct config_value *value, struct arena *arena,
                        struct error *err)
{
	static const char what[] =
	        "an address and port such as 127.0.0.1:8080, 0.0.0.0:8080 (all addresses) or [::1]:8080";
	struct slice text = SLICE_NONE;
	if (!get_text(value, what, &text, arena, err))
		return false;
	if (!config_address_parse(text, to))
		return config_value_complain(value, arena, err, "expected %s, found \"%.*s\"", what,
		                             text.len > 60 ? 60 : (int)text.len, text.at);
	to->host = arena_copy(arena, to->host);
	return to->host.at ? true : out_of_memory(err);
}

bool config_network_parse(struct slice text, struct config_network *out)
{
	char host[INET6_ADDRSTRLEN];
	struct slice rest = text, name = slice_split(&rest, '/');
	bool with_bits = name.len < text.len;
	uint64_t bits = 0;
	struct config_network net = { { 0 }, 0 };
	if (name.len >= sizeof(host) || (with_bits && (rest.len > 3 || !slice_to_u64(rest, &bits))))
		return false;
	memcpy(host, name.at, name.len);
	host[name.len] = 0;
	if (inet_pton(AF_INET, host, net.address + 12) == 1) {
		memset(net.address + 10, 0xff, 2);
		bits = with_bits ? bits + 96 : 128;
	} else if (inet_pton(AF_INET6, host, net.address) == 1) {
		bits = with_bits ? bits : 128;
	} else {
		return false;
	}
	if (bits > 128)
		return false;
	net.bits = (uint8_t)bits;
	for (size_t bit = bits; bit < 128; bit++)
		net.address[bit / 8] &= (uint8_t) ~(0x80u >> (bit % 8));
	*out = net;
	return true;
}

/* Calls for each element of an array of strings; from the environment a lone value is an array of one. */
static bool each_text(const struct config_key *key, void *field, const struct config_value *value,
                      bool (*add)(const struct config_key *, void *, const struct config_value *, struct arena *,
                                  struct error *),
                      struct arena *arena, struct error *err)
{
	const struct json_doc *doc = &value->text->doc;
	memset(field, 0, sizeof(struct config_list));
	if (type_of(value) != JSON_ARRAY)
		return value->text->is_file ? expected(value, arena, err, "a list [ … ]")
		                            : add(key, field, value, arena, err);
	uint32_t end = doc->nodes[value->node].next;
	for (uint32_t node = value->node + 1; node < end; node = doc->nodes[node].next) {
		struct config_value element = { value->text, node, value->path };
		if (!add(key, field, &element, arena, err))
			return false;
	}
	return true;
}

static bool add_text(const struct config_key *key, void *field, const struct config_value *value, struct arena *arena,
                     struct error *err)
{
	struct slice text = SLICE_NONE;
	if (!get_text(value, "a string in the list", &text, arena, err))
		return false;
	if (text.len == 0 || memchr(text.at, 0, text.len))
		return config_value_complain(value, arena, err, "expected a string that is not empty");
	if (strcmp(key->range, "pointers") == 0 && text.at[0] != '/')
		return config_value_complain(value, arena, err, "expected a JSON Pointer such as \"/ids/user_id\"");
	struct slice *to = config_list_push(field, sizeof(*to), arena);
	if (!to)
		return out_of_memory(err);
	*to = text;
	return true;
}

static bool add_network(const struct config_key *key, void *field, const struct config_value *value,
                        struct arena *arena, struct error *err)
{
	static const char what[] = "an address or network such as \"10.0.0.0/8\" or \"::1\"";
	struct slice text = SLICE_NONE;
	struct config_network network = { { 0 }, 0 };
	(void)key;
	if (!get_text(value, what, &text, arena, err))
		return false;
	if (!config_network_parse(text, &network))
		return config_value_complain(value, arena, err, "expected %s, found \"%.*s\"", what,
		                             text.len > 60 ? 60 : (int)text.len, text.at);
	struct config_network *to = config_list_push(field, sizeof(*to), arena);
	if (!to)
		return out_of_memory(err);
	*to = network;
	return true;
}

static bool set_pair(void *field, struct slice name, const struct config_value *value, struct arena *arena,
                     struct error *err)
{
	const struct json_doc *doc = &value->text->doc;
	enum json_type type = type_of(value);
	if (type == JSON_NULL || type >= JSON_ARRAY)
		return expected(value, arena, err, "a string, a number, true or false");
	struct slice text = type == JSON_STRING ? json_string(doc, value->node, arena) : json_raw(doc, value->node);
	text = arena_copy(arena, text);
	struct config_pair *pair = text.at ? config_list_named(field, sizeof(*pair), name, arena) : NULL;
	if (!pair)
		return out_of_memory(err);
	pair->value = text;
	return true;
}

static bool set_route(void *field, struct slice name, const struct config_value *value, struct arena *arena,
                      struct error *err)
{
	struct slice route = SLICE_NONE;
	size_t star = slice_find(name, '*');
	if (name.len == 0 || name.at[0] != '/' || (star < name.len && star + 1 < name.len))
		return config_value_complain(value, arena, err,
		                             "expected a path that begins with / (and may end in *) as name");
	if (!get_text(value, "a route such as \"/v1/events\"", &route, arena, err))
		return false;
	if (route.len == 0 || route.at[0] != '/')
		return config_value_complain(value, arena, err, "expected a route such as \"/v1/events\"");
	struct config_path *path = config_list_named(field, sizeof(*path), name, arena);
	if (!path)
		return out_of_memory(err);
	path->route = route;
	return true;
}

bool config_value_set_member(const struct config_key *key, void *base, struct slice name,
                             const struct config_value *value, struct arena *arena, struct error *err)
{
	void *field = (char *)base + key->offset;
	switch (key->type) {
	case CONFIG_ROUTES:
		return set_route(field, name, value, arena, err);
	case CONFIG_CONSENT:
		return config_consent_set(field, name, value, arena, err);
	case CONFIG_COUNTRIES:
		return config_country_set(field, name, value, arena, err);
	case CONFIG_TCF:
		return config_tcf_set(field, name, value, arena, err);
	default:
		return set_pair(field, name, value, arena, err);
	}
}

static bool set_members(const struct config_key *key, void *base, const struct config_value *value, struct arena *arena,
                        struct error *err)
{
	const struct json_doc *doc = &value->text->doc;
	if (type_of(value) != JSON_OBJECT)
		return expected(value, arena, err, "an object { … }");
	uint32_t end = doc->nodes[value->node].next;
	for (uint32_t node = value->node + 1; node < end; node = doc->nodes[node + 1].next) {
		struct slice name = json_string(doc, node, arena);
		struct slice path = arena_print(arena, "%.*s.%.*s", SLICE_ARG(value->path), SLICE_ARG(name));
		struct config_value member = { value->text, node + 1, path };
		if (!name.at || !path.at)
			return out_of_memory(err);
		if (!config_value_set_member(key, base, name, &member, arena, err))
			return false;
	}
	return true;
}

bool config_value_set(const struct config_key *key, void *base, const struct config_value *value, struct arena *arena,
                      struct error *err)
{
	void *field = (char *)base + key->offset;
	switch (key->type) {
	case CONFIG_TEXT:
	case CONFIG_PATH:
		return set_text(key, field, value, arena, err);
	case CONFIG_SWITCH:
		return set_switch(field, value, arena, err);
	case CONFIG_CHOICE:
		return set_choice(key, field, value, arena, err);
	case CONFIG_LANES:
		return set_lanes(key, field, value, arena, err);
	case CONFIG_ADDRESS:
		return set_address(field, value, arena, err);
	case CONFIG_TEXTS:
		return each_text(key, field, value, add_text, arena, err);
	case CONFIG_NETWORKS:
		return each_text(key, field, value, add_network, arena, err);
	case CONFIG_PAIRS:
	case CONFIG_ROUTES:
	case CONFIG_CONSENT:
	case CONFIG_COUNTRIES:
	case CONFIG_TCF:
		return set_members(key, base, value, arena, err);
	case CONFIG_COUNT:
	case CONFIG_SIZE32:
	case CONFIG_SIZE64:
	case CONFIG_TIME32:
	case CONFIG_TIME64:
		break;
	}
	return set_number(key, field, value, arena, err);
}
