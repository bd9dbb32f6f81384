/* Settings from HEADGATE_* variables. The name after the prefix is the path in capitals with `__` between levels; below
 * kafka `_` stands for a dot; names of sources match with `-` read as `_`. A variable that leads to no key stops the
 * start like an unknown key in the file: a typo in a deployment must not silently leave a default in force. */
#include <stdlib.h>

#include "base/file.h"
#include "config/layer.h"
#include "config/value.h"

#define PREFIX "HEADGATE_"
#define VALUE_MAX_BYTES (1u << 20)

struct variable {
	struct slice name;  /* HEADGATE_LIMITS__EVENTS */
	struct slice lower; /* limits__events */
	struct slice value;
};

/* Where a variable leads. */
struct lead {
	struct config_target target;
	struct slice path;            /* of a key or level; sources: the object of all */
	const struct config_key *key; /* set: `member` of this one */
	struct slice member;
};

const char *config_environment_get(char *const *environment, const char *name)
{
	size_t len = strlen(name);
	for (; environment && *environment; environment++)
		if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=')
			return *environment + len + 1;
	return NULL;
}

static struct slice replace(struct config_draft *draft, struct slice s, const char *from, const char *to)
{
	struct buffer out;
	struct slice pattern = slice_of(from);
	buffer_init(&out, draft->scratch);
	for (size_t i = 0; i < s.len;) {
		struct slice rest = { s.at + i, s.len - i };
		bool hit = slice_starts(rest, pattern);
		buffer_append(&out, hit ? slice_of(to) : (struct slice) { rest.at, 1 });
		i += hit ? pattern.len : 1;
	}
	return buffer_slice(&out);
}

/* A source that is there already under this name, `-` counted as `_` and without case, or the name itself. */
static struct slice source_name(struct config_draft *draft, struct slice lower)
{
	for (size_t i = 0; i < draft->sources_count; i++) {
		struct slice name = draft->sources[i].source.name;
		if (slice_equal_nocase(replace(draft, name, "-", "_"), lower))
			return name;
	}
	return lower;
}

/* Finds key, level or member of a key below the target. False: there is none. */
static bool lead_within(struct config_draft *draft, struct slice lower, struct lead *out)
{
	const struct config_table *table = out->target.table;
	out->path = replace(draft, lower, "__", ".");
	if (config_key_find(table, out->path) < table->count || config_key_is_level(table, out->path))
		return true;
	for (size_t i = 0; i < table->count; i++) {
		struct slice level = replace(draft, slice_of(table->keys[i].path), ".", "__");
		if (!config_key_has_members(&table->keys[i]) || !slice_starts(lower, level) ||
		    lower.len <= level.len + 2 || memcmp(lower.at + level.len, "__", 2) != 0)
			continue;
		out->key = &table->keys[i];
		out->member = (struct slice) { lower.at + level.len + 2, lower.len - level.len - 2 };
		if (strcmp(out->key->path, "kafka") == 0)
			out->member = replace(draft, out->member, "_", ".");
		return true;
	}
	return false;
}

static bool find_lead(struct config_draft *draft, const struct variable *var, struct slice lower, struct lead *out,
                      struct error *err)
{
	*out = (struct lead) { .target = config_target_main(draft) };
	out->path = lower;
	if (lower.len == 0)
		return false;
	if (slice_equal(lower, SLICE("sources")))
		return true;
	if (!slice_starts(lower, SLICE("sources__")))
		return lead_within(draft, lower, out);
	struct slice name = { lower.at + 9, lower.len - 9 }, rest = SLICE_NONE;
	const char *end = memmem(name.at, name.len, "__", 2);
	if (end) {
		rest = (struct slice) { end + 2, (size_t)(name.at + name.len - end) - 2 };
		name.len = (size_t)(end - name.at);
	}
	struct source_draft *source = config_draft_source(draft, source_name(draft, name), var->name, err);
	if (!source)
		return false;
	out->target = config_target_source(draft, source);
	out->path = SLICE_NONE;
	return rest.len == 0 || lead_within(draft, rest, out);
}

static bool unknown(struct config_draft *draft, const struct variable *var, const struct lead *lead, struct error *err)
{
	struct slice level = SLICE_NONE, name = lead->path;
	for (size_t i = 0; i < lead->path.len; i++) {
		struct slice before = { lead->path.at, i };
		if (lead->path.at[i] != '.' || !config_key_is_level(lead->target.table, before))
			continue;
		level = before;
		name = (struct slice) { before.at + i + 1, lead->path.len - i - 1 };
	}
	config_target_unknown(draft, &lead->target, level, name, var->name, err);
	if (slice_starts(var->lower, SLICE("service_")) || slice_starts(var->lower, SLICE("port")))
		error_prepend(err, "set by Kubernetes for a service named headgate? then enableServiceLinks: false; ");
	return false;
}

/* Replaces the value by the contents of the file that it names. */
static bool read_value_file(struct config_draft *draft, struct variable *var, char *const *environment,
                            struct error *err)
{
	struct slice plain = arena_copy(draft->scratch, (struct slice) { var->name.at, var->name.len - 5 });
	struct slice path = arena_copy(draft->scratch, var->value);
	if (!plain.at || !path.at)
		return error_set(err, ERROR_MEMORY, "configuration: out of memory");
	if (config_environment_get(environment, plain.at))
		return error_set(err, ERROR_CONFIG, "%.*s: %s is set as well; set one of them", SLICE_ARG(var->name),
		                 plain.at);
	if (!file_read(draft->scratch, path.at, VALUE_MAX_BYTES, &var->value, err)) {
		err->code = ERROR_CONFIG;
		return error_prepend(err, "%.*s", SLICE_ARG(var->name));
	}
	while (var->value.len &&
	       (var->value.at[var->value.len - 1] == '\n' || var->value.at[var->value.len - 1] == '\r'))
		var->value.len--;
	return true;
}

/* Key types whose value is text: a value such as 12 or true is meant as that text. */
static bool wants_text(const struct lead *lead)
{
	size_t key = config_key_find(lead->target.table, lead->path);
	if (lead->key || key == lead->target.table->count)
		return lead->key && lead->key->type == CONFIG_PAIRS;
	enum config_type type = lead->target.table->keys[key].type;
	return type == CONFIG_TEXT || type == CONFIG_PATH || type == CONFIG_ADDRESS;
}

/* kafka.* and texts keep the bytes as they came (a password may look like JSON); only a JSON string is unwrapped. */
static bool scan_variable(struct config_draft *draft, const struct variable *var, const struct lead *lead,
                          struct config_text *text, struct error *err)
{
	if (wants_text(lead) && (var->value.len == 0 || var->value.at[0] != '"'))
		return config_text_scan_string(text, var->value, draft->scratch, err);
	return config_text_scan_value(text, var->value, draft->scratch, err);
}

static bool apply_variable(struct config_draft *draft, struct variable *var, char *const *environment,
                           struct error *err)
{
	struct lead lead;
	struct config_text text = { .name = var->name };
	struct slice stem = { var->lower.at, var->lower.len - (var->lower.len >= 5 ? 5 : 0) };
	bool ends_in_file = slice_ends(var->lower, SLICE("_file"));
	err->code = ERROR_NONE;
	bool found = find_lead(draft, var, var->lower, &lead, err);
	if (ends_in_file && (!found || slice_starts(var->lower, SLICE("kafka__")))) {
		struct lead by_file;
		if (err->code == ERROR_NONE && find_lead(draft, var, stem, &by_file, err)) {
			lead = by_file;
			found = true;
			if (!read_value_file(draft, var, environment, err))
				return false;
		}
	}
	if (!found)
		return err->code != ERROR_NONE ? false : unknown(draft, var, &lead, err);
	if (!scan_variable(draft, var, &lead, &text, err))
		return false;
	if (lead.target.table == &config_table_main && slice_equal(lead.path, SLICE("sources")))
		return config_target_apply_sources(draft, &text, 0, err);
	if (!lead.key)
		return config_target_apply(draft, &lead.target, lead.path, &text, 0, err);
	struct slice shown = arena_print(draft->scratch, "%.*s%s.%.*s", SLICE_ARG(lead.target.prefix), lead.key->path,
	                                 SLICE_ARG(lead.member));
	struct config_value value = { &text, 0, shown };
	return config_value_set_member(lead.key, lead.target.base, lead.member, &value, draft->arena, err);
}

static int compare_variables(const void *a, const void *b)
{
	return slice_compare(((const struct variable *)a)->name, ((const struct variable *)b)->name);
}

static bool read_variable(struct config_draft *draft, const char *entry, struct variable *out)
{
	struct slice rest = slice_of(entry);
	out->name = slice_split(&rest, '=');
	out->value = slice_of(entry + out->name.len + (entry[out->name.len] ? 1 : 0));
	struct slice lower = { out->name.at + sizeof(PREFIX) - 1, out->name.len - (sizeof(PREFIX) - 1) };
	char *to = arena_alloc(draft->scratch, lower.len + 1);
	for (size_t i = 0; to && i < lower.len; i++)
		to[i] = (char)(lower.at[i] >= 'A' && lower.at[i] <= 'Z' ? lower.at[i] + 32 : lower.at[i]);
	out->lower = (struct slice) { to, lower.len };
	return to != NULL;
}

bool config_layer_environment(struct config_draft *draft, char *const *environment, struct error *err)
{
	size_t count = 0, used = 0;
	struct error own;
	if (!err)
		err = &own;
	for (char *const *entry = environment; entry && *entry; entry++)
		count++;
	struct variable *vars = arena_array(draft->scratch, count + 1, sizeof(*vars));
	for (size_t i = 0; vars && i < count; i++) {
		const char *entry = environment[i];
		if (strncmp(entry, PREFIX, sizeof(PREFIX) - 1) != 0 || strncmp(entry, PREFIX "CONFIG=", 16) == 0)
			continue;
		if (!read_variable(draft, entry, &vars[used++]))
			vars = NULL;
	}
	if (!vars)
		return error_set(err, ERROR_MEMORY, "configuration: out of memory");
	qsort(vars, used, sizeof(*vars), compare_variables);
	for (size_t i = 0; i < used; i++)
		if (!apply_variable(draft, &vars[i], environment, err))
			return false;
	return true;
}
