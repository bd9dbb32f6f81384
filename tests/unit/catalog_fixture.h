/* A catalog folder of a test's own. */
#ifndef HEADGATE_TESTS_CATALOG_FIXTURE_H
#define HEADGATE_TESTS_CATALOG_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"

static inline void fixture_make(char *dir)
{
	strcpy(dir, "/tmp/headgate-catalog-XXXXXX");
	assert_non_null(mkdtemp(dir));
}

static inline void fixture_write(const char *dir, const char *path, const char *text)
{
	char full[512], folder[512];
	struct error err = { 0 };

	snprintf(full, sizeof full, "%s/%s", dir, path);
	snprintf(folder, sizeof folder, "%s", full);
	*strrchr(folder, '/') = '\0';
	assert_true(file_make_dir(folder, &err));
	FILE *f = fopen(full, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static inline void fixture_remove(const char *dir)
{
	char command[600];

	snprintf(command, sizeof command, "rm -rf '%s'", dir);
	assert_int_equal(system(command), 0);
}

#endif
