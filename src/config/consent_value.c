/* Purposes, countries and the numbers of the TCF. */
#include "config/consent_value.h"

#include "config/list.h"

#define PURPOSE_MAX_BYTES 32
#define TCF_PURPOSE_MAX 24

static bool out_of_memory(struct error *err)
{
	return error_set(err, ERROR_MEMORY, "configuration: out of memory");
}

bool config_purpose_is_name(struct slice name)
{
	if (name.len == 0 || name.len > PURPOSE_MAX_BYTES || name.at[0] < 'a' || name.at[0] > 'z')
		return false;
	for (size_t i = 1; i < name.len; i++) {
		char c = name.at[i];
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'))
			return false;
	}
	return true;
}

bool config_consent_set(void *field, struct slice name, const struct config_value *value, struct arena *arena,
                        struct error *err)
{
	const struct json_doc *doc = &value->text->doc;
	enum consent_state state = CONSENT_UNKNOWN;
	enum json_type type = json_type_of(doc, value->node);
	bool is_contract = type == JSON_STRING && json_string_equals(doc, value->node, SLICE("contract"));
	if (!config_purpose_is_name(name))
		return config_value_complain(value, arena, err,
		                             "expected a purpose: a to z, digits and _, at most %d, a letter first",
		                             PURPOSE_MAX_BYTES);
	if (is_contract || type == JSON_TRUE ||
	    (type == JSON_STRING && json_string_equals(doc, value->node, SLICE("granted"))))
		state = CONSENT_GRANTED;
	else if (type == JSON_FALSE || (type == JSON_STRING && json_string_equals(doc, value->node, SLICE("denied"))))
		state = CONSENT_DENIED;
	else if (type != JSON_STRING || !json_string_equals(doc, value->node, SLICE("unknown")))
		return config_value_complain(value, arena, err, "expected granted, denied, unknown or contract");
	struct config_consent_default *to = config_list_named(field, sizeof(*to), name, arena);
	if (!to)
		return out_of_memory(err);
	to->state = state;
	to->is_contract = is_contract;
	return true;
}

static bool is_letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool config_country_set(void *field, struct slice name, const struct config_value *value, struct arena *arena,
                        struct error *err)
{
	const struct json_doc *doc = &value->text->doc;
	struct config_list defaults = { NULL, 0 };
	if (name.len != 2 || !is_letter(name.at[0]) || !is_letter(name.at[1]))
		return config_value_complain(value, arena, err, "expected a country as two letters (ISO 3166-1)");
	/* names that come from the environment are in lower case */
	const char country[2] = { (char)(name.at[0] & ~0x20), (char)(name.at[1] & ~0x20) };
	if (json_type_of(doc, value->node) != JSON_OBJECT)
		return config_value_complain(value, arena, err, "expected an object { … } of purposes");
	uint32_t end = doc->nodes[value->node].next;
	for (uint32_t node = value->node + 1; node < end; node = doc->nodes[node + 1].next) {
		struct slice purpose = json_string(doc, node, arena);
		struct config_value member = { value->text, node + 1,
			                       arena_print(arena, "%.*s.%.*s", SLICE_ARG(value->path),
			                                   SLICE_ARG(purpose)) };
		if (!purpose.at || !member.path.at)
			return out_of_memory(err);
		if (!config_consent_set(&defaults, purpose, &member, arena, err))
			return false;
	}
	struct config_country_defaults *to =
	        config_list_named(field, sizeof(*to), (struct slice) { country, 2 }, arena);
	if (!to)
		return out_of_memory(err);
	to->at = defaults.at;
	to->count = defaults.count;
	return true;
}

bool config_tcf_set(void *field, struct slice name, const struct config_value *value, struct arena *arena,
                    struct error *err)
{
	const struct json_doc *doc = &value->text->doc;
	uint32_t mask = 0;
	if (!config_purpose_is_name(name))
		return config_value_complain(value, arena, err,
		                             "expected a purpose: a to z, digits and _, at most %d, a letter first",
		                             PURPOSE_MAX_BYTES);
	if (json_type_of(doc, value->node) != JSON_ARRAY)
		return config_value_complain(value, arena, err, "expected a list [ … ] of purposes of the TCF");
	uint32_t end = doc->nodes[value->node].next;
	for (uint32_t node = value->node + 1; node < end; node = doc->nodes[node].next) {
		int64_t number = 0;
		if (json_type_of(doc, node) != JSON_NUMBER || !json_to_i64(doc, node, &number) || number < 1 ||
		    number > TCF_PURPOSE_MAX)
			return config_value_complain(value, arena, err, "expected numbers from 1 to %d",
			                             TCF_PURPOSE_MAX);
		mask |= 1u << (number - 1);
	}
	struct config_tcf_purposes *to = config_list_named(field, sizeof(*to), name, arena);
	if (!to)
		return out_of_memory(err);
	to->mask = mask;
	return true;
}
