/* The log: what a line holds, what no value can forge, and how a site that repeats is held back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

static char output[65536];
static int saved_stderr;
static FILE *capture;

static void begin(void)
{
	fflush(stderr);
	saved_stderr = dup(STDERR_FILENO);
	capture = tmpfile();
	if (!capture || dup2(fileno(capture), STDERR_FILENO) < 0)
		abort();
}

/* What was logged since begin(), in `output`. */
static void end(void)
{
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	rewind(capture);
	output[fread(output, 1, sizeof output - 1, capture)] = '\0';
	fclose(capture);
}

static void assert_holds(const char *part)
{
	if (!strstr(output, part))
		fail_msg("no '%s' in: %s", part, output);
}

static int lines(void)
{
	int count = 0;
	for (const char *at = output; *at; at++)
		count += *at == '\n';
	return count;
}

static void json_lines(void **state)
{
	(void)state;
	log_init(LOG_INFO, LOG_FORMAT_JSON);
	begin();
	log_info("journal_opened", "lane=%d bytes=%zu path=%s ratio=%.2f", 3, (size_t)42, "/a b=c", 0.5);
	log_error("no_fields", "%s", "");
	end();
	assert_int_equal(lines(), 2);
	assert_int_equal(strncmp(output, "{\"time\":\"20", 11), 0);
	assert_holds("Z\",\"level\":\"info\",\"event\":\"journal_opened\",\"lane\":3,\"bytes\":42,\"path\":\"/a b=c\","
	             "\"ratio\":\"0.50\"}\n");
	assert_holds("\"level\":\"error\",\"event\":\"no_fields\"}\n");
}

static void values_are_escaped_and_cannot_forge(void **state)
{
	char longer[700];
	(void)state;
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	log_init(LOG_INFO, LOG_FORMAT_JSON);
	begin();
	log_info("x", "a=%s b=%s",
	         "1 b=2\",\"c\":\"3\\\n\x1f"
	         "b=9\x1b[31m",
	         "\xff\xc2\x9b\xea\xb0\x80");
	log_info("y", "long=%s error=%.495s", longer, longer);
	end();
	assert_int_equal(lines(), 2);
	assert_holds("\"a\":\"1 b=2\\\",\\\"c\\\":\\\"3\\\\\\u000a\\u001fb=9\\u001b[31m\",");
	assert_holds("\"b\":\"\\ufffd\\ufffd\\ufffd\xea\xb0\x80\"}");
	char want[1200];
	snprintf(want, sizeof want, "\"%.512s…\",\"error\":\"%.495s\"}", longer, longer);
	assert_holds(want);
}

static void text_lines(void **state)
{
	(void)state;
	log_init(LOG_DEBUG, LOG_FORMAT_TEXT);
	begin();
	log_debug("started", "port=%u name=%s empty=%s bad=%s", 8080u, "a b", "", "\n\xc2\x9b");
	end();
	assert_holds(" debug started port=8080 name=\"a b\" empty=\"\" bad=\"\\u000a\\ufffd\\ufffd\"\n");
}

static void levels_are_kept(void **state)
{
	(void)state;
	log_init(LOG_WARN, LOG_FORMAT_JSON);
	begin();
	log_info("quiet", "a=%d", 1);
	log_warn("loud", "a=%d", 1);
	end();
	assert_int_equal(lines(), 1);
	assert_holds("loud");
}

static void a_site_that_repeats_is_held_back(void **state)
{
	struct log_site site = { 0 };
	int64_t second;
	(void)state;
	log_init(LOG_INFO, LOG_FORMAT_JSON);
	/* Again if the second ended in between. */
	do {
		site.window = 0;
		second = clock_monotonic_ms() / 1000;
		begin();
		for (int i = 0; i < 50; i++)
			log_write(&site, LOG_INFO, "again", "i=%d", i);
		end();
	} while (clock_monotonic_ms() / 1000 != second);
	assert_int_equal(lines(), 10);
	assert_holds("\"i\":9}");
	assert_int_equal(site.window & UINT32_MAX, 50);
	/* As if that had been a second earlier. */
	site.window -= UINT64_C(1) << 32;
	begin();
	log_write(&site, LOG_INFO, "again", "i=%d", 50);
	end();
	assert_int_equal(lines(), 1);
	assert_holds("\"i\":50,\"suppressed\":40}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_lines),
		cmocka_unit_test(values_are_escaped_and_cannot_forge),
		cmocka_unit_test(text_lines),
		cmocka_unit_test(levels_are_kept),
		cmocka_unit_test(a_site_that_repeats_is_held_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
