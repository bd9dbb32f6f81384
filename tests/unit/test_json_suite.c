/* JSONTestSuite (N. Seriot): the folder $SUITES/JSONTestSuite, by default beside the project; skipped when absent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "json/json.h"

static const char KINDS[] = "yni";

struct expectation {
	const char *file;
	uint8_t result;
	uint8_t flags; /* of JSON_FLAG_UNFIT */
};

/* What the suite leaves open, and how it is settled here. */
static const struct expectation OPEN_CASES[] = {
	{ "i_number_double_huge_neg_exp.json", JSON_OK, 0 },
	{ "i_number_huge_exp.json", JSON_OK, 0 },
	{ "i_number_neg_int_huge_exp.json", JSON_OK, 0 },
	{ "i_number_pos_double_huge_exp.json", JSON_OK, 0 },
	{ "i_number_real_neg_overflow.json", JSON_OK, 0 },
	{ "i_number_real_pos_overflow.json", JSON_OK, 0 },
	{ "i_number_real_underflow.json", JSON_OK, 0 },
	{ "i_number_too_big_neg_int.json", JSON_OK, 0 },
	{ "i_number_too_big_pos_int.json", JSON_OK, 0 },
	{ "i_number_very_big_negative_int.json", JSON_OK, 0 },
	{ "i_object_key_lone_2nd_surrogate.json", JSON_OK, 0 },
	{ "i_string_1st_surrogate_but_2nd_missing.json", JSON_OK, 0 },
	{ "i_string_1st_valid_surrogate_2nd_invalid.json", JSON_OK, 0 },
	{ "i_string_UTF-16LE_with_BOM.json", JSON_MALFORMED, 0 },
	{ "i_string_UTF-8_invalid_sequence.json", JSON_OK, JSON_FLAG_BAD_UTF8 },
	{ "i_string_UTF8_surrogate_U+D800.json", JSON_OK, JSON_FLAG_BAD_UTF8 },
	{ "i_string_incomplete_surrogate_and_escape_valid.json", JSON_OK, 0 },
	{ "i_string_incomplete_surrogate_pair.json", JSON_OK, 0 },
	{ "i_string_incomplete_surrogates_escape_valid.json", JSON_OK, 0 },
	{ "i_string_invalid_lonely_surrogate.json", JSON_OK, 0 },
	{ "i_string_invalid_surrogate.json", JSON_OK, 0 },
	{ "i_string_invalid_utf-8.json", JSON_OK, JSON_FLAG_BAD_UTF8 },
	{ "i_string_inverted_surrogates_U+1D11E.json", JSON_OK, 0 },
	{ "i_string_iso_latin_1.json", JSON_OK, JSON_FLAG_BAD_UTF8 },
	{ "i_string_lone_second_surrogate.json", JSON_OK, 0 },
	{ "i_string_lone_utf8_continuation_byte.json", JSON_OK, JSON_FLAG_BAD_UTF8 },
	{ "i_string_not_in_unicode_range.json", JSON_OK, JSON_FLAG_BAD_UTF8 },
	{ "i_string_overlong_sequence_2_bytes.json", JSON_OK, JSON_FLAG_BAD_UTF8 },
	{ "i_string_overlong_sequence_6_bytes.json", JSON_OK, JSON_FLAG_BAD_UTF8 },
	{ "i_string_overlong_sequence_6_bytes_null.json", JSON_OK, JSON_FLAG_BAD_UTF8 },
	{ "i_string_truncated-utf-8.json", JSON_OK, JSON_FLAG_BAD_UTF8 },
	{ "i_string_utf16BE_no_BOM.json", JSON_MALFORMED, 0 },
	{ "i_string_utf16LE_no_BOM.json", JSON_MALFORMED, 0 },
	{ "i_structure_500_nested_arrays.json", JSON_OK, 0 },
	{ "i_structure_UTF-8_BOM_empty_object.json", JSON_MALFORMED, 0 },
};

/* What RFC 8259 accepts, but an event or a config may not hold. */
static const struct expectation FLAGGED[] = {
	{ "y_object_duplicated_key.json", JSON_OK, JSON_FLAG_DUPLICATE },
	{ "y_object_duplicated_key_and_value.json", JSON_OK, JSON_FLAG_DUPLICATE },
	{ "y_object_escaped_null_in_key.json", JSON_OK, JSON_FLAG_NUL },
	{ "y_string_null_escape.json", JSON_OK, JSON_FLAG_NUL },
};

static const struct expectation *find(const struct expectation *table, size_t count, const char *file)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(table[i].file, file) == 0)
			return &table[i];
	return NULL;
}

static bool open_folder(char *folder, size_t size)
{
	const char *suites = getenv("SUITES");
	snprintf(folder, size, "%s/JSONTestSuite/test_parsing", suites ? suites : "../shared/suites");
	return access(folder, R_OK) == 0;
}

/* Scans one file; JSON_FLAG_UNFIT flags of the root. */
static enum json_result scan_file(const char *folder, const char *file, unsigned *flags)
{
	static const struct json_options OPTIONS = { .depth_max = 512, .nodes_max = 1000000 };
	char path[PATH_MAX];
	struct arena arena;
	struct error err;
	struct slice text;
	struct json_doc doc = { 0 };
	size_t at;
	arena_init(&arena, 16u << 20);
	snprintf(path, sizeof path, "%s/%s", folder, file);
	if (!file_read(&arena, path, 1u << 20, &text, &err))
		fail_msg("%s", err.message);
	/* A copy of its exact size, so that the sanitizer sees a read past its end. */
	char *copy = malloc(text.len ? text.len : 1);
	memcpy(copy, text.at, text.len);
	enum json_result result = json_scan(&doc, (struct slice) { copy, text.len }, &OPTIONS, &arena, &at);
	*flags = result == JSON_OK ? doc.nodes[0].flags & JSON_FLAG_UNFIT : 0;
	assert_true(result == JSON_OK || at <= text.len);
	free(copy);
	arena_fini(&arena);
	return result;
}

static int check_file(const char *folder, const char *file)
{
	unsigned flags;
	enum json_result result = scan_file(folder, file, &flags);
	const struct expectation *want = NULL;
	bool good = false;
	switch (file[0]) {
	case 'y':
		want = find(FLAGGED, sizeof FLAGGED / sizeof FLAGGED[0], file);
		good = result == JSON_OK && flags == (want ? want->flags : 0);
		break;
	case 'n':
		good = result != JSON_OK || flags != 0;
		break;
	default:
		want = find(OPEN_CASES, sizeof OPEN_CASES / sizeof OPEN_CASES[0], file);
		good = want && result == (enum json_result)want->result && flags == want->flags;
	}
	if (!good)
		print_error("%s: result %d, flags %u\n", file, (int)result, flags);
	return good ? 0 : 1;
}

static void every_file_of_the_suite(void **state)
{
	char folder[PATH_MAX - 300];
	int failed = 0, seen[3] = { 0 };
	(void)state;
	if (!open_folder(folder, sizeof folder))
		skip();
	DIR *dir = opendir(folder);
	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir));) {
		const char *kind = strchr(KINDS, entry->d_name[0]);
		if (!kind || entry->d_name[1] != '_')
			continue;
		seen[kind - KINDS]++;
		failed += check_file(folder, entry->d_name);
	}
	closedir(dir);
	assert_int_equal(seen[0], 95);
	assert_int_equal(seen[1], 188);
	assert_int_equal(seen[2], 35);
	assert_int_equal(failed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_file_of_the_suite) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
