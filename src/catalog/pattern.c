/* A pattern is compiled once, and turned into machine code where the system lets us: under a service manager that
 * forbids writable executable memory it does not, and the interpreter is used with the same limits. Match data is kept
 * per thread, so that a search does not allocate; the match context is shared and never written after its making. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "catalog/pattern.h"

#include "catalog/pattern_syntax.h"

#include <pcre2.h>
#include <pthread.h>

#define MATCH_LIMIT 100000 /* steps; an honest pattern over a 1 KiB string needs some hundreds */
#define DEPTH_LIMIT 2000
#define HEAP_LIMIT_KIB 1024

#define OPTIONS (PCRE2_UTF | PCRE2_MATCH_UNSET_BACKREF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C)

struct pattern {
	pcre2_code *code;
	struct slice text;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t match_data_key;
static bool match_data_key_made;
static pcre2_match_context *limits;

static void free_match_data(void *data)
{
	pcre2_match_data_free(data);
}

static void prepare(void)
{
	match_data_key_made = pthread_key_create(&match_data_key, free_match_data) == 0;
	limits = pcre2_match_context_create(NULL);
	if (limits) {
		pcre2_set_match_limit(limits, MATCH_LIMIT);
		pcre2_set_depth_limit(limits, DEPTH_LIMIT);
		pcre2_set_heap_limit(limits, HEAP_LIMIT_KIB);
	}
}

static const struct {
	const char *full, *brief;
} categories[] = {
	{ "Letter", "L" },
	{ "Lowercase_Letter", "Ll" },
	{ "Uppercase_Letter", "Lu" },
	{ "Titlecase_Letter", "Lt" },
	{ "Cased_Letter", "L&" },
	{ "LC", "L&" },
	{ "Modifier_Letter", "Lm" },
	{ "Other_Letter", "Lo" },
	{ "Mark", "M" },
	{ "Nonspacing_Mark", "Mn" },
	{ "Spacing_Mark", "Mc" },
	{ "Enclosing_Mark", "Me" },
	{ "Number", "N" },
	{ "Decimal_Number", "Nd" },
	{ "digit", "Nd" },
	{ "Letter_Number", "Nl" },
	{ "Other_Number", "No" },
	{ "Punctuation", "P" },
	{ "punct", "P" },
	{ "Connector_Punctuation", "Pc" },
	{ "Dash_Punctuation", "Pd" },
	{ "Open_Punctuation", "Ps" },
	{ "Close_Punctuation", "Pe" },
	{ "Initial_Punctuation", "Pi" },
	{ "Final_Punctuation", "Pf" },
	{ "Other_Punctuation", "Po" },
	{ "Symbol", "S" },
	{ "Math_Symbol", "Sm" },
	{ "Currency_Symbol", "Sc" },
	{ "Modifier_Symbol", "Sk" },
	{ "Other_Symbol", "So" },
	{ "Separator", "Z" },
	{ "Space_Separator", "Zs" },
	{ "Other", "C" },
	{ "Control", "Cc" },
	{ "cntrl", "Cc" },
	{ "Format", "Cf" },
	{ "Surrogate", "Cs" },
	{ "Private_Use", "Co" },
	{ "Unassigned", "Cn" },
	{ "Line_Separator", "Zl" },
	{ "Paragraph_Separator", "Zp" },
	{ "Combining_Mark", "M" },
};

/* ECMA-262 names general categories in full as well, PCRE2 by their short names only. */
struct slice pattern_property_name(struct slice name, const char **prefix)
{
	struct slice rest = name, key = slice_split(&rest, '=');
	bool has_value = key.len < name.len;
	bool is_category = has_value && (slice_equal(key, SLICE("General_Category")) || slice_equal(key, SLICE("gc")));

	*prefix = "";
	if (has_value && (slice_equal(key, SLICE("Script")) || slice_equal(key, SLICE("sc"))))
		*prefix = "sc:";
	else if (has_value && (slice_equal(key, SLICE("Script_Extensions")) || slice_equal(key, SLICE("scx"))))
		*prefix = "scx:";
	else if (has_value && !is_category)
		return name;
	if (has_value)
		name = rest;
	for (size_t i = 0; (!has_value || is_category) && i < sizeof categories / sizeof *categories; i++)
		if (slice_equal(name, slice_of(categories[i].full)))
			return slice_of(categories[i].brief);
	return name;
}

static void free_code(void *code)
{
	pcre2_code_free(code);
}

struct pattern *pattern_compile(struct slice text, struct arena *arena, struct error *err)
{
	int code = 0;
	PCRE2_SIZE offset = 0;
	PCRE2_UCHAR reason[160];
	struct pattern *pattern = arena_zalloc(arena, sizeof *pattern);

	pthread_once(&once, prepare);
	if (!pattern || !limits || !match_data_key_made) {
		error_set(err, ERROR_MEMORY, "no memory for a pattern");
		return NULL;
	}
	struct pattern_fault fault;
	struct buffer translated;
	buffer_init(&translated, arena);
	if (!pattern_translate(text, false, &translated, &fault)) {
		error_set(err, ERROR_SCHEMA, "not a regular expression: %s at character %zu", fault.reason, fault.at);
		return NULL;
	}
	if (translated.failed) {
		error_set(err, ERROR_MEMORY, "no memory for a pattern");
		return NULL;
	}
	pattern->text = text;
	pattern->code = pcre2_compile((PCRE2_SPTR)(translated.at ? translated.at : ""), translated.len, OPTIONS, &code,
	                              &offset, NULL);
	if (!pattern->code) {
		pcre2_get_error_message(code, reason, sizeof reason);
		error_set(err, ERROR_SCHEMA, "a regular expression beyond what is supported: %s", (const char *)reason);
		return NULL;
	}
	(void)pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE);
	if (!arena_defer(arena, free_code, pattern->code)) {
		error_set(err, ERROR_MEMORY, "no memory for a pattern");
		return NULL;
	}
	return pattern;
}

/* Room for the whole match only: groups that do not fit are not reported, and nobody asks for them. */
static pcre2_match_data *thread_match_data(void)
{
	pcre2_match_data *data = pthread_getspecific(match_data_key);

	if (data)
		return data;
	data = pcre2_match_data_create(1, NULL);
	if (data && pthread_setspecific(match_data_key, data) != 0) {
		pcre2_match_data_free(data);
		return NULL;
	}
	return data;
}

enum pattern_result pattern_search(const struct pattern *pattern, struct slice subject, bool well_formed)
{
	pcre2_match_data *data = thread_match_data();
	PCRE2_SPTR at = (PCRE2_SPTR)(subject.at ? subject.at : "");
	uint32_t options = well_formed ? PCRE2_NO_UTF_CHECK : 0;

	if (!data)
		return PATTERN_GAVE_UP;
	int result = pcre2_match(pattern->code, at, subject.len, 0, options, data, limits);
	/* Machine code has a stack of 32 KiB; what needs more is for the interpreter and its limits. */
	if (result == PCRE2_ERROR_JIT_STACKLIMIT)
		result = pcre2_match(pattern->code, at, subject.len, 0, options | PCRE2_NO_JIT, data, limits);
	if (result >= 0)
		return PATTERN_FOUND;
	if (result == PCRE2_ERROR_NOMATCH || (result <= PCRE2_ERROR_UTF8_ERR1 && result >= PCRE2_ERROR_UTF8_ERR21))
		return PATTERN_NOT_FOUND;
	return PATTERN_GAVE_UP;
}

struct slice pattern_text(const struct pattern *pattern)
{
	return pattern->text;
}
